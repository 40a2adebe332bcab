"""The server itself: health, settings, profiles, agents' MCP servers, sounds."""

from __future__ import annotations

import asyncio
import io
import math
import os
import platform
import re
import struct
import wave
from functools import cache
from typing import Any, Final

import msgspec
from litestar.params import FromQuery
from litestar.response import Response
from msgspec import Struct
from msgspec.structs import replace

from stoker.agents import mcp_config, profiles
from stoker.agents.mcp_config import BadMcpConfig, NoMcpConfig
from stoker.server.forge.envelope import (
    Business,
    Envelope,
    Unreadable,
    get,
    ok,
    parsed,
    post,
    put,
    read,
)
from stoker.server.forge.shapes import Config, GitHub
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks.documents import Documents

_NAME: Final = "config"
_HIDDEN: Final = "********"
"""Stands for a secret in answers; sent back, it stays as it was."""
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SOUNDS: Final = (
    *("ABSTRACT_SOUND1", "ABSTRACT_SOUND2", "ABSTRACT_SOUND3", "ABSTRACT_SOUND4"),
    *("COW_MOOING", "PHONE_VIBRATION", "ROOSTER", "GENIE_NOTIFY1", "GENIE_NOTIFY2"),
)
_RATE: Final = 16_000
_SOUND_SEC: Final = 0.4


class Health(Struct, frozen=True, kw_only=True):
    """It answers; without an envelope."""

    status: str = "ok"
    service: str = "stoker"
    version: str
    message: str = "Stoker serves its Forge-compatible API"


class Servers(Struct, frozen=True, kw_only=True):
    """MCP servers of an agent."""

    servers: dict[str, dict[str, Any]]


async def load(service: Service) -> Config:
    """The settings, with their secrets."""
    return await Documents(service.journal).get(_NAME, Config) or Config()


async def store(service: Service, config: Config) -> None:
    """Keep settings."""
    await Documents(service.journal).put(_NAME, config)


@get("/health", sync_to_thread=False)
def health() -> Health:
    from importlib.metadata import version

    return Health(version=version("stoker"))


@get("/api/health", sync_to_thread=False)
def api_health() -> Envelope:
    return ok("OK")


@get("/api/routes")
async def routes(request: Asked) -> Envelope:
    """All routes under `/api`, WebSockets among them."""
    found = {
        f"{method} {path}"
        for route in request.app.routes
        if (path := re.sub(r"\{([^:}]+):[^}]+\}", r"{\1}", route.path)).startswith("/api/")
        for method in sorted({*(getattr(route, "methods", None) or ("WS",))} - {"OPTIONS"})
    }
    return ok(sorted(found, key=lambda one: one.partition(" ")[::-1]))


@get("/api/info")
async def info(service: App) -> Envelope:
    executors = _profiles()["executors"]
    for variants in executors.values():
        for variant in variants.values():
            for settings in variant.values():
                env = settings.get("env", {})
                env.update({name: value and _HIDDEN for name, value in env.items()})
    bits = "64-bit" if platform.machine().endswith("64") else "32-bit"
    return ok(
        {
            "config": _shown(await load(service)),
            "analytics_user_id": "",  # nobody is counted
            "environment": {
                "os_type": platform.system(),
                "os_version": platform.release(),
                "os_architecture": platform.machine(),
                "bitness": bits,
            },
            "capabilities": {executor: ["SESSION_FORK"] for executor in executors},
            "executors": executors,
        }
    )


@get("/api/config")
async def show(service: App) -> Envelope:
    return ok(_shown(await load(service)))


@put("/api/config", opt={"scope": "admin"})
async def update(service: App, request: Asked) -> Envelope:
    config = await read(request, Config)
    if not _PREFIX.fullmatch(config.git_branch_prefix):
        raise Business("git_branch_prefix: expected the first part of a branch's name")
    before = (await load(service)).github
    kept = {
        name: getattr(before, name)
        for name in ("pat", "oauth_token")
        if getattr(config.github, name) == _HIDDEN
    }
    config = replace(config, github=replace(config.github, **kept))
    await store(service, config)
    return ok(_shown(config))


def _shown(config: Config) -> Config:
    hidden: GitHub = replace(
        config.github,
        pat=_HIDDEN if config.github.pat else None,
        oauth_token=_HIDDEN if config.github.oauth_token else None,
    )
    return replace(config, github=hidden)


@get("/api/profiles", opt={"scope": "admin"})
async def show_profiles() -> Envelope:
    content = msgspec.json.format(msgspec.json.encode(_profiles()))
    return ok({"content": content.decode(), "path": str(profiles.place(os.environ))})


@put("/api/profiles", opt={"scope": "admin"})
async def update_profiles(request: Asked) -> Envelope:
    """What is sent as `{"executors": ...}`, or as an older client wraps it."""
    body = await read(request, dict[str, Any])
    document = body.get("profiles", body)
    if isinstance(document, str):
        document = parsed(document, dict[str, Any])
    if isinstance(document, dict) and "executors" not in document:
        document = {"executors": document}
    if _HIDDEN in str(document):
        document = _restored(document, _profiles())
    await asyncio.to_thread(profiles.save, profiles.place(os.environ), document)
    return ok("Executor profiles updated successfully")


def _profiles() -> dict[str, Any]:
    return profiles.load(profiles.place(os.environ)).document()


def _restored(sent: Any, before: Any) -> Any:
    """What is sent, with what was hidden as it was."""
    if isinstance(sent, dict):
        known = before if isinstance(before, dict) else {}
        return {name: _restored(value, known.get(name)) for name, value in sent.items()}
    return before if sent == _HIDDEN else sent


@get("/api/mcp-config", opt={"scope": "admin"})
async def show_mcp(executor: FromQuery[str]) -> Envelope:
    try:
        return ok(await asyncio.to_thread(mcp_config.read, executor))
    except (NoMcpConfig, BadMcpConfig) as error:
        raise _no_mcp(error) from error


@post("/api/mcp-config", opt={"scope": "admin"})
async def update_mcp(request: Asked, executor: FromQuery[str]) -> Envelope:
    body = await read(request, Servers)
    try:
        before = await asyncio.to_thread(mcp_config.write, executor, body.servers)
    except (NoMcpConfig, BadMcpConfig) as error:
        raise _no_mcp(error) from error
    now = len(body.servers)
    if before == now:
        return ok(f"Updated MCP server configuration ({now} server(s))")
    if before == 0:
        return ok(f"Added {now} MCP server(s)")
    return ok(f"Updated MCP server configuration (was {before}, now {now})")


def _no_mcp(error: Exception) -> Business:
    if isinstance(error, NoMcpConfig):
        return Business(f"This executor does not support MCP servers: {error}")
    return Business(str(error))


@get("/api/sounds/{sound:str}", sync_to_thread=False)
def sound(sound: Name) -> Response[bytes]:
    if sound not in _SOUNDS:
        raise Unreadable(400, f"unknown sound {sound!r}, expected one of {', '.join(_SOUNDS)}")
    return Response(_tone(_SOUNDS.index(sound)), media_type="audio/wav")


@cache
def _tone(number: int) -> bytes:
    """Two notes that fade, others for each number; as WAV."""
    count = int(_RATE * _SOUND_SEC)
    notes = [440 * 2 ** ((number + step) / 12) for step in (0, 7)]
    samples = (
        int(12_000 * (1 - at / count) * math.sin(2 * math.pi * notes[2 * at // count] * at / _RATE))
        for at in range(count)
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(struct.pack(f"<{count}h", *samples))
    return file.getvalue()
