"""Verification of Node projects, by a real node."""

from __future__ import annotations

import json

import pytest

from stoker.roadmaps.verify.source import unresolved

CALC = "exports.add = (a, b) => a + b;\n"
TESTS = (
    "const { test, describe, it } = require('node:test');\nconst assert = require('node:assert');\n"
    "const { add } = require('./calc');\n"
    "test('adds', () => assert.equal(add(1, 2), 3));\n"
    "describe('zero', () => it('is nothing', () => assert.equal(add(0, 0), 0)));\n"
)
ADDS, ZERO = "calc.test.js > adds", "calc.test.js > zero > is nothing"


def package(**scripts):
    return json.dumps({"name": "a", "version": "1.0.0", "scripts": scripts})


@pytest.fixture(params=["npm", "node"])
def good(request, bench):
    scripts = {"test": "node --test"} if request.param == "npm" else {}
    files = {"calc.js": CALC, "calc.test.js": TESTS, "package.json": package(**scripts)}
    return bench.commit(files)


def test_ids_and_a_regression(bench, good):
    evidence = bench.verify(good, bench.commit({"calc.js": CALC.replace("+", "-")}))
    assert evidence.verdict == "failed"
    assert evidence.tests.broken == (ADDS,), evidence
    assert evidence.tests.passed == (ZERO,)
    evidence = bench.verify(good, bench.commit({"calc.js": CALC + "// more\n"}))
    assert (evidence.verdict, evidence.tests.passed) == ("verified", (ADDS, ZERO)), evidence


@pytest.mark.parametrize(
    "text",
    [
        TESTS.replace("test('adds'", "test.skip('adds'"),
        TESTS.replace("assert.equal(add(1, 2), 3)", "true"),
        TESTS.replace("test('adds', () => assert.equal(add(1, 2), 3));\n", ""),
    ],
)
def test_tampering(bench, good, text):
    commit = bench.commit({"calc.js": CALC.replace("+", "-"), "calc.test.js": text})
    evidence = bench.verify(good, commit)
    assert "test_tampering" in {one.category for one in evidence.faults}
    assert evidence.tests.broken == (ADDS,)


def test_a_script_made_to_pass(bench):
    files = {"calc.js": CALC, "calc.test.js": TESTS}
    base = bench.commit({**files, "package.json": package(test="node --test")})
    commit = bench.commit({"calc.js": CALC.replace("+", "-"), "package.json": package(test="true")})
    evidence = bench.verify(base, commit)
    assert evidence.tests.broken == (ADDS,), evidence
    assert "test_tampering" in {one.category for one in evidence.faults}


@pytest.mark.parametrize(
    "planted",
    [
        {"package.json": package(test="true")},
        {".npmrc": "script-shell=/usr/bin/true\n"},
        {"node_modules/.bin/node": "#!/bin/sh\nexit 0\n"},
    ],
)
def test_what_is_planted_in_place_of_the_runner(bench, good, planted):
    """Also a script where there was none, so that node itself was the runner."""
    evidence = bench.verify(good, bench.commit({"calc.js": CALC.replace("+", "-"), **planted}))
    assert (evidence.verdict, evidence.tests.broken) == ("failed", (ADDS,)), evidence
    assert "test_tampering" in {f.category for f in evidence.faults} or "package.json" in planted


def test_tests_of_the_tasks_own_that_its_own_script_makes_up(bench):
    base = bench.commit({"a.js": "1;\n"})
    made_up = "echo TAP version 13; echo ok 1 - adds; echo 1..1"
    work = {"calc.js": "exports.add = () => 0;\n", "package.json": package(test=made_up)}
    evidence = bench.verify(base, bench.commit(work))
    assert (evidence.verdict, evidence.tests.passed) == ("unverified", ("adds",)), evidence
    work = {"calc.js": CALC, "calc.test.js": TESTS, "package.json": package(test="node --test")}
    assert bench.verify(base, bench.commit(work)).verdict == "verified"


def test_the_placeholder_of_npm_is_no_test(bench):
    script = 'echo "Error: no test specified" && exit 1'
    base = bench.commit({"a.js": "", "package.json": package(test=script)})
    assert bench.verify(base, bench.commit({"a.js": "1;\n"})).verdict == "unverified"


def test_syntax_and_imports(bench, good):
    files = {"calc.js": "exports.add = (a, b => {\n", "b.mjs": "import x from './nowhere.js';\n"}
    evidence = bench.verify(good, bench.commit(files))
    assert {(f.category, f.path, f.line) for f in evidence.faults} == {
        ("syntax_error", "calc.js", 2),
        ("import_error", "b.mjs", 1),
    }


def test_where_imports_lead():
    files = {"src/a.ts", "src/b/index.tsx", "src/c.d.ts", "src/d.json", "src/e.mjs", "f.vue"}
    text = (
        "import a from './a.js';\nimport { b } from \"./b\";\nimport type { C } from './c';\n"
        "import './d.json';\nexport * from './e.mjs';\nconst f = await import('../f.vue?raw');\n"
        "// import x from './commented';\n/* require('./too') */\nimport react from 'react';\n"
    )
    assert list(unresolved("src/m.ts", text, files)) == []
    wrong = "import {\n  a,\n  b\n} from './aa';\nconst x = require('../c');\n"
    found = [(one.line, one.message) for one in unresolved("src/m.ts", wrong, files)]
    assert found == [
        (4, "cannot find './aa', which it imports"),
        (5, "cannot find '../c', which it imports"),
    ]


def test_a_file_that_could_not_be_loaded_is_not_lost(bench):
    files = {"calc.test.js": TESTS, "one.test.js": "require('node:test').test('one');\n"}
    base = bench.commit({**files, "package.json": package(test="node --test")})
    evidence = bench.verify(base, bench.commit({"calc.js": CALC}))
    assert (evidence.verdict, evidence.faults) == ("verified", ()), evidence
    assert evidence.tests.missing == ("calc.test.js",)
