"""Frames as engines give them, written by hand."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from stoker.chains.evm.frame import Frame, Log
from stoker.chains.evm.job import Capture, Captured, Chains, Outcome, Pin, Replay, Replayed
from stoker.chains.report.values import address_text
from stoker.chains.sources.contract_source import ContractSource

SENDER, ROUTER, TOKEN, OTHER, SCRIPT = (bytes([number]) * 20 for number in range(0xA1, 0xA6))
VM = bytes.fromhex("7109709ecfa91a80626ff3989d68f67f5b1dd12d")
NOBODY = bytes(20)


def call(
    to: bytes = ROUTER,
    data: bytes = b"",
    *,
    from_: bytes = SENDER,
    value: int = 0,
    output: bytes = b"",
    error: str | None = None,
    logs: tuple[Log, ...] = (),
    calls: tuple[Frame, ...] = (),
    kind: str = "CALL",
    gas: int = 100_000,
    gas_used: int = 21_000,
) -> Frame:
    return Frame(
        type=kind,  # type: ignore[arg-type]
        from_=from_,
        to=to,
        value=value,
        gas=gas,
        gas_used=gas_used,
        input=data,
        output=output,
        error=error,
        logs=logs,
        calls=calls,
    )


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def calldata(signature: str, *values: object) -> bytes:
    kinds = signature[signature.index("(") + 1 : -1]
    return selector(signature) + encode(kinds.split(",") if kinds else [], values)


def event(
    address: bytes, signature: str, *topics: bytes, data: bytes = b"", position: int = 0
) -> Log:
    return Log(
        address,
        (keccak(signature.encode()), *(one.rjust(32, b"\0") for one in topics)),
        data,
        position,
    )


def transfer(token: bytes, source: bytes, target: bytes, amount: int, position: int = 0) -> Log:
    return event(
        token,
        "Transfer(address,address,uint256)",
        source,
        target,
        data=amount.to_bytes(32),
        position=position,
    )


def approval(token: bytes, owner: bytes, spender: bytes, amount: int) -> Log:
    signature = "Approval(address,address,uint256)"
    return event(token, signature, owner, spender, data=amount.to_bytes(32))


PIN = Pin(
    chain_id=1,
    number=20_000_000,
    hash=bytes(32),
    timestamp=1_750_000_000,
    base_fee=1_000_000_007,
    gas_limit=30_000_000,
    coinbase=NOBODY,
    prevrandao=bytes(32),
)
CHAINS = Chains(home=1, pins={1: PIN, 10: PIN})


def captured(
    to: bytes | None = ROUTER, data: bytes = b"", *, value: int = 0, chain_id: int = 1
) -> Captured:
    return Captured(
        chain_id=chain_id, from_=SENDER, to=to, value=value, data=data, nonce=0, kind="CALL"
    )


def replayed(frame: Frame, **more: object) -> Replayed:
    return Replayed(
        succeeded=frame.error is None,
        gas_used=frame.gas_used,
        output=frame.output,
        logs=more.pop("logs", frame.logs),  # type: ignore[arg-type]
        frame=frame,
        **more,  # type: ignore[arg-type]
    )


def capture(
    *transactions: Captured,
    outcomes: tuple[Outcome, ...] = (),
    calls: tuple[Frame, ...] = (),
    error: str | None = None,
    output: bytes = b"",
) -> Capture:
    failed = None if error is None else "execution reverted"
    return Capture(
        transactions=transactions,
        console=(),
        frame=call(
            SCRIPT,
            calldata("run()"),
            gas=1_000_000_000,
            gas_used=90_000,
            calls=calls,
            error=failed,
            output=output,
        ),
        error=error,
        outcomes=outcomes,
    )


def replay(*transactions: Replayed, error: str | None = None) -> Replay:
    return Replay(transactions=transactions, deltas={}, accesses={}, error=error)


def outcome(output: bytes = b"", logs: tuple[Log, ...] = (), succeeded: bool = True) -> Outcome:
    return Outcome(succeeded=succeeded, output=output, logs=logs)


def source(name: str, address: bytes, abi: list[dict[str, object]]) -> ContractSource:
    return ContractSource(
        chain_id=1,
        address=address_text(address),
        name=name,
        abi=abi,
        files={},
        compiler="",
        origin="etherscan",
    )


def function(name: str, inputs: str, outputs: str = "") -> dict[str, object]:
    """`uint256 amount, address to` as an ABI's entry."""
    return {
        "type": "function",
        "name": name,
        "inputs": _parameters(inputs),
        "outputs": _parameters(outputs),
    }


def _parameters(text: str) -> list[dict[str, object]]:
    found = []
    for one in filter(None, text.split(", ")):
        kind, _, name = one.partition(" ")
        found.append({"type": kind, "name": name})
    return found


def failing(name: str, inputs: str = "") -> dict[str, object]:
    return {"type": "error", "name": name, "inputs": _parameters(inputs)}
