"""Whether what a group asserts of the state of its chains holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from msgspec import Struct

from stoker.chains.address import parsed
from stoker.chains.errors import ChainError
from stoker.chains.group import Assertion

_BALANCE_OF: Final = bytes.fromhex("70a08231")


class StateReader(Protocol):
    """The state of a plan's chains, with all that the group and its bridges did. Each of these may
    raise `ChainError`."""

    async def balance(self, chain_id: int, address: str) -> int: ...

    async def read_storage(self, chain_id: int, address: str, slot: int) -> int: ...

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes: ...


class Evidence(Struct, frozen=True, kw_only=True):
    """What was found where an assertion looked."""

    assertion: Assertion
    found: str | None
    """A number in decimals, as text; None: it could not be read."""
    holds: bool
    message: str


async def check_assertions(
    assertions: Iterable[Assertion], state: StateReader
) -> tuple[Evidence, ...]:
    """In their order. One that cannot be read does not hold."""
    return tuple([await _check(one, state) for one in assertions])


async def _check(assertion: Assertion, state: StateReader) -> Evidence:
    what = _subject(assertion)
    try:
        found = await _read(assertion, state)
    except (ChainError, ValueError) as error:
        message = f"{what} could not be read: {error}"
        return Evidence(assertion=assertion, found=None, holds=False, message=message)
    failed = [
        f"{words} {bound}"
        for words, bound, holds in (
            ("equal to", assertion.equals, found == assertion.equals),
            ("at least", assertion.at_least, found >= (assertion.at_least or 0)),
            ("at most", assertion.at_most, found <= (assertion.at_most or 0)),
        )
        if bound is not None and not holds
    ]
    wanted = f", which is not {' and not '.join(failed)}" if failed else ""
    return Evidence(
        assertion=assertion,
        found=str(found),
        holds=not failed,
        message=f"{what} is {found}{wanted}",
    )


def _subject(assertion: Assertion) -> str:
    where = f"{assertion.account} on chain {assertion.chain_id}"
    if assertion.slot is not None:
        return f"slot {assertion.slot} of {where}"
    if assertion.token is not None:
        return f"the balance of token {assertion.token} of {where}"
    return f"the balance, in wei, of {where}"


async def _read(assertion: Assertion, state: StateReader) -> int:
    if assertion.slot is not None:
        slot = int(assertion.slot, 16)
        return await state.read_storage(assertion.chain_id, assertion.account, slot)
    if assertion.token is None:
        return await state.balance(assertion.chain_id, assertion.account)
    data = _BALANCE_OF + parsed(assertion.account).rjust(32, b"\0")
    answer = await state.call(assertion.chain_id, assertion.token, data)
    if len(answer) < 32:
        raise ValueError(f"its balanceOf returned {len(answer)} bytes, as no token does")
    return int.from_bytes(answer[:32])
