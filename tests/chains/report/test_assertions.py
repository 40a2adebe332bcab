"""What a group asserts of the state of its chains."""

import asyncio

from stoker.chains.errors import RpcError
from stoker.chains.group import Assertion
from stoker.chains.report.assertions import Evidence, check_assertions
from stoker.chains.report.values import address_text
from tests.chains.report.frames import OTHER, TOKEN

WHO, WHAT = address_text(OTHER), address_text(TOKEN)


class State:
    async def balance(self, chain_id: int, address: str) -> int:
        if chain_id == 5:
            raise RpcError("the node is down")
        return {(1, WHO): 70}[chain_id, address]

    async def read_storage(self, chain_id: int, address: str, slot: int) -> int:
        return {(10, WHAT, 3): 9}[chain_id, address, slot]

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        assert data == bytes.fromhex("70a08231") + OTHER.rjust(32, b"\0")
        return b"" if chain_id == 1 else (42).to_bytes(32)


def checked(**assertion: object) -> Evidence:
    (found,) = asyncio.run(check_assertions([Assertion(**assertion)], State()))  # type: ignore[arg-type]
    return found


def test_balances_and_storage_of_several_chains() -> None:
    coin = checked(chain_id=1, account=WHO, at_least=70, at_most=70)
    assert coin == Evidence(True, f"the balance, in wei, of {WHO} on chain 1 is 70")
    token = checked(chain_id=10, account=WHO, token=WHAT, equals=42)
    told = f"the balance of token {WHAT} of {WHO} on chain 10 is 42"
    assert token == Evidence(True, told)
    slot = checked(chain_id=10, account=WHAT, slot="0x3", equals=9)
    assert slot == Evidence(True, f"slot 0x3 of {WHAT} on chain 10 is 9")


def test_what_does_not_hold_says_what_was_found() -> None:
    low = checked(chain_id=1, account=WHO, at_least=71)
    assert not low.holds and low.message.endswith("is 70, which is not at least 71")
    both = checked(chain_id=1, account=WHO, equals=0, at_most=69)
    assert both.message.endswith("is 70, which is not equal to 0 and not at most 69")
    zero = checked(chain_id=1, account=WHO, at_most=0)
    assert not zero.holds


def test_what_cannot_be_read_does_not_hold() -> None:
    none = checked(chain_id=1, account=WHO, token=WHAT, equals=0)
    why = "its balanceOf returned 0 bytes, as no token does"
    assert not none.holds and none.message.endswith(f"could not be read: {why}")
    down = checked(chain_id=5, account=WHO, equals=0)
    assert not down.holds and "the node is down" in down.message
