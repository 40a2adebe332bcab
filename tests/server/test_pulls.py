"""Pull requests over HTTP: a server of ours between a client and a code host's."""

from forges import TOKEN
from tasking import worked


def test_from_push_to_merge(server, repository, github):
    with server.client() as client:
        at = worked(client, repository)
        assert client.post(f"{at}/push").json()["changed"] is True
        assert client.post(f"{at}/push", json={"force": True}).json()["changed"] is False
        assert client.get(f"{at}/pull-requests").json() == {"pull_requests": []}
        made = client.post(f"{at}/pull-requests", json={"title": "Add a list", "draft": True})
        assert made.status_code == 201, made.text
        assert made.json()["url"] == f"{github.url}/acme/widgets/pull/1"
        assert client.get(f"{at}/pull-requests").json() == {"pull_requests": [made.json()]}
        assert client.post(f"{at}/pull-requests/attach").json() == made.json()
        github.comment("rev", "More")
        looked = client.post(f"{at}/pull-requests/refresh", json={"follow_up": False}).json()
        assert [one["body"] for one in looked["new_comments"]] == ["More"]
        assert looked["started"] is None
        github.merge(1)
        merged = client.post(f"{at}/pull-requests/refresh").json()
        assert merged["pull_request"]["status"] == "merged"
        task = client.get(at).json()["attempt"]["task_id"]
        assert client.get(f"/v1/tasks/{task}").json()["task"]["status"] == "done"
    assert TOKEN not in server.log


def test_refusals(server, repository, github):
    with server.client() as client:
        at = worked(client, repository)

        def refused(path="", **body):
            answer = client.post(f"{at}/pull-requests{path}", json=body)
            assert TOKEN not in answer.text
            return answer.status_code, answer.json()["type"].rpartition(":")[2]

        assert refused("/refresh") == (404, "not-found")
        assert refused("/attach") == (404, "not-found")
        assert refused(target_branch="none") == (422, "host-rejected")
        github.may_write = False
        assert refused() == (502, "insufficient-permissions")
        github.may_write = True
        github.first.append((429, {}, {"Retry-After": "900"}))
        limited = client.post(f"{at}/pull-requests/attach")
        assert (limited.status_code, limited.headers["Retry-After"]) == (503, "901")
        settings = server.directory / ".stoker" / "hosting.toml"
        text = settings.read_text()
        settings.write_text(text.replace(TOKEN, "wr0ng-token"))
        assert refused("/attach") == (502, "token-invalid")
        settings.write_text(text.replace(f'token = "{TOKEN}"', ""))
        assert refused("/attach") == (409, "token-missing")
        settings.write_text("")
        assert refused("/attach") == (409, "not-hosted")
        settings.write_text("x")
        assert refused("/attach") == (409, "bad-settings")
        assert client.post("/v1/attempts/none/push").status_code == 404
        assert client.get("/v1/attempts/none/pull-requests").status_code == 404
