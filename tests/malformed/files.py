"""Files that are no YAML, include each other, or stand in the place of folders."""

from __future__ import annotations

from collections.abc import Iterator

from .projects import ROWS, TASK, Files, Malformed, as_lines, as_yaml, project

# YAML that is none, or that is made to harm. SOUND stands for the content of the sound file.
LAUGHS = "a0: &a0 [ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {b: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
YAML_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "holds no keys"),
    "only a mark": (b"\xef\xbb\xbf", "holds no keys"),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbftask: a\n", "unknown key|valid YAML"),
    "only a comment": (b"# nothing\n", "holds no keys"),
    "a list": (b"- task\n- recipe\n", "holds no keys"),
    "a number": (b"3\n", "holds no keys"),
    "null bytes": (b"task: a\0b\n", "valid YAML"),
    "control characters": (b"task: a\x07b\n", "valid YAML"),
    "Latin-1": ("task: größe\n".encode("latin-1"), "UTF-8"),
    "UTF-16": ("task: a\n".encode("utf-16"), "UTF-8"),
    "cut in a character": ("task: 好".encode()[:-1], "UTF-8"),
    "tab": (b"task: a\nsplit:\n\ttrain: 3\n", ":3: is not valid YAML"),
    "open bracket": (b"task: [a\n", "valid YAML"),
    "open quote": (b'task: "a\n', "valid YAML"),
    "no colon": (b"task: a\nmodel\n", "valid YAML"),
    "two documents": (b"task: a\n---\ntask: b\n", "valid YAML"),
    "repeated key": (b"task: a\nmodel: b\ntask: c\n", ':3: key "task" stands twice'),
    "repeated key in a key": (b"tune: {epochs: 1, epochs: 2}\n", "stands twice"),
    "list as a key": (b"? [a]\n: b\n", "valid YAML"),
    "number as a key": (b"SOUND3: b\n", "keys should be strings"),
    "truth value as a key": (b"SOUNDyes: b\n", "keys should be strings"),
    "unknown anchor": (b"task: *a\n", "valid YAML"),
    "list that contains itself": (b"task: &a [*a]\n", "contains itself"),
    "mapping that contains itself": (b"task: &a {b: *a}\n", "contains itself"),
    "merge with itself": (b"task: &a {<<: *a}\n", "contains itself|valid YAML"),
    "merge with a number": (b"<<: 3\n", "valid YAML"),
    "aliases of aliases": (LAUGHS.encode(), "more than 100,000 values"),
    "merges of merges": (MERGES.encode(), "more than 100,000 values"),
    "deep": (b"task: " + b"[" * 600, "nested too deeply"),
    "deep and closed": (b"SOUNDmetadata: " + b"[" * 400 + b"]" * 400, "nested too deeply|metadata"),
    "Python object": (b"task: !!python/object/apply:os.getcwd []\n", "valid YAML"),
    "Python name": (b"task: !!python/name:os.system\n", "valid YAML"),
    "unknown tag": (b"task: !x a\n", "valid YAML"),
    "no date": (b"task: 2026-13-45\n", "valid YAML"),
    "integer without digits": (b'task: !!int ""\n', "valid YAML"),
    "integer of letters": (b'task: !!int "abc"\n', "valid YAML"),
    "float without digits": (b'task: !!float ""\n', "valid YAML"),
    "no truth value": (b"task: !!bool maybe\n", "valid YAML"),
    "no time": (b"task: !!timestamp noon\n", "valid YAML"),
    "no base 64": (b'task: !!binary "\xc3\xa9"\n', "valid YAML"),
    "integer of many digits": (b"task: " + b"9" * 5000 + b"\n", "valid YAML|task"),
    "half a character": (b'task: "\\ud83d"\n', "half a character"),
    "unknown escape": (b'task: "\\q"\n', "valid YAML"),
}


def yaml_files(model: str) -> Iterator[Malformed]:
    for name in ("recipe.yaml", "task.yaml"):
        for what, (content, named) in YAML_FILES.items():
            files = project(model)
            files[name] = content.replace(b"SOUND", files[name] or b"")
            yield Malformed(f"{what} in {name}", files, f"{name}.*({named})")


# Task files that include others.

