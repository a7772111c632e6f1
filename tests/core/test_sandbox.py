from __future__ import annotations

import time
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.sandbox import BUDGET, ITEM, MOST, SECONDS, Budget, ExhaustedError, make_environment

SANDBOX = make_environment(lambda value: value)
FIELDS: dict[str, Any] = {
    "text": "hello",
    "number": 3,
    "names": ["a", "b"],
    "rows": [{"a": {"b": "x"}}, {"a": {"b": 1}}],
}
START = "{% set x = text ~ '\\\\' %}"


def render(template: str, **fields: Any) -> str:
    return SANDBOX.from_string(template).render({**FIELDS, **fields, BUDGET: Budget()})


@pytest.mark.parametrize(
    "template",
    [
        "{{ text }} {{ number }}",
        "{{ text ~ number ~ names ~ none }}",
        "{{ text + 'a' }} {{ number + 1 }} {{ (names + ['c'])|length }} {{ 2 * 3.5 }} {{ 7 % 4 }}",
        "{{ names|join(', ') }} {{ names|join }} {{ ', '.join(names) }} {{ rows|join('|', attribute='a.b') }}",
        "{{ text|replace('l', 'LL') }} {{ text.replace('l', 'LL', 1) }} {{ text|replace('l', '', 1) }}",
        "{{ [1, 2, number]|sum }} {{ [{'a': 1}, {'a': 2}]|sum(attribute='a') }}",
        "{% for name in names %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{{ name }}{% else %}none{% endfor %}",
        "{% for row in rows if row.a.b != 1 %}{{ row.a.b }}{% endfor %}{% for a in [] %}{% else %}none{% endfor %}",
        "{% for key, value in {'a': 1, 'b': 2}.items() %}{{ key }}{{ value }}{% endfor %}",
        "{% set first, last = names %}{{ last }}{{ first }}{% set y %}[{{ text }}]{% endset %}{{ y }}",
        "{% filter upper %}{{ text }}{% endfilter %}{% with a = text %}{{ a[1:3] }}{{ a[::-1] }}{% endwith %}",
        "{{ names|map('upper')|join }} {{ names|map('replace', 'a', 'A')|list }} {{ missing|default('gone') }}",
        "{% if text in ['hello'] and names|length == 2 and missing is not defined %}yes{% endif %}",
        "{{ 'a' if number > 2 else 'b' }} {{ (1, 2)[0] }} {{ {'a': text}.a }} {{ names|first }} {{ text|e }}",
    ],
)
def test_counting_changes_no_text(template: str) -> None:
    assert render(template) == jinja2.Environment().from_string(template).render(FIELDS)


@given(st.text(), st.lists(st.text(), max_size=5), st.integers())
def test_counting_changes_no_text_of_any_row(text: str, names: list[str], number: int) -> None:
    template = "{{ text ~ number }}|{{ names|join(text) }}|{{ text|replace('a', number|string) }}|{{ names }}"
    plain = jinja2.Environment().from_string(template)
    assert render(template, text=text, names=names, number=number) == plain.render(
        text=text, names=names, number=number
    )


@pytest.mark.parametrize(
    "step",
    [
        "{% set x = x ~ x %}",
        "{% set x = x + x %}",
        "{% set x = (x, x)|join %}",
        "{% set x = x.join([x, x]) %}",
        "{% set x = range(9)|join(x) %}",
        "{% set x = x.replace('l', x) %}",
        "{% set x = x|replace('l', x) %}",
        "{% set x = [x]|map('replace', 'l', x)|first %}",
        "{% set x %}{{ x }}{{ x }}{% endset %}",
        "{% set x = [x, x] %}",
        "{% set x = (x, x) %}",
        "{% set x = {'a': x, 'b': x} %}",
        "{% set x = [x] + [x] %}",
        "{% set x = [[x, x]]|map('list')|list %}",
    ],
)
def test_what_doubles_again_and_again_is_stopped_early(step: str) -> None:
    started = time.process_time()
    with pytest.raises(ExhaustedError, match="more than 50,000,000 characters"):
        render(START + step * 60 + "{{ x|length }}")
    assert time.process_time() - started < 2 * SECONDS


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}{{ text }}{{ names }}, and so on{% endfor %}{% endfor %}",
        "{% for a in range(1000) %}{% for b in range(1000) %}" + "x" * 99 + "{% endfor %}{% endfor %}",
        "{% for a in long %}{% for b in long %}{% endfor %}{% endfor %}",
        "{% for a in long %}{{ long|upper|length }}{{ long|replace('b', '') }}{{ long[:-1]|length }}{% endfor %}",
    ],
)
def test_loops_over_loops_end(template: str) -> None:
    started = time.process_time()
    with pytest.raises(ExhaustedError):
        render(template, long="b" * 100_000)
    assert time.process_time() - started < 3 * SECONDS


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{% set x = 9 %}" + "{% set x = x * x %}" * 60 + "{{ x }}", "a product is too large"),
        ("{{ text.encode() }}", "'encode'"),
        ("{{ text.translate({104: text}) }}", "'translate'"),
        ("{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}", "macros, blocks and recursive loops"),
        ("{% if text %}" * 150 + "{% endif %}" * 150, "it is nested too deeply"),
        ("{{ [[text]]|sum(start=[]) }}", "unexpected keyword argument 'start'"),
        ("{{ text|pprint }}", "No filter named 'pprint'"),
    ],
)
def test_what_makes_much_at_once_is_refused(template: str, what: str) -> None:
    with pytest.raises((jinja2.TemplateError, TypeError), match=what):
        render(template)


def test_what_is_made_is_counted_once_for_each_time_it_stands_there() -> None:
    budget = Budget()
    budget.spend_value({"a": "four", "b": ["four", ("four", 1, None)]})
    assert budget.left == MOST - 3 * len("four") - ITEM * (2 + 2 + 3)
    assert list(budget.turns("ab", 5)) == ["a", "b"]
    assert budget.left == MOST - 3 * len("four") - ITEM * (2 + 2 + 3) - 10
