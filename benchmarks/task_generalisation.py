"""What tuning on more tasks gives on unseen tasks, where the number of examples and of optimizer steps is the same.

Data are the training tasks of Super-NaturalInstructions, each as its definition and the input, without demonstrations.
In each of three draws, 10 tasks are held out. 40 others are put in random order, and the model is tuned anew on the
first 5, 10, 20 and 40 of them: on 400 examples, as many of each task, in one pass of 25 steps of 16. Before and after,
it answers 20 items of every held-out task; the score is ROUGE-L with stems, the best of the references.

Rules, made before any answer was seen:

* Rows: the input has at most 600 characters and the first answer at most 160, so that 48 new tokens suffice for it. A
  task can be tuned on if it has 88 such rows (80 to tune on, and 8 for the validation loss), and held out if it has 20.
* Tasks: no task that is tuned on has a category or a source data set in common with one that is held out, although
  most of the 60 tasks are needed. So mostly whole categories are held out, small ones, and hardly ever the large ones
  of questions and answers; which of them is random, and so is the order of the others. Sources are the same where their
  names are; domains ("Wikipedia") are not looked at.
* Settings: LoRA as a recipe has it by default, with the learning rate that the examples of this project have for
  SmolLM2 (1e-3). The validation loss is that of the tasks tuned on; measured once, at the end, it decides nothing.

Gains are paired by item, and tasks are the clusters, one that is held out in two draws being one of them. P-values
and intervals of gains are those of sign flips of whole tasks (all of them up to 14, drawn ones above), the p-values
adjusted for the numbers of tasks by Holm; intervals of scores are those of a bootstrap of whole tasks. They say what
other unseen tasks would show with the same tuned models. What other tasks to tune on would change is to be seen in the
gains of the single draws. The trend is the slope of an item's score over the binary logarithm of the number of tasks.

What is finished is written at once, and the same command goes on where it was cut off. With more draws it keeps those
that are there.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.figures import Point, doubling_chart
from common.generalisation import (
    BEFORE,
    METRIC,
    Answers,
    Gain,
    cut_off,
    gains,
    score_interval,
    scores,
    task_means,
    trend,
)
from common.instruction_tasks import (
    SEED,
    Draw,
    InstructionTask,
    draw_tasks,
    question_task,
    read_tasks,
    training_examples,
)
from common.measure import MODEL, save, table
from common.workloads import DATA, REPOSITORY
from tunelift.comparison.records import p_text
from tunelift.core.errors import counted
from tunelift.core.files import content_hash, read_json, write_json, write_jsonl, write_text
from tunelift.core.progress import say
from tunelift.core.recipe import Lora, Method, Tune
from tunelift.core.store import RunStore, open_store
from tunelift.evaluation.evaluate import evaluate_model
from tunelift.evaluation.results import read_samples, sample_line
from tunelift.models.adapters import remove_adapter
from tunelift.models.load import LanguageModel, load_model, load_tuned
from tunelift.prompts.build import PromptStyle, build_prompts, training_prompts
from tunelift.report.markdown import table as markdown_table
from tunelift.report.wording import interval_text, percent, points
from tunelift.statistics.paired import PairedResult

NAME = "task_generalisation"
LEARNING_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all draws.

    Attributes:
        model: The untuned model; it remains what it is.
        style: How tasks are asked.
        tune: How the model is tuned.
        sizes: Numbers of tasks to tune on, ascending.
        examples: All examples of one tuning.
        items: Items of every held-out task.
    """

    model: LanguageModel
    style: PromptStyle
    tune: Tune
    sizes: list[int]
    examples: int
    items: int

    @property
    def validation(self) -> int:
        """All examples that the validation loss of one tuning is measured on: one of every task of the largest."""
        return self.sizes[-1]

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows a task needs to be held out, and to be tuned on."""
        return self.items, (self.examples + self.validation) // self.sizes[0]


def stage_name(number: int, size: int) -> str:
    """The answers of one draw after tuning on so many tasks; also their folder."""
    return f"draw-{number}/{size}-tasks" if size else f"draw-{number}/before"


def answer(setting: Setting, model: LanguageModel, draw: Draw, folder: Path) -> Path:
    """Let a model answer the items of the held-out tasks, and write what it answers."""
    items = [example for task in draw.held_out for example in task.examples[: setting.items]]
    prompts = build_prompts(setting.style, items, [()] * len(items))
    found = evaluate_model(model, setting.style, items, range(len(items)), prompts, folder.name)
    path = folder / f"samples_{setting.style.task.task}.jsonl"
    write_jsonl(path, [sample_line(sample, setting.style.task) for sample in found.samples])
    return path


def answer_untuned(store: RunStore, setting: Setting, number: int, draw: Draw) -> None:
    """The answers before tuning, unless they are there."""
    name = stage_name(number, BEFORE)
    store.stage(name, asked(setting, draw), lambda: [answer(setting, setting.model, draw, store.folder / name)])


def answer_tuned(store: RunStore, setting: Setting, number: int, draw: Draw, size: int) -> None:
    """Tune on some tasks and answer, unless that has been done; what tuning did is kept beside, the weights are not."""
    from tunelift.tuning.tune import tune_model

    name = stage_name(number, size)
    folder, work = store.folder / name, store.folder / "work"
    parts = training_examples(draw, size, setting.examples, setting.validation)
    training, validation = (training_prompts(setting.style, part) for part in parts)

    def tune_and_answer() -> list[Path]:
        say(f"draw {number}: tuning on {counted(size, 'task')}")
        report = tune_model(setting.model, training, validation, setting.tune, SEED + number, work)
        tuned = load_tuned(setting.model, work / "model", setting.tune.precision)
        try:
            samples = answer(setting, tuned, draw, folder)
        finally:
            setting.model.model = remove_adapter(tuned.model).eval()
        tokens = sum(len(prompt.token_ids) for prompt in training)
        write_json(folder / "tuning.json", {"tokens": tokens, **asdict(report)})
        return [samples, folder / "tuning.json"]

    settings = setting.tune.model_dump(exclude={"checkpoint_steps"})
    tokens = [[prompt.token_ids, prompt.supervised] for prompt in training + validation]
    store.stage(name, [*asked(setting, draw), settings, content_hash(tokens), SEED + number], tune_and_answer)
    shutil.rmtree(work, ignore_errors=True)


def asked(setting: Setting, draw: Draw) -> list[Any]:
    """What answers depend on besides tuning."""
    model, rules = setting.model, setting.style.task.model_dump(exclude={"dataset_path"})
    items = [example.id for task in draw.held_out for example in task.examples[: setting.items]]
    return [model.fingerprint, str(model.model.dtype), rules, items]


def read_answers(store: RunStore, number: int, sizes: Sequence[int]) -> Answers:
    """The answers of one draw, from their files."""
    files = {size: store.files(stage_name(number, size)) for size in (BEFORE, *sizes)}
    return {size: read_samples(next(f for f in found if f.suffix == ".jsonl")) for size, found in files.items()}


def tuning_facts(store: RunStore, number: int, sizes: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What each tuning of a draw did, and the seconds that it took with its answers."""
    facts = {}
    for size in sizes:
        name = stage_name(number, size)
        report = read_json(store.folder / name / "tuning.json")
        facts[size] = {"seconds": store.record["stages"][name]["seconds"], **report}
    return facts


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with sizes that fit together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default=MODEL, help="bundled/..., a folder, a .gguf file or a hub id")
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds natural_instructions_v2_train")
    parser.add_argument("--precision", choices=["auto", "bfloat16", "float32"], default="auto")
    parser.add_argument("--tasks", type=int, nargs="+", default=[5, 10, 20, 40], help="numbers of tasks to tune on")
    parser.add_argument("--examples", type=int, default=400, help="of one tuning, however many tasks they are of")
    parser.add_argument("--batch", type=int, default=16, help="examples of an optimizer step")
    parser.add_argument("--held-out", type=int, default=10, help="tasks that are asked, in each draw")
    parser.add_argument("--items", type=int, default=20, help="of every held-out task")
    parser.add_argument("--draws", type=int, default=3, help="of tasks")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "benchmarks" / f"{NAME}.json")
    options = parser.parse_args(arguments)
    options.tasks = sorted(set(options.tasks))
    if min(options.tasks[0], options.examples, options.batch, options.held_out, options.items, options.draws) < 1:
        parser.error("every number must be at least 1")
    if any(options.examples % size or options.tasks[-1] % size for size in options.tasks):
        parser.error("each of --tasks must divide --examples and the largest of them, so that tasks have equal shares")
    return options


