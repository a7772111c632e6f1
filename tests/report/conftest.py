"""Reports of synthetic runs that look like real ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.costs import Tuning, Usage, assess_costs
from tunelift.comparison.flips import find_flips
from tunelift.comparison.seeds import compare_seeds
from tunelift.core.prices import Prices
from tunelift.core.records import Finding, Sample
from tunelift.diagnosis.errors import diagnose
from tunelift.evaluation.calibration import measure_calibration
from tunelift.evaluation.preferences import choice_probabilities
from tunelift.evaluation.temperature import check_temperature, fit_temperature
from tunelift.report.record import RunReport

ENGLISH = {
    "negative": ["three hours on hold and then they hung up on me", "the update broke everything again"],
    "neutral": ["the store opens at nine on weekdays", "new phone comes out in March, they say"],
    "positive": ["best coffee in town & the nicest people", "thank you so much, that made my day"],
}
CHINESE = {
    "负面": ["房间隔音太差，一晚上没睡好，前台态度也很冷淡。", "用了两天就坏了，客服一直不回复。"],
    "正面": ["位置很好，出门就是地铁站，早餐也丰富。", "书的质量不错，送货也快，值得推荐。"],
}
SYSTEMS = {"majority": "majority", "tfidf": "tfidf", "zero-shot": "base", "few-shot": "base", "tuned": "tuned"}
SKILL = {"majority": 0.0, "tfidf": 0.62, "zero-shot": 0.42, "few-shot": 0.54, "tuned": 0.72}
RECIPE = """model: bundled/smollm2-135m-instruct
task: tasks/tweets.yaml
conditions:
  majority: {system: majority}
  tuned: {system: tuned}
tune:
  method: {lora: {rank: 16, alpha: 32.0, dropout: 0.0}}
  learning_rate: 0.0002
  epochs: 2
  batch_size: 32
