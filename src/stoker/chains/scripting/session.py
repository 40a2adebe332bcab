"""One script while it is mended: what it is now, how its last check went, and the tools on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from stoker.agents.bounds import clip
from stoker.agents.builtin.entries import Call, Result
from stoker.agents.worktree import ToolError
from stoker.chains.address import BadAddress, checksummed, parsed
from stoker.chains.errors import (
    MENDABLE,
    AuditFailed,
    ChainError,
    CompileFailed,
    ScriptRefused,
    ScriptReverted,
    SourcesMissing,
)
from stoker.chains.path import verified
from stoker.chains.scripting import calls
from stoker.chains.scripting.declarations import declaration, functions
from stoker.chains.scripting.library import Library
from stoker.chains.scripting.toolbox import OFFERS, Edit, Nothing, Place, Query, State, Trace
from stoker.chains.solidity.compilation import Diagnostic
from stoker.chains.sources.contract_source import ContractSource

if TYPE_CHECKING:
    from stoker.chains.node import GroupNode

MAX_OUTPUT: Final = 8_000
"""Characters of what a tool answers."""
MAX_SCRIPT: Final = 200_000
_MOST_DIAGNOSTICS: Final = 12
_MOST_PASSAGES: Final = 6
_AROUND: Final = 3
_PASSED: Final = "All checks have passed."


class Session:
    """Mends `text` on `bench`. Close it."""

    def __init__(self, bench: GroupNode, text: str) -> None:
        self.text = text
        self.failure: ChainError | None = None
        """Why the last check of this text failed."""
        self.passed = False
        """Whether this text has passed all checks."""
        self._bench = bench
        self._happened = ""
        """When the script was executed last, as the bench explains it."""
        self._library = Library()
        self._known: dict[tuple[int, str], ContractSource] = {}
        self._tools: dict[str, Callable[[Any], Awaitable[str]]] = {
            "compile_session": self._compile,
            "execute_contract": self._execute,
            "edit_script": self._edit,
            "fetch_contract": self._fetch,
            "search_docs": self._search,
            "read_blockchain_state": self._read,
            "log_analyzer": self._analyze,
        }

    def close(self) -> None:
        """Forget what was read."""
        self._library.close()

    async def check(self) -> None:
        """Take the script through all there is. Sets `passed` or `failure`. Raises `ChainError` for
        what no other script does better."""
        bench, self.failure, self.passed = self._bench, None, False
        try:
            if found := _errors(bench.review_script(self.text)):
                raise ScriptRefused(diagnosed(found, self.text))
            await verified(bench, await bench.compile_script(self.text))
        except MENDABLE as error:
            self.failure = error
        self._happened = "" if bench.artifacts.captured is None else bench.explain()
        self.passed = self.failure is None

    def why(self) -> str:
        """What is wrong, for the model."""
        if self.failure is None:
            return _PASSED if self.passed else "It was changed, and not executed since."
        if isinstance(self.failure, CompileFailed):
            return f"It does not compile:\n{diagnosed(self.failure.diagnostics, self.text)}"
        kind = {
            ScriptRefused: "It is refused",
            ScriptReverted: "It reverts",
            AuditFailed: "The audit finds",
        }.get(type(self.failure), "It goes beyond a limit")
        told = f"{kind}: {self.failure}"
        if self._happened:
            told += f"\n\nWhat happened:\n{clip(self._happened, MAX_OUTPUT // 2)}"
        return told

    async def call(self, call: Call) -> Result:
        """What a tool answers. Raises `ChainError` for what no other script does better."""
        try:
            text, wrong = await self._outcome(call), False
        except ToolError as error:
            text, wrong = f"Error: {error}", True
        return Result(call=call.id, text=clip(text, MAX_OUTPUT), is_error=wrong)

    async def _outcome(self, call: Call) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name[:80]!r}; there are {', '.join(OFFERS)}")
        return await tool(OFFERS[call.name].decode(call.arguments))

    async def _compile(self, _: Nothing) -> str:
        try:
            compiled = await self._bench.compile_script(self.text)
        except CompileFailed as error:
            return diagnosed(error.diagnostics, self.text)
        except MENDABLE as error:
            raise ToolError(str(error)) from error
        warnings = diagnosed(compiled.warnings, self.text)
        return "\n".join(filter(None, ["It compiles.", warnings]))

    async def _execute(self, _: Nothing) -> str:
        await self.check()
        return self.why()

    async def _edit(self, edit: Edit) -> str:
        try:
            text = self._bench.edit_script(self.text, edit.old, edit.new) if edit.old else edit.new
        except ChainError as error:
            raise ToolError(str(error)) from error
        if not text.strip() or len(text) > MAX_SCRIPT:
            raise ToolError(f"expected a script of 1 to {MAX_SCRIPT} characters")
        at = max(self.text.find(edit.old), 0)
        self.text, self.passed, self.failure = text, False, None
        first = max(text.count("\n", 0, at) - _AROUND, 0)
        last = text.count("\n", 0, at + len(edit.new)) + _AROUND
        shown = _numbered(text.splitlines()[first : last + 1], first + 1)
        found = _errors(self._bench.review_script(text))
        return "\n\n".join(filter(None, ["Now it says:", shown, diagnosed(found, text)]))

    async def _fetch(self, place: Place) -> str:
        address = _address(place.address)
        try:
            found = await self._bench.fetch_contract(place.chain_id, address)
        except ChainError as error:
            raise ToolError(str(error)) from error
        self._learn([found])
        lines = [f"{found.name} at {found.address}, verified ({found.origin})"]
        if found.implementation:
            lines.append(f"a proxy of {found.implementation}, whose functions these are:")
        return "\n".join([*lines, *map(declaration, functions(found.abi).values())])

    async def _search(self, query: Query) -> str:
        missing = await self._learn_group()
        found = self._library.search(query.query, _MOST_PASSAGES)
        texts = [f"// {one.file}: {one.title}\n{one.text}" for one in found]
        if not texts:
            return " ".join(filter(None, ["Nothing is found.", missing]))
        return "\n\n".join(clip(one, MAX_OUTPUT // _MOST_PASSAGES) for one in texts)

    async def _read(self, state: State) -> str:
        chain_id, address = state.chain_id, _address(state.address)
        try:
            sight = await self._bench.sight()
            if state.call is not None:
                data = calls.calldata(state.call, state.arguments)
                await self._learn_group()
                known = self._known.get((chain_id, address))
                returned = await sight.call(chain_id, address, data)
                return calls.answer(returned, state.call, known.abi if known else ())
            if state.slot is not None:
                value = await sight.read_storage(chain_id, address, _slot(state.slot))
                return f"{value:#066x} = {value}"
            return f"{await sight.balance(chain_id, address)} wei"
        except ChainError as error:
            raise ToolError(str(error)) from error

    async def _learn_group(self) -> str:
        """Know the group's sources; returns which of them are missing."""
        try:
            self._learn(await self._bench.fetch_sources())
        except SourcesMissing as error:
            return str(error)
        return ""

    def _learn(self, sources: Sequence[ContractSource]) -> None:
        self._library.add(sources)
        self._known |= {(one.chain_id, one.address): one for one in sources}

    async def _analyze(self, trace: Trace) -> str:
        if not self._happened:
            return f"Nothing was executed yet. {self.why()}"
        lines = self._happened.splitlines()
        if trace.contains:
            hits = [n for n, line in enumerate(lines) if trace.contains.lower() in line.lower()]
            near = {n for hit in hits for n in range(hit - _AROUND, hit + _AROUND + 1)}
            lines = [line for n, line in enumerate(lines) if n in near]
        return "\n".join(lines) or f"No line contains {trace.contains!r}."


def diagnosed(diagnostics: Sequence[Diagnostic], text: str) -> str:
    """What a compiler says, with the lines it is about."""
    lines = text.splitlines()
    told = []
    for one in diagnostics[:_MOST_DIAGNOSTICS]:
        told.append(clip(f"{one.severity}: {one}", 1_000))
        if 0 < one.line <= len(lines):
            told.append(_numbered(lines[one.line - 1 : one.line], one.line))
    if more := len(diagnostics) - _MOST_DIAGNOSTICS:
        told += [f"and {more} more"] * (more > 0)
    return "\n".join(told)


def _numbered(lines: Sequence[str], first: int) -> str:
    return "\n".join(f"{number:5} | {line[:500]}" for number, line in enumerate(lines, first))


def _errors(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [one for one in diagnostics if one.severity == "error"]


def _address(text: str) -> str:
    try:
        return checksummed(parsed(text.strip()))
    except BadAddress as error:
        raise ToolError(str(error)) from error


def _slot(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 256:
        raise ToolError(f"expected a slot, as 0x.. or a number, found {text[:80]!r}")
    return value
