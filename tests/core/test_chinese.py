from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.chinese import word_splitter
from tunelift.core.errors import UserError


def test_the_dictionary_is_kept_in_the_cache_of_the_user(cache: Path) -> None:
    pytest.importorskip("jieba")
    splitter = word_splitter("rouge")
    assert splitter.lcut("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]
    assert (cache / "jieba.cache").is_file()
    assert word_splitter("robustness") is splitter


def test_the_error_says_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name == "jieba":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="robustness: finding Chinese words needs jieba, which is not installed"):
        word_splitter("robustness")
