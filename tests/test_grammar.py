"""What a grammar allows, read by a reader of the notation that shares no line with its writer."""

from __future__ import annotations

import json
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.grammar import (
    MAX_GRAMMAR_CHARS,
    Argument,
    Call,
    Grammar,
    compile_call,
    compile_choice,
    compile_date,
    compile_integer,
    compile_json_object,
    compile_node,
    compile_schema,
)
from appliance.engine.grammar_text import write_integer, write_number
from appliance.engine.schema_nodes import MAX_INTEGER, Integer
from appliance.errors import SchemaRefused
from tests.gbnf import Gbnf
from tests.json_judge import check_schema, is_valid
from tests.random_schemas import draw_schema

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def read(grammar: Grammar) -> Gbnf:
    return Gbnf(grammar.text, grammar.root)


def accepts(schema: object, text: str) -> bool:
    return read(compile_schema(schema)).accepts(text)


@pytest.mark.parametrize("seed", range(100))
def test_whatever_a_grammar_allows_fits_its_schema(seed: int) -> None:
    rng = random.Random(seed)
    schema = draw_schema(rng)
    check_schema(schema)
    grammar = read(compile_schema(schema))
    for _ in range(2):
        text = grammar.write_at_random(rng)
        assert is_valid(schema, text), (schema, text)
        assert grammar.accepts(text)


@pytest.mark.parametrize("seed", range(30))
def test_what_does_not_fit_the_schema_is_not_allowed(seed: int) -> None:
    """One character left out, doubled or replaced, wherever that breaks the schema."""
    rng = random.Random(seed)
    schema = draw_schema(rng)
    grammar = read(compile_schema(schema))
    text = grammar.write_at_random(rng)
    broken = 0
    for at in rng.sample(range(len(text)), min(len(text), 20)):
        other = rng.choice('"{}[],:\\0aA-1 .\n退')
        for spoiled in (
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + other + text[at + 1 :],
        ):
            fits = is_valid(schema, spoiled)
            broken += not fits
            assert fits or not grammar.accepts(spoiled), (schema, spoiled)
    assert broken


@pytest.mark.parametrize("seed", range(25))
def test_no_grammar_ends_before_the_answer_does(seed: int) -> None:
    """A cut answer is never taken for a whole one, unless it is a number that may end there."""
    rng = random.Random(seed)
    schema = {"type": "object", "properties": {"answer": draw_schema(rng)}, "required": ["answer"]}
    schema |= {"$defs": schema["properties"]["answer"].pop("$defs", {})}  # type: ignore[index]
    grammar = read(compile_schema(schema))
    text = grammar.write_at_random(rng)
    assert not [end for end in range(len(text)) if grammar.accepts(text[:end])]


BOUND = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.integers(-1200, 1200)


@settings(deadline=None, max_examples=40)
@given(BOUND, BOUND, st.data())
def test_an_integer_is_allowed_just_where_it_is_within_its_bounds(
    one: int, other: int, data: st.DataObject
) -> None:
    low, high = sorted((one, other))
    grammar = Gbnf(f"root ::= {write_integer(low, high)}\n", "root")
    near = [low - 1, low, low + 1, high - 1, high, high + 1, 0, 9, 10, -1]
    for value in [*near, data.draw(st.integers(low, high)), data.draw(BOUND)]:
        assert grammar.accepts(str(value)) == (low <= value <= high)
    assert not grammar.accepts("")
    assert not grammar.accepts("-0")
    assert not grammar.accepts(f"0{low}")


@settings(deadline=None, max_examples=40)
@given(st.integers(-130, 130), st.integers(-130, 130), st.integers(-140_000, 140_000))
def test_a_number_is_allowed_just_where_it_is_within_its_bounds(
    one: int, other: int, thousandths: int
) -> None:
    low, high = sorted((one, other))
    grammar = Gbnf(f"root ::= {write_number(low, high)}\n", "root")
    whole, part = divmod(abs(thousandths), 1000)
    text = f"{'-' if thousandths < 0 else ''}{whole}.{part:03}"
    # A bound itself, as 7.000, may go unwritten: as 7 it is allowed.
    assert grammar.accepts(text) <= (low * 1000 <= thousandths <= high * 1000)
    if low * 1000 < thousandths < high * 1000:
        assert grammar.accepts(text)
    assert grammar.accepts(str(low)) and grammar.accepts(str(high))


@settings(deadline=None, max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=12), WORDS)
def test_a_choice_allows_its_texts_and_nothing_else(texts: list[str], other: str) -> None:
    grammar = read(compile_choice(texts))
    assert all(map(grammar.accepts, texts))
    for text in (other, other + texts[0], texts[0] + other, texts[0][:-1], ""):
        assert grammar.accepts(text) == (text in texts)


