from __future__ import annotations

import json
import math
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stoker.plan.errors import PlanError, problem
from stoker.plan.source import MAX_BYTES, parse
from stoker.plan.tokens import members

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def refusal(data: str | bytes, name: str = "plan.yaml") -> str:
    with pytest.raises(PlanError) as caught:
        parse(data, name=name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("nul", "nul"),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("+12", 12),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2024-01-01", "2024-01-01"),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1.5.2", "1.5.2"),
        ("-", [None]),
        ("-x", "-x"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("!!float 7", 7.0),
        ("! 7", "7"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_yaml_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = parse(f"key: {text}" if value != [None] else "key:\n  -", name="p.yaml").value["key"]
    assert (found, type(found)) == (value, type(value))


def test_yaml_keys_are_strings_as_written() -> None:
    assert parse("{1: a, on: b, 3.10: c, ~: d}", name="p.yaml").value == {
        "1": "a",
        "on": "b",
        "3.10": "c",
        "~": "d",
    }


def test_yaml_merge_keys() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  z: 3\n  <<: [*a, *b]\nd: {'<<': 1}\n"
    value = parse(text, name="p.yaml").value
    assert value["c"] == {"z": 3, "x": 1, "y": 1}
    assert value["d"] == {"<<": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a: 1\na: 2\nb: {c: 1, c: 2}", ["p.yaml:2:1: a: the key is there", "p.yaml:3:11: b.c: "]),
        ("<<: {a: 1}\n<<: {b: 1}\nc: 1", ["2:1", "the key is there already"]),
        ("<<: 3", ["1:5: << of something else"]),
        ("- &a [*a]", ["1:7: the alias *a stands inside"]),
        ("- *b", ["1:3: unknown alias *b"]),
        ("a: !!python/name:os.system ''", ["1:4: the tag '!!python/name:os.system'"]),
        ("a: !secret x", ["1:4: the tag '!secret'"]),
        ("a: !!timestamp 2024-01-01", ["1:4: the tag"]),
        ("a: !!int x", ["1:4: 'x' is no int"]),
        ("? [1]\n: 2", ["1:3: a list or map as a key"]),
        ("a: .nan\nb: [1, -.INF]", ["1:4: a: not a finite", "2:8: b[1]: not a finite"]),
        ('a: "x\\0"', ["1:4: a: a string with a NUL"]),
        ("a: 1\n---\nb: 2", ["2:1: a second document"]),
        ("", ["p.yaml: the document is empty"]),
        ("# nothing", ["p.yaml: the document is empty"]),
        ("a: [", ["2:1: not valid YAML"]),
        ("a:\n\t- b", ["2:1: not valid YAML"]),
        ("é: x\ny: \x07", ["2:4: not valid YAML: control characters"]),
        (b"a: b\nc: \xff", ["2:4: byte 0xff is not UTF-8"]),
        (b"\xff\xfea\x00", ["1:1: the text is UTF-16"]),
        ("a: " + "9" * 5000, ["1:4: a number of more than 300 digits"]),
        ("a: 0x" + "f" * 5000, ["1:4: a number of more than 300 digits"]),
        ("[" * 101 + "]" * 101, ["1:101: nested more than 100 levels"]),
        ("[" * 100_000, ["1:101: nested more than 100 levels"]),
        ("{a: " * 100_000, ["nested more than 100 levels"]),
        ("- " * 100_000, ["nested more than 100 levels"]),
    ],
)
def test_yaml_refusals_name_the_place(data: str | bytes, expected: list[str]) -> None:
    message = refusal(data, "p.yaml")
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"a": 1,\n "a": 2, "b": [{"c": 1, "\\u0063": 2}]}', ["p.json:2:2: a: ", "2:25: b[0].c"]),
        # At the comma or after it: Python 3.13 points at the one, 3.11 at the other.
        ('{"a": [1, 2,]}', ["p.json:1:1", ": not valid JSON"]),
        ("{'a': 1}", ["1:2: not valid JSON: expecting property name"]),
        ('{"a": NaN,\n"b": [-Infinity, 1e999]}', ["1:7: a: ", "2:7: b[0]: ", "2:18: b[1]: "]),
        ('{"a": "\\ud800"}', ["1:7: a: a string with half of a surrogate pair"]),
        ('{"a\\u0000": 1}', ["1:2: ", "a key with a NUL"]),
        ("[" * 100_000, ["1:101: nested more than 100 levels"]),
        ("[" * 500 + "]" * 500, ["1:101: nested more than 100 levels"]),
        ('["]", ' + '{"a":' * 100 + "1" + "}" * 100 + "]", ["nested more than 100"]),
        ("[1, " + "9" * 5000 + "]", ["1:5: a number of more than 300 digits"]),
        ("  \n", ["p.json: the document is empty"]),
        (b"\xef\xbb\xbf[\xff]", ["1:2: byte 0xff"]),
    ],
)
def test_json_refusals_name_the_place(data: str | bytes, expected: list[str]) -> None:
    message = refusal(data, "p.json")
    for part in expected:
        assert part in message


