"""What tests of tasks over HTTP ask of a server."""

from __future__ import annotations

import json


def project(client, repository):
    made = client.post("/v1/projects", json={"name": "P", "repository": str(repository)})
    assert made.status_code == 201, made.text
    return made.json()["project_id"]


def begin(client, repository, prompt, **more):
    found = client.get("/v1/projects").json()["projects"]
    project_id = found[0]["project_id"] if found else project(client, repository)
    body = {"project_id": project_id, "title": prompt, "executor": "SCRIPTED", **more}
    return client.post("/v1/attempts", json=body)


def said(client, key, turn=1):
    """What the agent has said when its turn is over, from the stream."""
    entries = {}
    with client.stream("GET", f"/v1/attempts/{key}/turns/{turn}/stream") as stream:
        assert stream.status_code == 200
        for line in stream.iter_lines():
            if line.startswith("data: "):
                entry = json.loads(line[6:])
                entries[entry["index"]] = entry["content"]
    return [entries[index] for index in sorted(entries)]


def settled(client, key):
    """The attempt once its turns are over, and its work is kept."""
    while (view := client.get(f"/v1/attempts/{key}", params={"wait_sec": 20}).json())["busy"]:
        continue
    return view


def asked(client, key, but=None):
    """The id of an approval that is pending in the first turn."""
    with client.stream("GET", f"/v1/attempts/{key}/turns/1/stream") as stream:
        for line in stream.iter_lines():
            content = json.loads(line[6:])["content"] if line.startswith("data: ") else {}
            pending = content.get("type") == "approval" and not content.get("answer")
            if pending and content["id"] != but:
                return content["id"]
    raise AssertionError("the turn ended without a question")


def worked(client, repository):
    """The path of an attempt whose agent is done."""
    edit = json.dumps([{"edit": "list.md", "content": "- milk"}])
    key = begin(client, repository, edit).json()["attempt"]["attempt_id"]
    path = f"/v1/attempts/{key}"
    assert client.get(path, params={"wait_sec": 25}).json()["busy"] is False
    return path
