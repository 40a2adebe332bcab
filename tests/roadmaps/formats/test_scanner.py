"""The scanner against CommonMark: what is a box, what only looks like one, and at which byte."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stoker.roadmaps.format import NotReadable
from stoker.roadmaps.formats.scanner import scan


def boxes(text: str, **options: bool) -> list[str]:
    return [box.text for box in scan(text.encode(), "p", **options).boxes]


def codes(text: str) -> list[tuple[str, int]]:
    return [(problem.code, problem.line) for problem in scan(text.encode(), "p").problems]


@pytest.mark.parametrize("marker", ["-", "*", "+", "1.", "1)", "123456789."])
@pytest.mark.parametrize("state", [" ", "x", "X", "-", "~", "/"])
def test_every_list_marker_and_state(marker, state):
    (box,) = scan(f"{marker} [{state}] do it\n".encode(), "p").boxes
    assert (box.state, box.text, box.line, box.column) == (state, "do it", 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "[ ] no item",
        "- [ ]",
        "- [ ]no space",
        "- [x](link) to it",
        "- [a] letter",
        "- text [ ] later",
        "1234567890. [ ] too long a number",
        "    - [ ] indented code",
        "\t- [ ] indented code",
        "-     [ ] code in an item",
        "text\n    - [ ] goes on with the paragraph",
        "text\n2. [ ] no list begins at 2 in a paragraph",
        "- ```\n  - [ ] in an item's fence\n  ```",
        "```\n- [ ] fenced\n```",
        "~~~ py\n- [ ] fenced\n~~~",
        "````\n```\n- [ ] fenced\n```\n````",
        "<!--\n- [ ] commented\n-->",
        "<!-- - [ ] commented -->",
        "<details>\n- [ ] raw\n</details>",
        "<pre>\n\n- [ ] raw\n</pre>",
        "<example>\n- [ ] raw\n</example>",
        "> - [ ] quoted",
        "> > * [x] quoted twice",
        "---\ntodo:\n  - [ ] front matter\n---",
        "* * *",
    ],
)
def test_what_only_looks_like_a_task(text):
    assert boxes(text) == []
    assert boxes(f"{text}\n\n- [ ] after\n") == ["after"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-[ ] no space", ["no space"]),
        ("- [ ]* optional", ["optional"]),
        ("- - [ ] item in item", ["item in item"]),
        ("para\n- [ ] interrupts", ["interrupts"]),
        ("- item\n\n  - [ ] after a blank line", ["after a blank line"]),
        ("<!-- one line -->\n- [ ] after", ["after"]),
        ("<details>\n\n- [ ] rendered\n\n</details>", ["rendered"]),
        ("```\ncode\n```\n- [ ] after", ["after"]),
        ("- a\n  ```\n  code\n- [ ] the item ends its fence", ["the item ends its fence"]),
        ("`` ` ``` no fence\n- [ ] after", ["after"]),
        ("``` no `fence`\n- [ ] after", ["after"]),
        ("# Head\n- [ ] under", ["under"]),
        ("- [ ] \u2028 odd \x0b\x0c spaces", ["\u2028 odd \x0b\x0c spaces"]),
    ],
)
def test_what_is_a_task(text, found):
    assert [text.strip() for text in boxes(text)] == [part.strip() for part in found]


def test_lines_end_as_commonmark_says_and_not_as_python_does():
    text = "a\u2028b\x0bc\x85d\n- [ ] second line\r\n- [ ] third\r- [ ] fourth"
    data = text.encode()
    found = scan(data, "p").boxes
    assert [box.line for box in found] == [1, 2, 3]
    assert [data[box.start - 1 : box.end + 1] for box in found] == [b"[ ]"] * 3


def test_positions_are_bytes_of_the_file_and_columns_are_characters():
    data = b"\xef\xbb\xbf" + "# Ünïcödé\r\n\r\n- [ ] é\r\n\t- [x] \U0001f680\r\n".encode()
    first, second = scan(data, "p").boxes
    assert (data[first.start : first.end], data[second.start : second.end]) == (b" ", b"x")
    assert (first.line, first.column, second.line, second.column) == (2, 0, 3, 1)
    assert second.parent == 0


@pytest.mark.parametrize(
    ("text", "parents"),
    [
        ("- [ ] a\n  - [ ] b\n    - [ ] c\n- [ ] d", [-1, 0, 1, -1]),
        ("- [ ] a\n\t- [ ] b\n\t\t- [ ] c\n\t- [ ] d", [-1, 0, 1, 0]),
        ("- [ ] a\n - [ ] b", [-1, -1]),
        ("1. [ ] a\n   - [ ] b", [-1, 0]),
        ("1. [ ] a\n  - [ ] b", [-1, 0]),  # meant, though GFM sees two lists
        ("- [ ] a\n      - [ ] b", [-1, 0]),  # meant, though GFM sees one paragraph
        ("- [ ] a\n\n  text\n\n  - [ ] b", [-1, 0]),
        ("- [ ] a\n\ntext\n\n  - [ ] b", [-1, -1]),
        ("- group\n  - [ ] a\n    - plain\n      - [ ] b", [-1, 0]),
    ],
)
def test_boxes_nest_by_indentation(text, parents):
    assert [box.parent for box in scan(text.encode(), "p").boxes] == parents


def test_a_list_item_ends_where_less_is_indented():
    text = "- [ ] a\n  more\nlazy\n\n  still\n\nnot any more\n- [ ] b\n"
    assert scan(text.encode(), "p").ends == [6, 9]


def test_headings_of_both_kinds_and_where_none_is():
    text = (
        "# One #\n\nTwo\n===\n\nThree\n---\n\n####### no\n#no\n```\n# no\n```\n"
        "- # no\n<!--\n# no\n-->\n###\n## Four ##x\n"
    )
    found = scan(text.encode(), "p").headings
    assert [(head.level, head.text) for head in found] == [
        (1, "One"),
        (1, "Two"),
        (2, "Three"),
        (3, ""),
        (2, "Four ##x"),
    ]


def test_hidden_boxes_are_counted_with_their_lines():
    text = (
        "```\n- [ ] a\n* [x] b\n```\n<!-- - [ ] c -->\n<!--\n- [ ] d\n-->\n"
        "> - [ ] e\n\n    - [ ] f\n"
    )
    found = scan(text.encode(), "p").problems
    assert [(problem.code, problem.severity, problem.line) for problem in found] == [
        ("fenced-boxes", "warning", 2),
        ("commented-boxes", "note", 7),
        ("quoted-boxes", "note", 9),
        ("indented-boxes", "note", 11),
    ]
    assert found[0].message == "2 boxes in fenced code not taken as tasks: line 2, 3"


def test_fences_that_do_not_balance_are_named():
    text = "```py\ncode\n\n- [ ] lost\n\n```sh\nls\n```\n\n- [ ] found\n"
    assert codes(text) == [("unbalanced-fence", 6), ("fenced-boxes", 4)]
    assert codes("a\n\n  ```\n- [ ] lost\n") == [("unbalanced-fence", 3), ("fenced-boxes", 4)]


def test_a_fence_does_not_end_with_an_item_that_is_over_by_then():
    assert boxes("1. [ ] first\n  - [ ] task\n   ```\n- [ ] fenced") == ["first", "task"]


def test_fenced_boxes_count_if_asked_for_and_nest():
    text = "- [ ] a\n```\n- [ ] b\n  - [x] c\n- [ ] d\n```\n- [ ] e\n"
    found = scan(text.encode(), "p", include_fenced=True)
    assert [(box.text, box.parent) for box in found.boxes] == [
        ("a", -1),
        ("b", -1),
        ("c", 1),
        ("d", -1),
        ("e", -1),
    ]
    assert not found.problems


def test_a_file_that_is_one_fence_is_read_as_what_is_in_it():
    text = "\n```md\n# Plan\n\n- [ ] a\n\n```sh\n- [ ] no\n```\n\n- [ ] b\n```\n\n"
    found = scan(text.encode(), "p")
    assert [box.text for box in found.boxes] == ["a", "b"]
    assert found.headings[0].text == "Plan"


def test_deep_lists_and_quadratic_ones_are_no_trouble():
    text = "\n".join("  " * depth + "- [ ] x" for depth in range(3000))
    assert len(boxes(text)) == 3000
    assert boxes("- " * 20000 + "[ ] x\n- [ ] y")[-1] == "y"


@pytest.mark.parametrize(("data", "place"), [(b"a\nb\xff", "p:2: "), (b"a\0", "p: ")])
def test_what_is_no_text_is_named(data, place):
    with pytest.raises(NotReadable, match=re.escape(place)):
        scan(data, "p")


_PIECES = st.sampled_from(
    [
        "- [ ] task", "- [x] done", "* [X] star", "+ [ ] plus", "1. [ ] first", "2) [x] second",
        "- plain", "text", "", "", "```", "```py", "~~~", "````", "<!--", "-->", "<!-- x -->",
        "<div>", "</div>", "<pre>", "x</pre>", "# Head", "## Two", "---", "===", "***", "> quote",
        "> - [ ] quoted", "- - [ ] two", "- # head", "`code`", "[ ] bare", "é — ünï",
    ]
)  # fmt: skip
_INDENTS = st.sampled_from(["", "", "", "  ", "  ", "    ", "\t", "   ", " ", "      "])
_LINES = st.lists(st.tuples(_INDENTS, _PIECES).map("".join), max_size=25)


def oracle(text: str) -> set[tuple[int, str]]:
    """The tasks as markdown-it sees them: list items whose first paragraph begins with a box, but
    for those in quotes."""
    found = set()
    quotes = 0
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for index, token in enumerate(tokens):
        quotes += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if (
            token.type == "inline"
            and not quotes
            and index >= 2
            and tokens[index - 2].type == "list_item_open"
            and (box := re.match(r"\[([ xX])\][ \t]+\S", token.content))
        ):
            found.add((token.map[0], box[1]))
    return found


_GENEROUS = re.compile(r"(?ms)^ *\d[.)] .*^ +(?:[-*+]|\d[.)]) ")
"""A list below `1.` that may stand too far left to be its own by CommonMark, and is here: what
follows it may stand elsewhere, too."""


def generous(text: str) -> set[int]:
    """Lines where the scanner takes for a task what GFM takes for the text of an item: boxes that
    are indented too far, or too little below `1.`, and fences and HTML that end differently for
    that."""
    lines = text.split("\n")
    return {
        number
        for number, line in enumerate(lines)
        if re.match(r"[ \t]+(?:(?:[-*+]|\d[.)])[ \t]+)+\[[ xX]\]", line)
    }


@settings(max_examples=1500, deadline=None)
@given(_LINES)
def test_boxes_are_those_of_markdown_it(lines):
    text = "\n".join(lines)
    assume(not _GENEROUS.search(text))
    found = {(box.line, box.state) for box in scan(text.encode(), "p").boxes}
    expected = oracle(text)
    allowed = generous(text)
    assert {item for item in found ^ expected if item[0] not in allowed} == set(), text
