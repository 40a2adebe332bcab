"""What agents driven by JSON, a message a line, have in common; most speak JSON-RPC 2.0."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

import msgspec

from stoker.agents.adapter import Adapter
from stoker.agents.scribe import SHOWN

NOT_FOUND: Final = -32601
FAILED: Final = -32000


class JsonAdapter(Adapter):
    """For agents that write a JSON object a line. What is not one is shown as a notice; one
    that is not as expected is shown as an error, and the agent goes on."""

    @abstractmethod
    def message(self, message: dict[str, Any]) -> None:
        """One message. May raise `KeyError`, `TypeError`, `ValueError`, `AttributeError` for
        one that is not as it should be."""

    def line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.notice(line[: 4 * SHOWN].decode(errors="replace"))
            return
        try:
            self.message(message)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            shown = line[:SHOWN].decode(errors="replace")
            self.fail(f"message not understood: {type(error).__name__}: {error}", shown)

    def send(self, message: Any) -> None:
        """One line of JSON to the agent."""
        self.outgoing += msgspec.json.encode(message) + b"\n"

    def number(self) -> int:
        """An id for a request of ours."""
        self.state.next_id += 1
        return self.state.next_id - 1


class JsonRpcAdapter(JsonAdapter):
    """Tells requests, responses and notifications apart."""

    versioned = True
    """Whether its messages say `"jsonrpc": "2.0"`."""

    def message(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is not None and "id" in message:
            self.requested(message["id"], method, message.get("params") or {})
        elif method is not None:
            self.notified(method, message.get("params") or {})
        elif (asked := self.state.requests.pop(str(message["id"]), None)) is not None:
            if (error := message.get("error")) is not None:
                self.refused(asked, _explained(error))
            else:
                self.answered(asked, message.get("result") or {})

    @abstractmethod
    def requested(self, id: Any, method: str, params: dict[str, Any]) -> None:
        """The agent asks; answer with `result` or `error`, now or later."""

    @abstractmethod
    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The agent tells."""

    @abstractmethod
    def answered(self, method: str, result: dict[str, Any]) -> None:
        """Our request has its result."""

    @abstractmethod
    def refused(self, method: str, error: str) -> None:
        """Our request has failed."""

    def request(self, method: str, params: dict[str, Any]) -> None:
        """Ask; `answered` or `refused` follows."""
        id = self.number()
        self.state.requests[str(id)] = method
        self._say({"id": id, "method": method, "params": params})

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Tell."""
        self._say({"method": method} | ({} if params is None else {"params": params}))

    def result(self, id: Any, result: Any) -> None:
        """Answer."""
        self._say({"id": id, "result": result})

    def error(self, id: Any, message: str, code: int = FAILED) -> None:
        """Answer that it cannot be."""
        self._say({"id": id, "error": {"code": code, "message": message}})

    def _say(self, message: dict[str, Any]) -> None:
        self.send({"jsonrpc": "2.0", **message} if self.versioned else message)


def _explained(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    details = error.get("data")
    if isinstance(details, dict):
        details = details.get("details") or details.get("message")
    message = str(error.get("message", "no reason given"))
    return f"{message}: {details}" if isinstance(details, str) and details else message


def image(path: str) -> tuple[str, str]:
    """Media type of an image and its content in base64. Raises `OSError`."""
    import base64
    import mimetypes
    from pathlib import Path

    media = mimetypes.guess_type(path)[0] or "image/png"
    return media, base64.b64encode(Path(path).read_bytes()).decode()
