"""Expressions and templates: they parse, and name only what there is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from stoker.plan.errors import Problem, problem, show
from stoker.plan.expression import ROOTS, Expression, ExpressionError, compile_expression
from stoker.plan.model import Step
from stoker.plan.references import Path, Reference, expressions, step_named, strings, templates
from stoker.plan.suggest import did_you_mean, known
from stoker.plan.syntax import Compare, Items, Literal, Lookup, Name, Node, walk
from stoker.plan.template import Template, compile_template

_ENDS = ("success", "failed", "skipped", "canceled")
_UNSETTLED = ("pending", "waiting", "running", "quarantined")
"""What else `prev.X.status` can be, in a fallback, which does not wait for all it covers."""
_OUTCOME = ("status", "exit_code", "outputs")
_RUN = ("id", "plan_dir")
_PER_ITEM = frozenset(("item", "matrix", "index"))


class Scope:
    """The names a plan has for its expressions."""

    def __init__(self, steps: Collection[str], inputs: Collection[str]) -> None:
        self.steps = steps
        self.inputs = inputs

    def check_step(self, step: Step, path: Path) -> Iterator[Problem]:
        """Problems in all texts of a step."""
        for compiled, texts in ((compile_expression, expressions), (compile_template, templates)):
            for place, text in texts(step):
                yield from self._text(step, compiled, text, (*path, *place))

    def check_common(self, values: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        """Problems in texts that hold for every step, where no step can be referred to."""
        for place, text in strings(values, path):
            yield from self._text(None, compile_template, text, place)

    def _text(
        self,
        step: Step | None,
        compiled: Callable[[str], Expression | Template],
        text: str,
        path: Path,
    ) -> Iterator[Problem]:
        try:
            whole = compiled(text)
        except ExpressionError as error:
            yield problem(path, f"{error.message} (character {error.column} of {show(text)})")
            return
        for reference in sorted(whole.references):
            if path[2:3] in (("foreach",), ("matrix",)) and reference[0] in _PER_ITEM:
                yield problem(path, f"'{reference[0]}' is not known before the step is expanded")
            elif message := self._fault(step, reference):
                yield problem(path, message, lacking=self._lacking(*reference))
        if any(reference[0] == "prev" and "status" in reference for reference in whole.references):
            for word in dict.fromkeys(_never(whole)):
                hint = did_you_mean(word, _ENDS)
                yield problem(path, f"a step's status is never {show(word)}{hint}; {known(_ENDS)}")

    def _lacking(self, root: str, name: str = "", *_: str) -> str:
        """The field that would have what a wrong reference looks up."""
        if root == "prev":
            return "id" if name and step_named(name, self.steps) is None else ""
        return root if root in ("inputs", "consumes", "matrix") else ""

    def _fault(self, step: Step | None, reference: Reference) -> str | None:
        root, *rest = reference
        if root not in ROOTS:
            return f"unknown name {show(root)}{did_you_mean(root, ROOTS)}; {known(ROOTS)}"
        if step is None and root in ("prev", "consumes", *_PER_ITEM):
            return f"'{root}' belongs to a step; this holds for all of them"
        match root:
            case "prev":
                return self._fault_of_prev(step, rest)
            case "inputs" if rest and rest[0] not in self.inputs:
                hint = did_you_mean(rest[0], self.inputs)
                return f"the plan has no input {show(rest[0])}{hint}"
            case "run" if rest and rest[0] not in _RUN:
                return f"a run has no {show(rest[0])}; {known(_RUN)}"
        return _fault_of_own(step, root, rest) if step is not None else None

    def _fault_of_prev(self, step: Step | None, rest: list[str]) -> str | None:
        if not rest:
            # In a step that is expanded, the rest may come from the item.
            expanded = step is not None and (step.foreach or step.matrix)
            return None if expanded else "'prev' needs the name of a step: prev.<step>.status"
        if step_named(rest[0], self.steps) is None:
            return f"unknown step {show(rest[0])}{did_you_mean(rest[0], self.steps)}"
        if len(rest) > 1 and rest[1] not in _OUTCOME:
            hint = did_you_mean(rest[1], _OUTCOME)
            return f"a step has no {show(rest[1])}{hint}; {known(_OUTCOME)}"
        return None


def _never(whole: Expression | Template) -> Iterator[str]:
    """The texts that a step's status is compared with and never is."""
    if isinstance(whole, Template):
        for part in whole.parts:
            if isinstance(part, Expression):
                yield from _never(part)
        return
    for node in walk(whole.tree):
        if isinstance(node, Compare) and node.operator in ("==", "!=", "in"):
            sides = (*_parts(node, node.left), *_parts(node, node.right))
            if any(map(_is_status, sides)):
                for side in sides:
                    if (
                        isinstance(side, Literal)
                        and isinstance(side.value, str)
                        and side.value not in (*_ENDS, *_UNSETTLED)
                    ):
                        yield side.value


def _parts(comparison: Compare, side: Node) -> tuple[Node, ...]:
    """What one side of a comparison puts up: for `in`, the items of a list."""
    if comparison.operator != "in" or side is comparison.left:
        return (side,)
    return side.items if isinstance(side, Items) else ()


def _is_status(node: Node) -> bool:
    return (
        isinstance(node, Lookup)
        and node.base == Name("prev")
        and len(node.keys) == 2
        and node.keys[1] == Literal("status")
    )


def _fault_of_own(step: Step, root: str, rest: list[str]) -> str | None:
    """What is wrong with a look-up in what only this step has."""
    match root:
        case "consumes" if rest and rest[0] not in step.consumes:
            hint = did_you_mean(rest[0], step.consumes)
            return f"the step does not consume {show(rest[0])}{hint}"
        case "item" if step.foreach is None:
            return "'item' is known only in a step with foreach"
        case "matrix":
            if step.matrix is None:
                return "'matrix' is known only in a step with matrix"
            names = _axes(step.matrix)
            if rest and rest[0] not in names:
                return f"the matrix has no {show(rest[0])}{did_you_mean(rest[0], names)}"
        case "index" if step.foreach is None and step.matrix is None:
            return "'index' is known only in a step with foreach or matrix"
    return None


def _axes(matrix: Mapping[str, Any]) -> set[str]:
    names = {name for name in matrix if name not in ("include", "exclude")}
    added = matrix.get("include")
    for entry in added if isinstance(added, list) else ():
        if isinstance(entry, dict):
            names.update(entry)
    return names
