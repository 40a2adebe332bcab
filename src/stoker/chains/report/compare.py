"""Whether transactions do, sent from their real accounts, what they did while the script ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from stoker.chains.evm.frame import Frame, Log, walk
from stoker.chains.evm.job import Capture, Captured, Chains, Outcome, Replay, Replayed
from stoker.chains.evm.pyevm.addresses import CHEATCODES
from stoker.chains.report.registry import Registry
from stoker.chains.report.trace import Tracer
from stoker.chains.report.values import account_text, address_text, hex_text, number_text

_DRIFT: Final = 100_000
"""What accrues from one block to the next is less than one part in so many."""
_FUTURE: Final = 10 * 365 * 86_400
"""Seconds; times that code reckons from its block's (deadlines, unlocks) are not further off."""
_WARP: Final = bytes.fromhex("e5d6bf02")
_ROLL: Final = bytes.fromhex("1f7b4f30")
_DEAL: Final = bytes.fromhex("c88a5e6d")
_STORE: Final = bytes.fromhex("70ca10bb")
_MAX_TOLD: Final = 20


class Difference(Struct, frozen=True, kw_only=True):
    """Between what a transaction did when it was captured and what when it was replayed."""

    index: int
    """Of the transaction, from 0."""
    message: str
    fatal: bool = True
    """False: it comes of the later block or of the gas, and is told, not held against it."""


def differences(
    capture: Capture, replay: Replay, chains: Chains, registry: Registry
) -> tuple[Difference, ...]:
    """What is different, in the order of the transactions; a group with one that is fatal has
    failed. A transaction that fails in both is one too: nobody is to sign it."""
    found: list[Difference] = []
    cheats = _Cheats(capture.frame)
    absent = _only_made_by_script(capture, replay)
    for index, captured in enumerate(capture.transactions):
        title = transaction_title(index, captured, registry)
        if index >= len(replay.transactions):
            why = replay.error or "the replay ended before it"
            found.append(Difference(index=index, message=f"{title} was not sent: {why}"))
            break
        replayed = replay.transactions[index]
        outcome = capture.outcomes[index] if index < len(capture.outcomes) else None
        if captured.to in absent:
            told = (
                f"{title} is for a contract that only the script itself has made, outside of its "
                "broadcasts: there is nothing on the chain"
            )
            found.append(Difference(index=index, message=told))
            continue
        if not replayed.succeeded:
            tracer = Tracer(registry, captured.chain_id)
            why = failure_text(replayed, tracer)
            message = f"{title} fails when it is sent from the real account: {why}"
            if outcome is not None and outcome.succeeded:
                message += cheats.explanation(registry)
            elif outcome is not None:
                message += "; it failed while the script ran, too"
            found.append(Difference(index=index, message=message))
            rest = len(capture.transactions) - index - 1
            if rest:
                told = f"{title}: {rest} after it {'was' if rest == 1 else 'were'} not sent"
                found.append(Difference(index=index, message=told))
            break
        if outcome is not None:
            compared = _Compared(captured, replayed, chains, cheats, index, title)
            found.extend(compared.differences(outcome, registry))
    return tuple(found)


def _only_made_by_script(capture: Capture, replay: Replay) -> set[bytes]:
    """Addresses at which there is code while the script runs, and never when it is sent."""
    made = _created(capture.frame) - {one.contract for one in capture.transactions}
    for one in replay.transactions:
        made -= _created(one.frame)
    return made


def _created(frame: Frame) -> set[bytes]:
    return {one.to for one in walk(frame) if one.type in ("CREATE", "CREATE2") and not one.error}


def transaction_title(index: int, captured: Captured, registry: Registry) -> str:
    """`transaction 1 (Router::swap on chain 10)`."""
    if captured.to is None or captured.kind != "CALL":
        name = registry.name(captured.contract or b"", captured.chain_id) or "a contract"
        return f"transaction {index} (creation of {name} on chain {captured.chain_id})"
    target = registry.name(captured.to, captured.chain_id) or address_text(captured.to)
    called = registry.function(captured.to, captured.data, captured.chain_id)
    what = called[0].name if called else captured.data[:4].hex()
    target += f"::{what}" if what else ""
    return f"transaction {index} ({target} on chain {captured.chain_id})"


def failure_text(replayed: Replayed, tracer: Tracer) -> str:
    """Why it failed: what it reverted with, else what the engine says."""
    if replayed.output and replayed.frame.error is not None:
        return tracer.reason(replayed.frame)
    return replayed.error or replayed.frame.error or "it reverted without a reason"


class _Cheats:
    """What the script changed about the world that transactions will not find."""

    def __init__(self, frame: Frame) -> None:
        self.times: set[int] = set()
        self.numbers: set[int] = set()
        self.deals: dict[bytes, int] = {}
        self.stores: set[bytes] = set()
        self.windows: list[tuple[int, int]] = []
        for one in walk(frame):
            if one.to != CHEATCODES:
                self.windows.append((one.gas - one.gas_used, one.gas))
                continue
            words = [one.input[at : at + 32] for at in range(4, min(len(one.input), 100), 32)]
            kind = one.input[:4]
            if kind == _WARP and words:
                self.times.add(int.from_bytes(words[0]))
            elif kind == _ROLL and words:
                self.numbers.add(int.from_bytes(words[0]))
            elif kind == _DEAL and len(words) >= 2:
                self.deals[words[0][12:]] = int.from_bytes(words[1])
            elif kind == _STORE and words:
                self.stores.add(words[0][12:])

    def explanation(self, registry: Registry) -> str:
        told = [
            f"{account_text(who, registry.name)} was given {number_text(amount)} wei"
            for who, amount in list(self.deals.items())[:_MAX_TOLD]
        ]
        told += [
            f"storage of {account_text(who, registry.name)} was written, as to deal tokens"
            for who in sorted(self.stores)[:_MAX_TOLD]
        ]
        told += [f"the time was set to {at}" for at in sorted(self.times)[:_MAX_TOLD]]
        told += [f"the block number was set to {at}" for at in sorted(self.numbers)[:_MAX_TOLD]]
        if not told:
            return "; it succeeded while the script ran"
        lack = "; the real account lacks these funds" if self.deals or self.stores else ""
        return f". It succeeded while the script ran, where {', '.join(told)}{lack}"


