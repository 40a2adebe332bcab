"""What was read, written and logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stoker.chains.evm.pyevm.cheats.table import cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


@cheat("record()")
def record(script: Script, caller: Computation) -> None:
    script.reads, script.writes, script.recording = {}, {}, True


@cheat("stopRecord()")
def stop_record(script: Script, caller: Computation) -> None:
    script.recording = False


@cheat("accesses(address)", returns="(bytes32[],bytes32[])")
def accesses(
    script: Script, caller: Computation, account: bytes
) -> tuple[list[bytes], list[bytes]]:
    reads, writes = script.reads.get(account, []), script.writes.get(account, [])
    return [one.to_bytes(32, "big") for one in reads], [one.to_bytes(32, "big") for one in writes]


@cheat("recordLogs()")
def record_logs(script: Script, caller: Computation) -> None:
    script.recorded = []


@cheat("getRecordedLogs()", returns="((bytes32[],bytes,address)[])")
def get_recorded_logs(
    script: Script, caller: Computation
) -> list[tuple[tuple[bytes, ...], bytes, bytes]]:
    logs, script.recorded = script.recorded or [], []
    return [(log.topics, log.data, log.address) for log in logs]
