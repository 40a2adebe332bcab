"""Whether tests were made weaker. Pure; what was run decides about the rest, see `compare`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.verify.protected import is_config, is_hook


class Test(NamedTuple):
    """What a test does, in numbers."""

    asserts: int
    skipped: bool


_UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)
_ASSERTING: Final = re.compile(r"assert|raises|warns|fail$|expect|should|verify", re.IGNORECASE)
_SKIPPING: Final = re.compile(
    r"\b(skip|skipif|skipIf|skipUnless|skipTest|xfail|expectedFailure|importorskip)\b"
)


def weakened(path: str, before: str, now: str | None) -> Iterator[Fault]:
    """What a task did to a file of tests or of their configuration that was there before; `now`
    is None if it is gone."""
    if now is None:
        yield tampered(f"{path} was deleted: it is part of how the project is tested", path)
    elif is_config(path):
        yield from _configured(path, before, now)
    elif path.endswith(".py"):
        yield from _python(path, before, now)
    else:
        yield from _counted(path, before, now)


def planted(path: str, now: str) -> Iterator[Fault]:
    """What a task added as configuration over tests that were there before."""
    if is_config(path) and not is_hook(path):
        yield from _configured(path, "", now)
    else:
        yield tampered(f"{path} is run before any test, or in place of what runs them", path)


def asserts(path: str, text: str) -> bool:
    """Whether a file of tests asserts anything."""
    if path.endswith(".py"):
        try:
            return any(one.asserts and not one.skipped for one in _tests(text).values())
        except _UNREADABLE:
            return False
    return _COUNTED["assertions"].search(_TRIVIAL.sub("", text)) is not None


def _python(path: str, before: str, now: str) -> Iterator[Fault]:
    try:
        old, new = _tests(before), _tests(now)
    except _UNREADABLE:
        yield from _counted(path, before, now)
        return
    for name, was in old.items():
        is_ = new.get(name)
        if is_ is None:
            yield tampered(f"test {name} was deleted", path)
        elif is_.skipped and not was.skipped:
            yield tampered(f"test {name} is skipped now, or its failure is ignored", path)
        elif is_.asserts < was.asserts:
            yield tampered(f"test {name} asserts {is_.asserts} times, before {was.asserts}", path)


def _tests(text: str) -> dict[str, Test]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    found: dict[str, Test] = {}
    everything = any(
        isinstance(node, ast.Assign | ast.Expr) and _SKIPPING.search(ast.unparse(node))
        for node in tree.body
    )
    _collect(tree.body, "", everything, found)
    return found


def _collect(body: list[ast.stmt], prefix: str, skipped: bool, found: dict[str, Test]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef):
            marked = any(_SKIPPING.search(ast.unparse(one)) for one in node.decorator_list)
            _collect(node.body, f"{prefix}{node.name}.", skipped or marked, found)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:4] == "test":
            found[prefix + node.name] = _test(node, skipped)


def _test(function: ast.FunctionDef | ast.AsyncFunctionDef, skipped: bool) -> Test:
    """What comes after a `return` at its top is never run."""
    asserts = 0
    for statement in function.body:
        if isinstance(statement, ast.Return):
            break
        for node in ast.walk(statement):
            if isinstance(node, ast.Assert):
                asserts += not _trivial(node.test)
            elif isinstance(node, ast.Call):
                called = node.func
                name = getattr(called, "attr", "") or getattr(called, "id", "")
                asserts += _ASSERTING.search(name) is not None
                skipped = skipped or _SKIPPING.fullmatch(name) is not None
    marked = any(_SKIPPING.search(ast.unparse(one)) for one in function.decorator_list)
    return Test(asserts, skipped or marked)


def _trivial(test: ast.expr) -> bool:
    """It holds whatever the code does: no name is in it, or `or True`."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(_trivial(value) for value in test.values)
    if isinstance(test, ast.Compare) and len(test.comparators) == 1:
        return ast.dump(test.left) == ast.dump(test.comparators[0])
    return not any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(test))


_COUNTED: Final = {
    "tests": re.compile(
        r"(?<![\w.])(?:it|test)(?:\.each\b|\s*\()|^func Test\w+|#\[(?:\w+::)?test\b"
        r"|@(?:Test|ParameterizedTest)\b|\[(?:Fact|Theory|Test|TestMethod)\b",
        re.MULTILINE,
    ),
    "assertions": re.compile(
        r"\bexpect\s*\(|\bassert\w*\s*[.(!]|\bAssert\w*\.|\bt\.(?:Error|Fatal|Fail)\w*\("
        r"|\b(?:require|should)\.\w+\("
    ),
}
_TRIVIAL: Final = re.compile(r"\b(?:assert(?:\.\w+)?!?|expect)\s*\((?:true|1)\)")
_SKIPS: Final = re.compile(
    r"\b(?:it|test|describe|context|suite)\.(?:skip|todo|only|fails|failing)\b|\bx(?:it|test|describe)\("
    r"|\bf(?:it|describe)\(|\bt\.Skip\w*\(|#\[ignore|@(?:Disabled|Ignore)\b|\bSkip\s*=|\[Ignore"
    r"|\bskip:\s*(?:true|['\"])"
)


def _counted(path: str, before: str, now: str) -> Iterator[Fault]:
    """What can be told of other languages: fewer tests, fewer assertions, more that is skipped."""
    for what, pattern in _COUNTED.items():
        was, is_ = (len(pattern.findall(_TRIVIAL.sub("", text))) for text in (before, now))
        if is_ < was:
            yield tampered(f"{path} has {is_} {what}, before {was}", path)
    if len(_SKIPS.findall(now)) > len(_SKIPS.findall(before)):
        yield tampered(f"{path} skips tests that it did not skip before, or runs only some", path)


_HIDING: Final = re.compile(
    r"pytest_(runtest\w*|pyfunc_call|collection_modifyitems|collection_finish|ignore_collect"
    r"|collect_file|pycollect\w*|sessionfinish|report\w*|exception_interact|unconfigure)"
    r"|hookwrapper|collect_ignore|_pytest\b|exitstatus|os\._exit|sys\.exit|__import__|builtins"
    r"|--(ignore|deselect|collect-only|co\b|exitfirst)|-p\s+no:|\bpytest\.(skip|xfail)\b"
    r"|add_marker|passWithNoTests|testPathIgnorePatterns|testNamePattern|\bexclude\b|bail"
    r"|\|\|\s*(true|exit 0|:)|;\s*(true|exit 0)|continue-on-error|^\t-"
    r"|\b(node-options|script-shell|yarnPath|yarn-path|preload)\b"
)
_QUIET: Final = (".md",)


def _configured(path: str, before: str, now: str) -> Iterator[Fault]:
    """Lines that take tests away, or turn their ends round."""
    if PurePosixPath(path).suffix in _QUIET:
        return
    known = set(before.splitlines())
    for number, line in enumerate(now.splitlines(), 1):
        if line not in known and (found := _HIDING.search(line)):
            message = f"{path}: {found[0].strip()!r} can keep tests from failing or being run"
            yield tampered(message, path, number)
            return


def tampered(message: str, path: str, line: int = 0) -> Fault:
    """That a task has weakened what it is judged by."""
    return Fault(
        category="test_tampering", message=message, path=path, line=line, severity="critical"
    )
