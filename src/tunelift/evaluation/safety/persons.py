"""New names for the people of a text: everybody gets one, the same at every mention, and no two get the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from random import Random

from tunelift.evaluation.safety.tables import read_table

OTHER = {"female": "male", "male": "female"}


@cache
def name_lists(language: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Names by origin and kind ("female", "male", "surname").

    Args:
        language: "en" or "zh".
    """
    return {(origin, kind): tuple(names) for origin, kind, *names in read_table(f"names.{language}")}


@cache
def known_names(language: str, kinds: tuple[str, ...] = ("female", "male")) -> dict[str, tuple[str, str]]:
    """Origin and kind of every name of some kinds; no name is listed twice.

    Args:
        language: "en" or "zh".
        kinds: Which.
    """
    lists = name_lists(language).items()
    return {name: (origin, kind) for (origin, kind), names in lists if kind in kinds for name in names}


def draw_names(
    wanted: Mapping[str, tuple[str, str]], language: str, taken: Collection[str], generator: Random
) -> dict[str, str] | None:
    """A new name for each of some names.

    Args:
        wanted: For each name the origin and the kind that its new one is to have.
        language: "en" or "zh".
        taken: Names that are not drawn: those that stand in the text.
        generator: Draws them.

    Returns:
        The new names; None where a list has fewer names than are needed.
    """
    new: dict[str, str] = {}
    for name, kind in wanted.items():
        # Another possessive form follows a name that ends in s.
        used = {*taken, *new.values()}
        free = [other for other in name_lists(language)[kind] if other not in used and not other.endswith("s")]
        if not free:
            return None
        new[name] = generator.choice(free)
    return new


def draw_origin(origins: Collection[str], kinds: Collection[str], language: str, generator: Random) -> str:
    """An origin that none of the names has, as far as there is one.

    Args:
        origins: Of the names.
        kinds: Of which kinds names are needed.
        language: "en" or "zh".
        generator: Draws it.
    """
    lists = name_lists(language)
    every = list(dict.fromkeys(origin for origin, _ in lists))
    able = [origin for origin in every if all((origin, kind) in lists for kind in kinds)]
    return generator.choice([origin for origin in able if origin not in origins] or able)
