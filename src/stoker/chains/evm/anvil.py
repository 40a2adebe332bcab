"""Replay on anvil: an engine for what is large, and a second opinion on the one in process."""

from __future__ import annotations

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from stoker.chains.errors import ChainError, LimitReached, RpcError
from stoker.chains.evm.frame import logs_of, walk
from stoker.chains.evm.job import Captured, Pin, Replay, Replayed, ReplayJob
from stoker.chains.evm.overrides import Overrides
from stoker.chains.evm.stateserver import StateServer, View
from stoker.chains.evm.traced import note_access, pay, read_difference, read_frame, read_prestate
from stoker.chains.hexadecimal import text
from stoker.chains.processes import Program, find
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.state.change import Access, Delta
from stoker.chains.state.remote import Remote
from stoker.chains.state.told import call_object

T = TypeVar("T")

_LISTENING: Final = "Listening on "
_SECONDS: Final = 20.0
"""For a node to start."""
_NODES: Final = 8
"""That are kept, those used last."""
_PATIENT: Final = RpcLimits(attempts=1, attempt=600.0, deadline=600.0)
"""Whoever asks has a limit of time already."""
_DELEGATED: Final = b"\xef\x01\x00"
"""What the code of an account begins with that is nobody's but runs another's (EIP-7702)."""


class Anvil:
    """A running node that forks another: a URL, or a socket's path. To be closed; it ends with this
    process."""

    def __init__(self, program: Program, home: tempfile.TemporaryDirectory[str], rpc: Rpc) -> None:
        self._program, self._home, self.rpc = program, home, rpc
        self._drain = asyncio.create_task(program.drain())

    @classmethod
    async def start(
        cls,
        program: str,
        chain_id: int,
        url: str,
        *options: str,
        limits: RpcLimits = _PATIENT,
    ) -> Anvil:
        """Raises `ChainError` with what it said where it does not come up."""
        # anvil gives its accounts balances, over those they have on the chain
        flags = ("--port", "0", "--accounts", "0", "--no-storage-caching", "--no-rate-limit")
        home = tempfile.TemporaryDirectory(prefix="stoker-anvil-")
        argv = (program, *flags, "--fork-url", url, "--chain-id", str(chain_id), *options)
        running = await Program.start(argv, Path(home.name))
        said: list[str] = []
        try:
            async with asyncio.timeout(_SECONDS):
                while (line := await running.line()) is not None:
                    said.append(line)
                    if line.startswith(_LISTENING):
                        own = f"http://{line.removeprefix(_LISTENING).strip()}"
                        return cls(running, home, Rpc("anvil", chain_id, own, limits))
        except TimeoutError:
            said.append(f"nothing more within {_SECONDS:g} s")
        except BaseException:
            await running.stop()
            home.cleanup()
            raise
        await running.stop()
        home.cleanup()
        told = "".join(said).replace(url, "its RPC").strip()
        raise ChainError(f"anvil does not start: {told[-500:]}")

    @property
    def runs(self) -> bool:
        return not self._drain.done()

    async def ask(self, method: str, *params: Any) -> Any:
        """The result, as it is. Raises `RpcError`."""
        return await self.rpc.ask(method, params, lambda result: result)

    async def close(self) -> None:
        await self._program.stop()
        await self._drain
        with suppress(ChainError):
            await self.rpc.close()
        self._home.cleanup()


class AnvilEngine:
    """`Replaying`. Of one event loop; to be closed.

    Each transaction is traced on a fork of the pinned block as if it stood in the one that
    follows, over overrides that say what those before it have done. So a node holds nothing of any
    job: all jobs of a pinned block share one, at the same time."""

    def __init__(self, remote: Remote, program: str | None = None) -> None:
        """`program`: anvil; default: that on PATH. Raises `ChainError` where there is none."""
        self._remote = remote
        self._program = find("anvil", program)
        self._server = StateServer()
        self._nodes: OrderedDict[tuple[int, bytes], asyncio.Task[Anvil]] = OrderedDict()
        self._served: dict[tuple[int, bytes], Path] = {}

    async def close(self) -> None:
        """End the nodes."""
        for key in list(self._nodes):
            await self._drop(key)
        self._server.close()

    async def replay(self, job: ReplayJob) -> Replay:
        """Raises `LimitReached`, `RpcError`."""
        try:
            async with asyncio.timeout(job.limits.seconds):
                return await _Replay(self, self._remote, job).run()
        except TimeoutError:
            for pin in job.chains.pins.values():
                await self._drop((pin.chain_id, pin.hash))  # it may be at it still
            raise LimitReached(f"anvil took more than {job.limits.seconds:g} s") from None

    async def node(self, pin: Pin) -> Anvil:
        """The one that has this block. Raises `ChainError`."""
        key = (pin.chain_id, pin.hash)
        task = self._nodes.get(key)
        if task is not None and task.done() and (task.exception() or not task.result().runs):
            await self._drop(key)
            task = None
        if task is None:
            task = self._nodes[key] = asyncio.create_task(self._start(pin))
        self._nodes.move_to_end(key)
        node = await asyncio.shield(task)
        while len(self._nodes) > _NODES:
            await self._drop(next(iter(self._nodes)))
        return node

    async def _start(self, pin: Pin) -> Anvil:
        chain = await self._server.serve(View(self._remote, pin))
        self._served[pin.chain_id, pin.hash] = chain
        options = ("--fork-block-number", str(pin.number), "--hardfork", "prague", "--no-mining")
        return await Anvil.start(self._program, pin.chain_id, str(chain), *options)

    async def _drop(self, key: tuple[int, bytes]) -> None:
        task = self._nodes.pop(key, None)
        if task is not None:
            with suppress(ChainError):
                await (await task).close()
            self._server.forget(self._served.pop(key))


