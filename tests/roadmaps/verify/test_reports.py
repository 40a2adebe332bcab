"""What tests said, as their runners write it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from stoker.roadmaps.verify import reports, tampering
from stoker.roadmaps.verify.commands import detect
from stoker.roadmaps.verify.compare import regressions
from stoker.roadmaps.verify.project import declared

JUNIT = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="5">
<testcase classname="tests.test_a" name="test_x[1-a]" file="tests/test_a.py" line="3"/>
<testcase classname="tests.test_a.TestB.TestC" name="test_y" file="tests/test_a.py">
<failure message="m">t</failure></testcase>
<testcase classname="tests.test_a" name="test_z" file="tests/test_a.py"><skipped/></testcase>
<testcase classname="" name="tests.test_b" file="tests/test_b.py"><error>no</error></testcase>
<testcase classname="com.example.ATest" name="adds"><system-out>x</system-out></testcase>
</testsuite></testsuites>"""


def test_a_file_that_node_could_not_load_is_not_lost_where_ids_have_no_files():
    """As Node 20 and 22 tell it, the former with the whole path."""
    for place in ("/work/", ""):
        text = f"""<testsuites><testcase name="{place}calc.test.js" classname="test">
        <failure/></testcase><testcase name="one" classname="test"/></testsuites>"""
        before = reports.junit(text.encode(), directory="/work")
        assert before == {"calc.test.js": "failed", "one": "passed"}

    def faults(now):
        terms = {"changed": (), "free": False, "moved": {}, "complete": True, "output": ""}
        return regressions(before, now, now, **terms)

    assert not faults({"one": "passed", "adds": "passed"})
    assert faults({"one": "passed"})[0].path == "calc.test.js"


def test_junit():
    assert reports.junit(JUNIT) == {
        "tests/test_a.py::test_x[1-a]": "passed",
        "tests/test_a.py::TestB::TestC::test_y": "failed",
        "tests/test_a.py::test_z": "skipped",
        "tests/test_b.py": "failed",
        "com.example.ATest::adds": "passed",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        JUNIT[:-20],
        b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><testcase name="&c;" classname=""/>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><testcase name="a" classname="b"/>',
        b"<testsuite>" * 50_000,
    ],
)
def test_what_is_no_report_says_nothing(data):
    assert reports.junit(data) == {}


def test_the_worst_of_several_with_one_name_counts():
    case = '<testcase classname="a" name="b">{}</testcase>'
    text = "<a>" + case.format("<failure/>") + case.format("") + case.format("<skipped/>") + "</a>"
    assert reports.junit(text.encode()) == {"a::b": "failed"}


def test_names_are_bounded_and_printable():
    text = f'<a><testcase classname="c" name="{"x" * 9999}&#10;y"/></a>'
    (name,) = reports.junit(text.encode())
    assert (len(name), name.isprintable()) == (400, True)


