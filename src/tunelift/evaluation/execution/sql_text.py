"""SQL as a sequence of tokens: its normal form, whether it orders rows, the values that it compares columns with.

Nothing is parsed. Tokens are those of SQLite; a text that is no SQL has tokens, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Literal, NamedTuple

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?(?!\w))
      | (?P<word>\w+)
      | (?P<sign><>|!=|<=|>=|==|\|\||.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
SAME_SIGN = {"==": "=", "<>": "!="}
COMPARISONS = {"=", "!=", "<", ">", "<=", ">=", "like", "glob", "is"}
CLAUSES = {"select", "from", "where", "group", "having", "order", "limit", "union", "intersect", "except"}
# Words that can follow a table and are no alias of it.
AFTER_TABLE = CLAUSES | {"on", "using", "join", "inner", "left", "right", "full", "outer", "cross", "natural", "set"}
WITHOUT_ORDER = {"select", "select distinct", "where", "group", "having"}


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: "name" is a keyword or an identifier.
        text: Without quotes; names in lower case, numbers in their shortest form.
    """

    kind: Literal["name", "text", "number", "sign"]
    text: str


def tokens_of(sql: str) -> list[Token]:
    """The tokens of a query, without comments and without the semicolon at its end.

    What stands in double quotes is a name, except after a comparison, where it is a text, as SQLite takes it.
    """
    tokens: list[Token] = []
    matches = [match for match in TOKEN.finditer(sql) if match.lastgroup != "space"]
    for match, following in zip_longest(matches, matches[1:]):
        text = match[0]
        if match.lastgroup == "quoted":
            compared = bool(tokens) and tokens[-1].text in COMPARISONS and not (following and following[0] == ".")
            tokens.append(_quoted(text, compared))
        elif match.lastgroup == "text":
            tokens.append(Token("text", text[1:-1].replace("''", "'")))
        elif match.lastgroup == "number":
            tokens.append(Token("number", str(Decimal(text).normalize())))
        elif match.lastgroup == "word":
            tokens.append(Token("name", text.lower()))
        else:
            tokens.append(Token("sign", SAME_SIGN.get(text, text)))
    while tokens and tokens[-1] == Token("sign", ";"):
        tokens.pop()
    return tokens


def _quoted(text: str, compared: bool) -> Token:
    content = text[1:-1] if text[0] == "[" else text[1:-1].replace(text[0] * 2, text[0])
    return Token("text", content) if compared and text[0] == '"' else Token("name", content.lower())


def normal_form(sql: str) -> tuple[object, ...]:
    """A form that two queries share if they differ only in what cannot matter.

    That is case, white space, comments, quotes, the names of table aliases, and the order of selected columns, of
    conditions joined by AND and of grouped columns, in the outermost query.
    """
    clauses: list[tuple[str, tuple[tuple[Token, ...], ...]]] = []
    for name, tokens in _clauses(_without_aliases(tokens_of(sql))):
        if tokens[:1] == [("name", "distinct")]:
            name, tokens = f"{name} distinct", tokens[1:]
        if tokens[:1] == [("name", "by")]:
            tokens = tokens[1:]
        separators = {"select": ",", "select distinct": ",", "group": ",", "where": "and", "having": "and"}
        parts = _split(tokens, separators[name]) if name in WITHOUT_ORDER else [tuple(tokens)]
        clauses.append((name, tuple(sorted(parts) if name in WITHOUT_ORDER else parts)))
    return tuple(clauses)


def orders_rows(sql: str) -> bool:
    """Whether a query says in which order its rows come."""
    return any(name == "order" for name, _ in _clauses(tokens_of(sql)))


def compared_values(sql: str) -> dict[str, list[str | float]]:
    """The values that a query compares its columns with, by column in lower case; under "" all others."""
    values: dict[str, list[str | float]] = {}
    column, before = "", Token("sign", "")
    for token in tokens_of(sql):
        if token.kind in ("text", "number"):
            sign = -1.0 if before == ("sign", "-") else 1.0
            values.setdefault(column, []).append(token.text if token.kind == "text" else sign * float(token.text))
        elif token.text in COMPARISONS or token.text in ("in", "between"):
            column = before.text if before.kind == "name" else ""
        elif token.kind == "name" and token.text not in ("and", "not"):
            column = ""
        before = before if token == ("name", "not") else token
    return values


def _clauses(tokens: Sequence[Token]) -> Iterator[tuple[str, list[Token]]]:
    """The clauses of the outermost query: keyword and the tokens after it."""
    name, content = "", list[Token]()
    for token, depth in _with_depth(tokens):
        if depth == 0 and token.kind == "name" and token.text in CLAUSES:
            if name or content:
                yield name, content
            name, content = token.text, []
        else:
            content.append(token)
    if name or content:
        yield name, content


def _with_depth(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    depth = 0
    for token in tokens:
        depth -= token == ("sign", ")")
        yield token, depth
        depth += token == ("sign", "(")


def _split(tokens: Sequence[Token], separator: str) -> list[tuple[Token, ...]]:
    """The parts between separators outside of brackets; one part if they are joined by OR, too."""
    if separator == "and" and any(token == ("name", "or") and not depth for token, depth in _with_depth(tokens)):
        return [tuple(tokens)]
    parts: list[list[Token]] = [[]]
    in_range = False
    for token, depth in _with_depth(tokens):
        if depth == 0 and token.text == separator and token.kind in ("name", "sign") and not in_range:
            parts.append([])
            continue
        in_range = token == ("name", "between") or (in_range and token != ("name", "and"))
        parts[-1].append(token)
    return [tuple(part) for part in parts]


def _without_aliases(tokens: list[Token]) -> list[Token]:
    """The tokens with tables in the place of their aliases, and no table before columns where there is only one.

    A query that names a table twice, or two tables by one alias, stays as it is.
    """
    tables = list(_tables(tokens))
    names, aliases = {table for table, _, _ in tables}, {alias for _, alias, _ in tables}
    if len(tables) != len(names) or len(tables) != len(aliases):
        return tokens
    declared = {index for _, _, indices in tables for index in indices}
    meant = {alias: table for table, alias, _ in tables}
    plain: list[Token] = []
    for index, token in enumerate(tokens):
        if index in declared:
            continue
        plain.append(token)
        if token == ("sign", ".") and len(plain) > 1 and plain[-2].text in meant:
            table = meant[plain[-2].text]
            plain[-2:] = [Token("name", table), token] if len(tables) > 1 else []
    return plain


def _tables(tokens: Sequence[Token]) -> Iterator[tuple[str, str, range]]:
    """The tables of a query, their aliases (a table without one is its own), and where an alias is declared."""
    listed = False
    for index, token in enumerate(tokens):
        if token.kind == "name" and token.text in CLAUSES:
            listed = token.text == "from"
        begins = token in (("name", "from"), ("name", "join")) or (listed and token == ("sign", ","))
        following = list(tokens[index + 1 : index + 4])
        if not begins or not following or following[0].kind != "name":
            continue
        table = following.pop(0).text
        start = len(following[:1]) if following[:1] == [("name", "as")] else 0
        named = following[start : start + 1]
        if named and named[0].kind == "name" and named[0].text not in AFTER_TABLE:
            yield table, named[0].text, range(index + 2, index + 3 + start)
        else:
            yield table, table, range(0)
