"""Verification of a Go project, by a real go where there is one."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")

ADD = "package a\n\nfunc Add(a, b int) int { return a + b }\n"
TEST = (
    'package a\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
    '\tif Add(1, 2) != 3 {\n\t\tt.Fatal("wrong")\n\t}\n}\n'
)


def test_go(bench):
    files = {"go.mod": "module example.org/a\n\ngo 1.19\n", "a.go": ADD, "a_test.go": TEST}
    base = bench.commit(files)
    evidence = bench.verify(base, bench.commit({"a.go": ADD.replace("+", "-")}))
    assert evidence.tests.broken == ("example.org/a.TestAdd",), evidence
    assert {one.category for one in evidence.faults} == {"regression"}
    evidence = bench.verify(base, bench.commit({"a.go": ADD.replace("+ b", "+")}))
    assert evidence.verdict == "failed"
    assert {one.category for one in evidence.faults} <= {"syntax_error", "test_failure"}, evidence
    evidence = bench.verify(base, bench.commit({"a.go": "// More.\n" + ADD}))
    assert (evidence.verdict, evidence.reason) == ("verified", "1 tests passed")
