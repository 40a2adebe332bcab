"""Operation groups from JSON, with every fault of them told at once.

What other tools write is taken: contracts as `[chain_id, address, name]` or as maps, numbers
as numbers or as text, decimal or `0x..`, and addresses with their checksum or without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.chains.address import BadAddress, checksummed, parsed
from stoker.chains.errors import BadGroups
from stoker.chains.group import OperationGroup
from stoker.plan.errors import Problem, problem, show
from stoker.plan.explain import explain

Path = tuple[str | int, ...]

_ADDRESSES: Final = frozenset(
    ("address", "sender", "token", "lockbox", "recipient", "minter", "account")
)
_AMOUNTS: Final = frozenset(("amount", "equals", "at_least", "at_most"))
_WITHIN: Final = frozenset(("funds", "spends", "bridges", "locked", "minted", "assertions"))
"""Fields that hold maps with any of these."""
_NUMBER: Final = re.compile(r"[0-9]{1,78}|0[xX][0-9a-fA-F]{1,64}")
_SLOT: Final = re.compile(r"0[xX][0-9a-fA-F]{1,64}")
_NOBODY: Final = "0x" + 40 * "0"


class _Document(Struct, forbid_unknown_fields=True):
    groups: list[Any]


def loads(text: str | bytes, groups: Sequence[OperationGroup] = ()) -> tuple[OperationGroup, ...]:
    """As `extend`, from JSON text."""
    from stoker.plan.json_source import parse
    from stoker.plan.tokens import Malformed

    try:
        decoded = parse(text if isinstance(text, str) else text.decode())
    except UnicodeDecodeError as error:
        message = f"not valid UTF-8: {error.reason} at byte {error.start}"
        raise BadGroups([Problem(message=message)]) from None
    except Malformed as error:
        line, column = error.position or (None, None)
        raise BadGroups([Problem(message=str(error), line=line, column=column)]) from None
    if decoded.duplicate:
        raise BadGroups([Problem(message="a map has the same key twice")])
    return extend(groups, decoded.value)


def read(raw: Any) -> tuple[OperationGroup, ...]:
    """The groups of a decoded document: `{"groups": [...]}`, or the list alone. Raises
    `BadGroups`."""
    return extend((), raw)


def extend(groups: Sequence[OperationGroup], raw: Any) -> tuple[OperationGroup, ...]:
    """The groups of a document that come after `groups`, whose indices their dependencies may
    name too. Raises `BadGroups`."""
    problems = list(explain(raw, _Document)) if isinstance(raw, dict) else []
    path: Path = () if isinstance(raw, list) else ("groups",)
    listed = raw.get("groups") if isinstance(raw, dict) else raw
    if not isinstance(raw, dict | list):
        problems += explain(raw, list[Any])
    elif listed == []:
        problems.append(problem(path, "expected at least one group, found none"))
    if not isinstance(listed, list):
        raise BadGroups(problems)
    reader = _Reader()
    values = [reader.group(value, (*path, index)) for index, value in enumerate(listed)]
    reader.problems += _waits(groups, values, path)
    problems += reader.problems
    if problems:
        raise BadGroups(problems)
    found = msgspec.convert(values, tuple[OperationGroup, ...])
    return tuple(
        replace(group, dependencies=tuple(dict.fromkeys(group.dependencies))) for group in found
    )


def one(raw: Any, path: Path = ()) -> OperationGroup:
    """A group alone; whom it may depend on is not looked at. Raises `BadGroups`."""
    reader = _Reader()
    value = reader.group(raw, path)
    if reader.problems:
        raise BadGroups(reader.problems)
    return msgspec.convert(value, OperationGroup)


class _Reader:
    """Makes values what the types want. Where it cannot, it says so, and a value that would do
    takes the place, so that nothing is told twice."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def group(self, raw: Any, path: Path) -> Any:
        value = self._map(raw, path)
        try:
            self.problems += _senseless(msgspec.convert(value, OperationGroup), path)
        except msgspec.ValidationError:
            self.problems += explain(value, OperationGroup, path)
        return value

    def _map(self, raw: Any, path: Path) -> Any:
        if isinstance(raw, list):
            return [self._map(item, (*path, index)) for index, item in enumerate(raw)]
        if not isinstance(raw, dict):
            return raw
        return {key: self._field(key, value, (*path, key)) for key, value in raw.items()}

    def _field(self, key: str, value: Any, path: Path) -> Any:
        if key == "contracts" and isinstance(value, list):
            return [self._contract(item, (*path, index)) for index, item in enumerate(value)]
        if value is None:
            return None
        if key == "chain_id":
            return self._chain(value, path)
        if key in _AMOUNTS:
            return self._number(value, path, "an amount", 0, 2**256 - 1)
        if key in _ADDRESSES:
            return self._address(value, path)
        if key == "slot" and isinstance(value, str) and not _SLOT.fullmatch(value):
            self._say(path, f"expected a slot (0x..), found {show(value)}")
        return self._map(value, path) if key in _WITHIN else value

    def _contract(self, value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            return self._map(value, path)
        if len(value) != 3:
            self._say(path, f"expected [chain_id, address, name], found {len(value)} values")
            return {"chain_id": 1, "address": _NOBODY, "name": ""}
        chain, address, name = value
        return {
            "chain_id": self._chain(chain, (*path, 0)),
            "address": self._address(address, (*path, 1)),
            "name": self._typed(name, str, (*path, 2), ""),
        }

    def _chain(self, value: Any, path: Path) -> int:
        return self._number(value, path, "a chain id", 1, 2**63 - 1)

    def _number(self, value: Any, path: Path, what: str, least: int, most: int) -> int:
        if isinstance(value, str):
            if not _NUMBER.fullmatch(value):
                self._say(path, f"expected {what} (decimal or 0x..), found {show(value)}")
                return least
            number = int(value, 16 if value[:2] in ("0x", "0X") else 10)
        else:
            number = self._typed(value, int, path, least)
        if not least <= number <= most:
            self._say(path, f"expected {what} from {least} to {most:#x}, found {show(number)}")
        return number

    def _address(self, value: Any, path: Path) -> str:
        try:
            return checksummed(parsed(self._typed(value, str, path, _NOBODY)))
        except BadAddress as error:
            self._say(path, str(error))
            return _NOBODY

    def _typed(self, value: Any, type_: type[Any], path: Path, instead: Any) -> Any:
        if type(value) is type_:
            return value
        self.problems += explain(value, type_, path)
        return instead

    def _say(self, path: Path, message: str) -> None:
        self.problems.append(problem(path, message))


def _senseless(group: OperationGroup, path: Path) -> Iterator[Problem]:
    """What is of the right types, and cannot be meant."""
    if not group.operations and group.script is None:
        yield problem((*path, "operations"), "expected an operation, or a script; found neither")
    for index, bridge in enumerate(group.bridges):
        if bridge.locked.chain_id == bridge.minted.chain_id:
            yield problem((*path, "bridges", index), "expected two chains, found the same one")
    for index, one in enumerate(group.assertions):
        place = (*path, "assertions", index)
        if one.equals is None and one.at_least is None and one.at_most is None:
            yield problem(place, "expected equals, at_least or at_most; found none of them")
        if one.token is not None and one.slot is not None:
            yield problem(place, "expected a token's balance or a slot, found both")


def _waits(before: Sequence[OperationGroup], values: Sequence[Any], path: Path) -> list[Problem]:
    """What is wrong with who waits for whom."""
    from stoker.plan.graph import Graph
    from stoker.plan.model import Step

    problems = []
    whole = len(before) + len(values)
    waits = [list(group.dependencies) for group in before]
    for place, value in enumerate(values):
        index = len(before) + place
        waits.append([])
        named = value.get("dependencies") if isinstance(value, dict) else None
        for number, other in enumerate(named if isinstance(named, list) else ()):
            if type(other) is not int:
                continue  # told already
            at = (*path, place, "dependencies", number)
            if not 0 <= other < whole:
                there = f"0 to {whole - 1}" if whole > 1 else "none, there is one group"
                message = f"there is no group {other}; expected {there}"
                problems.append(problem(at, message))
            elif other == index:
                problems.append(problem(at, f"group {index} waits for itself"))
            else:
                waits[index].append(other)
    graph = Graph.build(
        [
            Step(id=str(index), depends_on=tuple(map(str, dict.fromkeys(others))))
            for index, others in enumerate(waits)
        ]
    )
    for cycle in graph.cycles():
        at = (*path, int(cycle[0]) - len(before), "dependencies")
        problems.append(problem(at, f"groups wait for each other: {' -> '.join(cycle)}"))
    return problems
