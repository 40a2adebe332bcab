"""Whether what a group asserts of the state of its chains holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from stoker.chains.address import parsed
from stoker.chains.errors import ChainError
from stoker.chains.group import Assertion
from stoker.chains.state.sight import Sight

_BALANCE_OF: Final = bytes.fromhex("70a08231")


class Evidence(Struct, frozen=True):
    """What was found where an assertion looked."""

    holds: bool
    message: str


async def check_assertions(assertions: Iterable[Assertion], state: Sight) -> tuple[Evidence, ...]:
    """In their order. `state`: with all that the group and its bridges did. One that cannot be read
    does not hold."""
    return tuple([await _check(one, state) for one in assertions])


async def _check(assertion: Assertion, state: Sight) -> Evidence:
    what = _subject(assertion)
    try:
        found = await _read(assertion, state)
    except (ChainError, ValueError) as error:
        return Evidence(False, f"{what} could not be read: {error}")
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
    return Evidence(not failed, f"{what} is {found}{wanted}")


def _subject(assertion: Assertion) -> str:
    where = f"{assertion.account} on chain {assertion.chain_id}"
    if assertion.slot is not None:
        return f"slot {assertion.slot} of {where}"
    if assertion.token is not None:
        return f"the balance of token {assertion.token} of {where}"
    return f"the balance, in wei, of {where}"


async def _read(assertion: Assertion, state: Sight) -> int:
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