def setting_of(options: argparse.Namespace) -> Setting:
    """The model and how it is tuned and asked."""
    model = load_model(options.model, options.precision, accept_terms=True)
    task = question_task(options.data / "natural_instructions_v2_train" / "tasks")
    settings = Tune(
        method=Method(lora=Lora()),
        learning_rate=LEARNING_RATE,
        epochs=1,
        batch_size=options.batch,
        precision=options.precision,
    )
    style = PromptStyle(task, model.tokenizer)
    return Setting(model, style, settings, options.tasks, options.examples, options.items)


HEAD = ("tasks tuned on", "ROUGE-L", "95 %", "gain", "95 %", "p, adjusted", "gain in each draw", "answers cut off")


def rows_of(draws: Sequence[Answers], found: Sequence[Gain]) -> list[list[str]]:
    """The table's rows, in points."""
    before, interval = scores(draws, BEFORE).mean(), score_interval(draws, BEFORE, SEED)
    first = ["none", percent(float(before)), interval_text(interval), *[""] * 4]
    rows = [[*first, f"{cut_off(draws, BEFORE):.0%}"]]
    for gain in found:
        effect = [points(gain.result.effect), interval_text(gain.result.interval), p_text(gain.p_adjusted)]
        score = [percent(gain.result.candidate), interval_text(gain.interval)]
        rows.append([str(gain.tasks), *score, *effect, ", ".join(map(points, gain.by_draw)), f"{gain.cut_off:.0%}"])
    return rows


