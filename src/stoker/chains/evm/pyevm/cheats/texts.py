"""Values as texts. None are read from texts: whoever would write those, scripts may not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stoker.chains.evm.pyevm.cheats.table import cheat
from stoker.chains.evm.pyevm.console import text_of

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


def _listed(kind: str) -> None:
    @cheat(f"toString({kind})", returns="(string)")
    def to_string(script: Script, caller: Computation, value: object) -> str:
        return text_of(kind, value)


for _kind in ("address", "bytes", "bytes32", "bool", "uint256", "int256"):
    _listed(_kind)
