"""Which commands are found in a project."""

from __future__ import annotations

import json

import pytest

from stoker.roadmaps.verify.commands import detect
from stoker.roadmaps.verify.project import declared


def found(files, level="tests"):
    """Of each list, `(directory, text)` of its commands."""
    texts = {name: text.encode() for name, text in files.items()}
    lists = detect(list(files), texts)
    return [[(one.directory, one.text) for one in some] for some in lists if some[0].level == level]


def package(**scripts):
    return json.dumps({"scripts": scripts})


PYTEST, UNITTEST = "python -m pytest", "python -m unittest discover -v"


@pytest.mark.parametrize(
    ("files", "first"),
    [
        ({"justfile": "build:\n\ntest *args:\n  x\n"}, "just test"),
        ({"justfile": "test := 'x'\n", "Makefile": "check: a\n"}, "make check"),
        ({"mise.toml": "[tasks.test]\nrun = 'x'\n"}, "mise run test"),
        ({"Taskfile.yml": "tasks:\n  test:\n    cmds: [x]\n"}, "task test"),
        ({"Makefile": ".PHONY: test\ntest:\n\tx\n"}, "make test"),
        ({"package.json": package(test="tap")}, "npm run test"),
        ({"package.json": package(test="tap"), "pnpm-lock.yaml": ""}, "pnpm run test"),
        ({"package.json": package(test="echo no test specified; exit 1")}, "node --test"),
        (
            {"package.json": package(test="vitest run")},
            "npm run test -- --reporter=default --reporter=junit --outputFile.junit=$STOKER_REPORT",
        ),
        (
            {"package.json": package(test="tsc && NODE_ENV=test jest -i"), "yarn.lock": ""},
            "yarn run test --json --outputFile=$STOKER_REPORT",
        ),
        ({"tox.ini": "[tox]\n"}, "tox"),
        ({"noxfile.py": ""}, "nox"),
        ({"pytest.ini": ""}, PYTEST),
        ({"tests/test_a.py": ""}, PYTEST),
        ({"go.mod": ""}, "go test ./..."),
        ({"Cargo.toml": ""}, "cargo test --offline --no-fail-fast"),
        ({"pom.xml": ""}, "mvn -o -B -q test"),
        ({"build.gradle.kts": "", "gradlew": ""}, "./gradlew --offline --no-daemon test"),
        ({"A.sln": "", "a/a.csproj": ""}, 'dotnet test --logger "console;verbosity=normal"'),
        (
            {"AGENTS.md": "Run `uv run pytest -q` first.\n", "Makefile": "test:\n"},
            "uv run pytest -q",
        ),
        ({"AGENTS.md": "```sh\n# all\n$ npm test   # quick\n```\n"}, "npm test"),
        (
            {"AGENTS.md": "`pytest tests/test_a.py::test_b`, `pytest <file>`", "tox.ini": ""},
            "tox",
        ),
    ],
)
def test_the_first_that_applies(files, first):
    assert found(files)[0][0] == ("", first)


def test_what_comes_after_if_it_cannot_be_run():
    files = {"justfile": "test:\n", "tox.ini": "", "tests/test_a.py": ""}
    texts = ["just test", "tox", PYTEST, UNITTEST]
    assert found(files) == [[("", text) for text in texts]]


def test_sub_projects():
    files = {
        "pyproject.toml": "",
        "tests/test_a.py": "",
        "libs/inner/pyproject.toml": "",
        "libs/inner/tests/test_b.py": "",
        "web/package.json": package(test="mocha"),
        "api/go.mod": "",
        "api/vendor/x/go.mod": "",
        "web/node_modules/y/package.json": package(test="no"),
        "tests/fixtures/z/package.json": package(test="no"),
    }
    assert [some[0] for some in found(files)] == [
        ("", PYTEST),  # which finds the tests of `inner`, too
        ("api", "go test ./..."),
        ("web", "npm run test -- --reporter xunit --reporter-option output=$STOKER_REPORT"),
    ]
    # One that runs all there is.
    assert found({**files, "Makefile": "test:\n"}) == [
        [("", "make test"), ("", PYTEST), ("", UNITTEST)]
    ]


def test_builds_and_types():
    files = {
        "go.mod": "",
        "pyproject.toml": "[tool.mypy]\nfiles = ['src']\n",
        "web/package.json": package(build="vite build"),
        "web/tsconfig.json": "{}",
    }
    assert found(files, "build") == [[("", "go build ./...")], [("web", "npm run build")]]
    assert found(files, "types") == [
        [("", "python -m mypy")],
        [("web", "npx --no-install tsc --noEmit")],
    ]


@pytest.mark.parametrize(
    "text", ["[1, 2]", '{"scripts": 3}', "{", "null", '{"scripts": {"test": 1}}']
)
def test_what_is_no_package(text):
    assert [some[0][1] for some in found({"package.json": text})] in ([], ["node --test"])


def test_declared():
    one = declared("`pytest -q`", "command", "task")
    assert (one.text, one.expected) == ("pytest -q", 0)
    one = declared("grep -q a b   # expect exit code: 2", "command", "task")
    assert (one.text, one.expected) == ("grep -q a b", 2)
    assert declared("echo '# exit'", "command", "task").text == "echo '# exit'"
