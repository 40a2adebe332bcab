"""What a model needs to know of a group, within a bound: large sources are cut to what fits the
operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stoker.chains.group import OperationGroup
from stoker.chains.scripting.block import interfaces
from stoker.chains.scripting.declarations import declaration, functions
from stoker.chains.scripting.formats import ExtractedContractInfo, ExtractedFunction
from stoker.chains.scripting.library import Library
from stoker.chains.scripting.prompts import ACROSS
from stoker.chains.sources.contract_source import ContractSource

_SIGN: Final = 4
"""Characters of a token, about."""
_ABI_TOKENS: Final = 16_000
_SOURCE_TOKENS: Final = 8_000
_MOST_PASSAGES: Final = 60
_SOLIDITY: Final = "```solidity\n{}\n```"


def extraction(
    group: OperationGroup, sources: Sequence[ContractSource], aliases: Mapping[int, str]
) -> str:
    """What is to be picked from: all functions, and what of the sources fits the operations."""
    given = {(one.chain_id, one.address): one.name for one in group.contracts}
    parts = [_operations(group)]
    share = max(len(sources), 1)
    library = Library()
    try:
        library.add(sources)
        for source in sources:
            named = given.get((source.chain_id, source.address), source.name)
            place = f"{source.address} on chain {_chain(source.chain_id, aliases)}"
            parts.append(f"## {named}: {place}, verified as {source.name}")
            known = (f"{one} -- {declaration(entry)}" for one, entry in _listed(source, group))
            parts.append(_bounded(known, _ABI_TOKENS * _SIGN // share, "functions"))
            asked = f"{_operations(group)} {named}"
            found = library.search(asked, _MOST_PASSAGES, source.address)
            texts = (f"// {one.file}, {one.title}\n{one.text}" for one in found)
            code = _bounded(texts, _SOURCE_TOKENS * _SIGN // share, "parts")
            parts.append(_SOLIDITY.format(code.replace("```", "'''")))
    finally:
        library.close()
    return "\n\n".join(parts)


def generation(
    group: OperationGroup,
    infos: Sequence[ExtractedContractInfo],
    aliases: Mapping[int, str],
    sender: str | None,
) -> str:
    """What a script is to be written from."""
    lines = [brief(group, aliases, sender)]
    named = {one.address: one.name for one in group.contracts}
    for info in infos:
        title = f"{named.get(info.address, info.interface_name)}: {info.interface_name}"
        lines.append(f"## {title}({info.address})\n{info.description or ''}".rstrip())
        lines += [_told(one) for one in info.functions]
        lines += [f"- storage: {one}" for one in info.storages]
        lines += [f"- event: {one}" for one in info.events]
    code = "\n\n".join(interfaces(infos).values())
    return "\n\n".join([*lines, "Interfaces that are known:", _SOLIDITY.format(code)])


def brief(group: OperationGroup, aliases: Mapping[int, str], sender: str | None) -> str:
    """Operations, contracts, chains and the account."""
    lines = [_operations(group), "", "Contracts:"]
    lines += [
        f"- {one.name}: {one.address} on chain {_chain(one.chain_id, aliases)}"
        for one in group.contracts
    ]
    lines.append(f"The sender is {sender or 'not known: it is msg.sender in the script'}.")
    for one in group.funds:
        what = f"of the token {one.token}" if one.token else "wei of the coin"
        given = f"{one.amount} {what} on chain {one.chain_id}"
        lines.append(f"For the script alone, the sender is given {given} before it runs.")
    if len({one.chain_id for one in group.contracts}) > 1:
        lines.append(ACROSS)
    return "\n".join(lines)


def _told(function: ExtractedFunction) -> str:
    told = ": ".join(filter(None, (function.signature, function.description)))
    return "\n  ".join([f"- {told}", *(function.arguments or ()), *filter(None, [function.body])])


def _operations(group: OperationGroup) -> str:
    listed = "\n".join(f"{number}. {one}" for number, one in enumerate(group.operations, 1))
    return f"{group.description}\n\nOperations:\n{listed}"


def _chain(chain_id: int, aliases: Mapping[int, str]) -> str:
    return f'{chain_id} (alias "{aliases[chain_id]}")' if chain_id in aliases else str(chain_id)


def _listed(
    source: ContractSource, group: OperationGroup
) -> Iterable[tuple[str, Mapping[str, object]]]:
    """Those that the operations name first: where there are too many, the others are cut."""
    said = _operations(group).lower()
    known = functions(source.abi).items()
    return sorted(known, key=lambda item: str(item[1]["name"]).lower() not in said)


def _bounded(texts: Iterable[str], most: int, what: str) -> str:
    kept: list[str] = []
    size = left = 0
    for text in texts:
        if size + len(text) > most:
            left += 1
            continue
        size += len(text) + 1
        kept.append(text)
    if left:
        kept.append(f"// {left} more {what} left out")
    return "\n".join(kept)
