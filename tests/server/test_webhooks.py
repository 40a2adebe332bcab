"""A code host tells of reviews and merges, and nobody has to ask."""

import hashlib
import hmac
import json

import pytest
from tasking import worked

from stoker.server.tokens import Tokens

SECRET = "hush-hush"


@pytest.fixture
def send(github):
    def send(client, told, secret=SECRET, **headers):
        body = json.dumps(told).encode() if not isinstance(told, bytes) else told
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        signed = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
        path = f"/v1/webhooks/{github.host}"
        return client.post(path, content=body, headers=signed | headers)

    return send


def pull_request(number=1, repository="acme/widgets"):
    return {"repository": {"full_name": repository}, "pull_request": {"number": number}}


def test_reviews_and_merges_come_back_by_themselves(server, repository, github, send):
    token = Tokens(server.directory / ".stoker").create("me", "admin")
    known = {"Authorization": f"Bearer {token}"}
    with server.client(headers=known) as client, server.client() as stranger:
        at = worked(client, repository)
        key = at.rpartition("/")[2]
        client.post(f"{at}/pull-requests")
        assert stranger.get(at).status_code == 401
        github.comment("rev", json.dumps([{"edit": "more", "content": "x"}]))
        comment = {"repository": {"full_name": "acme/widgets"}, "issue": {"number": 1}}
        told = send(stranger, comment)
        assert (told.status_code, told.json()) == (202, {"attempts": [key]})
        view = client.get(at).json()
        while len([one for one in view["steps"] if one["role"] == "agent"]) < 2:
            view = client.get(at, params={"wait_sec": 1}).json()
        client.get(at, params={"wait_sec": 25})

        assert send(stranger, comment).status_code == 202  # again: the agent knows it already
        github.merge(1)
        assert send(stranger, pull_request()).json() == {"attempts": [key]}
        task = f"/v1/tasks/{view['attempt']['task_id']}"
        while client.get(task).json()["task"]["status"] != "done":
            pass
        steps = client.get(at).json()["steps"]
        assert len([one for one in steps if one["role"] == "agent"]) == 2


def test_what_is_not_believed_or_not_meant(server, repository, github, send):
    Tokens(server.directory / ".stoker").create("me", "run")
    with server.client() as client:
        assert send(client, pull_request(), secret="other").status_code == 401
        unsigned = client.post(f"/v1/webhooks/{github.host}", json=pull_request())
        assert (unsigned.status_code, unsigned.json()["type"]) == (
            401,
            "urn:stoker:problem:wrong-signature",
        )
        assert client.post("/v1/webhooks/gitlab.com", json={}).status_code == 404
        assert send(client, b"{").status_code == 400
        assert send(client, b" " * (5 << 20)).status_code == 413
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert send(client, pull_request(), **form).status_code == 415
        for nothing in ({"zen": "x"}, pull_request(9), pull_request(1, "acme/other")):
            told = send(client, nothing)
            assert (told.status_code, told.json()) == (202, {"attempts": []})
    assert SECRET not in server.log
