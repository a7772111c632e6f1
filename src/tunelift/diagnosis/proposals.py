"""Steps for the next round. Every function looks at one number of the run and proposes something, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from tunelift.comparison.records import Comparison, Contrast
from tunelift.core.names import CLASSICAL
from tunelift.diagnosis.records import Diagnosis, Proposal
from tunelift.probes.records import ProbeResult
from tunelift.probes.variation import UNSEEN

LEVEL = 0.05
FEWEST_ERRORS = 5  # fewer could be chance
LARGE_SHARE = 0.2  # of all errors
RARE_SHARE = 0.5  # of the examples that a class would have if all were equally frequent
ENDLESS_SHARE = 0.5  # of all answers
LOSS_CHANGE = 0.01  # relative; less is noise
SHOWN_CHANGE = 0.001  # nats; less would not be seen in what is shown
LARGEST_TEST = 9  # times the present test set; more is no practical proposal


def propose(
    diagnosis: Diagnosis,
    comparison: Comparison,
    tuning: dict[str, Any] | None,
    train_counts: Mapping[str, int],
    probes: Sequence[ProbeResult] = (),
) -> tuple[Proposal, ...]:
    """Everything that the numbers of a run propose; empty when there is nothing.

    Args:
        diagnosis: The errors of the condition under study.
        comparison: The comparison of all conditions.
        tuning: A `TuningReport` as plain data; None where nothing was tuned.
        train_counts: Training examples by reference answer.
        probes: What other wordings, orders, texts and tasks changed.
    """
    contrasts = [contrast for contrast in comparison.contrasts if contrast.candidate == diagnosis.condition]
    classical = {score.name for score in comparison.conditions if score.system in CLASSICAL}
    against = [contrast for contrast in contrasts if contrast.baseline in classical]
    proposals = [
        separate_classes(diagnosis),
        add_rare_class(diagnosis, train_counts),
        name_choices(diagnosis),
        end_answers(diagnosis, tuning),
        tune_longer(tuning) if tuning else None,
        tune_less(tuning) if tuning else None,
        keep_abilities(probes),
        train_on_more_kinds(probes),
        beat_classical(against, train_counts, comparison.scale),
        enlarge_test(contrasts, comparison.scale),
    ]
    return tuple(proposal for proposal in proposals if proposal)


def separate_classes(diagnosis: Diagnosis) -> Proposal | None:
    """The largest confusion of two classes, if it holds much of the errors."""
    cell = next((cell for cell in diagnosis.confusions if cell.answer is not None), None)
    if cell is None or cell.count < max(FEWEST_ERRORS, LARGE_SHARE * len(diagnosis.wrong)):
        return None
    evidence = f"{cell.count} of {len(diagnosis.wrong)} errors are {cell.target} taken for {cell.answer}"
    return Proposal(f"add training examples that tell {cell.target} from {cell.answer}", evidence)


def add_rare_class(diagnosis: Diagnosis, train_counts: Mapping[str, int]) -> Proposal | None:
    """The class with the fewest training examples, if it has few and errs more than the whole."""
    if diagnosis.table is None or not train_counts:
        return None
    classes = diagnosis.table.classes
    name = min(classes, key=lambda name: train_counts.get(name, 0))
    row = diagnosis.table.counts[classes.index(name)]
    wrong, items = sum(row) - row[classes.index(name)], sum(row)
    count, total = train_counts.get(name, 0), sum(train_counts.values())
    is_rare = count < RARE_SHARE * total / len(classes)
    if not is_rare or wrong < FEWEST_ERRORS or wrong * diagnosis.items <= len(diagnosis.wrong) * items:
        return None
    evidence = f"only {count} of {total} have this answer, and {wrong} of its {items} test items are wrong"
    return Proposal(f"add training examples of {name}", evidence)


def name_choices(diagnosis: Diagnosis) -> Proposal | None:
    """Answers that are none of the choices."""
    if not diagnosis.unparsed:
        return None
    counted = f"{diagnosis.unparsed} of {diagnosis.items} answers of {diagnosis.condition}"
    if diagnosis.table is None:
        return Proposal("look at the prompts of the answers that could not be parsed", counted)
    return Proposal("name the choices in the instruction", f"{counted} are not one of them")


def end_answers(diagnosis: Diagnosis, tuning: dict[str, Any] | None) -> Proposal | None:
    """Answers that were cut off: some are long, but most of them only where the model does not stop, or none has room.

    Args:
        diagnosis: The errors of the condition under study.
        tuning: As for `propose`.
    """
    if diagnosis.truncated < FEWEST_ERRORS:
        return None
    evidence = f"{diagnosis.truncated} of {diagnosis.items} answers of {diagnosis.condition} were cut off"
    room = "raise generation_kwargs.max_gen_toks"
    if diagnosis.truncated <= ENDLESS_SHARE * diagnosis.items:
        return Proposal(room, evidence)
    if tuning is None:
        ending = "name in generation_kwargs.until what ends an answer, or tune the model"
    else:
        ending = "raise tune.learning_rate or tune.epochs until the model stops by itself"
    return Proposal(f"{room} if the references are longer than that; otherwise {ending}", evidence)


def tune_longer(tuning: dict[str, Any]) -> Proposal | None:
    """A validation loss that was still falling when tuning ended."""
    losses = tuning["validation_losses"]
    if len(losses) < 2 or min(losses[:-1]) - losses[-1] < max(LOSS_CHANGE * min(losses[:-1]), SHOWN_CHANGE):
        return None
    evidence = f"the validation loss was still falling at the end, from {losses[-2]:.3f} to {losses[-1]:.3f}"
    return Proposal("raise tune.epochs", evidence)


def tune_less(tuning: dict[str, Any]) -> Proposal | None:
    """A validation loss that rose again while the training loss went on falling."""
    losses, best, training = tuning["validation_losses"], tuning["best_step"], tuning["training_losses"]
    before, after = training[:best], training[best:]
    rose = losses[-1] > (1 + LOSS_CHANGE) * min(losses)
    if not rose or not after or fmean(after) >= fmean(before[-len(after) :]):
        return None
    evidence = (
        f"the validation loss rose from {min(losses):.3f} at step {best} to {losses[-1]:.3f} at step {tuning['steps']} "
        "while the training loss fell"
    )
    return Proposal("lower tune.epochs or tune.learning_rate", evidence)


def keep_abilities(probes: Sequence[ProbeResult]) -> Proposal | None:
    """General abilities that were lost by more than the margin."""
    lost = [
        kept
        for probe in probes
        for kept in probe.retentions
        if kept.test.interval is not None and kept.test.interval.high < -kept.test.margin
    ]
    if not lost:
        return None
    changes = [
        f"{kept.metric} {_shown(kept.baseline, kept.scale)} before, {_shown(kept.candidate, kept.scale)} after"
        for kept in lost
    ]
    action = "lower tune.learning_rate or tune.method.lora.last_layers, or add general examples to the training data"
    return Proposal(action, f"general abilities were lost: {'; '.join(changes)}")


def train_on_more_kinds(probes: Sequence[ProbeResult]) -> Proposal | None:
    """Rows of a kind that nothing was tuned on, for which tuning was shown to do less than for the test items."""
    less = [
        (way.comparison, transfer)
        for probe in probes
        if probe.name == UNSEEN
        for way in probe.variations
        if (transfer := probe.transfers.get(way.name)) and transfer.difference.effect < 0
        if transfer.adjusted_p is not None and transfer.adjusted_p <= LEVEL
    ]
    if not less:
        return None
    (comparison, transfer), *_ = less
    there, here = (
        f"{comparison.scale * effect:+.{1 if comparison.scale == 100 else 3}f}"
        for effect in (comparison.contrasts[0].result.effect, transfer.seen.effect)
    )
    evidence = (
        f"tuning improves {comparison.metric} by {there} on the rows that are held out, and by {here} on the test items"
    )
    return Proposal("add training examples of more kinds", evidence)


def beat_classical(
    contrasts: Sequence[Contrast], train_counts: Mapping[str, int], scale: float = 100.0
) -> Proposal | None:
    """The best baseline without a language model that was not beaten."""
    unbeaten = [contrast for contrast in contrasts if contrast.result.effect <= 0 or contrast.p > LEVEL]
    if not unbeaten:
        return None
    best = min(unbeaten, key=lambda contrast: contrast.result.effect)
    scores = f"{_shown(best.result.candidate, scale)} against {_shown(best.result.baseline, scale)}"
    action = f"tune on more than {sum(train_counts.values()):,} examples or another base model, or use {best.baseline}"
    worse = best.result.effect < 0 and best.p <= LEVEL
    relation = "is worse than" if worse else "is not shown to be better than"
    return Proposal(action, f"{best.candidate} {relation} {best.baseline}: {scores}")


def enlarge_test(contrasts: Sequence[Contrast], scale: float = 100.0) -> Proposal | None:
    """An effect that was not shown, but would be on a test set of a practical size."""
    found = []
    for contrast in contrasts:
        effect, smallest, items = contrast.result.effect, contrast.detectable_effect, contrast.result.n
        needed = contrast.required_items
        if contrast.p > LEVEL and needed and needed <= LARGEST_TEST * items:
            reach = f"no less than {_shown(smallest, scale)}" if smallest else "nothing"
            sign = "+" if effect > 0 else "-"
            shown = f"{sign}{_shown(abs(effect), scale)} against {contrast.baseline}, but {items:,} items can show"
            found.append((needed, f"{shown} {reach}"))
    if not found:
        return None
    needed, evidence = min(found)
    return Proposal(f"test on about {needed:,} items", evidence)


def _shown(score: float, scale: float) -> str:
    """A share as per cent with one decimal, another score with three."""
    return f"{scale * score:.{1 if scale == 100 else 3}f}"
