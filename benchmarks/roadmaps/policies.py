"""What scripted agents do: the oracle, those that do nothing, and those that go wrong.

A policy is asked for each answer of the model and knows the item by its title in the prompt
and the try by how often a conversation about it began. One that goes wrong does what its fault
says, and what is right once it has been told what was wrong: if the retry's prompt does not
hold that, it goes wrong again.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.roadmaps.corpus import ITEMS
from benchmarks.roadmaps.item import Item

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "agents"))

from model_server import (
    Call,
    Conversation,
    Hang,
    ModelServer,
    Overflow,
    Refuse,
    Reply,
    Say,
    Truncate,
)

Fault = Callable[[Item], Sequence[Call]]


def write(files: Mapping[str, str]) -> list[Call]:
    """Calls that write files whole."""
    return [Call("write_file", {"path": p, "content": text}) for p, text in files.items()]


def _python(item: Item) -> bool:
    return item.language == "python"


def _with_line(item: Item, python: str, javascript: str) -> dict[str, str]:
    line = python if _python(item) else javascript
    return item.solution | {item.path: f"{line}\n{item.solution[item.path]}"}


def _circular(item: Item) -> Sequence[Call]:
    helper = item.path_of(f"{item.name}_helper")
    if _python(item):
        files = _with_line(item, f"from workshop.{item.name}_helper import HELP", "")
        return write(files | {helper: f"from workshop.{item.name} import nothing_yet as HELP\n"})
    files = _with_line(
        item, "", f'import {{ HELP }} from "./{item.name}_helper.js";\nexport const OWN = HELP + 1;'
    )
    text = f'import {{ OWN }} from "./{item.name}.js";\n\nexport const HELP = OWN + 1;\n'
    return write(files | {helper: text})


def _cascade(item: Item) -> Sequence[Call]:
    core = item.path_of("core")
    text = "def hello():\n    return 1\n" if _python(item) else "export const hello = () => 1;\n"
    return write(item.solution | {core: text})


def _wrong_path(item: Item) -> Sequence[Call]:
    return write({f"lib/{Path(path).name}": text for path, text in item.solution.items()})


def _wrong(item: Item) -> Sequence[Call]:
    """It is all there, and whatever is a return gives another value."""
    gone = "return None" if _python(item) else "return undefined;"
    files = {path: re.sub(r"\breturn\b.*", gone, text) for path, text in item.solution.items()}
    return write(files)


def _outside(item: Item) -> Sequence[Call]:
    text = json.dumps(item.solution[item.path])
    return [
        *write({f"../{Path(item.path).name}": item.solution[item.path]}),
        Call("execute", {"command": f"printf %s {text} > /tmp/{item.name}-outside.txt; true"}),
    ]


def _weakened(item: Item) -> Sequence[Call]:
    if _python(item):
        text = re.sub(r"(?m)^( +)with pytest.*\n(?:\1 .*\n)+", r"\1assert True\n", item.visible)
        text = re.sub(r"(?m)^( +)assert .*$", r"\1assert True", text)
    else:
        text = re.sub(r"assert\.\w+\(.*\)", "assert.ok(true)", item.visible)
    return write({item.test_path: text})


def _deleted(item: Item) -> Sequence[Call]:
    return [Call("execute", {"command": f"rm {item.test_path}"})]


def _skipped(item: Item) -> Sequence[Call]:
    if _python(item):
        text = f"import pytest\n\npytestmark = pytest.mark.skip\n{item.visible}"
    else:
        text = item.visible.replace('test("', 'test.skip("')
    return write({item.test_path: text})


def _patched(item: Item) -> Sequence[Call]:
    if _python(item):
        return write({"conftest.py": _CONFTEST})
    return write({"package.json": '{"type": "module", "scripts": {"test": "true"}}\n'})


_CONFTEST = """
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
"""

__all__ = ["FAULTS", "PROVIDER", "Agent", "ModelServer"]

FAULTS: dict[str, tuple[Fault, str]] = {
    "claims without writing": (lambda item: (), r"no file|nothing (was )?changed|not changed"),
    "syntax error": (
        lambda item: write(_with_line(item, "def broken(:", "export function broken( {")),
        r"(?i)syntax",
    ),
    "wrong path": (_wrong_path, r"lib/|promised|test"),
    "missing dependency": (
        lambda item: write(_with_line(item, "import leftpad_nowhere", 'import "leftpad-nowhere";')),
        r"leftpad.nowhere",
    ),
    "circular import": (_circular, r"(?i)circular|_helper|before initialization"),
    "multi-file cascade": (_cascade, r"core"),
    "half an edit": (lambda item: write(item.half), r"(?i)not ?implemented|test"),
    "wrong code": (
        _wrong,
        r"(?i)assert|expect|test",
    ),
    "edits outside": (_outside, r"no file|nothing (was )?changed|not changed"),
    "weakened tests": (_weakened, r"test"),
    "deleted tests": (_deleted, r"test"),
    "skipped tests": (_skipped, r"test"),
    "patched runner": (_patched, r"conftest|package\.json|test"),
    "malformed calls": (
        lambda item: [Call("write_file", '{"path": "x.py", "content": ')],
        r"no file|nothing (was )?changed|not changed",
    ),
    "lies": (
        lambda item: write({"RESULTS.md": f"# {item.title}\n\nAll tests pass: 100%\n"}),
        r"(?i)test|promised|missing",
    ),
}
"""What each does at its first try, and what the retry's prompt must hold of it."""

