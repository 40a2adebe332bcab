"""What changed hands in an execution: coin, ERC-20, ERC-721, and allowances. Only what stands
counts: nothing of a call that failed."""

from __future__ import annotations

from typing import Final

from eth_hash.auto import keccak
from msgspec import Struct, field

from stoker.chains.evm.frame import Frame, Log, standing

_NOBODY: Final = bytes(20)
_MAX: Final = (1 << 256) - 1
_UNLIMITED: Final = frozenset({_MAX, (1 << 160) - 1, (1 << 128) - 1, (1 << 96) - 1})


def _topic(signature: str) -> bytes:
    return bytes(keccak(signature.encode()))


TRANSFER: Final = _topic("Transfer(address,address,uint256)")
APPROVAL: Final = _topic("Approval(address,address,uint256)")
_FOR_ALL: Final = _topic("ApprovalForAll(address,address,bool)")
_DEPOSIT: Final = _topic("Deposit(address,uint256)")
_WITHDRAWAL: Final = _topic("Withdrawal(address,uint256)")
_TRANSFER_FROM: Final = _topic("transferFrom(address,address,uint256)")[:4]


class Asset(Struct, frozen=True):
    """Something that can be owned on a chain."""

    chain_id: int
    token: bytes | None = None
    """None: the chain's coin."""
    collectible: bool = False
    """ERC-721: amounts are counts of tokens."""


class Approval(Struct, frozen=True, kw_only=True):
    """What a spender may still take."""

    chain_id: int
    token: bytes
    owner: bytes
    spender: bytes
    amount: int = 0
    """Of an ERC-20."""
    token_id: int | None = None
    """Of an ERC-721; None there: every one that the owner has, now or ever."""
    collectible: bool = False

    @property
    def unlimited(self) -> bool:
        """Without an end that anybody could reach."""
        if self.collectible:
            return self.token_id is None
        return self.amount in _UNLIMITED or self.amount >= 1 << 255


class Changes(Struct, frozen=True):
    """By how much each account's holdings changed, and which allowances are left of those that
    were set. Gas is not in it."""

    amounts: dict[Asset, dict[bytes, int]] = field(default_factory=dict)
    ids: dict[Asset, dict[int, bytes]] = field(default_factory=dict)
    """Of ERC-721: who has a token that was moved, at the end."""
    approvals: tuple[Approval, ...] = ()

    def of(self, account: bytes, asset: Asset) -> int:
        return self.amounts.get(asset, {}).get(account, 0)