class _Compared:
    """One transaction that succeeded in the replay."""

    def __init__(
        self,
        captured: Captured,
        replayed: Replayed,
        chains: Chains,
        cheats: _Cheats,
        index: int,
        title: str,
    ) -> None:
        self._captured = captured
        self._replayed = replayed
        self._index = index
        self._title = title
        self._clocks: list[tuple[str, int, int]] = []
        self._fee = 0
        pin = chains.pins.get(captured.chain_id)
        if pin is not None:
            then = pin.following()
            self._fee = pin.base_fee
            times, numbers = {pin.timestamp, *cheats.times}, {pin.number, *cheats.numbers}
            self._clocks += [("time", one, then.timestamp) for one in times]
            self._clocks += [("number", one, then.number) for one in numbers]
        self._before = cheats.windows
        self._after = [(one.gas - one.gas_used, one.gas) for one in walk(replayed.frame)]
        self._gas = max((top for _, top in self._after), default=0) + 1_000_000

    def differences(self, outcome: Outcome, registry: Registry) -> Iterator[Difference]:
        old, new = outcome.logs, self._replayed.logs
        if not outcome.succeeded:
            yield self._told("failed while the script ran, and succeeds when it is sent")
            return
        if self._captured.kind != "CREATE2":  # its deployer answers with the address
            yield from self._words("output", outcome.output, self._replayed.output)
        if len(old) != len(new):
            yield self._told(f"wrote {_both(f'{len(old)} logs', f'{len(new)}')}")
            return
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            told = self._log(after, registry)
            if before.address != after.address or before.topics[:1] != after.topics[:1]:
                both = _both(self._log(before, registry), told)
                yield self._told(f"has another log {number}: {both}")
                continue
            what = f"log {number} ({told})"
            topics = (b"".join(one.topics) for one in (before, after))
            yield from self._words(f"topics of {what}", *topics)
            yield from self._words(f"data of {what}", before.data, after.data)

    def _log(self, log: Log, registry: Registry) -> str:
        found = registry.event(log.address, log.topics, log.data, self._captured.chain_id)
        where = registry.name(log.address, self._captured.chain_id) or address_text(log.address)
        return f"{found[0].name if found else 'an unknown event'} of {where}"

    def _told(self, message: str, *, fatal: bool = True) -> Difference:
        return Difference(index=self._index, message=f"{self._title} {message}", fatal=fatal)

    def _words(self, what: str, before: bytes, after: bytes) -> Iterator[Difference]:
        if len(before) != len(after):
            shown = (f"{len(one)} bytes, {hex_text(one, 64)}" for one in (before, after))
            yield self._told(f"differs in the {what}: {_both(*shown)}")
            return
        for told, at in enumerate(_different(before, after)):
            old, new = (int.from_bytes(one[at : at + 32]) for one in (before, after))
            why = self._explained(old, new, accrues=len(before) % 32 == 0)
            if told < _MAX_TOLD:
                both = _both(number_text(old), number_text(new))
                message = f"differs in the {what}, at byte {at}: {both}"
                yield self._told(f"{message}, {why}" if why else message, fatal=not why)
            elif not why:
                yield self._told(f"differs in the {what} in more places")
                return

    def _explained(self, old: int, new: int, *, accrues: bool) -> str | None:
        """Why a number may be different, though the transaction is all right."""
        for what, then, now in self._clocks:
            if old - then == new - now and 0 <= old - then <= _FUTURE:
                return f"as the block's {what} does"
        if _within(old, self._before) and _within(new, self._after):
            return "as the gas that was left does"
        paid, most = old - new, max(old, new)
        fees = paid // self._fee if self._fee > 1_000 and paid % self._fee == 0 else 0
        if 0 < fees <= self._gas:
            return "as the sender's coin does, which pays for gas"
        if accrues and min(old, new) >= _DRIFT and most < 1 << 128 and abs(paid) * _DRIFT <= most:
            return "by so little as may accrue until the next block"
        return None


def _both(before: str, after: str) -> str:
    return f"{before} while the script ran, {after} when it is sent"


def _within(value: int, windows: Iterable[tuple[int, int]]) -> bool:
    return any(low <= value <= high for low, high in windows)


def _different(before: bytes, after: bytes) -> Iterator[int]:
    """Where words that differ begin. In what does not consist of words (code, with numbers set
    into it) a word ends with the last byte that differs."""
    if len(before) % 32 == 0:
        for at in range(0, len(before), 32):
            if before[at : at + 32] != after[at : at + 32]:
                yield at
        return
    at = 0
    while at < len(before):
        if before[at] != after[at]:
            word = range(at, min(at + 32, len(before)))
            at = max(one for one in word if before[one] != after[one])
            yield max(0, at - 31)
        at += 1
