from __future__ import annotations

import jinja2
import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Source
from tunelift.data.formats import Row
from tunelift.data.reader import each_row, make_reader, meeting_condition, with_fields, without_words
from tunelift.data.tasks import Task, load_task


def read(fields, **keys):
    """The examples of some rows."""
    settings = {"doc_to_text": "{{q}}", "doc_to_target": "{{a}}", **keys}
    task = Task(task="t", dataset_path="x", **settings)
    rows = [Row(row, Source("data.jsonl", number)) for number, row in enumerate(fields, start=1)]
    return each_row(rows, make_reader(task, rows).example)


def target(answer, choices, doc_to_target="a", render="chat", **fields):
    keys = {"doc_to_target": doc_to_target, "doc_to_choice": choices, "render": render}
    return read([{"q": "?", "a": answer, **fields}], **keys)[0].target


def test_example():
    example = read([{"q": "?", "a": "yes", "doc": 7}], doc_to_choice=["yes", "no"], group_by="doc")[0]
    assert example.fields == {"q": "?", "a": "yes", "doc": 7}
    assert (example.target, example.choices, example.group) == ("yes", ("yes", "no"), "7")
    assert example.source == Source("data.jsonl", 1)


def test_ids_depend_on_the_fields_only():
    one, two, again = (
        example.id for example in read([{"q": "1", "a": "x"}, {"q": "2", "a": "x"}, {"a": "x", "q": "1"}])
    )
    assert one == again != two
    assert one.startswith("t-")
    assert len(one) == len("t-") + 12


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("no", "no"), (1, "no"), ("1", "no"), (True, "no"), (0, "yes")],
)
def test_answer_is_a_choice_or_its_index(answer, expected):
    assert target(answer, ["yes", "no"]) == expected
    if not isinstance(answer, bool):
        assert target(answer, ["yes", "no"], "{{a}}") == expected


def test_constant_index():
    assert target("unused", "options", 0, options=["right", "wrong"]) == "right"
    assert target("unused", "options", "1", options=["wrong", "right"]) == "right"


def test_numbers_as_choices():
    stars = ["1", "2", "3", "4", "5"]
    assert target("3", stars) == "3"
    assert target(3, stars, "{{a}}") == "3"
    with pytest.raises(UserError, match="can mean the choice 3 or, as in the harness, the choice at index 3"):
        target(3, stars)
    with pytest.raises(UserError, match='"0" is not one of the choices'):
        target("0", stars)


NUMBERS = {"options": ["1", "2", "3"]}


def test_numbers_among_the_choices_of_a_row():
    """As an index in a file of the harness; otherwise a template gives the choice itself, and fields are refused."""
    assert target(0, "options", "{{a + 1}}", render="plain", **NUMBERS) == "2"
    assert target(1, "options", render="plain", **NUMBERS) == "2"
    assert target("1", "options", render="plain", **NUMBERS) == "1"
    assert target(0, "options", "{{options[a]}}", **NUMBERS) == "1"
    with pytest.raises(UserError, match="for that at an index"):
        target(1, "options", **NUMBERS)


def test_an_index_made_by_a_template_is_refused():
    """Among rows of which some have numbers as choices, those would be taken for them."""
    with pytest.raises(UserError, match=r'"1" is not one of the choices \(x, y\) - a template gives the choice itself'):
        target(0, "options", "{{a + 1}}", options=["x", "y"])
    assert target(0, '["x", "y"]', "{{a + 1}}") == "y"


@pytest.mark.parametrize("answer", ["007", "9" * 5000, "１"])
def test_a_number_that_is_no_index(answer):
    assert target(answer, [answer, "x", "y"]) == answer
    with pytest.raises(UserError, match="is not one of the choices"):
        target(answer, ["x", "y"])


def test_labels_of_the_task_hide_the_answer_in_fields_of_the_same_name():
    task = Task(
        task="t",
        dataset_path="x",
        doc_to_text="{{labels|join(', ')}}: {{q}}",
        doc_to_target="labels",
        doc_to_choice=["good", "bad"],
        labels=["good", "bad"],
        fields={"kind": "labels"},
    )
    (row,) = with_fields(task, [Row({"q": "?", "labels": "bad"}, Source("d", 1))])
    reader = make_reader(task, [row])
    assert reader.question(row) == "good, bad: ?"
    assert reader.content(row).strip() == "?"
    assert (reader.example(row).target, row.fields["kind"]) == ("bad", "bad")
    own = task.model_copy(update={"labels": []})
    assert make_reader(own, [row]).question(row) == "b, a, d: ?"


