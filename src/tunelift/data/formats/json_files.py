"""JSON lines and JSON to rows."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.data.formats.files import DataFile
from tunelift.data.formats.rows import Numbered, sound
from tunelift.data.formats.text import open_text

DEEPEST = 100
TOO_DEEP = "is nested too deeply"
MOST_DIGITS = 300  # of a whole number; more are no finite number elsewhere
NO_NUMBER = "NaN and infinite numbers are not; a missing value is null"
# The usual names of the list that holds the rows of an object.
ROW_KEYS = ("data", "rows", "instances", "Instances", "examples", "items", "records")
# What the rows of a task of Super-NaturalInstructions have in common.
TASK_KEYS = ("Definition", "Categories", "Domains", "Input_language", "Output_language")


def read_json_lines(file: DataFile) -> Numbered:
    """One JSON object a line; blank lines are skipped."""
    with open_text(file) as text:
        yield from _lines(file, text)


def read_json(file: DataFile) -> Numbered:
    """A list of objects, JSON lines, or one object that holds the rows."""
    with open_text(file) as text:
        head = []
        for line in text:
            head.append(line)
            if line.strip():
                break
        first = head[-1].strip() if head else ""
        value = Decoder().row(first)
        if isinstance(value, dict) and file.part is None and _row_key(value) is None:
            yield from _lines(file, chain(head, text))
        elif first.startswith("["):
            yield from _list(file, _parse(file, "".join(chain(head, text))))
        else:
            yield from _object_or_lines(file, "".join(chain(head, text)))


class Decoder:
    """Decodes one row after another, and says what keeps it from being one."""

    def __init__(self) -> None:
        self._repeated: list[str] = []
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        ).decode

    def row(self, text: str) -> dict[str, Any] | str:
        """A row, or the problem with it."""
        self._repeated.clear()
        try:
            value = self._decode(text)
        except json.JSONDecodeError as error:
            return f"is not JSON ({error.msg}, column {error.colno})"
        except RecursionError:
            return TOO_DEEP
        except ValueError as error:
            return f"is not JSON ({error})"
        if self._repeated:
            return _twice(self._repeated[0])
        # Only what is escaped can be half of a character.
        doubtful = "\\u" in text or text.count("[") + text.count("{") > DEEPEST
        return value if isinstance(value, dict) and not doubtful else problem_of(value) or value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            self._repeated.append(_repeated_name(pairs))
        return value


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def _whole(text: str) -> int:
    return int(text) if len(text) < MOST_DIGITS else _refuse_constant(text)


def _refuse_constant(text: str) -> Any:
    raise ValueError(NO_NUMBER)


class _Repeated:
    """Stands for an object that names a value twice."""

    def __init__(self, name: str) -> None:
        self.name = name


def problem_of(value: Any) -> str | None:
    """What keeps a parsed value from being a row."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_refuse_repeated)
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a character (a lone surrogate such as \\ud83d)"
    except TypeError as error:
        return str(error)
    except ValueError:
        return f"is not JSON ({NO_NUMBER})"
    except RecursionError:
        return TOO_DEEP
    if not isinstance(value, dict):
        return f"is not a JSON object but {text[:40]}"
    return TOO_DEEP if _is_deep(value) else None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _lines(file: DataFile, lines: Iterable[str]) -> Numbered:
    decoder = Decoder()
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    records = ((number, decoder.row(line)) for number, line in numbered)
    return sound(file.name, records, "line", "every line must be one JSON object")


def _parse(file: DataFile, text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object_or_repeated, parse_int=_whole)
    except json.JSONDecodeError as error:
        where = f"{file.name}:{error.lineno}"
        raise UserError(where, f"is not JSON ({error.msg}, column {error.colno})", "correct the line") from error
    except RecursionError as error:
        raise UserError(file.name, TOO_DEEP, "correct the file") from error
    except ValueError as error:
        raise UserError(file.name, f"is not JSON ({error})", "correct the file") from error
    if isinstance(value, _Repeated):
        raise UserError(file.name, _twice(value.name), "remove one of them")
    return value


def _list(file: DataFile, values: list[Any]) -> Numbered:
    rows = ((number, _named(file, value)) for number, value in enumerate(values, start=1))
    records = ((number, problem_of(value) or value) for number, value in rows)
    hint = "a .json file is a list of objects"
    if values and isinstance(values[0], list):
        hint += "; where it is one of lists, name their values: dataset_kwargs: {column_names: [...]}"
    return sound(file.name, records, "record", hint)


def _named(file: DataFile, value: Any) -> Any:
    """A list of values as an object, where their names are given."""
    names = file.columns
    if names and isinstance(value, list) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    return value


def _object_or_lines(file: DataFile, text: str) -> Numbered:
    """One object with the rows under a key; or lines that are more than one value, or a single row."""
    lines = text.split("\n")
    try:
        value = _parse(file, text)
    except UserError:
        if next(filter(str.strip, lines), "}").rstrip().endswith("}"):
            return _lines(file, lines)
        raise
    if not isinstance(value, dict) or (_row_key(value) is None and "\n" not in text.strip() and file.part is None):
        return _lines(file, lines)
    return _rows_of_object(file, value)


def _rows_of_object(file: DataFile, value: dict[str, Any]) -> Numbered:
    key = file.part or _row_key(value)
    if key is None and len(value) > 1 and all(isinstance(inner, dict) for inner in value.values()):
        file.remark("rows-of-object", "holds one object; each of its values is a row", "nothing, if that is right")
        return _list(file, [{"key": name, **inner} for name, inner in value.items()])
    if key is None or not isinstance(value.get(key), list):
        lists = [name for name, inner in value.items() if isinstance(inner, list)]
        hint = f"name the key of the list of rows ({shorten(lists) or 'there is none'}): {file.path.name}#KEY"
        if file.part:
            raise UserError(file.name, f'has no list of rows "{key}"', nearest(key or "", lists) if lists else hint)
        raise UserError(file.name, "holds one object, not a list of rows", hint)
    shared = _task_keys(file, value)
    if file.part is None:
        message = f'holds one object; the rows stand under "{key}", and its other keys were left out'
        file.remark("rows-of-object", message, "nothing, if that is right; otherwise name the key: FILE.json#KEY")
    return _list(file, [{**shared, **row} if isinstance(row, dict) else row for row in value[key]])


def _row_key(value: dict[str, Any]) -> str | None:
    """The key of an object under which a list of rows stands; one of an empty list only if there is no other."""
    lists = [name for name in ROW_KEYS if _is_list_of_objects(value.get(name))]
    return next((name for name in lists if value[name]), lists[0] if lists else None)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(inner, dict) for inner in value)


def _task_keys(file: DataFile, value: dict[str, Any]) -> dict[str, Any]:
    """What a file of Super-NaturalInstructions says about all of its rows."""
    if "Definition" not in value:
        return {}
    return {"task": file.path.name.split(".")[0], **{key: value[key] for key in TASK_KEYS if key in value}}


def _object_or_repeated(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _Repeated(_repeated_name(pairs))


def _repeated_name(pairs: list[tuple[str, Any]]) -> str:
    counts = Counter(name for name, _ in pairs)
    return next(name for name, count in counts.items() if count > 1)


def _refuse_repeated(value: Any) -> Any:
    raise TypeError(_twice(value.name))


def _twice(name: str) -> str:
    return f'has "{name[:40]}" twice'
