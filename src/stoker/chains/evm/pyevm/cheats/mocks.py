"""Calls that are answered instead of made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from stoker.chains.evm.pyevm.cheats.table import cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


class Mock(Struct, frozen=True):
    """An answer to calls of `to` whose data begin so."""

    to: bytes
    value: int | None
    data: bytes
    succeeds: bool
    output: bytes


def _mock(script: Script, mock: Mock) -> None:
    same = (mock.to, mock.value, mock.data)
    script.mocks = [one for one in script.mocks if (one.to, one.value, one.data) != same]
    script.mocks.append(mock)
    # The longest is the best match; a value said is better than none.
    script.mocks.sort(key=lambda one: (len(one.data), one.value is not None), reverse=True)
    if not script.world.get_code(mock.to):
        script.world.set_code(mock.to, b"\0")


@cheat("mockCall(address,bytes,bytes)")
def mock_call(script: Script, caller: Computation, to: bytes, data: bytes, output: bytes) -> None:
    _mock(script, Mock(to, None, data, True, output))


@cheat("mockCall(address,uint256,bytes,bytes)")
def mock_call_value(
    script: Script, caller: Computation, to: bytes, value: int, data: bytes, output: bytes
) -> None:
    _mock(script, Mock(to, value, data, True, output))


@cheat("mockCallRevert(address,bytes,bytes)")
def mock_revert(script: Script, caller: Computation, to: bytes, data: bytes, output: bytes) -> None:
    _mock(script, Mock(to, None, data, False, output))


@cheat("mockCallRevert(address,uint256,bytes,bytes)")
def mock_revert_value(
    script: Script, caller: Computation, to: bytes, value: int, data: bytes, output: bytes
) -> None:
    _mock(script, Mock(to, value, data, False, output))


@cheat("clearMockedCalls()")
def clear(script: Script, caller: Computation) -> None:
    script.mocks.clear()
