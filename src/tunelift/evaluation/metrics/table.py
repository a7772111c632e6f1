"""All metrics by name, and those of a task.

A factory takes what it needs to know of the task by the names of its parameters: `language`, `labels`,
`allow_execution`. Its other parameters are the arguments that an entry of `metric_list` may give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from math import inf
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

from tunelift.core.errors import UserError, nearest
from tunelift.core.records import CHOICE
from tunelift.core.texts import normalise_answer
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.metrics import (
    arithmetic,
    classification,
    code,
    constraints,
    diversity,
    entities,
    ifeval,
    labels,
    likelihood,
    matching,
    probabilities,
    ranking,
    regression,
    relations,
    similarity,
    sql,
    summaries,
    translation,
)
from tunelift.evaluation.metrics.metric import Metric, Outcome, UnavailableError, mean_metric

# The harness's words for how it adds up; our metrics know that themselves.
IGNORED = {"aggregation", "higher_is_better", "hf_evaluate"}
OF_THE_TASK = {"language", "labels", "allow_execution"}
ARGUMENTS = ConfigDict(strict=True, allow_inf_nan=False)


def right(*, name: str = "acc") -> Metric:
    """Share of right answers. A free answer may differ from a reference in case and in the signs around it. 0 to 1."""
    return mean_metric(name, lambda outcome: float(is_right(outcome)))


def is_right(outcome: Outcome) -> bool:
    """Whether an answer is one of the references."""
    if outcome.answer is None:
        return False
    if outcome.choices or not isinstance(outcome.answer, str):
        return outcome.answer in outcome.references
    return normalise_answer(outcome.answer) in map(normalise_answer, map(str, outcome.references))


def known(name: str) -> Callable[[], Metric]:
    """A factory of a metric whose values were computed with the answers."""

    def value(outcome: Outcome) -> float:
        if name not in outcome.values:
            what = f'"{name}" is not known: choices were not scored'
            raise UnavailableError("metric_list", what, "use it with choices, and with models that score them")
        return outcome.values[name]

    return lambda: mean_metric(name, value)


METRICS: dict[str, Callable[..., Metric]] = {
    "acc": right,
    CHOICE: known(CHOICE),
    f"{CHOICE}_tokens": known(f"{CHOICE}_tokens"),
    f"{CHOICE}_bytes": known(f"{CHOICE}_bytes"),
    "balanced_acc": classification.balanced_accuracy,
    "precision": classification.precision,
    "recall": classification.recall,
    "f1": classification.f1,
    "mcc": classification.mcc,
    "in_scope_acc": classification.in_scope_accuracy,
    "out_of_scope_recall": classification.out_of_scope_recall,
    "auc": probabilities.auc,
    "brier_score": probabilities.brier,
    "ece": probabilities.ece,
    "nll": probabilities.nll,
    "exact_match": matching.exact_match,
    "squad_exact_match": matching.squad_exact_match,
    "token_f1": matching.token_f1,
    "bleu": translation.bleu,
    "chrf": translation.chrf,
    "chrf++": translation.chrf_plus_plus,
    "ter": translation.ter,
    "rouge1": summaries.rouge1,
    "rouge2": summaries.rouge2,
    "rougeL": summaries.rouge_l,
    "rougeLsum": summaries.rouge_l_sum,
    "bits_per_byte": likelihood.bits_per_byte,
    "byte_perplexity": likelihood.byte_perplexity,
    "word_perplexity": likelihood.word_perplexity,
    "perplexity": likelihood.perplexity,
    "reference_logprob": likelihood.reference_logprob,
    "distinct_1": diversity.distinct_1,
    "distinct_2": diversity.distinct_2,
    "repetition": diversity.repetition,
    "length_ratio": diversity.length_ratio,
    "semantic_similarity": similarity.semantic_similarity,
    "entity_precision": entities.entity_precision,
    "entity_recall": entities.entity_recall,
    "entity_f1": entities.entity_f1,
    "relation_precision": relations.relation_precision,
    "relation_recall": relations.relation_recall,
    "relation_f1": relations.relation_f1,
    "semeval_f1": relations.semeval_f1,
    "label_f1": labels.label_f1,
    "subset_acc": labels.subset_accuracy,
    "hamming_loss": labels.hamming_loss,
    "jaccard": labels.jaccard,
    "mae": regression.mae,
    "mse": regression.mse,
    "rmse": regression.rmse,
    "r2": regression.r2,
    "pearson": regression.pearson,
    "spearman": regression.spearman,
    "ndcg": ranking.ndcg,
    "mrr": ranking.mrr,
    "hit_rate": ranking.hit_rate,
    "recall_at_k": ranking.recall_at_k,
    "map": ranking.mean_average_precision,
    "constraints": constraints.constraints_strict,
    "constraints_each": constraints.constraints_each,
    "ifeval": ifeval.ifeval,
    "number_match": arithmetic.number_match,
    "pass_at_k": code.pass_at_k,
    "execution_match": sql.execution_match,
    "sql_exact": sql.sql_exact,
}

# The harness's names.
ALIASES = {"acc_norm": f"{CHOICE}_bytes", "acc_bytes": f"{CHOICE}_bytes", "brier": "brier_score", "rouge_l": "rougeL"}

# Metrics of choices that were scored; a multiple-choice task whose headline is one of them generates nothing.
SCORED = {CHOICE, f"{CHOICE}_tokens", f"{CHOICE}_bytes", "ndcg", "mrr", "hit_rate", "auc", "brier_score", "ece", "nll"}

LOG_LIKELIHOOD = "log_likelihood"

# Of samples that are read from files often nothing but the name of a metric is known; some are only others' names.
LOWER_IS_BETTER = frozenset(
    {"nll", "brier_score", "brier", "ece", "ter", "bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity"}
    | {"repetition", "hamming_loss", "mae", "mse", "rmse", "wer", "cer", "loss", "ppl", "error", "error_rate"}
)
# Of the metrics of tunelift all others go from 0 to 1.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("mcc", "pearson", "spearman", "semantic_similarity"), (-1.0, 1.0)),
    "r2": (-inf, 1.0),
    **dict.fromkeys(("brier_score", "brier"), (0.0, 2.0)),
    **dict.fromkeys(("bleu", "chrf", "chrf++"), (0.0, 100.0)),
    **dict.fromkeys(("reference_logprob", LOG_LIKELIHOOD), (-inf, 0.0)),
    **dict.fromkeys(("perplexity", "byte_perplexity", "word_perplexity", "ppl"), (1.0, inf)),
    **dict.fromkeys(("nll", "loss", "bits_per_byte", "ter", "wer", "cer", "mae", "mse", "rmse"), (0.0, inf)),
}
OWN_NAMES = frozenset(map(str.casefold, (*METRICS, *ALIASES)))

BY_KIND: dict[str, tuple[str, ...]] = {
    "choice": ("acc",),
    "text": ("acc",),
    "labels": ("label_f1", "subset_acc"),
    "number": ("number_match",),
    "entities": ("entity_f1",),
    "triples": ("relation_f1",),
    "json": ("acc",),
    "code": ("pass_at_k",),
    "sql": ("execution_match",),
    "ranking": ("ndcg", "mrr"),
}


# Metrics that need answers of one form, with the kinds of answers that have it; all others take any.
FORMS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("balanced_acc", "precision", "recall", "f1", "mcc", "in_scope_acc", "out_of_scope_recall"): ("choice", "text"),
    ("semeval_f1",): ("choice", "text"),
    ("label_f1", "subset_acc", "hamming_loss", "jaccard"): ("labels",),
    ("mae", "mse", "rmse", "r2", "pearson", "spearman", "number_match"): ("number", "choice", "text"),
    ("entity_precision", "entity_recall", "entity_f1"): ("entities",),
    ("relation_precision", "relation_recall", "relation_f1"): ("triples",),
    ("ndcg", "mrr", "hit_rate", "recall_at_k", "map"): ("ranking",),
    ("pass_at_k",): ("code", "text"),
    ("execution_match", "sql_exact"): ("sql", "text"),
}


def direction_of(name: str) -> bool | None:
    """Whether higher is better by a metric of this name; None where the name does not tell."""
    bare = _bare(name)
    if bare in LOWER_IS_BETTER:
        return False
    return True if bare in OWN_NAMES or bare in RANGES else None


def range_of(name: str) -> tuple[float, float] | None:
    """Between what a metric of this name lies; None where the name does not tell."""
    bare = _bare(name)
    return RANGES.get(bare, (0.0, 1.0) if bare in OWN_NAMES else None)


def _bare(name: str) -> str:
    """A name as the tables have it: others write it in any case, and Inspect as ``scorer.part``."""
    return name.casefold().rpartition(".")[2]


def make_metrics(task: Task, allow_execution: bool = False) -> list[Metric]:
    """The metrics of a task, the headline first.

    Args:
        task: The task.
        allow_execution: Whether programs that a model wrote may be run.

    Raises:
        UserError: A metric or an argument of it is unknown.
    """
    default = ("bits_per_byte", "byte_perplexity") if task.output_type == ROLLING else BY_KIND[task.answer_kind]
    entries = task.metric_list or [{"metric": name} for name in default]
    metrics = [_metric(task, entry, allow_execution) for entry in entries]
    names = [metric.name for metric in metrics]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        where = task.place("metric_list")
        raise UserError(
            where, f'"{repeated}" stands twice in metric_list', "give one of them another name: {name: ...}"
        )
    return metrics


def needs_generation(task: Task) -> bool:
    """Whether answers are generated, or nothing but log-probabilities is asked for."""
    if task.output_type == ROLLING:
        return False
    names = [str(entry.get("metric", "")) for entry in task.metric_list]
    return task.output_type != "multiple_choice" or not names or ALIASES.get(names[0], names[0]) not in SCORED


def _metric(task: Task, entry: dict[str, Any], allow_execution: bool) -> Metric:
    where = task.place("metric_list")
    name = str(entry.get("metric", ""))
    factory = METRICS.get(ALIASES.get(name, name))
    if factory is None:
        raise UserError(where, f'there is no metric "{name}"', nearest(name, METRICS))
    kinds = next((kinds for names, kinds in FORMS.items() if name in names), (task.answer_kind,))
    if task.answer_kind not in kinds:
        what = f'metric "{name}" is for answers of the kind {" or ".join(kinds)}, not {task.answer_kind}'
        raise UserError(where, what, f"take another metric, or set answer: {{kind: {kinds[0]}}}")
    taken = signature(factory).parameters
    arguments = {key: value for key, value in entry.items() if key not in {"metric", "name", *IGNORED}}
    for key in arguments:
        if key not in taken or key in OF_THE_TASK:
            own = sorted(taken.keys() - OF_THE_TASK)
            hint = nearest(key, own) if own else "it takes none"
            raise UserError(where, f'metric "{name}" takes no argument "{key}"', hint)
    given = {"language": task.language, "labels": _labels(task), "allow_execution": allow_execution}
    arguments |= {key: value for key, value in given.items() if key in taken}
    try:
        metric = validate_call(config=ARGUMENTS)(factory)(**arguments)
    except ValidationError as error:
        first = error.errors()[0]
        what = f'metric "{name}": {".".join(map(str, first["loc"]))}: {first["msg"]}'
        raise UserError(where, what, "correct its arguments") from error
    except UserError as error:
        raise UserError(where, f'metric "{name}": {error.what}', error.hint) from error
    except (TypeError, ValueError) as error:
        raise UserError(where, f'metric "{name}": {error}', "correct its arguments") from error
    given_name = entry.get("name", name if name in ALIASES else None)
    return metric if given_name is None else replace(metric, name=str(given_name))


def _labels(task: Task) -> tuple[str, ...]:
    """The classes as answers name them: wordings, except for kinds of mentions, which answers name as the data does."""
    if task.answer_kind in ("entities", "triples"):
        return tuple(task.wording)
    choices = task.doc_to_choice
    return tuple(task.wording.values()) or (tuple(choices) if isinstance(choices, list) else ())
