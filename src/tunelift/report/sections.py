"""The further parts of the report, in their order. Another one is a function and a line here."""

from __future__ import annotations

from tunelift.report.calibration import calibration_sections
from tunelift.report.canaries import canary_sections
from tunelift.report.contamination import contamination_sections
from tunelift.report.costs import cost_sections
from tunelift.report.flips import flip_sections
from tunelift.report.probes import probe_sections
from tunelift.report.record import RunReport
from tunelift.report.safety import safety_sections
from tunelift.report.search import search_sections
from tunelift.report.section import Section
from tunelift.report.seeds import seed_sections
from tunelift.report.slices import slice_sections


def report_sections(report: RunReport) -> list[Section]:
    """Everything that is said in sentences and a table, between the contrasts and the errors."""
    return [
        *seed_sections(report.seeds, report.comparison),
        *search_sections(report.searches),
        *contamination_sections(report.overlap, report.comparison, report.membership),
        *flip_sections(report.flips),
        *slice_sections(report.diagnosis, report.comparison),
        *probe_sections(report.probes),
        *safety_sections(report.safety),
        *canary_sections(report.leakage),
        *calibration_sections(report.calibrations, report.temperature, report.studied.name),
        *cost_sections(report.costs, report.comparison),
    ]
