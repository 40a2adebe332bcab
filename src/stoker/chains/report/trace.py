"""What happened in a frame, as a tree: text in the manner of Foundry's traces, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from stoker.chains.evm.frame import Frame, Log, steps
from stoker.chains.evm.pyevm.addresses import CHEATCODES, CONSOLE
from stoker.chains.evm.pyevm.console import printed
from stoker.chains.report.abi import MAX_DATA, Entry, decoded
from stoker.chains.report.registry import Registry
from stoker.chains.report.reverts import reason
from stoker.chains.report.values import (
    account_text,
    address_text,
    arguments_json,
    arguments_text,
    hex_text,
    quoted,
)

MAX_STEPS: Final = 2_000
"""Calls and logs that a trace shows."""
_MAX_DEPTH: Final = 64
_SUFFIX: Final = {
    "STATICCALL": " [staticcall]",
    "DELEGATECALL": " [delegatecall]",
    "CALLCODE": " [callcode]",
}


class Tracer:
    """Shows frames of one chain, or of a script's run, which may be on several (None)."""

    def __init__(self, registry: Registry, chain_id: int | None = None) -> None:
        self._registry = registry
        self._chain = chain_id

    def name(self, address: bytes) -> str | None:
        return self._registry.name(address, self._chain)

    def text(self, frame: Frame, limit: int = MAX_STEPS) -> str:
        """A line for each call, log and return; beyond `limit` calls and logs, none."""
        lines: list[str] = []
        # what is to be shown, what stands before it, and before what is within it
        stack: list[tuple[Frame | tuple[Frame, Log] | str, str, str]] = [(frame, "  ", "    ")]
        while stack:
            item, lead, margin = stack.pop()
            if isinstance(item, str):
                lines.append(lead + item)
                continue
            if limit <= 0:
                if limit == 0:
                    lines.append(f"{lead}… more than is shown")
                limit = -1
                continue
            limit -= 1
            if isinstance(item, tuple):
                lines.append(lead + self.log_line(item[1]))
                continue
            lines.append(lead + self.call_line(item))
            within: list[Frame | tuple[Frame, Log] | str] = list(steps(item))
            if within and len(margin) > 4 * _MAX_DEPTH:
                within = [f"… {len(within)} deeper"]
            stack.append((self.return_line(item), f"{margin}└─ ", ""))
            stack.extend((one, f"{margin}├─ ", f"{margin}│   ") for one in reversed(within))
        return "\n".join(lines)

    def call_line(self, frame: Frame) -> str:
        """`[gas] Contract::function{value: 1}(arguments) [staticcall]`."""
        if frame.type == "SELFDESTRUCT":
            source, target = (account_text(one, self.name) for one in (frame.from_, frame.to))
            return f"[{frame.gas_used}] selfdestruct of {source}, {frame.value} wei to {target}"
        value = f"{{value: {frame.value}}}" if frame.value and frame.type != "DELEGATECALL" else ""
        if frame.type.startswith("CREATE"):
            made = self._created(frame)
            return f"[{frame.gas_used}] → new {made}{value}"
        name, arguments = self._called(frame)
        target = self.name(frame.to) or address_text(frame.to)
        suffix = _SUFFIX.get(frame.type, "")
        return f"[{frame.gas_used}] {target}::{name}{value}({arguments}){suffix}"

    def _created(self, frame: Frame) -> str:
        name = self.name(frame.to) if frame.to else None
        where = address_text(frame.to) if frame.to else "nowhere"
        found = self._registry.constructor(frame.input)
        arguments = f"({arguments_text(*found, self.name)})" if found else ""
        return f"{name or '<unknown>'}@{where}{arguments}"

    def _called(self, frame: Frame) -> tuple[str, str]:
        if frame.to == CONSOLE and len(frame.input) <= MAX_DATA:
            line = printed(frame.input)
            if line is not None:
                return "log", quoted(line)
        if len(frame.input) < 4:
            return ("receive" if not frame.input else "fallback"), hex_text(frame.input)[2:]
        found = self._registry.function(frame.to, frame.input, self._chain)
        if found is None:
            return frame.input[:4].hex(), hex_text(frame.input[4:])[2:]
        entry, values = found
        return entry.name, arguments_text(entry.inputs, values, self.name, named=False)

    def return_line(self, frame: Frame) -> str:
        """`← [Return] values`, `← [Revert] reason`."""
        if frame.error is not None:
            if frame.output or frame.error == "execution reverted":
                why = reason(
                    frame.output, self._registry, self._origin(frame).to, self._chain, self.name
                )
                return f"← [Revert] {why}"
            return f"← [{frame.error[:200]}]"
        if frame.type.startswith("CREATE"):
            return f"← [Return] {len(frame.output)} bytes of code"
        if not frame.output:
            return "← [Return]" if frame.to == CHEATCODES else "← [Stop]"
        found = self._outputs(frame)
        if found is None:
            return f"← [Return] {hex_text(frame.output)}"
        return f"← [Return] {arguments_text(found[0].outputs, found[1], self.name)}"

    def _outputs(self, frame: Frame) -> tuple[Entry, tuple[Any, ...]] | None:
        found = self._registry.function(frame.to, frame.input, self._chain)
        values = decoded(found[0].outputs, frame.output) if found else None
        return (found[0], values) if found and values else None

    def reason(self, frame: Frame) -> str:
        """Why a frame failed: by the ABI of the innermost call whose answer was handed up; where
        there is no answer, what became of that call."""
        at = self._origin(frame)
        if frame.output or at.error in (None, "execution reverted"):
            told = reason(frame.output, self._registry, at.to, self._chain, self.name)
        else:
            told = str(at.error)[:200]
        if frame.output or at is frame:
            return told
        return f"{told}, in {self.call_line(at).partition('] ')[2]}"

    def _origin(self, frame: Frame) -> Frame:
        return [frame, *failure(frame)][-1]

    def log_line(self, log: Log) -> str:
        """`emit Event(name: value, ...)`."""
        found = self._registry.event(log.address, log.topics, log.data, self._chain)
        if found is not None:
            entry, values = found
            return f"emit {entry.name}({arguments_text(entry.inputs, values, self.name)})"
        topics = ", ".join(hex_text(one) for one in log.topics)
        where = account_text(log.address, self.name)
        return f"emit unknown event of {where}: topics [{topics}], data {hex_text(log.data)}"

    def json(self, frame: Frame, limit: int = MAX_STEPS) -> dict[str, Any]:
        """The same as nested objects; what is beyond the limit is left out, and `omitted` says
        how many calls of a frame were."""
        top = self._call(frame)
        queue = [(frame, top, 1)]
        left = limit
        for one, shown, depth in queue:  # breadth first: what is left out is what lies deepest
            allowed = one.calls[: max(0, left)] if depth < _MAX_DEPTH else ()
            left -= len(allowed)
            shown["calls"] = [self._call(call) for call in allowed]
            if len(one.calls) > len(allowed):
                shown["omitted"] = len(one.calls) - len(allowed)
            queue.extend(
                (call, made, depth + 1) for call, made in zip(allowed, shown["calls"], strict=True)
            )
        return top

    def _call(self, frame: Frame) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "type": frame.type,
            "from": address_text(frame.from_),
            "to": address_text(frame.to) if frame.to else None,
            "contract": self.name(frame.to) if frame.to else None,
            "value": str(frame.value),
            "gas_used": frame.gas_used,
            "input": hex_text(frame.input, 2_048),
            "output": hex_text(frame.output, 2_048),
            "logs": [self.log_json(log) for log in frame.logs[:MAX_STEPS]],
        }
        if not frame.type.startswith("CREATE"):
            found = self._registry.function(frame.to, frame.input, self._chain)
            if found is not None:
                shown["function"] = found[0].signature
                shown["arguments"] = arguments_json(found[0].inputs, found[1])
            returned = self._outputs(frame) if frame.error is None else None
            if returned is not None:
                shown["returns"] = arguments_json(returned[0].outputs, returned[1])
        if frame.error is not None:
            shown["error"] = frame.error[:200]
            if frame.output:
                shown["reason"] = self.reason(frame)
        return shown

    def log_json(self, log: Log) -> dict[str, Any]:
        """A log, with its event where that is known."""
        shown: dict[str, Any] = {
            "address": address_text(log.address),
            "contract": self.name(log.address),
            "topics": [hex_text(one) for one in log.topics],
            "data": hex_text(log.data, 2_048),
            "position": log.position,
        }
        found = self._registry.event(log.address, log.topics, log.data, self._chain)
        if found is not None:
            shown["event"] = found[0].signature
            shown["arguments"] = arguments_json(found[0].inputs, found[1])
        return shown


def failure(frame: Frame) -> Iterator[Frame]:
    """The way to what went wrong: the frame that failed, the call within that made it fail, and so
    on to the innermost, whose answer was handed up. An empty answer is only the last call's."""
    one: Frame | None = frame if frame.error is not None else None
    while one is not None:
        yield one
        among = one.calls if one.output else one.calls[-1:]
        same = [call for call in among if call.error is not None and call.output == one.output]
        one = same[-1] if same else None
