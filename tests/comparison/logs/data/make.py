"""Writes the logs beside this file with Inspect 0.3.285 (inspect_ai, no dependency of tunelift) and its scripted model.

What does not matter here, and all traces of the machine, are taken out; Inspect itself writes the logs.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, write_eval_log
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, NOANSWER, PARTIAL, Score, accuracy, match, mean, scorer
from inspect_ai.solver import generate

FOLDER = Path(__file__).parent
SUMS = {"7 + 5": "12", "9 - 4": "5", "6 * 3": "18", "8 / 2": "4", "15 + 6": "21", "20 - 7": "13"}
BASE = (["12", "5", "9", "?", "20", "14"], ["12", "5", "18", "4", "20", "3"])
TUNED = (["12", "5", "18", "4", "21", "14"], ["12", "5", "18", "4", "21", "13"])


@scorer(metrics=[accuracy()])
def graded():
    async def score(state, target):
        answer = state.output.completion
        if not answer.isdigit():
            return Score(value=NOANSWER)
        distance = abs(int(answer) - int(target.text))
        return Score(value=CORRECT if not distance else PARTIAL if distance < 2 else INCORRECT)

    return score


@scorer(metrics={"length": [mean()], "distance": [mean()]})
def parted():
    async def score(state, target):
        answer = state.output.completion
        distance = abs(int(answer) - int(target.text)) if answer.isdigit() else 100
        return Score(value={"length": len(answer), "distance": distance})

    return score


@scorer(metrics=[accuracy()])
def partly():
    """Scores nothing of "8 / 2", and only one epoch of "20 - 7"."""

    async def score(state, target):
        if state.sample_id == "sum-3" or state.output.completion == "14":
            return Score.unscored()
        return Score(value=state.output.completion == target.text)

    return score


def answer_with(answers: tuple[list[str], ...]) -> object:
    asked: Counter[str] = Counter()

    def respond(messages, *_):
        question = messages[-1].text
        output = ModelOutput.from_content("mockllm/model", answers[asked[question]][list(SUMS).index(question)])
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        asked[question] += 1
        return output

    return get_model("mockllm/model", custom_outputs=respond)


def run(answers: tuple[list[str], ...], reducer: str) -> EvalLog:
    samples = [
        Sample(
            id=f"sum-{number}",
            input=[ChatMessageSystem(content="Answer with the number."), ChatMessageUser(content=question)],
            target=target,
            metadata={"operation": question.split()[1]},
        )
        for number, (question, target) in enumerate(SUMS.items())
    ]
    task = inspect_ai.Task(
        dataset=samples, solver=generate(), scorer=[match(), graded(), parted(), partly()], name="sums"
    )
    with tempfile.TemporaryDirectory() as folder:
        (log,) = inspect_ai.eval(
            task,
            answer_with(answers),
            epochs=inspect_ai.Epochs(2, reducer),
            max_connections=1,
            log_dir=folder,
            display="none",
        )
        for sample in log.samples:  # which are read from the file only now
            sample.events, sample.messages = [], []
    log.eval.revision = None
    return log


if __name__ == "__main__":
    base, tuned = run(BASE, "mean"), run(TUNED, "mean")
    write_eval_log(base, str(FOLDER / "base.eval"))
    write_eval_log(tuned, str(FOLDER / "tuned.eval"))
    write_eval_log(base, str(FOLDER / "base.json"))
    write_eval_log(run(BASE, "max"), str(FOLDER / "best-of-two.eval"))