SOUND = as_yaml(TASK)
INCLUDES: dict[str, tuple[Files, str]] = {
    "include of itself": ({"task.yaml": b"include: task.yaml\n"}, "includes itself"),
    "include in a circle": (
        {"task.yaml": b"include: a.yaml\n", "a.yaml": b"include: b.yaml\n", "b.yaml": b"include: ./a.yaml\n"},
        "includes itself",
    ),
    "missing include": ({"task.yaml": b"task: a\ninclude: none.yaml\n"}, "task.yaml:2: include: .*not found"),
    "include of a folder": ({"task.yaml": b"include: data\n"}, "task.yaml:1: include: .*not found"),
    "include of data": ({"task.yaml": b"include: data/train.jsonl\n"}, "train.jsonl"),
    "includes as a list": ({"task.yaml": b"include: [a.yaml]\n", "a.yaml": SOUND}, "task.yaml:1: .*one file name"),
    "include with a null byte": ({"task.yaml": b'include: "a\\0b"\n'}, "task.yaml:1: include: .*not found"),
    "include with a long name": ({"task.yaml": b"include: " + b"a" * 5000}, "include|File name too long"),
    "broken include": ({"task.yaml": b"include: a.yaml\n", "a.yaml": b"task: [\n"}, "a.yaml:2: "),
    "include in Latin-1": ({"task.yaml": b"include: a.yaml\n", "a.yaml": b"task: \xe9\n"}, "a.yaml.*UTF-8"),
    "unknown key in an include": ({"task.yaml": b"include: a.yaml\n", "a.yaml": SOUND + b"x: 1\n"}, "a.yaml:.*unknown"),
    "code in an include": ({"task.yaml": b"include: a.yaml\n", "a.yaml": b"x: !function a\n"}, "a.yaml.*!function"),
    "many includes": (
        {"task.yaml": b"include: 0.yaml\n", **{f"{n}.yaml": f"include: {n + 1}.yaml\n".encode() for n in range(60)}},
        "include",
    ),
}  # fmt: skip


def includes(model: str) -> Iterator[Malformed]:
    for what, (files, named) in INCLUDES.items():
        yield Malformed(what, {**project(model), **files}, named)


# Files in the place of folders, and the other way round.

DATA = ("data/train.jsonl", "data/validation.jsonl", "data/test.jsonl")
PLACES: list[tuple[str, Files, str]] = [
    ("recipe that is a folder", {"recipe.yaml": None}, "recipe.yaml.*directory"),
    ("task that is a folder", {"task.yaml": None}, "task.yaml.*not found"),
    ("test data that is a folder", {"data/test.jsonl": None}, "no test split"),
    ("data without files", dict.fromkeys(DATA), "no data files"),
    ("empty training data", {"data/train.jsonl": b""}, "train.jsonl.*holds no rows"),
    ("empty test data", {"data/test.jsonl": b""}, "test.jsonl.*holds no rows"),
    ("two files of one split", {"data/test.csv": b"text,label\na,b\n"}, "several files named test"),
    ("missing shard", {"data/test.jsonl": None, "data/test-00000-of-00002.jsonl": as_lines(ROWS)}, "by their names"),
    ("data saved by a library", {"data/dataset_dict.json": b"{}"}, "save_to_disk"),
    ("model without weights", {"m/config.json": b'{"model_type": "llama"}', "m/tokenizer.json": b"{}"}, "m"),
    ("model with a broken configuration", {"m/config.json": b"{"}, "m"),
    ("model of an unknown kind", {"m/config.json": b'{"model_type": "nonsense"}'}, "m"),
    ("model that is an empty adapter", {"m/adapter_config.json": b"{}"}, "m"),
    ("model that is a broken adapter", {"m/adapter_config.json": b"[1"}, "m"),
    ("run without a model", {"m/run.json": b"{}"}, "no tuned model"),
    ("GGUF file that is none", {"m.gguf": b"GGUF" + b"\0" * 50}, "m.gguf"),
    ("GGUF file that is empty", {"m.gguf": b""}, "m.gguf"),
]  # fmt: skip


def files_and_folders(model: str) -> Iterator[Malformed]:
    for what, files, named in PLACES:
        own = next((name.partition("/")[0] for name in files if name.startswith("m")), model)
        yield Malformed(what, {**project(own), **files}, named)
