"""The lines that a model writes: bounded, and each a statement, before anything is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from stoker.chains.errors import CompileFailed
from stoker.chains.scripting.answers import Invalid
from stoker.chains.scripting.declarations import signature, solidity
from stoker.chains.scripting.formats import CodeLine, ExtractedContractInfo, Interface, ScriptBlock
from stoker.chains.scripting.interfaces import merged

_MOST: Final = 200
_LONGEST_LINE: Final = 4_000
_LONGEST_INTERFACE: Final = 40_000
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,79}")
_SOURCE: Final = re.compile(r"[\w@][\w@./-]{0,199}\.sol")
_NO_STATEMENT: Final = re.compile(
    r"(pragma|import|contract|abstract|interface|library|function|using|//|/\*)(?![\w$])"
)


def interfaces(infos: Iterable[ExtractedContractInfo]) -> dict[str, str]:
    """Solidity of the interfaces that these need, by name; what shares a name is one."""
    entries: dict[str, dict[str, Mapping[str, Any]]] = {}
    for info in infos:
        mine = entries.setdefault(info.interface_name, {})
        for one in info.functions:
            entry = msgspec.json.decode(one.abi, type=dict[str, Any])
            mine.setdefault(signature(entry), entry)
    return {name: solidity(name, mine.values()) for name, mine in entries.items()}


def checked_block(block: ScriptBlock, infos: Sequence[ExtractedContractInfo]) -> ScriptBlock:
    """With the code of the interfaces that are known, where the model left it out. Raises
    `Invalid`, which says all that is wrong."""
    wrong: list[str] = []
    if not block.codelines:
        wrong.append("it has no lines")
    if len(block.codelines) > _MOST:
        wrong.append(f"it has {len(block.codelines)} lines, more than {_MOST}")
    known = interfaces(infos)
    lines = []
    for number, one in enumerate(block.codelines[:_MOST]):
        line = one.line.strip()
        for what in (*_of_line(line), *_of_import(one)):
            wrong.append(f"codelines[{number}]: {what}")
        interface = one.interface
        if interface is not None:
            code = interface.solidity_code.strip() or known.get(interface.name, "")
            if problem := _of_interface(interface.name, code, known):
                wrong.append(f"codelines[{number}]: {problem}")
            interface = Interface(interface.name, code)
        lines.append(CodeLine(line, one.import_spec, interface))
    try:
        merged(one.interface for one in lines if one.interface is not None)
    except CompileFailed as error:
        wrong.append(str(error))
    if wrong:
        raise Invalid("; ".join(wrong[:20]))
    return ScriptBlock(tuple(lines))


def _of_line(line: str) -> Iterable[str]:
    if not line:
        yield "the line is empty"
    elif len(line) > _LONGEST_LINE:
        yield f"the line has {len(line)} characters, more than {_LONGEST_LINE}"
    elif _NO_STATEMENT.match(line):
        yield f"expected a statement of a function's body, found {line[:80]!r}"


def _of_import(one: CodeLine) -> Iterable[str]:
    given = one.import_spec
    if given is not None and not (
        _NAME.fullmatch(given.interface_name)
        and _SOURCE.fullmatch(given.source)
        and ".." not in given.source
    ):
        yield f"this cannot be imported: {given.interface_name[:80]!r} of {given.source[:80]!r}"


def _of_interface(name: str, code: str, known: Mapping[str, str]) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of an interface"
    if len(code) > _LONGEST_INTERFACE:
        return f"the interface {name} has {len(code)} characters, more than {_LONGEST_INTERFACE}"
    if not code:
        names = ", ".join(known) or "none"
        return f"the interface {name} has no code, and is none of those that are known ({names})"
    if not re.search(rf"\b(interface|library)\s+{re.escape(name)}\b", code):
        return f"the code of the interface {name} does not declare it"
    return None
