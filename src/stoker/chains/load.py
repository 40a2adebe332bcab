"""Settings of chain groups: the file `chains.toml` of the state directory, or another one.

sender = "0x..."                       # who signs

[chains.mainnet]
id = 1
rpc = "https://eth.example/v2/${RPC_KEY}"

[model]
base_url = "https://api.example/v1"
model = "large"
api_key = "${MODEL_KEY}"
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker import whole_file
from stoker.chains.address import BadAddress, checksummed, parsed
from stoker.chains.settings import Settings
from stoker.plan.errors import readable
from stoker.plan.explain import explain
from stoker.toml_file import BadFile

FILE: Final = "chains.toml"
_EXAMPLE: Final = '[chains.mainnet]\nid = 1\nrpc = "https://eth.example/${RPC_KEY}"'
_MAY_HOLD_KEYS: Final = ("rpc", "_key", "base_url")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Loaded(Struct, frozen=True, kw_only=True):
    """Settings, and where they are from."""

    path: Path
    written: Settings
    """As the file has them: it may be shown and stored, unlike what the variables hold."""
    settings: Settings
    """With the variables filled in."""
    secrets: tuple[str, ...]
    """What must be shown nowhere."""

    def __repr__(self) -> str:
        return f"Loaded({self.path})"


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """The settings in a file, with `${NAME}` from `environ`. Raises `BadFile`, which names every
    fault of it; the message repeats no secrets."""
    try:
        text = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise BadFile(str(path), f"expected how chains are reached:\n{_EXAMPLE}") from None
    except OSError as error:
        raise BadFile(str(path), error.strerror or "cannot be read") from None
    written = _decoded(path, text)
    filling = _Filling(environ)
    settings = filling.settings(written)
    faults = [*filling.faults, *_senseless(settings)]
    if faults:
        raise BadFile(str(path), "; ".join(faults))
    keys = {settings.sources.etherscan_key, settings.model.api_key if settings.model else ""} - {""}
    if mode & 0o077 and keys - set(filling.values):
        raise BadFile(str(path), "others can read the keys in it: chmod 600 it, or write ${NAME}")
    if settings.sender is not None:
        settings = replace(settings, sender=checksummed(parsed(settings.sender)))
    secrets = (*filling.values, *keys)
    return Loaded(path=path, written=written, settings=settings, secrets=secrets)


def keep(settings: Settings, directory: Path) -> Path:
    """Have settings that a program made in a file of the state directory, for `load`."""
    content = msgspec.json.encode(settings)
    path = directory / "chains" / f"settings-{hashlib.sha256(content).hexdigest()[:16]}.json"
    whole_file.replace(path, content)
    return path


def _decoded(path: Path, text: bytes) -> Settings:
    import tomllib

    try:
        raw = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise BadFile(str(path), "is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at (.*)\)$", str(error))  # the rest may repeat what is there
        raise BadFile(str(path), f"is not TOML{f': {place[1]}' if place else ''}") from None
    except msgspec.DecodeError as error:
        raise BadFile(str(path), f"is not JSON: {error}") from None
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError:
        faults = [_told(readable(fault.pointer), fault.message) for fault in explain(raw, Settings)]
        raise BadFile(str(path), "; ".join(faults)) from None


def _told(place: str, message: str) -> str:
    if place.endswith(_MAY_HOLD_KEYS):
        message = message.partition(", found")[0]
    return ": ".join(filter(None, (place, message)))


class _Filling:
    """Puts what the environment holds in the place of `${NAME}`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.values: dict[str, None] = {}
        """All that was put in."""
        self.faults: list[str] = []

    def settings(self, written: Settings) -> Settings:
        sources = written.sources
        model = written.model
        return replace(
            written,
            chains={
                alias: replace(chain, rpc=self._text(f"chains.{alias}.rpc", chain.rpc))
                for alias, chain in written.chains.items()
            },
            sources=replace(
                sources,
                etherscan_key=self._text("sources.etherscan_key", sources.etherscan_key),
            ),
            model=model
            and replace(
                model,
                base_url=self._text("model.base_url", model.base_url),
                api_key=self._text("model.api_key", model.api_key),
            ),
        )

    def _text(self, place: str, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            found = self._environ.get(match[1], "")
            if not found:
                self.faults.append(f"{place}: the variable {match[1]} is not set")
                return match[0]
            self.values[found] = None
            return found

        return _VARIABLE.sub(value, text)


def _senseless(settings: Settings) -> Iterator[str]:
    """What is of the right types, and cannot be meant."""
    if not settings.chains:
        yield f"chains: expected a chain, found none; for example:\n{_EXAMPLE}"
    known: dict[int, str] = {}
    for alias, chain in settings.chains.items():
        if chain.id < 1:
            yield f"chains.{alias}.id: expected a number from 1, found {chain.id}"
        elif (other := known.setdefault(chain.id, alias)) != alias:
            yield f"chains.{alias}.id: {chain.id} is the id of chains.{other} already"
        yield from _url(f"chains.{alias}.rpc", chain.rpc)
        if chain.block is not None and chain.block < 0:
            yield f"chains.{alias}.block: expected a number from 0, found {chain.block}"
    yield from _url("sources.etherscan", settings.sources.etherscan)
    yield from _url("sources.sourcify", settings.sources.sourcify)
    if settings.model is not None:
        yield from _url("model.base_url", settings.model.base_url)
    if settings.sender is not None:
        try:
            parsed(settings.sender)
        except BadAddress as error:
            yield f"sender: {error}"
    for place, value in (
        ("sources.wait", settings.sources.wait),
        ("model.attempts", settings.model.attempts if settings.model else 1),
        ("model.timeout", settings.model.timeout if settings.model else 1),
        ("limits.gas", settings.limits.gas),
        ("limits.seconds", settings.limits.seconds),
        ("limits.memory", settings.limits.memory),
        ("repair.seconds", settings.repair.seconds),
    ):
        if value <= 0:
            yield f"{place}: expected a number above 0, found {value}"


def _url(place: str, url: str | None) -> Iterator[str]:
    if url is None or "${" in url:  # told already
        return
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        found = False
    if not found:  # the URL itself may hold a key
        yield f"{place}: expected an http(s) URL"
