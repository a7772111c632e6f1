"""Templates and expressions that are malformed, undefined, or made to harm."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from .projects import TASK, Malformed, project, with_key

DOUBLED = "".join("{% set x = x ~ x %}" for _ in range(60))
STATEMENTS = [
    "{{ text",
    "{{ text }",
    "{% if text %}",
    "{% for name in names %}{{ name }}",
    "{% endfor %}",
    "{% nonsense %}",
    "{# text",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import path %}{{ path }}",
    "{% extends 'base' %}{{ text }}",
    "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% for a in names recursive %}{{ loop(names) }}{% endfor %}",
    "{% call text() %}{% endcall %}",
    "{% for a in names %}{{ loop.__class__ }}{% endfor %}",
    "{% for a in range(9) %}{% for b in range(9) %}{% for c in range(9) %}" + "{% endfor %}" * 3,
    "{% for a in range(1000) %}{% for b in range(1000) %}{{ text }}" + "x" * 100 + "{% endfor %}{% endfor %}",
    "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}" * 20 + "{{ text }}",
    "{% set x = text %}" + DOUBLED + "{{ x[:9] }}",
    "{% set x = text %}" + DOUBLED.replace("~", "+") + "{{ x[:9] }}",
    "{% set x = text %}" + "{% set x = x.replace('e', x) %}" * 60 + "{{ x[:9] }}",
    "{% set x = text %}" + "{% set x = x|replace('e', x) %}" * 60 + "{{ x[:9] }}",
    "{% set x = text %}" + "{% set x = x.join([x, x, x]) %}" * 60 + "{{ x[:9] }}",
    "{% set x = text %}" + "{% set x = range(1000)|join(x) %}" * 9 + "{{ x[:9] }}",
    "{% set x = [text] %}" + "{% set x = x + x %}" * 60 + "{{ x[0] }}",
    "{% set x = [text] %}" + "{% set x = [x, x]|sum(start=[]) %}" * 60 + "{{ x[0] }}",
    "{% set x = text %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x[:9] }}",
    "{% set x = text ~ '\\\\' %}" + "{% set x = x|pprint %}" * 60 + "{{ x[:9] }}",
    "{% set x = text ~ '\\\\' %}" + "{% set x = x.encode('unicode_escape').decode() %}" * 60 + "{{ x[:9] }}",
    "{% set x = 99 %}" + "{% set x = x * x %}" * 60 + "{{ x % 7 }}{{ text }}",
    "{% if text %}" * 150 + "{{ text }}" + "{% endif %}" * 150,
]  # fmt: skip
EXPRESSIONS = [
    "txt",
    "text.inner.more",
    "names[5]",
    "nothing.x",
    "text +",
    "text 'a'",
    "text(3)",
    "text|nonsense",
    "text is nonsense",
    "text|replace",
    "number + text",
    "1 / 0",
    "text.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "text['__class__']",
    "text|attr('__class__')",
    "names|map(attribute='__class__')|list",
    "text.__init__.__globals__",
    "'{0.__class__}'.format(text)",
    "'{x.__class__}'.format_map({'x': text})",
    "('%s' % text.__class__)",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "cycler.__init__.__globals__.os.getcwd()",
    "lipsum.__globals__",
    "namespace(a=text)",
    "joiner(text)",
    "dict(a=text).a",
    "range.__globals__",
    "names.append(text)",
    "open('/etc/passwd').read()",
    "__import__('os')",
    "text * 1000000000",
    "9 ** 9 ** 9",
    "'%01000000000d' % 5",
    "range(1000000000)|list",
    "text.center(1000000000)",
    "text|indent(1000000000)",
    "(5).to_bytes(1000000000)",
    "text.translate({97: text * 99})",
    "(" * 90 + "text" + ")" * 90 + " * 'a'",
    "(" * 1500 + "text" + ")" * 1500,
    "[" * 150 + "text" + "]" * 150,
    "text" + ".a" * 3000,
    "text" + "|upper" * 3000,
    "text" + " ~ text" * 3000 + "|nonsense",
    "not " * 3000 + "txt",
    "lambda: text",
    "text\0",
]  # fmt: skip
TEMPLATE_KEYS = ("doc_to_text", "doc_to_target", "doc_to_choice", "description")
EXPRESSION_KEYS = ("where", "fields.more")


def templates(random: Random, model: str) -> Iterator[Malformed]:
    for statement in STATEMENTS:
        yield _template(model, random.choice(TEMPLATE_KEYS), statement)
    for expression in EXPRESSIONS:
        yield _template(model, random.choice(TEMPLATE_KEYS), f"{{{{ {expression} }}}}")
        yield _template(model, random.choice(EXPRESSION_KEYS), expression)
    for key, value in TEMPLATES:
        yield _template(model, key, value)


def _template(model: str, key: str, value: str) -> Malformed:
    return Malformed(f"{key}: {value[:60]}", project(model, with_key(TASK, key, value)), key)


TEMPLATES = [
    ("doc_to_text", "no template and no field"),
    ("doc_to_text", "{ text }"),
    ("doc_to_text", "The same for all {{ 'rows' }}"),
    ("doc_to_text", "names"),
    ("doc_to_text", "nothing"),
    ("doc_to_text", ""),
    ("doc_to_target", "nothing"),
    ("doc_to_target", "labels"),
    ("doc_to_target", "{{ text }}"),
    ("doc_to_target", "99999999999999999999"),
    ("doc_to_target", "number"),
    ("doc_to_choice", "text"),
    ("doc_to_choice", "number"),
    ("doc_to_choice", "nothing"),
    ("doc_to_choice", "['bad', 'good'"),
    ("doc_to_choice", "{{ names }} and more"),
    ("where", "True"[:-1]),
    ("where", "label =! 'ugly'"),
    ("where", "}}{{"),
    ("where", "{{ label }}"),
    ("fields.more", ""),
    ("fields.more", "{{ text }}"),
    ("fields.more", "range"),
    ("fields.more", "text.strip"),
]
