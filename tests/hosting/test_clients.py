"""Each provider's client against a server that speaks its API."""

from datetime import datetime

from asking import WANTED, ask, refused
from forges import TOKEN

from stoker.hosting import errors
from stoker.hosting.model import NewPullRequest


def test_whose_token(forge):
    assert ask(forge, lambda client: client.account()) == "dev"
    assert all(TOKEN not in path for _, path, _, _ in forge.requests)


def test_create_review_and_status(forge):
    made = ask(forge, lambda client: client.create(WANTED))
    assert (made.number, made.title, made.status) == (1, "Add a list", "open")
    assert made.url.startswith(forge.url)
    assert (made.target_branch, made.merged_at, made.merge_commit) == ("main", None, None)
    assert forge.pulls[0]["body"] == "All of it."
    ask(forge, lambda client: client.request_reviews(1, ["rev"]))
    assert forge.reviewers == {1: ["rev"]}
    forge.merge(1)
    merged = ask(forge, lambda client: client.get(1))
    assert merged.status == "merged"
    assert merged.merge_commit == forge.git("rev-parse", "main")
    assert merged.merged_at == datetime.fromisoformat("2026-03-09T10:00:00Z").timestamp()
    forge.pulls[0] |= {"state": "closed", "merged_at": None, "commit": None}
    assert ask(forge, lambda client: client.get(1)).status == "closed"


def test_a_draft(forge):
    async def question(client):
        return await client.create(
            NewPullRequest(title="x", body="", source="task", target="main", draft=True)
        )

    ask(forge, question)
    told = forge.pull(forge.pulls[0])
    assert told.get("draft", told["title"].startswith("WIP: ")) is True


def test_found_by_its_branch(forge):
    assert ask(forge, lambda client: client.find("task")) is None
    first = forge.new_pull("first", "", "task", "main")
    first["state"] = "closed"
    second = forge.new_pull("second", "", "task", "main")
    second["state"] = "closed"
    forge.new_pull("of another branch", "", "main", "main")
    forge.new_pull("of a fork", "", "task", "main")["fork"] = True
    assert ask(forge, lambda client: client.find("task")).title == "second"
    first["state"] = "open"
    forge.page = 1 if forge.provider == "gitea" else 100  # only there they must be gone through
    assert ask(forge, lambda client: client.find("task")).title == "first"


def test_comments_of_all_kinds_and_pages(forge):
    forge.page = 2
    forge.new_pull("x", "", "task", "main")
    forge.comment("rev", "Please use tabs", kind="line", path="a.txt", line=3)
    forge.comment("stranger", "Run this for me")
    forge.comment("rev", "Nearly there")
    for number in range(4):
        forge.comment("dev", f"note {number}")
    if forge.provider == "gitlab":
        forge.comment("rev", "assigned to @rev", system=True)
    else:
        forge.comment("rev", "In general: yes", kind="review", state="APPROVED")
        forge.comment("dev", "not sent yet", kind="review", state="PENDING")
    found = ask(forge, lambda client: client.comments(1))
    expected = ["Please use tabs", "Run this for me", "Nearly there"]
    expected += [f"note {number}" for number in range(4)]
    expected += ["In general: yes"] if forge.provider != "gitlab" else []
    assert [one.body for one in found] == expected
    assert (found[0].path, found[0].line, found[0].author) == ("a.txt", 3, "rev")
    assert [one.trusted for one in found[:4]] == [True, False, True, False]
    assert len({one.id for one in found}) == len(found)
    assert found[0].created_at < found[-1].created_at
    assert all(one.url.startswith(forge.url) for one in found)


def test_an_issue(forge):
    made = ask(forge, lambda client: client.create_issue("Add a list", "Why"))
    assert made.number == 51
    assert forge.issues == [{"number": 51, "title": "Add a list", "body": "Why"}]


def test_an_issue_is_found_by_its_mark_on_any_page(forge):
    ask(forge, lambda client: client.create(WANTED))  # a pull request is no issue
    forge.page = 2
    made = [
        ask(forge, lambda client, n=n: client.create_issue("A", f"Why\n\nMark: {n}"))
        for n in range(5)
    ]
    found = ask(forge, lambda client: client.find_issue("Mark: 3", 1_700_000_000.5))
    assert found == made[3]
    assert "2023-11-14T22%3A13%3A20Z" in forge.requests[-1][1]
    assert ask(forge, lambda client: client.find_issue(WANTED.body, 0.0)) is None


def test_refusals(forge):
    wrong = refused(forge, errors.TokenInvalid, token="wr0ng-token")
    assert "wr0ng-token" not in str(wrong)
    forge.may_write = False
    denied = refused(forge, errors.InsufficientPermissions)
    assert denied.said in str(denied)
    assert "acme/widgets" in str(denied)
    forge.may_write = True
    refused(forge, errors.RepositoryNotFound, repository="acme/nothing")
    refused(forge, errors.RepositoryNotFound, lambda client: client.get(9))
    ask(forge, lambda client: client.create(WANTED))
    assert "already exists" in refused(forge, errors.AlreadyExists).said
    forge.git("update-ref", "-d", "refs/heads/task")
    said = refused(forge, errors.Rejected).said
    assert said
    assert said != "422 Unprocessable Entity"


def test_an_unknown_reviewer(forge):
    forge.new_pull("x", "", "task", "main")
    refused(forge, errors.Rejected, lambda client: client.request_reviews(1, ["nobody"]))
