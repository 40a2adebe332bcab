"""Etherscan and Sourcify on loopback, which know what is deployed on the test chains.

    with Explorers(worlds.values()) as explorers:
        SourceFetcher(explorers.settings, ...)
        explorers.unverify("etherscan", worlds[1]["DAI"])
        explorers.next("etherscan", Limited(), Status(503))

Each request takes the next fault of its explorer, if there is one.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from deploy import Deployed, World

from stoker.chains.settings import SourceSettings

Explorer = Literal["etherscan", "sourcify"]
Style = Literal["flat", "json", "double"]
KEY = "explorer-key-5c1e"
UNVERIFIED = "Contract source code not verified"


@dataclass(frozen=True)
class Limited:
    """Etherscan's way to say it: HTTP 200, status 0."""

    result: str = "Max calls per sec rate limit reached (3/sec)"


@dataclass(frozen=True)
class Status:
    """An HTTP error."""

    status: int
    retry_after: str | None = None
    body: bytes = b'{"message": "scripted"}'


@dataclass(frozen=True)
class Garbage:
    """HTTP 200 and what is not to be believed."""

    body: bytes = b"<html>a captive portal</html>"


@dataclass(frozen=True)
class Cut:
    """The connection ends amid the answer."""


@dataclass(frozen=True)
class Slow:
    """The answer comes when the test says so."""

    go: threading.Event = field(default_factory=threading.Event)


Fault = Limited | Status | Garbage | Cut | Slow


@dataclass(frozen=True)
class Asked:
    explorer: Explorer
    chain_id: int
    address: str
    """As it was written."""
    query: dict[str, str]


