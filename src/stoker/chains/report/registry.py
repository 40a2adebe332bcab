"""Which ABI a contract has: by its address from sources, by its code from the compiler's contracts,
and by selector alone where neither is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

from stoker.chains.address import parsed
from stoker.chains.evm.frame import Frame, walk
from stoker.chains.evm.pyevm.addresses import CHEATCODES
from stoker.chains.report.abi import Entry, Parameter, decoded, entries, event_values
from stoker.chains.report.known import NAMES, cheatcodes, known
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.sources.contract_source import ContractSource

_NOBODY: Final = bytes(20)


class _Abi:
    """One contract's, by selector."""

    def __init__(self, name: str, items: Iterable[Entry]) -> None:
        self.name = "".join(one for one in name[:128] if one.isprintable())
        self.functions: dict[bytes, Entry] = {}
        self.errors: dict[bytes, Entry] = {}
        self.events: dict[tuple[bytes, int], Entry] = {}
        self.constructor: Entry | None = None
        for one in items:
            if one.kind == "constructor":
                self.constructor = one
            elif one.kind == "event":
                self.events.setdefault((one.topic, one.indexed + 1), one)
            else:
                table = self.functions if one.kind == "function" else self.errors
                table.setdefault(one.topic[:4], one)

    def richness(self) -> tuple[int, int, bool]:
        """An interface has as many functions as its contract, but not more."""
        others = len(self.errors) + len(self.events)
        return len(self.functions), others, self.constructor is not None

    def made(self, runtime: bytes) -> bool:
        """Whether it has the contract's functions: its code compares their selectors."""
        return bool(self.functions) and all(
            bytes([0x5F + len(short)]) + short in runtime
            for short in (selector.lstrip(b"\0") for selector in self.functions)
        )


@cache
def _known() -> _Abi:
    return _Abi("", known())


@cache
def _cheatcodes() -> _Abi:
    return _Abi("VM", cheatcodes())


class Registry:
    """ABIs at hand. Filled while it is made and by `learn`; all questions are pure."""

    def __init__(
        self, sources: Iterable[ContractSource] = (), compilations: Iterable[Compilation] = ()
    ) -> None:
        self._at: dict[bytes, list[tuple[int | None, _Abi]]] = {}
        self._names: dict[tuple[int | None, bytes], str] = {}
        self._compiled: dict[str, _Abi] = {}
        self._creations: dict[str, bytes] = {}
        for source in sources:
            told = _Abi(source.name, entries(source.abi, source.name))
            for address in filter(None, (source.address, source.implementation)):
                self._put(source.chain_id, parsed(address), told)
        for one in compilations:
            for each in (one, *one.libraries):
                self._compiled[each.name] = _Abi(each.name, entries(each.abi, each.name))
            for name, abi in one.contracts.items():
                self._compiled.setdefault(name, _Abi(name, entries(abi, name)))
            self._creations.update(one.creations)
        self._put(None, CHEATCODES, _cheatcodes())

    def learn(self, frame: Frame, chain_id: int | None = None) -> None:
        """Find out what was created in a frame, by the code that created it, or that was left."""
        for one in walk(frame):
            if one.type in ("CREATE", "CREATE2") and one.error is None and one.to and one.output:
                name = self._made_by(one.input)
                if name in self._compiled:
                    self._put(chain_id, one.to, self._compiled[name])
                    continue
                made = [abi for abi in self._compiled.values() if abi.made(one.output)]
                if made:
                    self._put(chain_id, one.to, max(made, key=_Abi.richness))

    def _made_by(self, code: bytes) -> str:
        found = [name for name, made in self._creations.items() if made and code.startswith(made)]
        return max(found, key=lambda name: len(self._creations[name]), default="")

    def learn_script(self, script: Compilation, address: bytes) -> None:
        self._put(None, address, self._compiled.get(script.name) or _Abi(script.name, ()))

    def _put(self, chain_id: int | None, address: bytes, abi: _Abi) -> None:
        self._at.setdefault(address, []).append((chain_id, abi))
        self._names.setdefault((chain_id, address), abi.name)

    def name(self, address: bytes, chain_id: int | None = None) -> str | None:
        """What an address is called; with no chain given, what it is called on any."""
        found = self._names.get((chain_id, address)) or self._names.get((None, address))
        if found is None and chain_id is None and address in self._at:
            found = self._at[address][0][1].name
        return found or NAMES.get(address)

    def _abis(self, address: bytes, chain_id: int | None) -> Iterator[_Abi]:
        """Best first: the address's own, then all the others'."""
        own = self._at.get(address, ())
        yield from (abi for where, abi in own if chain_id is None or where in (None, chain_id))
        yield from self._compiled.values()
        yield from (abi for several in self._at.values() for _, abi in several)
        yield _known()

    def _found(
        self,
        address: bytes,
        chain_id: int | None,
        entry_of: Callable[[_Abi], Entry | None],
        values_of: Callable[[Entry], tuple[Any, ...] | None],
    ) -> tuple[Entry, tuple[Any, ...]] | None:
        """The first entry that the data are of."""
        for abi in self._abis(address, chain_id):
            entry = entry_of(abi)
            if entry is not None and (values := values_of(entry)) is not None:
                return entry, values
        return None

    def function(
        self, address: bytes, data: bytes, chain_id: int | None = None
    ) -> tuple[Entry, tuple[Any, ...]] | None:
        """What a call's input calls, and with which arguments."""
        if len(data) < 4:
            return None
        return self._found(
            address,
            chain_id,
            lambda abi: abi.functions.get(data[:4]),
            lambda entry: decoded(entry.inputs, data[4:]),
        )

    def constructor(self, code: bytes) -> tuple[tuple[Parameter, ...], tuple[Any, ...]] | None:
        """Arguments at the end of creation code that is known."""
        name = self._made_by(code)
        abi = self._compiled.get(name)
        if abi is None or abi.constructor is None:
            return None
        inputs = abi.constructor.inputs
        values = decoded(inputs, code[len(self._creations[name]) :])
        return (inputs, values) if values is not None else None

    def event(
        self, address: bytes, topics: tuple[bytes, ...], data: bytes, chain_id: int | None = None
    ) -> tuple[Entry, tuple[Any, ...]] | None:
        """What a log says."""
        if not topics:
            return None
        return self._found(
            address,
            chain_id,
            lambda abi: abi.events.get((topics[0], len(topics))),
            lambda entry: event_values(entry, topics, data),
        )

    def error(
        self, data: bytes, address: bytes = _NOBODY, chain_id: int | None = None
    ) -> tuple[Entry, tuple[Any, ...]] | None:
        """Which error data says that a contract reverted with."""
        return self._found(
            address,
            chain_id,
            lambda abi: abi.errors.get(data[:4]),
            lambda entry: decoded(entry.inputs, data[4:]),
        )
