"""What an engine is asked to run and what it answers: plain data, for processes to hand on. An
engine is one in process, a node, or a program of others."""

from __future__ import annotations

from typing import Literal, Protocol, Self

from msgspec import Struct, field

from stoker.chains.evm.frame import Frame, Log
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.state.change import Access, Delta


class Pin(Struct, frozen=True, kw_only=True):
    """A block of a chain, whose state is what a plan begins from. Capture runs in it, replay in
    the one that would follow."""

    chain_id: int
    number: int
    hash: bytes
    timestamp: int
    """Unix seconds."""
    base_fee: int
    """Wei per gas."""
    gas_limit: int
    coinbase: bytes
    prevrandao: bytes
    excess_blob_gas: int = 0

    def following(self) -> Pin:
        """The estimate of the next block: 12 s later, with the same base fee. Its `hash` is this
        one's, for it has none yet."""
        return Pin(
            chain_id=self.chain_id,
            number=self.number + 1,
            hash=self.hash,
            timestamp=self.timestamp + 12,
            base_fee=self.base_fee,
            gas_limit=self.gas_limit,
            coinbase=self.coinbase,
            prevrandao=self.prevrandao,
            excess_blob_gas=self.excess_blob_gas,
        )


class Limits(Struct, frozen=True, kw_only=True):
    gas: int = 1_000_000_000
    """Of a script's `run()`, whose own work costs nobody anything."""
    seconds: float = 30.0
    memory: int = 1 << 30
    """Bytes of address space that the worker may have beyond what it begins with."""


class Chains(Struct, frozen=True, kw_only=True):
    """The chains as one group sees them."""

    home: int
    """The chain a script begins on."""
    pins: dict[int, Pin]
    deltas: dict[int, Delta] = field(default_factory=dict)
    """What the groups it follows have done, over the pinned state."""
    aliases: dict[str, int] = field(default_factory=dict)
    """Names that `createSelectFork` knows."""


class Captured(Struct, frozen=True, kw_only=True):
    """A transaction that a script broadcasts."""

    chain_id: int
    from_: bytes
    to: bytes | None
    """None: it creates a contract. A CREATE2 goes to the deployer it is sent through."""
    value: int
    data: bytes
    nonce: int
    kind: Literal["CALL", "CREATE", "CREATE2"]
    contract: bytes | None = None
    """What it creates."""
    gas: int | None = None
    """Asked for by the script (`{gas: ..}`); None: to be estimated."""


class CaptureJob(Struct, frozen=True, kw_only=True):
    script: Compilation
    chains: Chains
    sender: bytes
    limits: Limits = Limits()
    signature: str = "run()"


class Capture(Struct, frozen=True, kw_only=True):
    """What a script did. `error` None: it ran to its end."""

    transactions: tuple[Captured, ...]
    console: tuple[str, ...]
    frame: Frame
    """The script's run, cheatcodes included."""
    error: str | None = None
    """In the engine's words; what the script reverted with is in the frame."""
    returned: bytes = b""
    outcomes: tuple[Outcome, ...] = ()
    """Of each transaction, what the call made then and there: compared with its replay."""


class Outcome(Struct, frozen=True, kw_only=True):
    succeeded: bool
    output: bytes
    logs: tuple[Log, ...]


class ReplayJob(Struct, frozen=True, kw_only=True):
    """Each transaction from its real account, in order, with no funds dealt, each in the block
    that would follow its chain's pinned one."""

    transactions: tuple[Captured, ...]
    chains: Chains
    limits: Limits = Limits()
    relayed: bool = False
    """Whether this is what others are made to do, as a bridge on its other side: senders pay for
    no gas and may be contracts, and their nonces are not looked at."""


class Replayed(Struct, frozen=True, kw_only=True):
    """One transaction."""

    succeeded: bool
    gas_used: int
    """As its receipt would say, refunds taken off."""
    output: bytes
    logs: tuple[Log, ...]
    frame: Frame
    created: bytes | None = None
    error: str | None = None
    storage: dict[bytes, dict[int, tuple[int, int]]] = field(default_factory=dict)
    """Address -> slot -> value before and after, where they differ."""

    @classmethod
    def unsent(cls, captured: Captured, gas: int, why: str) -> Self:
        """What no node would take, with so much gas."""
        frame = Frame(
            type="CREATE" if captured.to is None else "CALL",
            from_=captured.from_,
            to=captured.to or b"",
            value=captured.value,
            gas=gas,
            gas_used=0,
            input=captured.data,
            output=b"",
            error=why,
        )
        return cls(succeeded=False, gas_used=0, output=b"", logs=(), frame=frame, error=why)


class Replay(Struct, frozen=True, kw_only=True):
    transactions: tuple[Replayed, ...]
    """Up to the first that could not be sent or failed, that one included."""
    deltas: dict[int, Delta]
    accesses: dict[int, Access]
    error: str | None = None
    """Why the rest was not tried."""


class Capturing(Protocol):
    async def capture(self, job: CaptureJob) -> Capture:
        """Run a script with cheatcodes. What the script does wrong is in the answer; raises
        `ScriptRefused`, `LimitReached`, `RpcError`."""


class Replaying(Protocol):
    async def replay(self, job: ReplayJob) -> Replay:
        """Send transactions. What fails is in the answer; raises `LimitReached`, `RpcError`."""
