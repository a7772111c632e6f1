"""What was tried to find the best prompt."""

from __future__ import annotations

from tunelift.core.errors import counted
from tunelift.probes.search import PromptSearch
from tunelift.report.section import Section
from tunelift.report.wording import interval_text, label, percent


def search_sections(searches: list[PromptSearch]) -> list[Section]:
    """One section for each condition that asks with the best prompt."""
    return [_section(search) for search in searches]


def _section(search: PromptSearch) -> Section:
    best, scale = search.candidates[search.best], search.scale
    sign = " %" if scale == 100 else ""
    tried = f"{counted(len(search.candidates), 'prompt')} on {counted(search.items, 'validation item')}"
    shown = f" with {counted(best.shots, 'demonstration')}" if best.shots else ", no demonstrations"
    sentences = [f"The best of {tried}: {best.wording}{shown} ({percent(best.score, scale)}{sign})."]
    if search.corrected is not None:
        limits = f" (95 % interval {interval_text(search.interval, scale)})" if search.interval else ""
        sentences.append(
            f"It was chosen for that score, which flatters: expect {percent(search.corrected, scale)}{sign}{limits}."
        )
    rows = [
        [candidate.wording, f"{candidate.shots}", percent(candidate.score, scale), label(candidate.description, 120)]
        for candidate in search.candidates
    ]
    heading = ["wording", "demonstrations", "validation score", "what it says"]
    question = f"What {search.condition} asks with; the test items had no part in the choice"
    return Section(f"search-{search.condition}", f"Best prompt: {search.condition}", question, sentences, heading, rows)
