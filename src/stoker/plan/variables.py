"""`${NAME}` in the strings of a plan, replaced by what `--var NAME=value` gives.

Every value that is a string takes part; keys do not. `$${NAME}` stands for a literal
`${NAME}`, and `${{ ... }}` is a template and left alone, and so is anything else that is
not a plain name in braces, such as `${NAME:-default}`. A variable that is not given is an
error, but for shell text (`run` and `stdin` of a step, `run` and `script` of a `step_def`):
there `${HOME}` is the shell's own spelling, and plans that use it have always meant that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stoker.plan.errors import Problem, problem, warning
from stoker.plan.source import Source
from stoker.plan.suggest import did_you_mean

_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_PROBLEMS = 10_000
_SHELL_TEXT = {"step": frozenset(("run", "stdin")), "step_def": frozenset(("run", "script"))}


def literal(text: str) -> str:
    """What stands for `text` itself where variables are replaced."""
    return _VARIABLE.sub(r"$\g<0>", text)


def substitute(source: Source, variables: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """The document's value with variables replaced, and one problem for each place that
    names a variable not given (its text stays) and for each variable used nowhere."""
    problems: list[Problem] = []
    value = source.value
    used: set[str] = set()
    if "${" in source.text or "\\" in source.text:  # it may be spelt with escapes
        walk = _Walk(variables)
        value = walk.value(value, ())
        problems, used = walk.problems, walk.used
    for name in variables:
        if name not in used:
            problems.append(warning((), f"the variable {name!r} is given but used nowhere"))
    return value, problems


class _Walk:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[Problem] = []
        self.used: set[str] = set()

    def value(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if type(value) is str:
            return self._text(value, path) if "${" in value else value
        if type(value) is dict:
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if type(value) is list:
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _text(self, text: str, path: tuple[str | int, ...]) -> str:
        missing: list[str] = []

        def replacement(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return match[0][1:]
            if name not in self._variables:
                missing.append(name)
                return match[0]
            self.used.add(name)
            return self._variables[name]

        replaced = _VARIABLE.sub(replacement, text)
        if missing and len(self.problems) < _MAX_PROBLEMS and not _is_shell_text(path):
            for name in dict.fromkeys(missing):
                hint = did_you_mean(name, self._variables)
                self.problems.append(
                    problem(
                        path,
                        f"the variable {name!r} is not given{hint}; give it with "
                        f"--var {name}=VALUE, or write $${{{name}}} for the text itself",
                    )
                )
        return replaced


def _is_shell_text(path: tuple[str | int, ...]) -> bool:
    # ("steps", 3, "run"), ("steps", 3, "step_def", "script"); without "steps" in a bare list.
    inner = path[1:] if path and path[0] == "steps" else path
    match inner:
        case (int(), str(name)):
            return name in _SHELL_TEXT["step"]
        case (int(), "step_def", str(name)):
            return name in _SHELL_TEXT["step_def"]
    return False
