"""From what an engine captured and replayed to what forge would write of it, and what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.chains.address import checksummed
from stoker.chains.broadcast.artefact import Additional, Request, Returned, Sequence, Transaction
from stoker.chains.evm.frame import Frame
from stoker.chains.evm.job import Capture, Captured, Replayed
from stoker.chains.hexadecimal import text
from stoker.chains.report.abi import Parameter, decoded, entries
from stoker.chains.report.registry import Registry
from stoker.chains.solidity.compilation import Compilation

_MARGIN: Final = 130
"""Percent of the gas that a transaction used: what it may use, as forge has it. What a block costs
changes until then, and what is given back at the end is needed before."""
_SALT: Final = 32
_SELECTOR: Final = 4
_ESCAPES: Final = {
    **{character: f"\\{character}" for character in "\\'\""},
    **{"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"},
}
"""As Rust has them, which forge is written in."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """Of one group; plain data, to be kept until somebody broadcasts it."""

    script: str
    """As the artefacts call it: `Name.s.sol`."""
    transactions: tuple[Captured, ...]
    """In order; each says how much gas it may use."""
    sequences: tuple[Sequence, ...]
    """The same, as Foundry tells them: another for each change of the chain."""


def outgoing(
    script: str,
    transactions: Several[Captured],
    replayed: Several[Replayed],
    registry: Registry,
    *,
    timestamp: int,
    capture: Capture | None = None,
    compiled: Compilation | None = None,
) -> Outgoing:
    """`registry`: has learned what was created; `capture` and `compiled`: for what the script
    returned. `timestamp`: milliseconds since 1970."""
    returns = {} if capture is None or compiled is None else _returns(compiled, capture.returned)
    libraries = _libraries(transactions, compiled)
    pairs = list(zip(transactions, replayed, strict=True))
    return Outgoing(
        script=script,
        transactions=tuple(replace(one, gas=gas_limit(one, done)) for one, done in pairs),
        sequences=tuple(
            Sequence(
                transactions=tuple(
                    _transaction(one, done, registry, libraries) for one, done in those
                ),
                libraries=tuple(
                    f"{libraries[made].file}:{libraries[made].name}:{checksummed(made)}"
                    for made in (one.contract for one, _ in those)
                    if made is not None and made in libraries
                ),
                returns=returns,
                timestamp=timestamp,
                chain=chain_id,
            )
            for chain_id, group in groupby(pairs, lambda pair: pair[0].chain_id)
            for those in [list(group)]
        ),
    )


def gas_limit(captured: Captured, replayed: Replayed) -> int:
    """What it is sent with."""
    return captured.gas if captured.gas is not None else replayed.gas_used * _MARGIN // 100


def request(captured: Captured, gas: int) -> Request:
    """As a node takes it."""
    return Request(
        from_=text(captured.from_),
        to=None if captured.to is None else text(captured.to),
        gas=hex(gas),
        value=hex(captured.value),
        input=text(captured.data),
        nonce=hex(captured.nonce),
        chain_id=hex(captured.chain_id),
    )


def _transaction(
    one: Captured,
    done: Replayed,
    registry: Registry,
    libraries: Mapping[bytes, Compilation],
) -> Transaction:
    address = one.contract if one.kind != "CALL" else one.to
    name = None
    if address is not None and address in libraries:
        name = libraries[address].name
    elif address is not None and (one.kind != "CALL" or len(one.data) >= _SELECTOR):
        name = registry.name(address, one.chain_id)
    function, arguments = _called(one, registry)
    return Transaction(
        transaction_type=one.kind,
        contract_name=name,
        contract_address=None if address is None else text(address),
        function=function,
        arguments=arguments,
        transaction=request(one, gas_limit(one, done)),
        additional_contracts=tuple(_additional(done.frame, one, registry)),
        is_fixed_gas_limit=one.gas is not None,
    )


def _libraries(
    transactions: Several[Captured], script: Compilation | None
) -> dict[bytes, Compilation]:
    """Those that are deployed for the script, which come first, by address."""
    pairs = zip(script.libraries if script else (), transactions, strict=False)
    return {
        one.contract: library for library, one in pairs if one.kind == "CREATE2" and one.contract
    }


def _called(one: Captured, registry: Registry) -> tuple[str | None, tuple[str, ...] | None]:
    if one.kind == "CALL":
        assert one.to is not None  # noqa: S101
        called = registry.function(one.to, one.data, one.chain_id)
        if called is None:
            return None, None
        entry, values = called
        return entry.signature, _arguments(entry.inputs, values)
    made = registry.constructor(one.data[_SALT:] if one.kind == "CREATE2" else one.data)
    return None, _arguments(*made) if made and made[0] else None


def _additional(frame: Frame, one: Captured, registry: Registry) -> list[Additional]:
    found = []
    for call in frame.calls:
        if call.error is not None:
            continue
        if call.type in {"CREATE", "CREATE2"} and call.to != one.contract:
            found.append(
                Additional(
                    transaction_type="CREATE" if call.type == "CREATE" else "CREATE2",
                    contract_name=registry.name(call.to, one.chain_id),
                    address=text(call.to),
                    init_code=text(call.input),
                )
            )
        found += _additional(call, one, registry)
    return found


def _returns(script: Compilation, returned: bytes) -> dict[str, Returned]:
    """Of `run()`, by name, or by position where there is none."""
    for item in script.abi:
        entry = next(entries([item]), None)
        if entry is None or entry.kind != "function" or entry.signature != "run()":
            continue
        values = decoded(entry.outputs, returned)
        if not values:
            return {}
        return {
            one.name or str(at): Returned(told.get("internalType", one.type), shown(one, value))
            for at, (one, value, told) in enumerate(
                zip(entry.outputs, values, item["outputs"], strict=True)
            )
        }
    return {}


def _arguments(parameters: Several[Parameter], values: Several[Any]) -> tuple[str, ...]:
    return tuple(shown(one, value) for one, value in zip(parameters, values, strict=True))


def shown(parameter: Parameter, value: Any) -> str:
    """As forge writes a value: whole, and texts without quotes."""
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, tuple):
        element = parameter.element
        if element is not None:
            return f"[{', '.join(shown(element, one) for one in value)}]"
        parts = zip(parameter.components, value, strict=True)
        return f"({', '.join(shown(one, item) for one, item in parts)})"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if parameter.type == "address":
        return checksummed(bytes.fromhex(str(value)[2:]))
    return "".join(map(_escaped, str(value)))


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