class Explorers:
    """Both, at one address."""

    def __init__(self, worlds: Iterable[World]) -> None:
        self.known: dict[tuple[int, str], Deployed] = {
            (world.chain_id, one.address.lower()): one
            for world in worlds
            for one in world.contracts.values()
        }
        self.styles: dict[str, Style] = {}
        """By contract's name; otherwise flat for one file, double braces for several."""
        self.tells_proxies = True
        self.asked: list[Asked] = []
        self._hidden: set[tuple[Explorer, str]] = set()
        self._faults: dict[Explorer, deque[Fault]] = {"etherscan": deque(), "sourcify": deque()}
        self._always: dict[Explorer, Fault] = {}
        self._lock = threading.Condition()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for fault in [*self._always.values(), *(f for q in self._faults.values() for f in q)]:
            if isinstance(fault, Slow):
                fault.go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> SourceSettings:
        """Both explorers, with a key for Etherscan."""
        return SourceSettings(etherscan=self.url, etherscan_key=KEY, sourcify=self.url)

    def unverify(self, explorer: Explorer, *addresses: str) -> None:
        """It no longer knows their sources."""
        self._hidden |= {(explorer, address.lower()) for address in addresses}

    def next(self, explorer: Explorer, *faults: Fault) -> None:
        """Faults of the requests to come, one each."""
        self._faults[explorer] += faults

    def always(self, explorer: Explorer, fault: Fault) -> None:
        """A fault of every request that none of `next` is for."""
        self._always[explorer] = fault

    def wait_asked(self, count: int, timeout: float = 20) -> None:
        """Until so many requests have come. Raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self.asked) >= count, timeout):
                raise TimeoutError(f"{len(self.asked)} requests, expected {count}")

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/v2/api":
            asked = Asked("etherscan", int(query["chainid"]), query["address"], query)
        elif url.path.startswith("/server/v2/contract/"):
            chain, address = url.path.removeprefix("/server/v2/contract/").split("/")
            asked = Asked("sourcify", int(chain), address, query)
        else:
            self._send(request, 404, b"{}")
            return
        with self._lock:
            self.asked.append(asked)
            self._lock.notify_all()
            faults = self._faults[asked.explorer]
            fault = faults.popleft() if faults else self._always.get(asked.explorer)
        match fault:
            case Limited(result):
                self._send(request, 200, _etherscan_error(result))
            case Status(status, retry_after, body):
                headers = {} if retry_after is None else {"Retry-After": retry_after}
                self._send(request, status, body, headers)
            case Garbage(body):
                self._send(request, 200, body)
            case Cut():
                request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"half')
                request.close_connection = True
            case _:
                if isinstance(fault, Slow):
                    fault.go.wait(60)
                    if self._closed.is_set():
                        request.close_connection = True
                        return
                ours = self._etherscan if asked.explorer == "etherscan" else self._sourcify
                self._send(request, *ours(asked))

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _found(self, asked: Asked) -> Deployed | None:
        if (asked.explorer, asked.address.lower()) in self._hidden:
            return None
        return self.known.get((asked.chain_id, asked.address.lower()))

    def _etherscan(self, asked: Asked) -> tuple[int, bytes]:
        if asked.query.get("apikey") != KEY:
            return 200, _etherscan_error(f"Invalid API Key ({asked.query.get('apikey')})")
        if (asked.query.get("module"), asked.query.get("action")) != ("contract", "getsourcecode"):
            return 200, _etherscan_error("Error! Missing Or invalid Action name")
        found = self._found(asked)
        record = {
            "SourceCode": "",
            "ABI": UNVERIFIED,
            "ContractName": "",
            "CompilerVersion": "",
            "OptimizationUsed": "",
            "Runs": "",
            "ConstructorArguments": "",
            "EVMVersion": "Default",
            "Library": "",
            "LicenseType": "Unknown",
            "Proxy": "0",
            "Implementation": "",
            "SwarmSource": "",
        }
        if found is not None:
            proxy = found.implementation if self.tells_proxies else None
            record |= {
                "SourceCode": self._written(found),
                "ABI": json.dumps(found.abi),
                "ContractName": found.contract,
                "CompilerVersion": found.compiler,
                "Proxy": "1" if proxy else "0",
                "Implementation": (proxy or "").lower(),
            }
        return 200, json.dumps({"status": "1", "message": "OK", "result": [record]}).encode()

    def _written(self, found: Deployed) -> str:
        sources = {path: {"content": text} for path, text in found.files.items()}
        match self.styles.get(found.contract, "flat" if len(sources) == 1 else "double"):
            case "flat":
                return "\n\n".join(found.files.values())
            case "json":
                return json.dumps(sources)
            case _:
                whole = {"language": "Solidity", "sources": sources, "settings": {}}
                return f"{{{json.dumps(whole)}}}"

    def _sourcify(self, asked: Asked) -> tuple[int, bytes]:
        found = self._found(asked)
        place: dict[str, Any] = {"chainId": str(asked.chain_id), "address": asked.address}
        if found is None:
            missing = {"match": None, "creationMatch": None, "runtimeMatch": None, **place}
            return 404, json.dumps(missing).encode()
        fields = set(asked.query.get("fields", "").split(","))
        path = next((p for p in found.files if p.endswith(f"{found.contract}.sol")), "a.sol")
        parts = {
            "abi": found.abi,
            "compilation": {
                "language": "Solidity",
                "compiler": "solc",
                "compilerVersion": found.compiler.removeprefix("v"),
                "compilerSettings": {},
                "name": found.contract,
                "fullyQualifiedName": f"{path}:{found.contract}",
            },
            "sources": {name: {"content": text} for name, text in found.files.items()},
        }
        whole = {"match": "exact_match", "creationMatch": "exact_match", **place}
        whole |= {"runtimeMatch": "exact_match", "matchId": "1", "verifiedAt": "2026-01-01T00:00Z"}
        whole |= {name: part for name, part in parts.items() if name in fields}
        return 200, json.dumps(whole).encode()


def _etherscan_error(result: str) -> bytes:
    return json.dumps({"status": "0", "message": "NOTOK", "result": result}).encode()
