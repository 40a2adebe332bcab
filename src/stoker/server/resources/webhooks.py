"""Where code hosts tell of what happens to pull requests."""

from __future__ import annotations

import os

from litestar import post

from stoker.hosting import settings, webhook
from stoker.server.params import App, Asked, Name
from stoker.server.problems import Refused, not_found
from stoker.wire.pulls import Delivered

TAG = "pull-requests"
BODY_LIMIT = 4 * 1024 * 1024


@post(
    "/v1/webhooks/{host:str}",
    status_code=202,
    request_max_body_size=BODY_LIMIT,
    security=[{}],
    summary="Where a code host tells that something has happened to a pull request",
    description="Without a token: the message is signed with the `webhook_secret` that "
    "`hosting.toml` has for the host (`X-Hub-Signature-256`, `X-Gitea-Signature`), or has it in "
    "`X-Gitlab-Token`. The host is asked soon how the pull request stands, as by `refresh`: "
    "sending a message again does no harm.",
)
async def deliver(service: App, request: Asked, host: Name) -> Delivered:
    known = settings.load(service.settings.directory)
    found = known.host(host)
    secret = settings.webhook_secret(known, host, os.environ)
    if found is None or found.provider is None or secret is None:
        raise not_found("no webhook_secret in hosting.toml for this host")
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        webhook.verify(found.provider, headers, body, secret)
    except webhook.Unsigned as error:
        raise Refused(401, "wrong-signature", str(error)) from error
    try:
        about = webhook.about(body)
    except ValueError as error:
        raise Refused(400, "malformed", f"the body is no JSON: {error}") from error
    attempts = await service.tasks.pulls.attempts_of(about) if about else []
    for attempt_id in attempts:
        service.deliveries.add(attempt_id)
    return Delivered(attempts=attempts)