def test_reports_are_files_and_no_way_out(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("<a/>")
    within = tmp_path / "scratch"
    within.mkdir()
    (within / "report").symlink_to(secret)
    (within / "up").symlink_to(tmp_path)
    os.mkfifo(within / "pipe")
    for name in ("report", "pipe", "up/secret", "missing", "../secret"):
        assert reports.read(within / name, within=str(within)) == b""
    (within / "real").write_text("<b/>")
    assert reports.read(within / "real", within=str(within)) == b"<b/>"


GO = b"""{"Action":"run","Package":"example.org/a","Test":"TestAdd"}
{"Action":"pass","Package":"example.org/a","Test":"TestAdd/small","Elapsed":0}
{"Action":"pass","Package":"example.org/a","Test":"TestAdd","Elapsed":0}
{"Action":"skip","Package":"example.org/a","Test":"TestSkipped","Elapsed":0}
noise that is no JSON {
{"Action":"output","Package":"example.org/a","Output":"PASS\\n"}
{"Action":"pass","Package":"example.org/a","Elapsed":0.004}
{"Action":"fail","Package":"example.org/b","Elapsed":0}
{"Action":"skip","Package":"example.org/none","Elapsed":0}
FAIL\texample.org/c [build failed]
"""


def test_go():
    assert reports.go(GO) == {
        "example.org/a.TestAdd/small": "passed",
        "example.org/a.TestAdd": "passed",
        "example.org/a.TestSkipped": "skipped",
        "example.org/b": "failed",
        "example.org/c": "failed",
    }


CARGO = """
running 4 tests
test tests::later ... ignored
test tests::good ... ok
test tests::panics - should panic ... ok
test tests::bad ... FAILED

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
   Doc-tests a
running 0 tests
"""


def test_cargo():
    assert reports.printed(CARGO) == {
        "tests::later": "skipped",
        "tests::good": "passed",
        "tests::panics": "passed",
        "tests::bad": "failed",
    }


def test_tap():
    text = """TAP version 13
# Subtest: outer
    ok 1 - inner
    not ok 2 - inner bad
    1..2
not ok 1 - outer
ok 2 - later # TODO not yet
ok 3 - no # SKIP
ok 4 named
1..4
"""
    assert reports.tap(text) == {
        "inner": "passed",
        "inner bad": "failed",
        "outer": "failed",
        "later": "skipped",
        "no": "skipped",
        "named": "passed",
    }
    assert reports.tap("ok then\nnot ok\n") == {}


def test_dotnet_unittest_and_jest():
    text = "  Passed A.B.C(x: 1) [3 ms]\n  Failed A.B.D [1 ms]\n  Skipped A.E\n  Passed!  - 0\n"
    assert reports.printed(text) == {"A.B.C(x: 1)": "passed", "A.B.D": "failed", "A.E": "skipped"}
    text = "test_a (test_x.T.test_a) ... ok\ntest_b (test_x.T)\nSays what. ... FAIL\n"
    assert reports.printed(text) == {"test_x.T.test_a": "passed", "test_x.T.test_b": "failed"}
    data = (
        b'{"testResults": [{"name": "/w/a.test.js", "status": "failed", "assertionResults": ['
        b'{"fullName": "x y", "status": "passed"}, {"fullName": "z", "status": "pending"}]},'
        b'{"name": "/w/b.test.js", "status": "failed", "assertionResults": []}]}'
    )
    assert reports.jest(data, directory="/w") == {
        "a.test.js > x y": "passed",
        "a.test.js > z": "skipped",
        "b.test.js": "failed",
    }
    for wrong in (b"{}", b"[]", b'{"testResults": [1]}', b"{"):
        assert reports.jest(wrong) == {}


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("collected 0 items", True),
        ("Ran 0 tests in 0.000s", True),
        ("ℹ tests 0\nℹ pass 0", True),
        ("?   a [no test files]", True),
        ("Error: no test specified", True),
        ("ok: 3 checks", False),
    ],
)
def test_nothing_ran(text, none):
    assert reports.says_none(text) is none


@pytest.mark.parametrize(
    "read",
    [
        lambda: reports.printed("\n" * 1_000_000),
        lambda: reports.printed("Passed x" + " [ " * 300_000),
        lambda: reports.printed("Passed x" + " " * 1_000_000 + "y"),
        lambda: reports.junit(
            b'<testsuite name="aaaaaaaa">' * 10_000
            + b'<testcase classname="test" name="x"/>' * 10_000
        ),
        lambda: list(tampering.weakened("a.test.js", "it.each(" * 100_000, "it.each(" * 100_000)),
        lambda: declared("a" + " " * 200_000 + "x", "tests", "settings"),
        lambda: detect(["AGENTS.md"], {"AGENTS.md": b"`pytest " + b"a" * 1_000_000 + b"`"}),
    ],
)
def test_what_is_written_to_take_long_takes_not_long(read: Callable[[], object]) -> None:
    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)  # some took hours
    try:
        read()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
