"""Tests that failed before a task and are its own to make pass. Pure.

A failure that was there before is not held against a task, but for a test of what it names: the
test's file speaks of a file of the task's, and the test itself of a name that the task has in
backticks, and of none that only another open task has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from stoker.roadmaps.verify import reports
from stoker.roadmaps.verify.protected import is_test

_NAME: Final = re.compile(r"`(?:[A-Za-z_$][\w$]*\.)*([A-Za-z_$][\w$]+)[`(]")
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]+")
_BEGINS: Final = re.compile(
    r"^[ \t]*(?:(?:async )?def |class |@|(?:test|it|describe)\b)", re.MULTILINE
)
_STRING: Final = re.compile(r"""(["'`])(?:\\.|(?!\1).)*\1""")
_COMMON: Final = ("__init__", "__main__", "index", "main", "mod", "lib")


def names_in(text: str) -> frozenset[str]:
    """Functions, classes and the like that a task's text has in backticks."""
    return frozenset(_NAME.findall(text))


def owed(
    failing: Iterable[str],
    texts: Mapping[str, bytes],
    paths: Iterable[str],
    names: Collection[str],
    others: Collection[str],
) -> Iterator[tuple[str, str]]:
    """Those of the tests `failing`, which failed before, too, that are the task's; with each, what
    of the task's it names. `texts`: of test files; `paths`: what the task promised and changed;
    `names`: what it names, `others`: what other open tasks do."""
    stems = {_stem(path) for path in paths if not is_test(path)}
    speaks = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, sorted(stems)))})(?![^\W_])")
    names = set(names)
    strange = set(others) - names
    for test in failing:
        path = reports.file_of(test)
        text = texts.get(path, b"").decode(errors="replace")
        if not stems or not speaks.search(f"{path}\n{text}"):
            continue
        body = _body(test.removeprefix(path), text)
        mine = names & set(_WORD.findall(body))
        # What stands in a string, such as the title of a test, is no use of another task's name.
        if mine and strange.isdisjoint(_WORD.findall(_STRING.sub("", body))):
            yield test, ", ".join(sorted(mine))


def _stem(path: str) -> str:
    one = PurePosixPath(path)
    stem = one.name.partition(".")[0] or one.name
    return one.parent.name if stem in _COMMON and one.parent.name else stem


def _body(name: str, text: str) -> str:
    """The test of that name in a file; all of the file if that fails as a whole."""
    last = re.split(r"::| > ", name)[-1].partition("[")[0]
    if not last:
        return text
    found = re.search(rf"(?<!\w){re.escape(last)}(?!\w)", text)
    if found is None:
        return ""
    end = _BEGINS.search(text, found.end())
    return text[found.end() : end.start() if end else len(text)]
