"""What the commands of `stoker chain` share: which plan is meant, and telling what came of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import json

from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, plural, printable
from stoker.cli.progress import JsonView
from stoker.journal.events import STEP_SETTLED

if TYPE_CHECKING:
    from stoker.chains.group import GroupResult
    from stoker.chains.orchestrator import ForgeOrchestrator
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.engine.state import RunState
    from stoker.journal.base import Journal, RunRow
    from stoker.journal.events import Event


def add_settings(parser: ArgumentParser) -> None:
    """The file that says which chains there are."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="chains, sender, explorers and model (default: chains.toml of the state directory)",
    )


def forge(engine: Engine, args: Namespace) -> ForgeOrchestrator:
    """The door, on an engine."""
    from stoker.chains.orchestrator import ForgeOrchestrator

    return ForgeOrchestrator(engine, args.settings and args.settings.absolute())


async def find(context: Context, journal: Journal, name: str) -> RunRow:
    """The plan of groups a person means. Raises `UsageError`."""
    from stoker.chains.plan import PREFIX

    if name in ("last", "-"):
        for row in await journal.runs(limit=100_000):
            if row.run_id.startswith(PREFIX) and row.parent_run_id is None:
                return row
        raise UsageError("the journal holds no plan of groups yet; see `stoker chain plan`")
    row = await context.find_run(journal, name)
    if not row.run_id.startswith(PREFIX):
        raise UsageError(f"run {row.run_id} is no plan of chain groups")
    return row


class Results(JsonView):
    """The result of each group on a line of stdout, as soon as it is there."""

    def begin(self, handle: RunHandle) -> None:
        """Which run it is of."""
        self._state = handle.state

    def see(self, event: Event) -> None:
        """One line for each group that is over."""
        from stoker.chains.results import result

        if event.type == STEP_SETTLED and event.step is not None:
            found = result(self._state, self._state.graph.index[event.step])
            if found is not None:
                self._context.output.json_line(found)


def tell(context: Context, state: RunState, *, details: bool = False) -> None:
    """Print what came of the groups that are over."""
    from stoker.chains.results import results

    for found in results(state):
        for line in lines(found):
            context.output.line(line)
        if details:
            for line in report(state, found.group_index):
                context.output.line(line)


def lines(found: GroupResult) -> list[str]:
    """A result, for a person."""
    title = f"group {found.group_index}: {one_line(found.description)}"
    inner = found.inner
    if inner.failed is not None:
        told = printable(inner.failed.error).splitlines() or ["no reason was given"]
        return [f"{title}: failed", *(f"  {line}" for line in told)]
    transactions = inner.done.transactions if inner.done else ()
    shown = [f"{title}: {plural(len(transactions), 'transaction')} to sign"]
    for one in transactions:
        value = int(one.value, 16)
        to = one.to or "a new contract"
        paid = f", {ether(value)}" if value else ""
        size = plural((len(one.data) - 2) // 2, "byte")
        shown.append(f"  to {to}{paid}, {size} of data  ({one_line(one.rpc_url)})")
    return shown


def ether(wei: int) -> str:
    """`1.5 ether`, exactly."""
    whole, part = divmod(wei, 10**18)
    digits = f".{part:018}".rstrip("0") if part else ""
    return f"{whole}{digits} ether"


def report(state: RunState, index: int) -> list[str]:
    """What is known of how a group was carried out; nothing if it was not."""
    path = state.steps[index].outputs.get("report")
    if path is None:
        return []
    found = json.decode(Path(path).read_bytes())
    return [f"  {line}" for line in printable(found["text"]).splitlines()]