_STRAY = ("wrong path", "circular import", "multi-file cascade", "patched runner", "lies")
_UNDO = "git checkout -q HEAD -- . && git clean -fdq"
"""One that has been told takes back what it left in other files."""

PROVIDER: dict[str, Reply] = {
    "429 with Retry-After": Refuse(429, retry_after=0.2),
    "500": Refuse(500),
    "silence": Hang(events=1),
    "truncated stream": Truncate(events=2),
    "context overflow": Overflow(limit=10),
}
"""What the provider does to the first request about each item."""


class Agent:
    """A policy for a server, and what it saw. Safe for threads."""

    def __init__(
        self,
        *,
        fault: str | None = None,
        provider: str | None = None,
        null: str | None = None,
        on_first: Callable[[Item], None] = lambda item: None,
    ) -> None:
        """`null`: `nothing` or `claims`, an agent that never works. `on_first`: called when an
        item is heard of for the first time."""
        self.fault, self.provider, self.null, self.on_first = fault, provider, null, on_first
        self.tries: Counter[str] = Counter()
        self.right: set[str] = set()
        """Items whose last try was right."""
        self.unheard: set[str] = set()
        """Items whose retry was not told what was wrong."""
        self._requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, talk: Conversation) -> Reply:
        prompt = "\n".join(m.text for m in talk.messages if m.role == "user")
        item = _item(prompt)
        if item is None or not talk.tools:
            return Say("A title.")
        with self._lock:
            self._requests[item.name] += 1
            first = self._requests[item.name] == 1
            if talk.turns == 0 and not (first and self.provider):
                self.tries[item.name] += 1
        if first:
            self.on_first(item)
            if self.provider:
                return PROVIDER[self.provider]
        if self.null == "nothing":
            return Say("")
        if self.null == "claims" or talk.turns:
            return self._loop(talk, item) or Say("Done: everything works and all tests pass.")
        return self._begin(item, prompt)

    def _begin(self, item: Item, prompt: str) -> Reply:
        if self.fault == "loops" and self.tries[item.name] == 1:
            return Say(calls=(Call("ls", {"path": "."}),))
        if self.fault in FAULTS:
            calls, told = FAULTS[self.fault]
            heard = self.tries[item.name] > 1 and re.search(told, _feedback(prompt))
            if self.tries[item.name] > 1 and not heard:
                self.unheard.add(item.name)
            if not heard:
                self.right.discard(item.name)
                return Say("On it.", calls=tuple(calls(item)))
        self.right.add(item.name)
        clean = self.fault in _STRAY and self.tries[item.name] > 1
        undo = (Call("execute", {"command": _UNDO}),) if clean else ()
        return Say("On it.", calls=(*undo, *write(item.solution)))

    def _loop(self, talk: Conversation, item: Item) -> Reply | None:
        if self.fault == "loops" and self.tries[item.name] == 1:
            return Say(calls=(Call("ls", {"path": "."}),))
        return None


def _item(prompt: str) -> Item | None:
    """The item that the prompt is about; others may be named as neighbours."""
    own = re.search(r"(?m)^# Your task\n\n## \S+: (.*)$", prompt)
    return next((item for item in ITEMS if own and item.title == own[1]), None)


def _feedback(prompt: str) -> str:
    """What it says of the tries before."""
    return prompt.partition("# What was tried before")[2]
