"""What the script agent is offered."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from stoker.agents.builtin.tools.tool import Offer


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class Edit(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `edit_script`."""

    old: str
    new: str


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `fetch_contract`."""

    chain_id: int
    address: str


class Query(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `search_docs`."""

    query: Annotated[str, Meta(max_length=1_000)]


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `read_blockchain_state`."""

    chain_id: int
    address: str
    call: str | None = None
    arguments: list[Any] = []
    slot: str | None = None


class Trace(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `log_analyzer`."""

    contains: Annotated[str, Meta(max_length=200)] = ""


OFFERS: Final = {
    offer.name: offer
    for offer in (
        Offer(
            name="compile_session",
            description="Compile the script as it stands now. Returns the compiler's errors and "
            "warnings with the lines they are about.",
            arguments=Nothing,
        ),
        Offer(
            name="execute_contract",
            description="Run all checks of the script as it stands now: review, compilation, "
            "execution on the fork, replay of its transactions, audit. Returns the first that "
            "fails and why, or that all have passed, and then you are done.",
            arguments=Nothing,
        ),
        Offer(
            name="edit_script",
            description="Replace a passage of the script: `old` must stand in it exactly once. "
            "With an empty `old`, `new` becomes the whole script.",
            arguments=Edit,
        ),
        Offer(
            name="fetch_contract",
            description="Fetch the verified source of another contract; returns its functions. "
            "search_docs knows its source from then on.",
            arguments=Place,
        ),
        Offer(
            name="search_docs",
            description="Search sources and comments of the group's contracts, and of those that "
            "were fetched: functions, events, errors, structs.",
            arguments=Query,
        ),
        Offer(
            name="read_blockchain_state",
            description="Read the chain as the script finds it. With `call` a view function by "
            'its signature, such as "allowance(address,address)", and its `arguments` as a list '
            "(large integers as texts); with `slot` a storage slot; else the balance in wei.",
            arguments=State,
        ),
        Offer(
            name="log_analyzer",
            description="The last execution: decoded calls, reverts, logs, console output and "
            "balance changes. `contains` keeps the lines with this text, and those around them.",
            arguments=Trace,
        ),
    )
}