seed: 7
"""
TUNING = {
    "steps": 38,
    "planned_steps": 38,
    "best_step": 38,
    "validation_losses": [0.61, 0.42],
    "validation_steps": [19, 38],
    "training_losses": [3.2 * 0.93**step + 0.4 + 0.1 * ((step * 7) % 5 - 2) / 2 for step in range(38)],
    "trainable_parameters": 4_884_480,
    "parameters": 139_400_064,
    "supervised_tokens": 1_204,
}
FINDINGS = [
    Finding("dropped-rows", "warning", "rows were left out: not valid UTF-8", 4934, "nothing, if that is expected"),
    Finding("uneven-choices", "info", "choices differ in length", 3, "word them equally long", ("a:1", "a:2")),
]
FACTS = {
    "versions": {"tunelift": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
    "hardware": {"device": "cpu", "name": "Some Processor @ 2.40GHz", "cores": 2, "threads": 2, "precision": "float32"},
    "model": {"name": "bundled/smollm2-135m-instruct", "sha256": "0f" * 32},
    "data": {"sha256": "1e" * 32, "counts": {"rows": 38158, "near duplicates": 12, "train": 600, "validation": 150}},
    "determinism": {"repeatable": ["splits", "greedy answers"], "not repeatable": ["timings"]},
    "stages": {
        name: {"seconds": seconds, "peak_memory_bytes": 2_400_000_000}
        for name, seconds in {"check": 1.2, "tune": 312.0, "conditions/tuned": 25.1}.items()
    },
    "recipe": RECIPE,
}


def answer(name: str, target: str, classes: Sequence[str], generator: random.Random) -> str | None:
    """What a system of this skill says; None is an answer that cannot be parsed."""
    if name == "majority":
        return classes[0]
    if name == "zero-shot" and generator.random() < 0.12:
        return None
    if generator.random() < SKILL[name]:
        return target
    return classes[0] if generator.random() < 0.7 else generator.choice(classes)


def make_samples(name: str, texts: dict[str, list[str]], items: int) -> list[Sample]:
    """The answers of one condition to items that are the same for all."""
    draw, generator = random.Random(1), random.Random(name)
    classes = tuple(texts)
    samples = []
    for number in range(items):
        target = draw.choices(classes, range(len(classes) + 2, 2, -1))[0]
        text = f"{draw.choice(texts[target])} #{number}"
        said = answer(name, target, classes, generator)
        language_model = SYSTEMS[name] in ("base", "tuned")
        logprobs = tuple(-3.0 + 2.5 * (choice == (said or target)) - generator.random() for choice in classes)
        preferred = max(zip(logprobs, classes, strict=True))[1]
        question = f"Is this tweet {', '.join(classes)}?\n\n{text}"
        samples.append(
            Sample(
                example_id=f"row-{number}",
                doc_id=number,
                doc={"text": text, "label": target},
                target=target,
                condition=name,
                prompt=f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
                output="Well, it depends" if said is None else f"{said}." if language_model else said,
                answer=said,
                finish_reason="stop" if language_model else "prediction",
                choices=classes,
                logprobs=logprobs if language_model else None,
                choice_answer=preferred if language_model else None,
                metrics={"acc": float(said == target)}
                | ({"choice_acc": float(preferred == target)} if language_model else {}),
            )
        )
    return samples


def make_report(
    samples: dict[str, list[Sample]], name: str = "tweets", tuning: dict | None = TUNING, folder: str = "runs/tweets"
) -> RunReport:
    """A report of these samples: the last condition against all others."""
    *others, candidate = samples
    planned = [(candidate, other) for other in reversed(others)]
    comparison = compare(samples, planned, name, seed=7, systems={key: SYSTEMS[key] for key in samples})
    train_counts = Counter(sample.target for sample in samples[candidate])
    return RunReport(
        name=name,
        task=name,
        model="bundled/smollm2-135m-instruct",
        folder=folder,
        comparison=comparison,
        diagnosis=diagnose(samples, comparison, tuning, train_counts),
        findings=FINDINGS,
        tuning=tuning,
        seconds_per_1000=dict.fromkeys(samples, 6.12) | {"majority": None, "tfidf": 0.0123},
        samples=samples,
        facts=FACTS,
        sources={"row-0": "tweets.csv:17"},
    )


def english_report() -> RunReport:
    return make_report({name: make_samples(name, ENGLISH, 400) for name in SYSTEMS})


def chinese_report() -> RunReport:
    samples = {name: make_samples(name, CHINESE, 200) for name in SYSTEMS}
    return make_report(samples, name="酒店评论", folder="runs/酒店评论")


def free_answers(samples: list[Sample]) -> list[Sample]:
    """The same items as free answers: no choices, nothing scored by log-probability."""
    return [
        replace(sample, choices=None, logprobs=None, choice_answer=None, metrics={"acc": sample.metrics["acc"]})
        for sample in samples
    ]


def hostile_report() -> RunReport:
    """Labels, texts and outputs that try to break out of whatever they are written into."""
    labels = ["<b>two words</b>", "two-words b", "负 面\"'>|`", "\x1b[31m&amp;\n\u202e", "!!!"]
    texts = {label: [f"<script>alert({label!r})</script> ]]> --> {{{{ 7 * 7 }}}} | *x*"] for label in labels}
    samples = {
        name: [replace(sample, output=sample.output + "<img src=x onerror=alert(1)>" * 200) for sample in answers]
        for name, answers in ((name, make_samples(name, texts, 150)) for name in SYSTEMS)
    }
    return make_report(samples, name="</title><script>alert(1)</script>")


def free_report() -> RunReport:
    return make_report({name: free_answers(make_samples(name, ENGLISH, 120)) for name in SYSTEMS})


def complete_report() -> RunReport:
    """Everything is known that a report can say of the answers: seeds, flips, calibration and costs."""
    report = english_report()
    samples = {
        name: [replace(sample, probabilities=choice_probabilities(sample.logprobs)) for sample in report.samples[name]]
        for name in ("zero-shot", "tuned")
    }
    repeated = {
        f"tuned-seed-{seed}": report.samples["tuned"][seed:] + report.samples["tuned"][:seed] for seed in (8, 9)
    }
    tuned, scores = samples["tuned"], report.comparison.conditions
    usages = [
        Usage(score.name, score.score, 10.0 * (at + 1), joules=400.0, tuning="tune" if score.name == "tuned" else None)
        for at, score in enumerate(scores)
    ]
    usages[3] = replace(usages[3], shots=4, seconds=200.0)
    metric = known_metric("acc", tuned)
    return replace(
        report,
        seeds=compare_seeds(report.samples | repeated, dict.fromkeys(repeated, "tuned"), ["zero-shot"], metric),
        flips=find_flips(report.samples, report.comparison),
        calibrations={name: measure_calibration(part, 7) for name, part in samples.items()},
        temperature=check_temperature(fit_temperature(tuned[:100]), tuned[100:], 7),
        costs=assess_costs(usages, {"tune": Tuning(312.0, 2_400_000_000)}, Prices(currency="<EUR>", per_hour=2.0)),
    )


@pytest.fixture(scope="session")
def complete() -> RunReport:
    return complete_report()


@pytest.fixture(scope="session")
def untuned() -> RunReport:
    """Nothing was tuned."""
    return make_report({name: make_samples(name, ENGLISH, 60) for name in ("majority", "zero-shot")}, tuning=None)


@pytest.fixture(scope="session")
def single() -> RunReport:
    """One condition and nothing else."""
    report = make_report({"zero-shot": make_samples("zero-shot", ENGLISH, 40)}, tuning=None)
    return replace(report, diagnosis=None, findings=[], facts={}, seconds_per_1000={})


@pytest.fixture(scope="session")
def english() -> RunReport:
    return english_report()


@pytest.fixture(scope="session")
def chinese() -> RunReport:
    return chinese_report()


@pytest.fixture(scope="session")
def hostile() -> RunReport:
    return hostile_report()


@pytest.fixture(scope="session")
def free() -> RunReport:
    return free_report()
