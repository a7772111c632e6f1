"""Texts of files that are malformed in themselves, and conversations."""

from __future__ import annotations

from collections.abc import Callable
from random import Random


def _constant(text: str) -> Callable[[Random], str]:
    return lambda random: text


TEXT_DAMAGES: dict[str, dict[str, Callable[[Random], str]]] = {
    ".jsonl": {
        "repeated column": _constant('{"a": 1, "a": 2}\n'),
        "number out of range": _constant('{"a": 1}\n{"a": 1e999}\n'),
        "number of many digits": _constant('{"a": ' + "9" * 5000 + "}\n"),
        "open brackets": _constant("[" * 200_000),
        "nested in an object": _constant('{"a": ' * 3000 + "1" + "}" * 3000),
        "no objects": _constant('1\n"a"\nnull\n[]\n'),
        "no JSON": _constant("{'a': 1}\n"),
    },
    ".json": {
        "repeated column": _constant('[{"a": {"b": 1, "b": 2}}]'),
        "repeated key": _constant('{"data": [],\n "data": [{"a": 1}]}'),
        "comma at the end": _constant('[{"a": 1},\n]'),
        "objects and others": _constant('[{"a": 1}, [1], null]'),
        "no rows": _constant('{"data": [], "rows": []}\n'),
        "null": _constant("null"),
        "deep": _constant("[" * 5000 + "]" * 5000),
    },
    ".csv": {
        "repeated column": _constant("a,b,a\n1,2,3\n"),
        "wrong columns": lambda random: "a,b\n" + "".join(f"{'1,' * random.randint(0, 4)}\n" for _ in range(5)),
        "open quote": _constant('a,b\n1,"2\n3,4\n'),
        "quote within": _constant('a,b\n1,2"3"\n"a"b,c\n'),
        "only a header": _constant("a,b\n"),
    },
    ".tsv": {
        "repeated column": _constant("a\ta\n1\t2\n"),
        "wrong columns": _constant("a\tb\n1\n1\t2\t3\n"),
    },
    ".conll": {
        "no tags": _constant("the\ncat\n\nsat\n"),
        "unknown tags": _constant("the\tX-Y\ncat\tB-\n"),
        "tags without words": _constant("\tO\n \tB-PER\n"),
    },
    ".txt": {
        "marks without an end": _constant('1\t"The <e1>cat sat on the <e2>mat</e2>."\nOther\n'),
        "only blanks": _constant(" \n\t\n\r\n"),
    },
    ".spans.jsonl": {
        "outside": _constant('{"text": "abc", "entities": [{"start": 2, "end": 9, "type": "X"}]}\n'),
        "another text": _constant('{"text": "abc", "label": {"X": {"bc": [[0, 1]]}}}\n'),
        "no numbers": _constant('{"text": "a", "label": [[0, 1, "X"]]}\n{"text": "a", "label": [["0", null, 3]]}\n'),
    },
    ".relation.jsonl": {
        "overlap": _constant('{"text": "abc", "relation": "r", "h": {"pos": [0, 2]}, "t": {"pos": [1, 3]}}\n'),
        "one mark": _constant('{"relation": "r", "sentence": "a <e1>b</e1> <e2>"}\n'),
    },
    ".triples.jsonl": {
        "no objects": _constant('{"text": "abc", "spo_list": [1, null]}\n'),
        "nulls": _constant('{"text": "abc", "spo_list": [{"subject": null, "object": {"@value": []}}]}\n'),
    },
}

CONVERSATIONS = (
    "[]",
    "null",
    '"user: hello"',
    "[null, 3]",
    '[{"role": "user", "content": "q"}]',
    '[{"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": "q"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": "q"}, {"role": "assistant", "content": null}]',
    '[{"role": "alien", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": ["user"], "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": {"a": 1}}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, {"role": "assistant", "content": "a"}]',
    '[{"role": "tool", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"from": "human", "value": "q"}, {"from": "function_call", "value": "{not JSON"}]',
    '[{"from": "human", "value": "q"}, {"from": "function_call", "value": "[3]"}]',
)
