"""The short forms of a recipe, written out: on plain data, before it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunelift.core.config import key_error
from tunelift.core.errors import nearest
from tunelift.core.names import BASE, TUNED

ENCODER = "encoder"  # the one key of a condition that is no prompting
REPEAT = "-seed-"  # between the name of a system or condition and the seed of its repetition

BUILT_IN_CONDITIONS: dict[str, dict[str, Any]] = {
    "majority": {"system": "majority"},
    "tfidf": {"system": "tfidf"},
    "nearest": {"system": "nearest"},
    "zero-shot": {"system": BASE},
    "few-shot": {"system": BASE, "prompting": {"shots": 4}},
    "best-prompt": {"system": BASE, "prompting": {"wordings": 4}},
    "tuned": {"system": TUNED},
}
# Those of a recipe that names none.
DEFAULT_CONDITIONS = ("majority", "tfidf", "zero-shot", "few-shot", "tuned")


def write_out(data: Any) -> Any:
    """A recipe's data with every short form written out; what is malformed stays for the checks to refuse."""
    if not isinstance(data, dict):
        return data
    given = {"systems": {}, "conditions": {name: {} for name in DEFAULT_CONDITIONS}, **data}
    malformed = {key: given[key] for key in ("systems", "conditions") if not isinstance(given[key], dict)}
    given |= {key: {} for key in malformed}  # so that the rest is read as if it were right, and only this is refused
    tune = data.get("tune")
    systems = {name: _with_tuning(spec, tune) for name, spec in given["systems"].items()}
    conditions = {name: _full_condition(name, spec) for name, spec in given["conditions"].items()}
    for model in _texts(data.get("models")):
        _compare_model(model, systems, conditions)
    _repeat(tune, systems, conditions)
    return {**data, "systems": systems, "conditions": conditions, **malformed}


def repeated(condition: str, systems: Mapping[str, str]) -> str | None:
    """The condition that a condition repeats with another seed of tuning; None where it repeats none.

    Args:
        condition: Name of the condition.
        systems: What every condition asks, by its name.
    """
    original, sign, seed = condition.rpartition(REPEAT)
    again = f"{systems.get(original)}{REPEAT}{seed}"
    return original if sign and original in systems and systems[condition] == again else None


def model_name(model: str) -> str:
    """Name of the system that a further base model becomes: the last part of its own."""
    last = model.rstrip("/").split("/")[-1]
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in last)


def _with_tuning(spec: Any, tune: Any) -> Any:
    """Settings of tuning that a system does not give are the recipe's; a head is tuned in any case."""
    spec = {} if spec is None else spec
    if not isinstance(spec, dict) or ("tune" not in spec and "head" not in spec):
        return spec
    own = spec.get("tune")
    merged = {**(tune if isinstance(tune, dict) else {}), **(own or {})} if isinstance(own, dict | None) else own
    return {**spec, "tune": merged}


def _full_condition(name: Any, spec: Any) -> Any:
    """``few-shot: {shots: 4}`` becomes the built-in system with that prompting."""
    spec = {} if spec is None else spec
    if not isinstance(name, str) or not isinstance(spec, dict) or "system" in spec:
        return spec
    if name not in BUILT_IN_CONDITIONS:
        hint = f"{nearest(name, BUILT_IN_CONDITIONS)} or give a system: {{system: base, prompting: {{shots: 8}}}}"
        raise key_error(("conditions", name), spec, f"is not a built-in condition - {hint}")
    built_in = BUILT_IN_CONDITIONS[name]
    given = spec.get("prompting", {})
    if not isinstance(given, dict):
        return {"system": built_in["system"], "prompting": given}
    short = {key: item for key, item in spec.items() if key not in ("prompting", ENCODER)}
    prompting = {**built_in.get("prompting", {}), **given, **short}
    encoder = {ENCODER: spec[ENCODER]} if ENCODER in spec else {}
    return {"system": built_in["system"], "prompting": prompting, **encoder}


def _compare_model(model: str, systems: dict[str, Any], conditions: dict[str, Any]) -> None:
    """Another model under every condition of the untuned one."""
    name = model_name(model)
    systems.setdefault(name, {"model": model})
    for condition, spec in list(conditions.items()):
        if isinstance(spec, dict) and spec.get("system") == BASE:
            conditions.setdefault(f"{condition}-{name}", {**spec, "system": name})


def _repeat(tune: Any, systems: dict[str, Any], conditions: dict[str, Any]) -> None:
    """Every tuned system once more for each further seed of its tuning, under the same conditions."""
    tuned = {TUNED: {"tune": tune}} | {name: spec for name, spec in systems.items() if isinstance(spec, dict)}
    for system, spec in tuned.items():
        settings = spec.get("tune")
        seeds = settings.get("seeds") if isinstance(settings, dict) else None
        asked = [
            name for name, entry in conditions.items() if isinstance(entry, dict) and entry.get("system") == system
        ]
        for seed in seeds[1:] if isinstance(seeds, list) and asked else ():
            again = f"{system}{REPEAT}{seed}"
            systems.setdefault(again, {**spec, "tune": {**(settings or {}), "seeds": [seed]}})
            for name in asked:
                conditions.setdefault(f"{name}{REPEAT}{seed}", {**conditions[name], "system": again})


def _texts(value: Any) -> list[str]:
    return [entry for entry in value if isinstance(entry, str) and entry] if isinstance(value, list) else []
