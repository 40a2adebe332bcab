"""Signing in at GitHub by a code, which the server passes on to a browser elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.server.forge import config
from stoker.server.forge.envelope import Envelope, Failed, get, ok, post
from stoker.server.params import App
from stoker.server.service import Service
from stoker.tasks.documents import Documents

if TYPE_CHECKING:
    import httpx

_NAME: Final = "github/device"
_SCOPES: Final = "repo user:email"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_STATES: Final = {"authorization_pending": "AUTHORIZATION_PENDING", "slow_down": "SLOW_DOWN"}
_TIMEOUT_SEC: Final = 20.0


class Device(Struct, frozen=True):
    """The code that was asked for last."""

    code: str


@post("/api/auth/github/device/start", opt={"scope": "admin"})
async def start(service: App) -> Envelope:
    told = await _post("/login/device/code", {"client_id": _client_id(), "scope": _SCOPES})
    await Documents(service.journal).put(_NAME, Device(str(told.get("device_code", ""))))
    keys = ("user_code", "verification_uri", "expires_in", "interval")
    return ok({key: told.get(key) for key in keys})


@post("/api/auth/github/device/poll", opt={"scope": "admin"})
async def poll(service: App) -> Envelope:
    device = await Documents(service.journal).get(_NAME, Device)
    if device is None:
        raise Failed("AuthError: no sign-in was started")
    told = await _post(
        "/login/oauth/access_token",
        {"client_id": _client_id(), "device_code": device.code, "grant_type": _GRANT},
    )
    if token := told.get("access_token"):
        await _keep(service, str(token))
        return ok("SUCCESS")
    if (state := _STATES.get(str(told.get("error")))) is not None:
        return ok(state)
    raise Failed(f"AuthError: {told.get('error_description') or told.get('error')}")


@get("/api/auth/github/check")
async def check(service: App) -> Envelope:
    github = (await config.load(service)).github
    token = github.oauth_token or github.pat
    return ok("VALID" if token and await _user(token) is not None else "INVALID")


async def _keep(service: Service, token: str) -> None:
    user = await _user(token) or {}
    before = await config.load(service)
    github = replace(before.github, oauth_token=token, username=user.get("login"))
    await config.store(service, replace(before, github=github))
    await Documents(service.journal).remove(_NAME)


def _base() -> str:
    return os.environ.get("STOKER_GITHUB_URL", "https://github.com").rstrip("/")


def _client_id() -> str:
    found = os.environ.get("STOKER_GITHUB_CLIENT_ID")
    if not found:
        raise Failed("AuthError: signing in at GitHub needs STOKER_GITHUB_CLIENT_ID")
    return found


async def _user(token: str) -> dict[str, Any] | None:
    """Whose token it is; None: GitHub does not take it."""
    base = _base()
    api = "https://api.github.com" if base == "https://github.com" else f"{base}/api/v3"
    headers = {"Authorization": f"Bearer {token}"}
    answer = await _ask("GET", f"{api}/user", headers=headers)
    return _object(answer) if answer.status_code == 200 else None


async def _post(path: str, form: dict[str, str]) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    answer = await _ask("POST", f"{_base()}{path}", data=form, headers=headers)
    if answer.status_code >= 400:
        raise Failed(f"AuthError: GitHub answers {answer.status_code}")
    return _object(answer)


async def _ask(method: str, url: str, **more: Any) -> httpx.Response:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SEC) as client:
            return await client.request(method, url, **more)
    except httpx.HTTPError as error:
        raise Failed(f"AuthError: no answer from GitHub: {type(error).__name__}") from error


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Failed("AuthError: GitHub's answer makes no sense")
    return told
