from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tunelift.core.config import Strict, apply_override, build, read_yaml
from tunelift.core.errors import UserError


class Inner(Strict):
    rank: int = 1
    names: tuple[str, ...] = ()


class Outer(Strict):
    inner: Inner = Inner()
    choice: Inner | None = None
    many: dict[str, Inner] = Field(default_factory=dict)
    rate: float = 0.5
    required: str


def read(folder: Path, text: str | bytes) -> Outer:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data, places = read_yaml(path)
    return build(Outer, data, path, places)


def error_of(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, text)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value).removeprefix(f"{folder}/")


def test_a_good_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    outer = read(tmp_path, "\ufeffrequired: 二\ninner: {rank: 3}\nmany:\n  a: {names: [x, y]}\n")
    assert (outer.required, outer.inner, outer.rate) == ("二", Inner(rank=3), 0.5)
    assert outer.many == {"a": Inner(names=("x", "y"))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("required: a\nrat: 1\n", 'a.yaml:2: unknown key "rat" - did you mean "rate"?'),
        ("required: a\ninner:\n\n  rnk: 1\n", 'a.yaml:4: unknown key "inner.rnk" - did you mean "rank"?'),
        ("required: a\nchoice:\n  rnk: 1\n", 'a.yaml:3: unknown key "choice.rnk" - did you mean "rank"?'),
        ("required: a\nmany:\n  x: {}\n  y:\n    rnk: 1\n", 'a.yaml:5: unknown key "many.y.rnk" - did you mean'),
        ("required: a\nxyz: 1\n", 'a.yaml:2: unknown key "xyz" - valid here: choice, inner, many, rate, required'),
        ("rate: 1\n", 'a.yaml: key "required" is missing - add it'),
        ("required: a\nrate: fast\n", "a.yaml:2: \"rate\" is 'fast', but input should be a valid number"),
        ("required: a\nrate: .inf\n", 'a.yaml:2: "rate" is inf, but input should be a finite number'),
        ("required: [a]\n", "a.yaml:1: \"required\" is ['a'], but input should be a valid string"),
        ("required: a\ninner: 5\n", 'a.yaml:2: "inner" is 5, but input should be a valid dictionary'),
        ("required: a\ninner:\n  names:\n    - x\n    - {}\n", 'a.yaml:5: "inner.names.1" is {}, but'),
        (
            "required: a\ninner: {names: [x, yes]}\n",
            'a.yaml:2: "inner.names.1" is True, but input should be a valid string - put it in quotes',
        ),
        ("required: 1.5\n", 'a.yaml:1: "required" is 1.5, but input should be a valid string - put it in quotes'),
        (
            "required: 2026-01-02\n",
            'a.yaml:1: "required" is datetime.date(2026, 1, 2), but input should be a valid string - put it',
        ),
        ("required: a\nmany: {1: {}}\n", 'a.yaml:2: "many.1" is 1, but input should be a valid string'),
        ("1: a\nrequired: a\n", 'a.yaml: "1" is 1, but keys should be strings'),
        (f"required: a\nrate: {'x' * 999}\n", f'a.yaml:2: "rate" is \'{"x" * 58}…, but'),
        ("required: a\nrate: 1\nrequired: b\n", 'a.yaml:3: key "required" stands twice - keep one; the other is'),
        ("required: a\ninner:\n  rank: 1\n  rank: 2\n", 'a.yaml:4: key "rank" stands twice'),
        ("required: a\nx: 1\nrate: fast\n", 'a.yaml:2: unknown key "x"'),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert error_of(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.yaml: holds no keys"),
        (b"# only a comment\n", "a.yaml: holds no keys"),
        (b"- a\n- b\n", "a.yaml: holds no keys"),
        (b"just text\n", "a.yaml: holds no keys"),
        (b"required: \xff\n", "a.yaml: is not UTF-8 (byte 10)"),
        (b"required: a\n\tb: 1\n", "a.yaml:2: is not valid YAML: "),
        (b"required: [a\n", "a.yaml:2: is not valid YAML: "),
        (b"required: a\n---\nrequired: b\n", "a.yaml:2: is not valid YAML: "),
        (b"required: !!python/object/apply:os.getcwd []\n", "a.yaml:1: is not valid YAML: could not determine"),
        (b"required: !x a\n", "a.yaml:1: is not valid YAML: could not determine"),
        (b"? [a, b]\n: c\n", "a.yaml:1: is not valid YAML: found unhashable key"),
        (b"required: \x00\n", "a.yaml: is not valid YAML: unacceptable character"),
        (b"required: 2026-13-45\n", "a.yaml: is not valid YAML: month must be in 1..12"),
        (b"required: &a [*a]\n", "a.yaml: is nested too deeply, or contains itself"),
        (b"required: " + b"[" * 1100 + b"\n", "a.yaml: is nested too deeply, or contains itself"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert error_of(tmp_path, content).startswith(message)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: file not found - check the path"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_merged_keys_are_read_and_placed(tmp_path: Path) -> None:
    text = "required: a\nmany:\n  x: &x\n    rank: 2\n  y:\n    <<: *x\n    names: [n]\n"
    assert read(tmp_path, text).many["y"] == Inner(rank=2, names=("n",))
    assert error_of(tmp_path, text.replace("names", "nams")).startswith('a.yaml:7: unknown key "many.y.nams"')


def overridden(folder: Path, *overrides: str) -> Outer:
    path = folder / "a.yaml"
    path.write_text("required: a\ninner:\n  rank: 2\nchoice:\n")
    data, places = read_yaml(path)
    for override in overrides:
        apply_override(data, places, override)
    return build(Outer, data, path, places)


def test_overrides_are_read_as_yaml(tmp_path: Path) -> None:
    outer = overridden(tmp_path, "inner.rank=7", "choice.names=[a, b]", "many.x.rank=3", "required=a=b", "rate=1.5")
    assert outer.inner == Inner(rank=7)
    assert outer.choice == Inner(names=("a", "b"))
    assert outer.many == {"x": Inner(rank=3)}
    assert (outer.required, outer.rate) == ("a=b", 1.5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("inner.rank", "--set inner.rank: is not KEY=VALUE - write it as --set tune.epochs=3"),
        ("=3", "--set =3: is not KEY=VALUE"),
        ("inner.rnk=3", '--set inner.rnk=3: unknown key "inner.rnk" - did you mean "rank"?'),
        ("innr.rank=3", '--set innr.rank=3: unknown key "innr" - did you mean "inner"?'),
        ("inner.rank=x", "--set inner.rank=x: \"inner.rank\" is 'x', but input should be a valid integer"),
        ("many.x.rnk=3", '--set many.x.rnk=3: unknown key "many.x.rnk" - did you mean "rank"?'),
        ("required.x=3", '--set required.x=3: "required" holds a value, not keys'),
        ("inner=[", "--set inner=[: the value is not valid YAML"),
        ("required=2026-13-45", "--set required=2026-13-45: the value is not valid YAML"),
        ("inner.=3", '--set inner.=3: unknown key "inner."'),
    ],
)
def test_a_wrong_override_is_named_itself(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        overridden(tmp_path, override)
    assert str(caught.value).startswith(message)


TEXTS = st.text("aZ1:-#*&{}[]'\"\n 二", max_size=5)


@given(st.recursive(st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=9))
def test_any_value_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump({"required": "a", "many": value}, allow_unicode=True), encoding="utf-8")
    data, places = read_yaml(path)
    assert data["many"] == value
    problem = None
    try:
        build(Outer, data, path, places)
    except UserError as error:
        problem = str(error)
    assert problem is None or len(problem.splitlines()) == 1