class _Replay:
    """One job."""

    def __init__(self, engine: AnvilEngine, remote: Remote, job: ReplayJob) -> None:
        self._engine, self._remote, self._job = engine, remote, job
        self._states: dict[int, Overrides] = {}
        self._accesses: dict[int, Access] = {}
        self._running: dict[int, dict[bytes, int]] = {}
        """What accounts have gained since the job began."""

    async def run(self) -> Replay:
        done: list[Replayed] = []
        error = None
        for at, one in enumerate(self._job.transactions):
            state = await self._state(one.chain_id)
            why = await self._unfit(one, state)
            if why is not None:
                done.append(Replayed.unsent(one, self._gas(one), why))
                error = f"transaction {at} cannot be sent: {why}"
                break
            done.append(await self._transaction(one, state))
            if done[-1].error is not None:
                verb = "failed" if done[-1].gas_used else "cannot be sent"
                error = f"transaction {at} {verb}: {done[-1].error}"
                break
        return Replay(
            transactions=tuple(done),
            deltas={chain_id: state.delta for chain_id, state in self._states.items()},
            accesses=self._accesses,
            error=error,
        )

    async def _state(self, chain_id: int) -> Overrides:
        chains = self._job.chains
        if chain_id not in self._states:
            before = chains.deltas.get(chain_id, Delta())
            state = Overrides(self._remote, chains.pins[chain_id], before)
            await state.prepare()
            self._states[chain_id] = state
            self._accesses[chain_id] = Access()
            self._running[chain_id] = {}
        return self._states[chain_id]

    def _gas(self, one: Captured) -> int:
        most = self._job.chains.pins[one.chain_id].gas_limit
        return min(one.gas or most, self._job.limits.gas)

    async def _unfit(self, one: Captured, state: Overrides) -> str | None:
        """What a traced call does not look at, and a block would."""
        if self._job.relayed:
            return None
        nonce = await state.nonce(one.from_)
        if nonce != one.nonce:
            return f"nonce is {one.nonce}, and the next of {text(one.from_)} is {nonce}"
        code = (await state.codes([one.from_]))[one.from_]
        if code and not code.startswith(_DELEGATED):
            return f"{text(one.from_)} is a contract, which sends no transactions (EIP-3607)"
        return None

    async def _transaction(self, one: Captured, state: Overrides) -> Replayed:
        pin = self._job.chains.pins[one.chain_id]
        rpc = (await self._engine.node(pin)).rpc
        call = call_object((one.from_, one.to, one.value, one.data))
        call["gas"] = hex(self._gas(one))
        asked = [call, hex(pin.number)]
        options = {"stateOverrides": state.told(), "blockOverrides": _block(pin)}

        def trace(
            tracer: str, config: dict[str, bool], read: Callable[[Any], T]
        ) -> asyncio.Future[T]:
            wanted = options | {"tracer": tracer, "tracerConfig": config}
            return rpc.send("debug_traceCall", [*asked, wanted], read)

        access = self._accesses[one.chain_id]
        try:
            frame, difference, touched = await asyncio.gather(
                trace("callTracer", {"withLog": True}, read_frame),
                trace("prestateTracer", {"diffMode": True}, read_difference),
                trace("prestateTracer", {"disableCode": True}, read_prestate),
            )
        except RpcError as error:
            if not _funds(error):
                raise
            access.balances.add(one.from_)
            why = f"{text(one.from_)} does not have {one.value} wei"
            return Replayed.unsent(one, self._gas(one), why)
        frame = msgspec.structs.replace(frame, gas=self._gas(one))
        ran = {it.to for it in walk(frame) if len(it.to) == 20}
        codes = await state.codes(list(ran))
        note_access(access, frame, touched, codes)
        pay(frame, self._running[one.chain_id], access.spent)
        failed = frame.error is not None
        return Replayed(
            succeeded=not failed,
            gas_used=frame.gas_used,
            output=frame.output,
            logs=logs_of(frame),
            frame=frame,
            created=frame.to if one.to is None and not failed else None,
            error=frame.error,
            storage=state.apply(difference),
        )


def _block(pin: Pin) -> dict[str, str]:
    next_ = pin.following()
    return {
        "number": hex(next_.number),
        "time": hex(next_.timestamp),
        "gasLimit": hex(next_.gas_limit),
        "baseFee": hex(next_.base_fee),
        "coinbase": text(next_.coinbase),
        "random": text(next_.prevrandao),
    }


def _funds(error: RpcError) -> bool:
    said = str(error).lower()
    return "insufficient funds" in said or "lack of funds" in said