@settings(deadline=None, max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=4, unique=True), st.lists(WORDS, max_size=4), WORDS)
def test_a_call_quotes_only_declared_values(
    tools: list[str], values: list[str], other: str
) -> None:
    grammar = read(compile_call([Call(tool, (Argument("id", tuple(values)),)) for tool in tools]))
    for tool in tools:
        for value in [*values, other]:
            call = json.dumps({"tool": tool, "arguments": {"id": value}}, ensure_ascii=False)
            assert grammar.accepts(call) == (value in values)
    assert grammar.accepts('{"tool": null}')
    stranger = json.dumps({"tool": other, "arguments": {}}, ensure_ascii=False)
    assert grammar.accepts(stranger) == (other in tools and not values)


def test_an_argument_without_values_is_left_out() -> None:
    call = Call("查询", (Argument("order", ()), Argument("phone", ("138",), is_required=False)))
    grammar = read(compile_call([call], may_decline=False))
    assert grammar.accepts('{"tool":"查询","arguments":{}}')
    assert grammar.accepts('{"tool":"查询","arguments":{"phone":"138"}}')
    assert not grammar.accepts('{"tool":null}')


HOSTILE = (
    *('"', "\\", '" | "x', "]", "[^a]", "\\x00"),
    *("a\nroot ::= [a-z]", "{0,9}", "#", "%s", "<[1]>"),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_notation(text: str) -> None:
    schema = {
        "type": "object",
        "properties": {text: {"enum": [text]}},
        "required": [text],
    }
    whole = json.dumps({text: text}, ensure_ascii=False)
    grammar = read(compile_schema(schema))
    assert grammar.accepts(whole)
    assert len(grammar.rules) == len(read(compile_schema(rename(schema, text, "q"))).rules)


def rename(schema: object, old: str, new: str) -> object:
    return json.loads(json.dumps(schema).replace(json.dumps(old), json.dumps(new)))


def test_blanks_do_not_run_away() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
        "required": ["a", "b"],
    }
    assert accepts(schema, '{"a":null,"b":null}')
    assert accepts(schema, '{"a": null, "b": null}')
    for text in ('{"a":  null,"b":null}', '{ "a":null,"b":null}', '{\n"a":null,"b":null}'):
        assert not accepts(schema, text)


def test_properties_come_in_the_order_they_were_written() -> None:
    names = {name: {"type": "null"} for name in "zay"}
    schema = {"type": "object", "properties": names, "required": ["a"]}
    for chosen in ("a", "za", "ay", "zay"):
        assert accepts(schema, json.dumps(dict.fromkeys(chosen)))
    for chosen in ("", "z", "zy", "az", "ya"):
        assert not accepts(schema, json.dumps(dict.fromkeys(chosen)))


def test_a_json_object_may_hold_anything_down_to_its_depth() -> None:
    grammar = read(compile_json_object())
    rng = random.Random(0)
    assert grammar.accepts('{"a": [1, -2.5, {"b": null}], "退": "\\n\\"😀"}')
    assert grammar.accepts("{}")
    for text in ("[]", "1", "", '{"a":1', '{"a":01}', '{"a":1,}', '{"a":[[[[[[[1]]]]]]]}'):
        assert not grammar.accepts(text)
    for _ in range(3):
        assert isinstance(json.loads(grammar.write_at_random(rng)), dict)


@settings(deadline=None, max_examples=40)
@given(st.dates(), st.integers(1, 31))
def test_a_date_is_allowed_just_where_the_calendar_has_it(day: date, number: int) -> None:
    grammar = read(compile_date())
    text = f"{day.year:04}-{day.month:02}-{number:02}"
    try:
        exists = date.fromisoformat(text).year >= 1000
    except ValueError:
        exists = False
    assert grammar.accepts(text) == exists


@pytest.mark.parametrize("year", [1900, 2000, 2024, 2026, 2100, 2400])
def test_a_leap_day_is_allowed_only_in_a_leap_year(year: int) -> None:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    assert read(compile_date()).accepts(f"{year}-02-29") == is_leap


def test_bounds_that_nothing_fits_and_grammars_too_large_are_refused() -> None:
    with pytest.raises(SchemaRefused, match="no number fits"):
        compile_integer(2, 1)
    texts = [f"{number}" + "退" * 490 for number in range(200)]
    with pytest.raises(SchemaRefused, match=str(MAX_GRAMMAR_CHARS)):
        compile_choice(texts)
    properties = {str(size): {"type": "string", "maxLength": 960 + size} for size in range(30)}
    with pytest.raises(SchemaRefused, match="characters and items"):
        compile_schema({"type": "object", "properties": properties})


@pytest.mark.parametrize("texts", [[], [""], ["a\nb"], ["a\x00"], ["\ud800"], ["x" * 501]])
def test_a_choice_of_what_is_no_line_of_text_is_refused(texts: list[str]) -> None:
    with pytest.raises(SchemaRefused):
        compile_choice(texts)


def test_equal_parts_share_a_rule() -> None:
    assert compile_node(Integer(0, 5)) == compile_integer(0, 5)
    one = {"type": "string", "maxLength": 40}
    single = compile_schema({"type": "object", "properties": {"a": one}})
    double = compile_schema({"type": "object", "properties": {"a": one, "b": one}})
    assert double.text.count("{0,40}") == single.text.count("{0,40}") == 1
