"""Tests that failed before and are the task's own to make pass."""

from __future__ import annotations

import pytest

from stoker.roadmaps.verify.owed import names_in, owed

PYTHON = b"""
from calc import add, subtract


def test_add():
    assert add(1, 2) == 3


class TestMore:
    def test_subtract(self):
        assert subtract(add(1, 2), 2) == 1


def test_other():
    assert fetch() == 1
"""
NODE = b"""
import { add } from "../src/calc.js";
test("adds: two", () => assert.equal(add(1, 2), 3));
test("adds: none", () => { assert.equal(sum([]), 0); });
"""
TEXTS = {
    "tests/test_calc.py": PYTHON,
    "test/calc.test.js": NODE,
    "tests/test_x.py": b"def test_x(): add()",
}
ADD, SUBTRACT, OTHER = (
    f"tests/test_calc.py::{name}" for name in ("test_add", "TestMore::test_subtract", "test_other")
)
TWO, NONE = "test/calc.test.js > adds: two", "test/calc.test.js > adds: none"


def test_names():
    text = "`add(a, b)` and `Calc.total`, in `src/calc.py`, as `a` does; not `add two`"
    assert names_in(text) == {"add", "total"}


@pytest.mark.parametrize(
    ("paths", "names", "others", "expected"),
    [
        (["calc.py"], {"add"}, {"subtract"}, {ADD, TWO}),
        (["calc.py"], {"add"}, {"add", "subtract"}, {ADD, TWO}),
        (["calc.py"], {"subtract"}, set(), {SUBTRACT}),
        (["calc.py"], {"add"}, set(), {ADD, SUBTRACT, TWO}),
        (["src/calc/index.js"], {"sum"}, set(), {NONE}),
        (["notes.md"], {"add"}, set(), set()),
        (["tests/test_calc.py"], {"add"}, set(), set()),
        (["calc.py"], {"multiply"}, set(), set()),
        ([], {"add"}, set(), set()),
    ],
)
def test_owed(paths, names, others, expected):
    failing = [ADD, SUBTRACT, OTHER, TWO, NONE, "tests/test_x.py::test_x", "pkg.TestGo"]
    assert {test for test, _ in owed(failing, TEXTS, paths, names, others)} == expected


def test_a_file_that_fails_as_a_whole():
    failing = ["tests/test_calc.py"]
    assert list(owed(failing, TEXTS, ["calc.py"], {"add"}, set())) == [(failing[0], "add")]
    assert list(owed(failing, TEXTS, ["calc.py"], {"add"}, {"subtract"})) == []


def test_a_word_in_a_title_is_no_use_of_another_tasks_name():
    text = b'import { add } from "../src/calc.js";\ntest("in order: two", () => add(1, "it\'s"));\n'
    (found,) = owed(["calc.test.js"], {"calc.test.js": text}, ["calc.js"], {"add"}, {"order"})
    assert found == ("calc.test.js", "add")
    used = text.replace(b"add(1", b"order(1")
    assert not list(owed(["calc.test.js"], {"calc.test.js": used}, ["calc.js"], {"add"}, {"order"}))
