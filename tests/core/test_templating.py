from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.core.templating import MissingKeyError, evaluate, needed_fields, render, render_list, used_fields

FIELDS = {"text": "hello", "label": 1, "names": ["a", "b"], "more": {"inner": "x"}, "nothing": None}


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("text", "hello"),  # the name of a field stands for its value
        ("label", "1"),
        ("Say {{text}}.\n", "Say hello.\n"),  # the line break at the end stays, as in the harness
        ("{{text|upper}} {{text.strip()}} {{names|join(', ')}}", "HELLO hello a, b"),
        ("{{names[label]}} {{more.inner}} {{more['inner']}}", "b x x"),
        ("{{'AB'[label]}} {{label + 1}} {{label * 2}} {{7 % 4}} {{text ~ label}}", "B 2 2 3 hello1"),
        ("{% for name in names %}{{loop.index}}. {{name}}\n{% endfor %}", "1. a\n2. b\n"),
        ("{% for i in range(names|length) %}{{'AB'[i]}}: {{names[i]}} {% endfor %}", "A: a B: b "),
        ("{% if label == 1 %}one{% else %}other{% endif %}", "one"),
        ("{% set last = text.split('l')[-1] %}{{last}}", "o"),
        ("{{text.replace('l', 'L')|replace('h', 'H')}}", "HeLLo"),
        ("{{nothing is none and label >= 0.5}}", "True"),
        ("{{nothing or 'default'}}{{missing|default('gone')}}", "defaultgone"),
        ("{{label == 1}} {{label / 2}}", "True 0.5"),
    ],
)
def test_what_tasks_need_is_rendered(template: str, rendered: str) -> None:
    assert render(template, FIELDS, "here") == rendered


@given(st.text())
def test_a_field_is_inserted_as_it_is(text: str) -> None:
    """Data is data: neither escaped nor rendered itself."""
    assert render("[{{text}}]", {"text": text}, "here") == f"[{text}]"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{txt}}", "here: the template uses a field that is not there ('txt' is undefined) - did you mean \"text\"?"),
        ("{{more.outer}}", "here: the template uses a field that is not there ("),
        ("{{names[5]}}", "here: the template uses a field that is not there ("),
        ("{{text", "here: the template cannot be rendered: unexpected end of template"),
        ("{% for name in names %}", "here: the template cannot be rendered: "),
        ("{{text|no_such}}", "here: the template cannot be rendered: No filter named 'no_such'"),
        ("{{1 / 0}}", "here: the template fails on this row: division by zero"),
        ("{{text + label}}", "here: the template fails on this row: "),
        ("{{names}}", 'here: field "names" holds not one text but ["a", "b"] - take one text out of it, for'),
        ("names", 'here: field "names" holds not one text but ["a", "b"] - take'),
        ("{{more}}", 'here: field "more" holds not one text but {"inner": "x"} - take one text out of it, for'),
        ("{{names[:1]}}", 'here: an expression of the template holds not one text but ["a"] - take'),
        ("Say {{nothing}}.", 'here: field "nothing" is empty (null) - fill it in, or leave such rows out with'),
        ("nothing", 'here: field "nothing" is empty (null)'),
        ("{{text.strip}}", "here: an expression of the template holds not one text but "),
        ("{{label.strip()}}", "here: the template uses a field that is not there ("),
        ("{% include 'other' %}", "here: the template fails on this row: no loader"),
        ("{{" + "(" * 500 + "1" + ")" * 500 + "}}", "here: the template cannot be rendered: "),
    ],
)
def test_a_wrong_template_is_explained(template: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        render(template, FIELDS, "here")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ text|attr('__class__') }}",
        "{{ names|map(attribute='__class__')|first }}",
        "{{ text.__init__.__globals__ }}",
        "{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ '{x.__class__}'.format_map({'x': text}) }}",
        "{{ '%s' % text.__class__ }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context.environment }}",
        "{{ cycler.__init__.__globals__.os.getcwd() }}",
        "{{ lipsum.__globals__ }}",
        "{{ namespace(a=1) }}",
        "{{ config }}",
        "{{ names.append('c') }}",
        "{{ more.update({'inner': 'y'}) }}",
        "{% import 'os' as os %}",
        "{% for name in names %}{{ loop.__class__ }}{% endfor %}",
    ],
)
def test_there_is_no_way_out_of_the_sandbox(template: str) -> None:
    with pytest.raises(UserError, match=r"^here: the template (cannot be rendered|uses a field|fails on this row)"):
        render(template, FIELDS, "here")
    assert FIELDS["names"] == ["a", "b"]
    assert FIELDS["more"] == {"inner": "x"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**10 }}",
        "{{ 'x' * 10000000000 }}",
        "{{ text * 1000000 * 1000000 }}",
        "{{ 10000000000 * text }}",
        "{% for i in [1] * 10000000000 %}{% endfor %}",
        "{% for i in range(1000000000) %}{% endfor %}",
        "{{ range(1000000000)|list }}",
        "{{ 9**9**9 }}",
        "{{ 9.0**9999 }}",
        "{{ '%010000000000d' % 5 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ '{:>10000000000}'|format(1) }}",
        "{{ '%10000000000s'|format(1) }}",
        "{{ text.center(10000000000) }}",
        "{{ text['ljust'](10000000000) }}",
        "{{ (text|attr('rjust'))(10000000000) }}",
        "{{ text.zfill(10000000000) }}",
        "{{ 'a\tb'.expandtabs(10000000000) }}",
        "{{ text.encode().center(10000000000) }}",
        "{{ (5).to_bytes(10000000000) }}",
        "{{ text|center(10000000000) }}",
        "{{ text|indent(10000000000, true) }}",
        "{{ names|batch(10000000000, 'x')|list }}",
        "{{ names|slice(10000000000)|list }}",
        "{{ [text]|map('center', 10000000000)|first }}",
        "{{ names|tojson(10000000000) }}",
        "{{ 1|round(1000000000, 'ceil') }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for n in names recursive %}{{ loop(names) }}{{ loop(names) }}{% endfor %}",
        "{% for a in text %}{% for b in text %}{% for c in text %}{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_no_single_expression_or_loop_takes_all_memory_or_time(template: str) -> None:
    with pytest.raises(UserError, match=r"^here: the template (cannot be rendered|uses a field|fails on this row)"):
        render(template, FIELDS, "here")


