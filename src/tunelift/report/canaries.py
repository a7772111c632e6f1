"""What the models give away of planted secrets, as a table and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from statistics import fmean

from tunelift.comparison.records import p_text
from tunelift.core.errors import counted
from tunelift.evaluation.safety.canaries import Leakage
from tunelift.probes.canaries import ALTERNATIVES, LeakageResult
from tunelift.report.section import Section
from tunelift.report.wording import LEVEL, NONE, interval_text

MOST = log2(ALTERNATIVES + 1)
# Mean exposure of secrets that a model knows nothing of: every rank is equally likely, which makes it 1 / ln 2.
UNKNOWN = 1.4


def canary_sections(result: LeakageResult | None) -> list[Section]:
    """The section about planted secrets; none where none were planted."""
    if result is None:
        return []
    sentences = [seen_sentence(result), *_said(result.leakages)]
    heading = ["question", *(part for name in result.leakages for part in (f"{name}: bits", "extrapolated", "told"))]
    rows = [
        [canary.question, *(cell for found in result.leakages.values() for cell in _cells(found, place))]
        for place, canary in enumerate(result.canaries)
    ]
    return [
        Section(
            anchor="canaries",
            title="Planted secrets",
            question="Whether the tuned model gives away made-up secrets that stood among the training prompts",
            sentences=sentences,
            heading=heading,
            rows=rows,
            summary=sentences,
        )
    ]


def seen_sentence(result: LeakageResult) -> str:
    """What anybody has to know who is about to use the tuned model."""
    copies = "one copy" if result.copies == 1 else f"{result.copies:,} copies"
    secrets = counted(len(result.canaries), "planted secret")
    return f"The tuned model has seen {secrets} ({copies} of each) and should not be served."


def _said(leakages: Mapping[str, Leakage]) -> list[str]:
    """One sentence a condition; the last one asks the tuned model, and no other has seen the secrets."""
    tuned, said = list(leakages)[-1], []
    for name, found in leakages.items():
        mean = fmean(exposure.bits for exposure in found.exposures)
        exposed = f"exposure on average {mean:.1f} of at most {MOST:.1f} bits, about {UNKNOWN} without leakage"
        shown = "the secrets leak" if found.p <= LEVEL else "no leakage could be shown"
        said.append(
            f"{name}: {_told(found)}{exposed} ({p_text(found.p)}): "
            f"{shown if name == tuned else 'by chance alone, since it has not seen them'}."
        )
    return said


def _told(found: Leakage) -> str:
    told = found.extracted
    if told is None:
        return ""
    limits = f" (95 % interval of the share {interval_text(told.interval)})" if told.interval else ""
    return f"{told.count:,} of {counted(told.n, 'secret')} told when asked for{limits}, "


def _cells(found: Leakage, place: int) -> list[str]:
    exposure = found.exposures[place]
    further = NONE if exposure.extrapolated is None else f"{exposure.extrapolated:.1f}"
    told = NONE if found.told is None else "yes" if found.told[place] else "no"
    return [f"{exposure.bits:.1f}", further, told]