def trend_text(slope: PairedResult | None) -> str:
    """What twice as many tasks give, in a sentence."""
    if slope is None:
        return "A trend needs two numbers of tasks."
    ends = f" ({interval_text(slope.interval)})" if slope.interval else ""
    return f"Twice as many tasks: {points(slope.effect)} points{ends}, {p_text(slope.p)}."


def data_text(tasks: Sequence[InstructionTask], draws: Sequence[Draw], setting: Setting) -> str:
    """What the data allowed, in sentences."""
    askable, tunable = (sum(len(task.examples) >= least for task in tasks) for least in setting.rows)
    distinct = len({task.name for draw in draws for task in draw.held_out})
    allowed = ", ".join(str(draw.allowed) for draw in draws)
    return (
        f"{len(tasks)} tasks have usable rows: {askable} enough to be held out ({setting.rows[0]}), {tunable} enough "
        f"to be tuned on ({setting.rows[1]}). {distinct} different tasks are held out. Of those with enough rows, "
        f"{allowed} have no category or source in common with the ones held out in the draw."
    )


def figure(found: Sequence[Gain], setting: Setting) -> str:
    """The curve, in points."""
    steps = -(-setting.examples // setting.tune.batch_size)
    places = []
    for gain in found:
        ends = gain.result.interval
        low, high = (100 * ends.low, 100 * ends.high) if ends else (None, None)
        by_draw = tuple(100 * value for value in gain.by_draw)
        places.append(Point(gain.tasks, 100 * gain.result.effect, low, high, by_draw))
    title = "Unseen tasks: gain by the number of tasks tuned on"
    x_name = f"tasks tuned on, {setting.examples} examples and {steps} steps in all"
    return doubling_chart(title, x_name, "ROUGE-L, points over the untuned model; thin: single draws", places)


def page(rows: list[list[str]], sentences: Sequence[str], options: argparse.Namespace) -> str:
    """The results as Markdown."""
    title = f"# Unseen tasks by the number of tasks tuned on\n\n{options.model}, {counted(options.draws, 'draw')}.\n"
    picture = f"![The curve]({options.output.with_suffix('.svg').name})\n"
    return "\n".join([title, markdown_table(HEAD, rows, {0}), "", picture, *(f"{text}\n" for text in sentences)])


def main() -> None:
    """Tune and answer what has not been, print a table and write the results."""
    options = options_of()
    setting = setting_of(options)
    tasks = read_tasks(setting.style.task)
    drawn = [
        draw_tasks(tasks, number, options.held_out, setting.sizes[-1], setting.rows)
        for number in range(1, options.draws + 1)
    ]
    with open_store(options.output.with_suffix("")) as store:
        for number, draw in enumerate(drawn, start=1):
            answer_untuned(store, setting, number, draw)
            for size in setting.sizes:
                answer_tuned(store, setting, number, draw, size)
        numbers = range(1, options.draws + 1)
        answers = [read_answers(store, number, setting.sizes) for number in numbers]
        facts = [tuning_facts(store, number, setting.sizes) for number in numbers]
    found, slope = gains(answers, SEED), trend(answers, SEED)
    rows, sentences = rows_of(answers, found), [trend_text(slope), data_text(tasks, drawn, setting)]
    print("\n".join([table(HEAD, rows), "", *sentences]))
    write_text(options.output.with_suffix(".svg"), figure(found, setting))
    write_text(options.output.with_suffix(".md"), page(rows, sentences, options))
    results = {
        "benchmark": NAME,
        "model": options.model,
        "precision": str(setting.model.model.dtype),
        "metric": METRIC,
        "tune": setting.tune.model_dump(),
        "sizes": {"tasks": setting.sizes, "examples": setting.examples, "items": setting.items},
        "data": sentences[-1],
        "before": float(scores(answers, BEFORE).mean()),
        "gains": [asdict(gain) for gain in found],
        "trend": slope and asdict(slope),
        "draws": [
            {"training": [task.name for task in draw.training], "held_out": task_means(one), "tuning": tuning}
            for draw, one, tuning in zip(drawn, answers, facts, strict=True)
        ],
    }
    save(options.output, results)


if __name__ == "__main__":
    main()
