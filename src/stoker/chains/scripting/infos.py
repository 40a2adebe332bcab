"""What a model says of contracts, held against their ABIs: they know what there is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from stoker.agents.bounds import clip
from stoker.chains.address import BadAddress, checksummed, parsed
from stoker.chains.scripting.answers import Invalid
from stoker.chains.scripting.declarations import functions, signature
from stoker.chains.scripting.formats import ExtractedContractInfo, ExtractedFunction
from stoker.chains.sources.contract_source import ContractSource

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,79}")
_SHORT: Final = re.compile(r"\b(u?int)(?!\d)")
_MOST: Final = 64
_LONGEST: Final = 2_000


def checked_infos(
    infos: Sequence[ExtractedContractInfo], sources: Sequence[ContractSource]
) -> tuple[ExtractedContractInfo, ...]:
    """One of each source, in their order; signatures and ABIs of functions as they are. Raises
    `Invalid`, which says all that is wrong."""
    wrong: list[str] = []
    said: dict[str, ExtractedContractInfo] = {}
    addresses = {source.address for source in sources}
    for info in infos:
        try:
            address = checksummed(parsed(info.address.lower()))
        except BadAddress as error:
            wrong.append(str(error))
            continue
        if address not in addresses:
            wrong.append(f"{address} is none of the contracts listed")
        elif address in said:
            wrong.append(f"{address} is there twice")
        said[address] = info
    found = {}
    for source in sources:
        if source.address in said:
            found[source.address] = _checked(said[source.address], source, wrong)
        else:
            wrong.append(f"the contract {source.address} is missing")
    wrong += _different(tuple(found.values()))
    if wrong:
        raise Invalid("; ".join(dict.fromkeys(wrong)))
    return tuple(found.values())


def _different(infos: Sequence[ExtractedContractInfo]) -> Iterator[str]:
    """Contracts whose one interface would not be the same: a token's `approve` may return nothing
    where others' return a bool, and would revert if it is called by theirs."""
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for info in infos:
        for one in info.functions:
            entry = msgspec.json.decode(one.abi)
            outputs = [signature({"inputs": [each]}) for each in entry.get("outputs", ())]
            key = (info.interface_name, one.signature)
            other, same = first.setdefault(key, (info.address, outputs))
            if outputs != same:
                yield (
                    f"{one.signature} of {info.address} and of {other} return different types: "
                    f"{info.interface_name} cannot be the interface of both, name them differently"
                )


def _checked(
    info: ExtractedContractInfo, source: ContractSource, wrong: list[str]
) -> ExtractedContractInfo:
    if not _NAME.fullmatch(info.interface_name):
        wrong.append(f"{info.interface_name[:80]!r} is no name of an interface")
    if len(info.functions) > _MOST:
        wrong.append(
            f"{source.address} has {len(info.functions)} functions: take those that matter"
        )
    known = functions(source.abi)
    kept: dict[str, ExtractedFunction] = {}
    for one in info.functions[:_MOST]:
        signature = _known(one.signature, known)
        if signature is None:
            near = difflib.get_close_matches(one.signature[:200], known, 5, 0.3)
            wrong.append(
                f"{source.name} at {source.address} has no function {one.signature[:200]!r}; "
                f"there are {', '.join(near or list(known)[:20])}"
            )
            continue
        kept[signature] = ExtractedFunction(
            signature=signature,
            abi=msgspec.json.encode(known[signature]).decode(),
            description=_short(one.description),
            body=_short(one.body),
            arguments=_list(one.arguments) if one.arguments is not None else None,
        )
    return ExtractedContractInfo(
        address=source.address,
        interface_name=info.interface_name,
        functions=tuple(kept.values()),
        storages=_list(info.storages),
        events=_list(info.events),
        description=_short(info.description),
    )


def _short(text: str | None) -> str | None:
    return None if text is None else clip(text, _LONGEST)


def _list(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(clip(text, _LONGEST) for text in texts[:_MOST])


def _known(said: str, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The signature that is meant: written in full, with names of parameters, or, where there is
    only one of this name, anyhow."""
    text = said[:_LONGEST].strip().removeprefix("function ").strip()
    name, _, rest = text.partition("(")
    depth, end = 1, len(rest)
    for place, sign in enumerate(rest):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            end = place
            break
    types = [part.split()[0] for part in rest[:end].split(",") if part.strip()]
    canonical = _SHORT.sub(r"\g<1>256", f"{name.strip()}({','.join(types)})")
    if canonical in known:
        return canonical
    same = [one for one in known if one.partition("(")[0] == name.strip()]
    return same[0] if len(same) == 1 else None
