"""Chinese words by jieba."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunelift.core.cache import cache_folder
from tunelift.core.errors import UserError


def word_splitter(where: str) -> Any:
    """A ``jieba.Tokenizer`` with a dictionary of its own, whatever else a program does with jieba.

    Args:
        where: What needs it, for the error.

    Raises:
        UserError: jieba is not installed.
    """
    try:
        import jieba  # noqa: F401
    except ImportError as error:
        raise UserError(
            where, "finding Chinese words needs jieba, which is not installed", "run: pip install jieba"
        ) from error
    return _splitter(cache_folder())


@lru_cache(maxsize=1)
def _splitter(folder: Path) -> Any:
    """Made once: it reads its dictionary for a second, when it is first used."""
    import jieba

    jieba.setLogLevel(logging.ERROR)
    splitter = jieba.Tokenizer()
    # It keeps its dictionary in a file that it trusts, by default in a folder where anybody can write.
    folder.mkdir(parents=True, exist_ok=True)
    splitter.tmp_dir = str(folder)
    return splitter
