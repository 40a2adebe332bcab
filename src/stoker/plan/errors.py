"""What is wrong with a plan, told so that a person finds the place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

Severity = Literal["error", "warning"]

_SHOWN = 60
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Problem(Struct, frozen=True, kw_only=True):
    """One fault, as `plan.yaml:12:5: steps[3].depends_on[0]: unknown step 'bild'`."""

    message: str
    pointer: str = ""
    """JSON pointer (RFC 6901) into the document; empty: the whole document."""
    file: str = ""
    line: int | None = None
    """1-based; None if unknown."""
    column: int | None = None
    """1-based, in characters; None if unknown."""
    severity: Severity = "error"
    on_key: bool = False
    """The key `pointer` ends in is meant, not its value."""
    lacking: str = ""
    """The field that lacks what would have made this right, where it is another one: `id` or
    `provides` of some step, `inputs` of the plan, `consumes` of the step itself, ..."""

    def __str__(self) -> str:
        place = ":".join(
            str(part) for part in (self.file, self.line, self.column) if part not in ("", None)
        )
        word = "warning" if self.severity == "warning" else ""
        parts = (place, word, readable(self.pointer), self.message)
        return ": ".join(part for part in parts if part)


class PlanError(Exception):
    """A plan that cannot run. `problems` holds everything that was found, warnings too."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def problem(
    path: Sequence[str | int],
    message: str,
    *,
    severity: Severity = "error",
    on_key: bool = False,
    lacking: str = "",
) -> Problem:
    """A problem at `path`, for example `("steps", 3, "depends_on")`; not yet in a file."""
    return Problem(
        message=message,
        pointer=pointer(path),
        severity=severity,
        on_key=on_key,
        lacking=lacking,
    )


def warning(path: Sequence[str | int], message: str) -> Problem:
    """Like `problem`, for what is likely a mistake but can run."""
    return problem(path, message, severity="warning")


def pointer(path: Sequence[str | int]) -> str:
    """`("steps", 3, "a/b")` -> `/steps/3/a~1b`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def path_of(pointer: str) -> tuple[str, ...]:
    """The inverse of `pointer`, with list indices as strings."""
    return tuple(p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:])


def readable(pointer: str) -> str:
    """`/steps/3/depends_on` -> `steps[3].depends_on`."""
    text = ""
    for part in path_of(pointer):
        if part.isdecimal():
            text += f"[{part}]"
        elif len(part) <= _SHOWN and _NAME.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{show(part)}]"
    return text


def show(value: Any) -> str:
    """`value` for a message: on one line, and cut where it is long."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
