"""What is known of a task's work, from the files and the tests, never from its agent's words."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["verified", "unverified", "failed"]
"""`unverified`: nothing speaks against it and nothing for it, such as no tests collected."""
Level = Literal["files", "syntax", "imports", "build", "tests", "types", "command", "acceptance"]
Category = Literal[
    "context_missing",
    "context_stale",
    "context_too_large",
    "wrong_file",
    "file_not_found",
    "conflict",
    "partial_change",
    "incomplete",
    "regression",
    "syntax_error",
    "type_error",
    "import_error",
    "test_failure",
    "test_tampering",
    "wrong_approach",
    "scope_creep",
    "tool_failure",
    "timeout",
    "rate_limit",
    "api_error",
]
"""What kind of failure it is: decides what is done about it."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base; recorded in the journal as an output of the step that verified."""


class Fault(Record, frozen=True):
    """One thing that is wrong with the work."""

    category: Category
    message: str
    """For the next agent and for people; at most some thousand characters, redacted."""
    path: str = ""
    line: int = 0
    severity: Literal["low", "medium", "high", "critical"] = "high"

    @property
    def place(self) -> str:
        """`path:line`, as far as that is known."""
        return f"{self.path}:{self.line}" if self.path and self.line else self.path


class Command(Record, frozen=True):
    """A command that was run to verify, and how it ended."""

    level: Level
    argv: tuple[str, ...]
    directory: str
    """Relative to the checkout."""
    exit_code: int | None
    """None: it did not end in time."""
    seconds: float
    output: str = ""
    """The end of what it printed, redacted, at most 16 KiB."""
    origin: str = ""
    """Where it was found: `task`, `settings`, `AGENTS.md`, `package.json`, ..."""


class Tests(Record, frozen=True):
    """Test ids and how they ended, beside the baseline's."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    """Failed before, pass now."""
    broken: tuple[str, ...] = ()
    """Passed before, fail now: the task's doing."""
    failed_before: tuple[str, ...] = ()
    """Fail now as they did before: not held against the task."""
    missing: tuple[str, ...] = ()
    """Were collected before and are not now."""
    added: tuple[str, ...] = ()


class Evidence(Record, frozen=True):
    """The evidence of one verification."""

    verdict: Verdict
    reason: str
    """In a sentence: why it is verified, or not."""
    base: str
    """The commit that the work began from."""
    commit: str
    """The commit that was verified."""
    files: tuple[str, ...] = ()
    """What changed between them, as git says."""
    levels: tuple[Level, ...] = ()
    """What was looked at."""
    commands: tuple[Command, ...] = ()
    tests: Tests = Tests()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know though nothing is wrong: changed tests, missing tools."""
