"""Tests made weaker, in languages that are only looked at."""

from __future__ import annotations

import sys
import tomllib

import pytest

from stoker.roadmaps.verify.protected import is_config, is_test, matches, section_restored
from stoker.roadmaps.verify.tampering import weakened

GO = 'func TestA(t *testing.T) {\n\tif f() != 1 {\n\t\tt.Fatal("x")\n\t}\n}\n'
RUST = "#[test]\nfn a() { assert_eq!(f(), 1); }\n"
JAVA = "@Test\nvoid a() { assertEquals(1, f()); }\n"
JS = "it('a', () => { expect(f()).toBe(1); });\n"


@pytest.mark.parametrize(
    ("path", "before", "now"),
    [
        ("a_test.go", GO, GO.replace("\tif", '\tt.Skip("later")\n\tif')),
        ("a_test.go", GO, GO.replace('t.Fatal("x")', "_ = 1")),
        ("a_test.go", GO, ""),
        ("tests/a.rs", RUST, "#[ignore]\n" + RUST),
        ("tests/a.rs", RUST, RUST.replace("assert_eq!(f(), 1);", "")),
        ("ATest.java", JAVA, "@Disabled\n" + JAVA),
        ("a.test.ts", JS, JS.replace("it(", "it.skip(")),
        ("a.test.ts", JS + JS, JS.replace("it(", "it.only(") + JS),
        ("a.spec.js", JS, JS.replace("expect(f()).toBe(1);", "")),
        ("a.spec.js", JS, JS.replace("expect(f())", "expect(true)")),
        ("a.spec.js", "it('a', () => assert.equal(f(), 1))", "it('a', () => assert.ok(true))"),
        ("a.spec.js", JS, None),
        ("Makefile", "test:\n\tpytest\n", "test:\n\tpytest || true\n"),
        (".npmrc", "", "node-options=--require ./pass.js\n"),
        ("vitest.config.ts", "export default {}\n", "export default { passWithNoTests: true }\n"),
    ],
)
def test_weakened(path, before, now):
    faults = list(weakened(path, before, now))
    assert faults
    assert {(one.category, one.path) for one in faults} == {("test_tampering", path)}


@pytest.mark.parametrize(
    ("path", "before", "now"),
    [
        ("a_test.go", GO, GO + GO.replace("TestA", "TestB")),
        ("a.test.ts", JS, "// why\n" + JS),
        (
            "tests/test_a.py",
            "def test_a():\n    assert f()\n",
            "def test_a():\n    assert f() == 1\n",
        ),
        ("Makefile", "test:\n\tpytest\n", "test:\n\tpytest\n\nrun:\n\tpython -m a\n"),
        ("AGENTS.md", "pytest", "pytest --ignore=x"),
    ],
)
def test_not_weakened(path, before, now):
    assert list(weakened(path, before, now)) == []


def test_what_is_protected():
    tests = (
        "tests/data/a.json",
        "a/test_b.py",
        "b_test.go",
        "src/x.spec.tsx",
        "src/test/java/ATest.java",
    )
    assert all(map(is_test, tests))
    assert not any(map(is_test, ("src/a.py", "specs/001/tasks.md", "contest.py", "latest.py")))
    config = (
        "web/.npmrc",
        "tests/conftest.py",
        "pytest.ini",
        "Makefile",
        ".github/workflows/ci.yml",
        "a/b.pth",
    )
    assert all(map(is_config, config))
    assert not any(map(is_config, ("pyproject.toml", "src/config.py")))


def test_a_pyproject_is_restored_whole_where_tomlkit_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    before = b"[project]\nname = 'a'\n"
    assert section_restored("pyproject.toml", before, b"[project]\nname = 'b'\n") == before
    assert section_restored("setup.cfg", b"[a]\nb = 1\n", b"[a]\nb = 2\n") is None


def test_only_what_configures_tests_is_restored():
    before = b"[project]\nname = 'a'\n[tool.pytest.ini_options]\naddopts = '-q'\n"
    now = b"[project]\nname = 'b'\n[tool.pytest.ini_options]\naddopts = '-k x'\n"
    restored = section_restored("pyproject.toml", before, now)
    assert tomllib.loads(restored.decode()) == {
        "project": {"name": "b"},
        "tool": {"pytest": {"ini_options": {"addopts": "-q"}}},
    }
    assert section_restored("pyproject.toml", before, before.replace(b"'a'", b"'b'")) is None
    before = b'{"scripts": {"test": "jest", "build": "a"}}'
    now = b'{"scripts": {"test": "true", "build": "b"}, "dependencies": {"c": "1"}}'
    restored = section_restored("package.json", before, now)
    assert b'"jest"' in restored and b'"b"' in restored and b'"c"' in restored
    restored = section_restored("package.json", b'{"scripts": {}}', now)
    assert b'"test"' not in restored and b'"b"' in restored
    assert section_restored("setup.cfg", b"[tool:pytest]\na = 1\n", b"[x]\ny = 2\n") == (
        b"[x]\ny = 2\n\n[tool:pytest]\na = 1\n\n"
    )
    # What cannot be read is as it was.
    assert section_restored("pyproject.toml", b"a = 1\n", b"a = \n") == b"a = 1\n"
    assert section_restored("pyproject.toml", None, b"a = \n") == b""


def test_names_with_signs_of_patterns_are_names_as_well() -> None:
    assert matches("src/app/[id]/page.tsx", ["src/app/[id]/page.tsx"])
    assert matches("src/app/[id]/page.tsx", ["src/app/[id]/"])
    assert matches("src/a.py", ["src/*.py"])
    assert matches("src/app/page.tsx", ["src/"])
    assert not matches("src/app/id/page.tsx", ["src/app/[id]/page.tsx"])
    assert not matches("src/app.py", ["src/ap"])
