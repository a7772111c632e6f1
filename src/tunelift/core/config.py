"""Strict YAML: unknown keys and wrong types are errors that name the key, the line and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tunelift.core.errors import UserError, nearest

Keys = tuple[str | int, ...]
Places = dict[Keys, str]  # where each key stands: "file:line", "--set key=value" or "function(key=...)"

LONGEST_NAME = 150  # bytes; file systems take 255, and a time stamp and an ending are put behind it
MOST_VALUES = 100_000  # in one file; aliases of aliases make billions out of a few lines
# What the YAML library raises, besides its own errors, for values such as `!!int ""` and `!!bool maybe`.
WRONG_TAG = (LookupError, AttributeError, TypeError)


class Strict(BaseModel):
    """Base of every configuration section: immutable, and no key passes unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=(), allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_another_type(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `epochs: yes` as a boolean, and pydantic would take that for the number 1."""
        if isinstance(value, bool) and not _admits_booleans(cls.model_fields[str(info.field_name)].annotation):
            message = "Input should not be a boolean - YAML reads yes, no, on and off as one; quote a text"
            raise PydanticCustomError("boolean", message)
        return value


def _admits_booleans(annotation: Any) -> bool:
    if isinstance(annotation, bool) or annotation in (bool, Any):
        return True
    return any(map(_admits_booleans, getattr(annotation, "__args__", ())))


def _check_file_name(name: str) -> str:
    allowed = all(letter.isalnum() or letter in "-_.()" for letter in name)
    if not name or not allowed or name.startswith(".") or len(name.encode()) > LONGEST_NAME:
        hint = f'use letters, digits, "-", "_", ".", "(" and ")", at most {LONGEST_NAME} bytes'
        raise ValueError(f"cannot name a file - {hint}")
    return name


FileName = Annotated[str, AfterValidator(_check_file_name)]  # a name that becomes part of a path
Count = Annotated[int, Field(gt=0, lt=2**31)]  # libraries take no more


Section = TypeVar("Section", bound=Strict)


def read_yaml(path: Path) -> tuple[dict[str, Any], Places]:
    """Read a YAML mapping with the place of every key.

    Returns:
        The plain data, and for every path of keys its file and line.

    Raises:
        UserError: The file cannot be read, is not UTF-8, is not YAML, is empty, is not a mapping, has a key twice, or
            has too many values.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        places: Places = {}
        _collect_places(node, (), places, path)
        data = yaml.safe_load(text)
    except OSError as error:
        what = "file not found" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UserError(path, what, "check the path; it is relative to where you are") from error
    except UnicodeDecodeError as error:
        raise UserError(path, f"is not UTF-8 (byte {error.start})", "save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise UserError(where, f"is not valid YAML: {error.problem}", "check indentation, colons and quotes") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(path, f"is not valid YAML: {error}", "check control characters and dates") from error
    except WRONG_TAG as error:
        raise UserError(path, "is not valid YAML: a value does not fit its tag", "remove tags like !!int") from error
    except RecursionError as error:
        raise UserError(path, "is nested too deeply, or contains itself", "write it without *aliases") from error
    if not isinstance(data, dict):
        raise UserError(path, "holds no keys", 'write "key: value" lines; examples/tweets/ has a complete one')
    return data, places


def _collect_places(node: yaml.Node | None, keys: Keys, places: Places, file: Path) -> None:
    if len(places) > MOST_VALUES:
        raise UserError(file, f"holds more than {MOST_VALUES:,} values", "write it without *aliases of *aliases")
    if isinstance(node, yaml.ScalarNode) and any("\ud800" <= letter <= "\udfff" for letter in node.value):
        where = f"{file}:{node.start_mark.line + 1}"
        raise UserError(where, "holds half a character (a surrogate)", "write the character itself")
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # no key of ours, and the library refuses it
            inner, place = (*keys, key_node.value), f"{file}:{key_node.start_mark.line + 1}"
            if inner in places and key_node.value != "<<":
                raise UserError(
                    place, f'key "{key_node.value}" stands twice', f"keep one; the other is {places[inner]}"
                )
            places[inner] = place
            _collect_places(key_node, inner, places, file)
            _collect_places(value_node, inner, places, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            places[(*keys, index)] = f"{file}:{item.start_mark.line + 1}"
            _collect_places(item, (*keys, index), places, file)


def apply_override(data: dict[str, Any], places: Places, override: str) -> None:
    """Apply one ``--set a.b=value`` to plain data and its places, in place. The value is read as YAML.

    Raises:
        UserError: The override has no ``=``, or goes through something that is not a mapping.
    """
    where = f"--set {override}"
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(where, "is not KEY=VALUE", "write it as --set tune.epochs=3")
    keys = key.split(".")
    for depth, parent in enumerate(keys[:-1], start=1):
        places.setdefault(tuple(keys[:depth]), where)
        child = data.get(parent)
        if child is None:
            child = data[parent] = {}
        if not isinstance(child, dict):
            raise UserError(where, f'"{parent}" holds a value, not keys', "set it as a whole")
        data = child
    try:
        data[keys[-1]] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError, *WRONG_TAG) as error:
        raise UserError(where, "the value is not valid YAML", "quote it") from error
    places[tuple(keys)] = where


def argument_places(function: str, arguments: Mapping[str, Any]) -> Places:
    """The place of every key in the keyword arguments of a function, nested ones included."""
    places: Places = {}

    def collect(value: Any, keys: Keys) -> None:
        items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            places[(*keys, key)] = f"{function}({(*keys, key)[0]}=...)"
            collect(item, (*keys, key))

    collect(arguments, ())
    return places


def build(section: type[Section], data: dict[str, Any], file: Path | str, places: Places) -> Section:
    """Check plain data against a configuration section.

    Args:
        section: The class to build.
        data: What was read.
        file: Named in errors where no key is.
        places: Where the keys stand, from `read_yaml` or `argument_places`.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type or range.
    """
    try:
        return section.model_validate(data)
    except ValidationError as error:
        raise _explain(section, error, file, places) from error


def key_error(keys: str | Keys, value: object, message: str) -> ValidationError:
    """What a validator raises when one of its keys, or one inside it, is wrong; the error then names the key's line."""
    problem = PydanticCustomError("value_error", "{message}", {"message": message})
    place = (keys,) if isinstance(keys, str) else keys
    return ValidationError.from_exception_data(str(keys), [{"type": problem, "loc": place, "input": value}])


def _explain(section: type[Strict], error: ValidationError, file: Path | str, places: Places) -> UserError:
    """The first problem of a validation as one line; unknown keys come first, since they often cause the others."""
    problem = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    path = tuple(problem["loc"])
    where = places.get(_place(path, places), str(file))
    # Short names and unions of types put parts into the path that the user has not written.
    known = {str(part) for keys in places for part in keys}
    written = [str(part) for part in path if str(part) in known]
    key = ".".join(written)
    if problem["type"] == "extra_forbidden":
        return UserError(where, f'unknown key "{key}"', nearest(str(path[-1]), _valid_keys(section, path[:-1])))
    if problem["type"] == "missing":
        missing = str(path[-1])  # which stands there where it was given without a value
        key = key if written[-1:] == [missing] else ".".join([*written, missing])
        return UserError(where, f'key "{key}" is missing', "add it")
    message = problem["msg"].removeprefix("Value error, ")
    what, _, hint = message.partition(" - ")
    if problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float | date):
        hint = "put it in quotes"
    if problem["type"] != "value_error":
        what = f"is {_short(problem['input'])}, but {what[0].lower()}{what[1:]}"
    return UserError(where, f'"{key}" {what}' if key else what, hint or "correct the value")


def _place(path: Keys, places: Places) -> Keys:
    """The deepest key that stands on a path; short names leave out keys of it, which the user has not written."""

    def leads_along(keys: Keys) -> bool:
        remaining = iter(path)
        return keys[0] == path[0] and all(key in remaining for key in keys)

    return max((keys for keys in places if path and leads_along(keys)), key=len, default=())


def _valid_keys(section: type[Strict], path: Keys) -> list[str]:
    """The keys that a section accepts at a path, found through its field types."""
    for part in path:
        field = next((f for n, f in section.model_fields.items() if part in (n, f.alias)), None)
        nested = _section_in(field.annotation) if field else None
        section = nested or section
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    found = [_section_in(argument) for argument in getattr(annotation, "__args__", ())]
    return next((section for section in found if section), None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
