"""`vm.assertEq` and its kin, for all types they come in."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat
from stoker.chains.evm.pyevm.console import text_of

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script

_SCALARS = ("bool", "uint256", "int256", "address", "bytes32", "string", "bytes")
_NUMBERS = ("uint256", "int256")
_COMPARED: tuple[tuple[str, Callable[[Any, Any], bool], str, tuple[str, ...]], ...] = (
    ("Eq", operator.eq, "!=", (*_SCALARS, *(f"{kind}[]" for kind in _SCALARS))),
    ("NotEq", operator.ne, "==", (*_SCALARS, *(f"{kind}[]" for kind in _SCALARS))),
    ("Lt", operator.lt, ">=", _NUMBERS),
    ("Le", operator.le, ">", _NUMBERS),
    ("Gt", operator.gt, "<=", _NUMBERS),
    ("Ge", operator.ge, "<", _NUMBERS),
)


def _text(kind: str, value: Any) -> str:
    if kind.endswith("[]"):
        return f"[{', '.join(_text(kind[:-2], one) for one in value)}]"
    return text_of(kind, value)


def _compared(name: str, holds: Callable[[Any, Any], bool], sign: str, kind: str) -> None:
    @cheat(f"assert{name}({kind},{kind})", f"assert{name}({kind},{kind},string)")
    def check(
        script: Script, caller: Computation, left: Any, right: Any, why: str | None = None
    ) -> None:
        if not holds(left, right):
            failed = f"assertion failed: {_text(kind, left)} {sign} {_text(kind, right)}"
            raise CheatFailed(failed if why is None else f"{why}: {failed[18:]}")


for _name, _holds, _sign, _kinds in _COMPARED:
    for _kind in _kinds:
        _compared(_name, _holds, _sign, _kind)


@cheat("assertTrue(bool)", "assertTrue(bool,string)")
def assert_true(
    script: Script, caller: Computation, value: bool, why: str = "assertion failed"
) -> None:
    if not value:
        raise CheatFailed(why)


@cheat("assertFalse(bool)", "assertFalse(bool,string)")
def assert_false(
    script: Script, caller: Computation, value: bool, why: str = "assertion failed"
) -> None:
    if value:
        raise CheatFailed(why)
