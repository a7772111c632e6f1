"""Items as a page lists them: what was asked, what was answered, and what every condition made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from tunelift.core.records import Sample
from tunelift.evaluation.parsing.written import written
from tunelift.report.record import RunReport
from tunelift.report.wording import anchors, clip, confusion_name

ITEMS = 15
CONFUSIONS = 10
TEXT = 900
PROMPT = 3000


@dataclass(frozen=True, slots=True)
class Item:
    """One item under the studied condition; long texts are clipped in the middle.

    Attributes:
        id: Id of the item.
        source: File and row; None where they are not known.
        fields: What was asked: name and text of each field of the row that does not just repeat the answer.
        target: The reference answer.
        answer: The parsed answer; None when nothing could be parsed.
        output: The raw output.
        logprobs: The choices with their log-probabilities in nats, the preferred first.
        right: Whether the answer is right.
        prompt: The rendered prompt.
        others: The other conditions with their answers, and whether these are right.
    """

    id: str
    source: str | None
    fields: tuple[tuple[str, str], ...]
    target: str
    answer: str | None
    output: str
    logprobs: tuple[tuple[str, float], ...]
    right: bool
    prompt: str
    others: tuple[tuple[str, str | None, bool], ...]


@dataclass(frozen=True, slots=True)
class ItemList:
    """Some of the items that have something in common.

    Attributes:
        anchor: Where the page has the list.
        title: What the items have in common.
        total: How many there are.
        items: The first of them.
    """

    anchor: str
    title: str
    total: int
    items: tuple[Item, ...]

    @property
    def left_out(self) -> int:
        """How many items are not shown."""
        return self.total - len(self.items)


def wrong_items(report: RunReport) -> list[ItemList]:
    """The items that are still wrong, by confusion; in one list where there are no classes."""
    diagnosis = report.diagnosis
    if diagnosis is None or not diagnosis.wrong:
        return []
    if diagnosis.table is None:
        title = "with less than the best score" if report.is_graded else "answered wrongly"
        return [_item_list(report, "wrong", title, diagnosis.wrong)]
    cells = diagnosis.confusions[:CONFUSIONS]
    names = zip(anchors(cells), map(confusion_name, cells), strict=True)
    return [_item_list(report, *name, cell.ids) for name, cell in zip(names, cells, strict=True)]


def flipped_items(report: RunReport) -> list[ItemList]:
    """The items on which the studied condition and its baseline differ."""
    diagnosis = report.diagnosis
    if diagnosis is None or diagnosis.baseline is None:
        return []
    now, before = diagnosis.condition, diagnosis.baseline
    more, less = ("higher", "lower") if report.is_graded else ("right", "wrong")
    return [
        _item_list(report, "lost", f"{more} with {before}, {less} with {now}", diagnosis.lost),
        _item_list(report, "won", f"{less} with {before}, {more} with {now}", diagnosis.won),
    ]


def _item_list(report: RunReport, anchor: str, title: str, ids: Sequence[str]) -> ItemList:
    answers = {
        condition: {sample.example_id: sample for sample in samples} for condition, samples in report.samples.items()
    }
    return ItemList(anchor, title, len(ids), tuple(_item(report, answers, item) for item in ids[:ITEMS]))


def _item(report: RunReport, answers: dict[str, dict[str, Sample]], id: str) -> Item:
    sample = answers[report.studied.name][id]
    others = {name: samples[id] for name, samples in answers.items() if name != report.studied.name}
    comparison = report.comparison

    def is_right(sample: Sample) -> bool:
        return comparison.is_right(sample.metrics.get(comparison.metric, nan))

    logprobs = zip(sample.choices or (), sample.logprobs or (), strict=False)
    return Item(
        id=id,
        source=report.sources.get(id),
        fields=tuple((name, clip(str(value), TEXT)) for name, value in sample.doc.items() if value != sample.target),
        target=clip(sample.target, TEXT),
        answer=_answer_text(sample),
        output=clip(sample.output, TEXT),
        logprobs=tuple(sorted(logprobs, key=lambda pair: -pair[1])),
        right=is_right(sample),
        prompt=clip(sample.prompt, PROMPT),
        others=tuple((name, _answer_text(other), is_right(other)) for name, other in others.items()),
    )


def _answer_text(sample: Sample) -> str | None:
    return clip(written(sample.answer), TEXT) if sample.answer is not None else None