def test_the_same_row_gives_the_same_text() -> None:
    """A filter that draws at random would change the examples from run to run."""
    with pytest.raises(UserError, match=re.escape("No filter named 'random'")):
        render("{{ names|random }}", FIELDS, "here")


def test_a_template_of_a_list_inserts_lists_and_no_null() -> None:
    assert render_list("{{names + [text]}}", FIELDS, "here") == "['a', 'b', 'hello']"
    with pytest.raises(UserError, match=r'^here: field "nothing" is empty \(null\)'):
        render_list('["{{text}}", "{{nothing}}"]', FIELDS, "here")


@pytest.mark.parametrize(
    ("template", "used", "needed"),
    [
        ("{{a}} {{b.inner[c]|trim}}", {"a", "b", "c"}, {"a", "b", "c"}),
        ("{% if a %}{{b}}{% else %}{{c}}{% endif %}{{d if e else f}}", set("abcdef"), {"a", "e"}),
        ("{% for x in a %}{{x}}{{b}}{% endfor %}{% set y = c %}{{y}}", {"a", "b", "c"}, {"a", "c"}),
        ("{{a|default('')|trim}}{{b is defined and c}}{{d or e}}{{f|d('')}}", set("abcdef"), {"d"}),
        ("{% for i in range(3) %}{{i}}{% endfor %} a {{'b'}}", set(), set()),
    ],
)
def test_fields_of_a_template(template: str, used: set[str], needed: set[str]) -> None:
    assert (used_fields(template, "here"), needed_fields(template, "here")) == (used, needed)


@pytest.mark.parametrize("template", ["{{text}", "{{text!}}", "{{text}} {# comment", "{{text|no_such}}"])
def test_fields_of_a_malformed_template(template: str) -> None:
    with pytest.raises(UserError, match=r"^here: the template cannot be rendered: "):
        needed_fields(template, "here")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a", [1, {"b": "x"}]),
        ("a[1].b", "x"),
        ("'v: ' ~ a[0]", "v: 1"),
        ("a | length > 1", True),
        ("{'x': 1}[a[1].b]", 1),
        ("none", None),
    ],
)
def test_an_expression_has_a_value_and_not_a_text(expression: str, value: object) -> None:
    assert evaluate(expression, {"a": [1, {"b": "x"}]}, "task") == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("b", "a field that is not there .*'b' is undefined"),
        ("a.c.d", "a field that is not there"),
        ("a +", "cannot be rendered"),
        ("a.__class__.__mro__", "."),
        ("'x' * 1000000000", "only between numbers"),
        ("a.append(2)", "."),
        ("range(100000) | list", "limited to 1000"),
    ],
)
def test_a_wrong_expression_is_explained(expression: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(expression, {"a": [1]}, "task")


@pytest.mark.parametrize(("template", "holder"), [("{{more.iner}}", "more"), ("{{ {'inner': 1}.iner }}", "")])
def test_a_missing_key_of_a_mapping_leads_to_the_others(template: str, holder: str) -> None:
    with pytest.raises(MissingKeyError, match='did you mean "inner"') as caught:
        render(template, FIELDS, "here")
    assert (caught.value.key, caught.value.holder) == ("iner", holder)