def test_a_label_that_the_task_does_not_have():
    task = Task(task="t", dataset_path="x", doc_to_text="q", doc_to_target="{{wording[a]}}", labels={"b": "bad"})
    rows = [Row({"q": "?", "a": "good"}, Source("d", 1))]
    with pytest.raises(UserError, match=r'^d:1: doc_to_target: "good" is none of the labels - valid here: b'):
        each_row(rows, make_reader(task, rows).example)


def test_conditions_see_rows_without_further_fields():
    task = Task(task="t", dataset_path="x", doc_to_text="q", doc_to_target="n", where="n > 1", fields={"n": "0 - n"})
    rows = [Row({"q": "?", "n": n}, Source("d", n)) for n in (1, 2)]
    assert [row.fields["n"] for row in with_fields(task, meeting_condition(task, rows))] == [-2]


def test_numbers_without_choices_are_text():
    assert read([{"q": "6 * 7", "a": 42}], doc_to_target="a")[0].target == "42"


@pytest.mark.parametrize(
    "options",
    [["it's", 'a "b"'], '["it\'s", "a \\"b\\""]', '["it\'s", \'a "b"\']'],
)
def test_choices_of_the_row_as_list_json_or_python(options):
    for template in ("options", "{{options}}"):
        assert read([{"q": "?", "a": 1, "options": options}], doc_to_target="a", doc_to_choice=template)[0].choices == (
            "it's",
            'a "b"',
        )


def test_choices_from_a_constant_list():
    assert read([{"q": "?", "a": "yes"}], doc_to_choice='["yes", "no"]')[0].choices == ("yes", "no")


@pytest.mark.parametrize("options", ["a, b", [], None, {"a": 1}, [["a"]], "__import__('os')"])
def test_what_is_not_a_list_of_choices(options):
    with pytest.raises(UserError, match=r"data.jsonl:1: doc_to_choice: "):
        read([{"q": "?", "a": 0, "options": options}], doc_to_target="a", doc_to_choice="options")


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        (
            [{"q": "1", "a": "x"}, {"q": "2"}, {"q": "3"}, {"q": "4"}],
            {},
            r":2: doc_to_target: .*'a' is undefined.*\(3, 4\)",
        ),
        ([{"q": "1", "a": "x"}, {"q": "2"}], {"doc_to_target": "a"}, r':2: doc_to_target: field "a" is missing'),
        (
            [{"q": "1", "a": "x"}, {"q": "2", "a": None}],
            {"doc_to_target": "a"},
            r':2: doc_to_target: field "a" is empty \(null\)',
        ),
        ([{"q": "1", "a": None}], {}, r':1: doc_to_target: field "a" is empty \(null\)'),
        (
            [{"q": "1", "a": [["x"]]}],
            {"doc_to_target": "a"},
            r':1: doc_to_target: field "a" holds not one text but \[\["x"\]\]',
        ),
        ([{"q": "1", "a": ["x"]}], {}, r':1: doc_to_target: field "a" holds not one text but \["x"\]'),
        ([{"q": "1", "a": "x"}], {"group_by": "b"}, r':1: group_by: field "b" is missing'),
        (
            [{"q": "1", "a": "Yes"}],
            {"doc_to_choice": ["yes", "no"]},
            r'"Yes" is not one of the choices \(yes, no\) - did you',
        ),
        (
            [{"q": "1", "a": -1}],
            {"doc_to_target": "a", "doc_to_choice": ["yes", "no"]},
            "answer -1 is not an index of 2",
        ),
        ([{"q": "1", "a": 2}], {"doc_to_target": "a", "doc_to_choice": ["yes", "no"]}, "answer 2 is not an index of 2"),
        ([{"q": "1", "a": "x"}], {"doc_to_target": 0}, "is an index, but there are no choices"),
    ],
)
def test_errors_name_row_and_key_and_count_the_rest(rows, keys, message):
    with pytest.raises(UserError, match=message):
        read(rows, **keys)


@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_target", "doc_to_choice"])
def test_a_misspelt_field_is_not_a_constant_text(key):
    with pytest.raises(
        UserError, match=f'{key}: "question" is neither a field nor a template - did you mean "questions"'
    ):
        read([{"questions": "?", "a": "x", "q": ""}], **{key: "question"})


CONVERSATION = [{"from": "human", "value": "How?"}, {"from": "gpt", "value": "So."}]