def test_a_text_may_be_nested_as_deep_as_the_limit() -> None:
    for name in ("p.json", "p.yaml"):
        assert parse("[" * 100 + "]" * 100, name=name).value != []


def test_byte_order_mark_and_line_ends() -> None:
    assert parse(b"\xef\xbb\xbf{\r\n}", name="p.json").value == {}
    assert parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", name="p.yml").value == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("a.json", "1", "json"),
        ("a.YML", "{}", "yaml"),
        ("plan", ' {"a": 1}', "json"),
        ("plan", "a: 1", "yaml"),
    ],
)
def test_format_by_suffix_else_by_content(name: str, text: str, format: str) -> None:
    assert parse(text, name=name).format == format


def test_a_file_too_large_is_refused() -> None:
    assert "larger than 64 MiB" in refusal(b" " * (MAX_BYTES + 1))


def bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(60, 9),
        bomb(30, 2),
        "a: &a '" + "x" * 100_000 + "'\nb: [" + "*a, " * 100_000 + "]",
        f"a: &a {dict.fromkeys(range(1_000), 1)}\nb:\n" + "  - {<<: *a, x: 1}\n" * 2_000,
    ],
    ids=["wide", "binary", "text", "merge"],
)
def test_aliases_unfold_to_bounded_size(text: str) -> None:
    tracemalloc.start()
    try:
        assert "unfold to more than" in refusal(text)
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


def test_a_text_of_very_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "more than 5,000,000 values" in refusal("[" + "[]," * 2_500_000 + "[]]", "p.json")
    monkeypatch.setattr("stoker.plan.yaml_source.MAX_NODES", 100)
    assert "1:" in refusal("[" + "x," * 100 + "]")


def test_aliases_do_not_nest_deeper_than_text() -> None:
    assert "nested more than 100 levels" in refusal(bomb(2_000, 1))


@given(VALUES)
def test_json_reads_what_json_writes(value: object) -> None:
    assert parse(json.dumps([value]), name="p.json").value == json.loads(json.dumps([value]))


@given(VALUES)
def test_yaml_reads_what_yaml_writes(value: object) -> None:
    text = yaml.safe_dump({"top": value}, allow_unicode=True, default_style='"')
    # Double quotes and explicit tags: nothing is left to how plain scalars resolve.
    found = parse(text, name="p.yaml").value["top"]
    assert found == value or (isinstance(value, float) and math.isclose(found, value))


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_positions_point_at_the_text_of_each_value(value: object, indent: int | None) -> None:
    text = json.dumps({"top": value}, indent=indent)
    lines = text.split("\n")
    for member in members(parse(text, name="p.json").tokens()):
        line, column = member.value
        found: object = {"top": value}
        for part in member.path:
            found = found[int(part)] if isinstance(found, list) else found[part]  # type: ignore[index]
        rest = lines[line - 1][column - 1 :]
        assert rest.startswith(json.dumps(found)[:1] if found else json.dumps(found))


def test_a_problem_is_placed_at_the_nearest_part_there_is() -> None:
    source = parse("steps:\n  - id: a\n    args: [x,\n      y]\n", name="p.yaml")
    places = [
        (("steps", 0, "args", 1), False, (4, 7)),
        (("steps", 0, "args"), True, (3, 5)),
        (("steps", 0, "args"), False, (3, 11)),
        (("steps", 0, "timeout_sec"), False, (2, 5)),
        (("globals",), True, (1, 1)),
    ]
    for path, on_key, place in places:
        (found,) = source.place([problem(path, "x", on_key=on_key)])
        assert (found.line, found.column) == place, path


@given(st.text() | st.binary(), st.sampled_from(["p.json", "p.yaml", "p"]))
def test_any_text_is_parsed_or_refused(data: str | bytes, name: str) -> None:
    try:
        json.dumps(parse(data, name=name).value, allow_nan=False).encode()
    except PlanError as error:
        assert str(error).startswith(name)


@given(st.text(st.sampled_from("{}[]:,-?&*!|>#%@`'\"\\ \n\tab01.~<")))
def test_any_punctuation_is_parsed_or_refused(text: str) -> None:
    for name in ("p.json", "p.yaml"):
        try:
            parse(text, name=name)
        except PlanError as error:
            assert str(error).startswith(name)