class Ledger:
    """Adds up executions, each on its chain, in their order."""

    def __init__(self) -> None:
        self._amounts: dict[Asset, dict[bytes, int]] = {}
        self._ids: dict[Asset, dict[int, bytes]] = {}
        self._approvals: dict[tuple[int, bytes, bytes, bytes, int | None, bool], int] = {}

    def add(self, chain_id: int, frame: Frame) -> None:
        happened = list(standing(frame))
        told = [one[1] for one in happened if isinstance(one, tuple)]
        number = 0
        for one in happened:
            if isinstance(one, tuple):
                self._read(chain_id, *one, told[max(0, number - 1) : number + 2])
                number += 1
                continue
            if one.value and one.type in ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT"):
                self._move(Asset(chain_id), one.from_, one.to, one.value)
            if one.type == "CALL" and one.input[:4] == _TRANSFER_FROM and len(one.input) >= 100:
                self._spend(chain_id, one)

    def changes(self) -> Changes:
        """What has been added up, without what came to nothing."""
        amounts = {
            asset: left
            for asset, accounts in self._amounts.items()
            if (left := {who: amount for who, amount in accounts.items() if amount})
        }
        approvals = tuple(
            Approval(
                chain_id=chain_id,
                token=token,
                owner=owner,
                spender=spender,
                amount=amount if not collectible else 0,
                token_id=token_id,
                collectible=collectible,
            )
            for (chain_id, token, owner, spender, token_id, collectible), amount in (
                self._approvals.items()
            )
            if amount > 0
        )
        return Changes(amounts, self._ids, approvals)

    def _move(self, asset: Asset, source: bytes, target: bytes, amount: int) -> None:
        accounts = self._amounts.setdefault(asset, {})
        accounts[source] = accounts.get(source, 0) - amount
        accounts[target] = accounts.get(target, 0) + amount

    def _read(self, chain_id: int, frame: Frame, log: Log, around: list[Log]) -> None:
        topics, token = log.topics, log.address
        kind = topics[0] if topics else b""
        if kind == TRANSFER and len(topics) == 3 and len(log.data) == 32:
            amount = int.from_bytes(log.data)
            self._move(Asset(chain_id, token), topics[1][12:], topics[2][12:], amount)
        elif kind == TRANSFER and len(topics) == 4:
            self._collect(chain_id, token, topics)
        elif kind in (_DEPOSIT, _WITHDRAWAL) and len(topics) == 2 and len(log.data) == 32:
            self._wrap(chain_id, frame, log, around)
        elif kind == APPROVAL and len(topics) == 3 and len(log.data) == 32:
            key = (chain_id, token, topics[1][12:], topics[2][12:], None, False)
            self._approvals[key] = int.from_bytes(log.data)
        elif kind == APPROVAL and len(topics) == 4:
            number = int.from_bytes(topics[3])
            self._forget(chain_id, token, number)
            if topics[2][12:] != _NOBODY:
                self._approvals[chain_id, token, topics[1][12:], topics[2][12:], number, True] = 1
        elif kind == _FOR_ALL and len(topics) == 3 and len(log.data) == 32:
            key = (chain_id, token, topics[1][12:], topics[2][12:], None, True)
            self._approvals[key] = int(any(log.data))

    def _collect(self, chain_id: int, token: bytes, topics: tuple[bytes, ...]) -> None:
        asset, number = Asset(chain_id, token, collectible=True), int.from_bytes(topics[3])
        self._move(asset, topics[1][12:], topics[2][12:], 1)
        self._ids.setdefault(asset, {})[number] = topics[2][12:]
        self._forget(chain_id, token, number)

    def _forget(self, chain_id: int, token: bytes, number: int) -> None:
        """A collectible's approval ends when it moves, or is given to another."""
        for key in [one for one in self._approvals if one[4] == number and one[5]]:
            if key[:2] == (chain_id, token):
                del self._approvals[key]

    def _wrap(self, chain_id: int, frame: Frame, log: Log, around: list[Log]) -> None:
        """WETH tells only of the deposit or withdrawal; some others emit a Transfer beside it,
        which has been counted. Others again have such an event and are no wrapper: their coin
        does not come or go by the same amount."""
        account, amount = log.topics[1], int.from_bytes(log.data)
        deposit = log.topics[0] == _DEPOSIT
        nobody = bytes(32)
        ends = (nobody, account) if deposit else (account, nobody)
        if any(
            one.address == log.address and one.topics == (TRANSFER, *ends) and one.data == log.data
            for one in around
        ):
            return
        moved = (
            frame.value == amount
            if deposit
            else any(one.value == amount and one.error is None for one in frame.calls)
        )
        if moved:
            source, target = (one[12:] for one in ends)
            self._move(Asset(chain_id, log.address), source, target, amount)

    def _spend(self, chain_id: int, frame: Frame) -> None:
        """What a spender takes is off what was approved before. Most tokens say nothing of it;
        those that do say it with an event that comes after, and counts."""
        owner, amount = frame.input[16:36], int.from_bytes(frame.input[68:100])
        key = (chain_id, frame.to, owner, frame.from_, None, False)
        left = self._approvals.get(key, 0)
        if left not in _UNLIMITED:
            self._approvals[key] = max(0, left - amount)