@pytest.mark.parametrize("template", ["q", "{{q}}", "Say:\n\n{{q}}"])
@pytest.mark.parametrize("value", [None, CONVERSATION, CONVERSATION[0]])
def test_a_question_is_text(template, value):
    rows = [Row({"q": "?", "a": "x"}, Source("d", 1)), Row({"q": value, "a": "x"}, Source("d", 2))]
    reader = make_reader(Task(task="t", dataset_path="x", doc_to_text=template, doc_to_target="a"), rows)
    for work in (reader.question, reader.content):
        with pytest.raises(UserError, match=r'^d:2: doc_to_text: field "q" (is empty \(null\)|holds not one text)'):
            each_row(rows, work)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('doc_to_text: "{{text}"', "the template cannot be rendered: "),
        ('doc_to_text: "{{text!}}"', "the template cannot be rendered: "),
        ('doc_to_text: "{{text}} {# comment"', "the template cannot be rendered: "),
        ('doc_to_target: "{{label!}}"', "the template cannot be rendered: "),
        ('doc_to_choice: "{{[label}}"', "the template cannot be rendered: "),
        ('description: "{% if label %}"', "the template cannot be rendered: "),
        ('where: "label >"', "the template cannot be rendered: "),
        (
            'doc_to_text: "Question: {text}"',
            '"Question: {text}" is neither a field nor a template - write fields in double',
        ),
        ("doc_to_text: \"Question: {{'text'}}\"", "the template uses no field, so that every row asks the same"),
        ('doc_to_text: "{{txt}}"', 'no row has the field "txt" - did you mean "text"'),
        ("doc_to_target: lable", '"lable" is neither a field nor a template - did you mean "label"'),
        ('doc_to_target: "{{lable}}"', 'no row has the field "lable" - did you mean "label"'),
        ("where: lable == 1", 'no row has the field "lable" - did you mean "label"'),
        ("fields: {class: lable}", 'no row has the field "lable" - did you mean "label"'),
        ("fields: {class: label +}", "the template cannot be rendered: "),
    ],
)
def test_a_fault_of_the_task_file_is_named_at_its_line(tmp_path, line, message):
    key = line.partition(":")[0]
    keys = {"doc_to_text": 'doc_to_text: "{{text}}"', "doc_to_target": "doc_to_target: label", key: line}
    path = tmp_path / "task.yaml"
    path.write_text("\n".join(["task: t", "dataset_path: x", *keys.values()]), encoding="utf-8")
    task, rows = load_task(path), [Row({"text": "a", "label": "b"}, Source("d", 1))]
    with pytest.raises(UserError) as error:
        make_reader(task, with_fields(task, meeting_condition(task, rows)))
    number = list(keys).index(key) + 3
    part = "fields.class" if key == "fields" else key
    assert str(error.value).startswith(f"{path}:{number}: {part}: {message}")


def test_a_field_that_not_every_row_needs_can_be_in_none():
    text = "{{text}}{% if label == 'c' %}{{context}}{% endif %}{{hint|default('')}}"
    rows = [Row({"text": "a", "label": "b"}, Source("d", 1))]
    reader = make_reader(Task(task="t", dataset_path="x", doc_to_text=text, doc_to_target="label"), rows)
    assert reader.question(rows[0]) == "a"


def test_condition():
    rows = [Row({"q": "?", "n": n}, Source("d", 1)) for n in (None, 1, 3)]
    task = Task(task="t", dataset_path="x", doc_to_text="q", doc_to_target="n", where="n is not none and n > 2")
    assert meeting_condition(task, rows) == rows[2:]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Is this good?\n{{ text }}\nAnswer:", " {{ text }} "),
        ("{% if a -%} Context: {{ a }}{% endif %}Q {{ q|trim }}", "{% if a -%}  {{ a }}{% endif %} {{ q|trim }}"),
        ("{{ q }}{# note #}", "{{ q }}{# note #}"),
    ],
)
def test_without_words(template, expected):
    assert without_words(template) == expected
    jinja2.Environment().parse(without_words(template))


def test_content_has_no_words_of_the_template():
    rows = [Row({"q": "short"}, Source("d", 1))]
    for template, content in (("Sentiment of: {{q}}?", " short "), ("q", "short")):
        reader = make_reader(Task(task="t", dataset_path="x", doc_to_text=template, doc_to_target="q"), rows)
        assert reader.content(rows[0]) == content


def test_a_field_that_holds_several_right_answers_gives_them_all():
    first, second = read([{"q": "1", "a": ["x", "y", "x"]}, {"q": "2", "a": ["z"]}], doc_to_target="a")
    assert (first.target, first.others) == ("x", ("y",))
    assert (second.target, second.others) == ("z", ())
