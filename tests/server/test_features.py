"""All that can be done with projects, tasks and attempts, over HTTP."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from repositories import git, script
from serving import problem

from stoker.client import Conflict, NotFound, SyncClient

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
WAIT = {"run": "until [ -e go ]; do sleep 0.01; done; rm go"}


@pytest.fixture
def stoker(server):
    with SyncClient(server.url) as client:
        yield client


@pytest.fixture
def project(stoker, repository):
    return stoker.projects.create(name="P", repository=str(repository), dev_script="sleep 300")


def worked(stoker, project, *actions, **more):
    begun = stoker.attempts.create_and_start(
        project_id=project.project_id, title=script(*actions), executor="SCRIPTED", **more
    )
    return settled(stoker, begun.attempt)


def settled(stoker, attempt):
    assert not stoker.attempts.show(attempt.attempt_id, wait_sec=30).busy
    return attempt


def test_projects_and_tasks_are_changed_and_removed(stoker, project, server):
    key = project.project_id
    changed = stoker.projects.change(key, wip_limit=3, directory="", dev_script=None)
    assert (changed.wip_limit, changed.dev_script, changed.name) == (3, None, "P")
    with server.client() as client:
        for body in ({"wip_limit": 0}, {"directory": "../x"}, {"nothing": 1}, {"name": " "}):
            problem(client.patch(f"/v1/projects/{key}", json=body), 422, "invalid-request")
        problem(client.patch("/v1/projects/none", json={}), 404, "not-found")
    assert [one.name for one in stoker.projects.branches(key).branches] == ["main"]
    assert [one.path for one in stoker.projects.search(key, q="A.T").matches] == ["a.txt"]
    first = stoker.tasks.create(key, title="first", labels=("ui",))
    second = stoker.tasks.create(key, title="second", depends_on=(first.task_id,))
    assert stoker.tasks.change(second.task_id, description="more").description == "more"
    assert stoker.tasks.change(second.task_id, description=None).description is None
    stoker.tasks.remove(first.task_id)
    assert stoker.tasks.show(second.task_id).task.depends_on == ()
    stoker.projects.remove(key)
    assert stoker.projects.list().projects == []
    with pytest.raises(NotFound):
        stoker.tasks.show(second.task_id)


def test_lists_come_in_pages_and_not_again(stoker, project, server):
    for number in range(5):
        stoker.tasks.create(project.project_id, title=str(number))
    kept = [worked(stoker, project, {"say": "x"}).attempt_id for _ in range(3)]
    titles, cursor = [], None
    while True:
        page = stoker.tasks.list(project.project_id, limit=3, cursor=cursor)
        titles += [one.task.title for one in page.tasks]
        if (cursor := page.next_cursor) is None:
            break
    assert len(titles) == 8
    assert titles[:5] == ["0", "1", "2", "3", "4"]
    found, cursor = [], None
    while True:
        page = stoker.attempts.list(project_id=project.project_id, limit=2, cursor=cursor)
        found += [one.attempt.attempt_id for one in page.attempts]
        assert {one.status for one in page.attempts} == {"succeeded"}
        if (cursor := page.next_cursor) is None:
            break
    assert found == kept[::-1]
    assert stoker.attempts.list(active=True).attempts == []
    with server.client() as client:
        for path in ("/v1/attempts", f"/v1/projects/{project.project_id}/tasks"):
            answer = client.get(path)
            again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")
            problem(client.get(path, params={"cursor": "x"}), 422, "invalid-request")
            problem(client.get(path, params={"limit": "0"}), 422, "invalid-request")


def test_drafts_and_turns_in_the_place_of_others(stoker, project, server):
    key = worked(stoker, project, {"edit": "b", "content": "1"}).attempt_id
    draft = stoker.drafts.save(key, "follow_up", prompt="x", expected_version=0)
    with pytest.raises(Conflict):
        stoker.drafts.save(key, "follow_up", prompt="y", expected_version=0)
    prompt = script({"edit": "c", "content": "2"})
    draft = stoker.drafts.save(key, "follow_up", prompt=prompt, expected_version=draft.version)
    assert stoker.drafts.show(key, "follow_up") == draft
    assert stoker.drafts.queue(key, expected_queued=False).queued
    stoker.attempts.show(key, wait_sec=30)
    with pytest.raises(NotFound):
        stoker.drafts.show(key, "follow_up")
    made = stoker.work.replace(key, 2, prompt="Something else.")
    assert (made.turn, made.git_reset_applied) == (3, True)
    view = stoker.attempts.show(key, wait_sec=30)
    assert [(one.turn, one.dropped) for one in view.steps if one.role == "agent"] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    changed = {one.new_path for one in stoker.attempts.changes(key).changes}
    assert changed == {"b"}
    (kept,) = stoker.work.backups(key).backups
    stoker.work.restore(key, ref=kept.ref)
    assert {one.new_path for one in stoker.attempts.changes(key).changes} == {"b", "c"}
    with server.client() as client:
        problem(client.get(f"/v1/attempts/{key}/drafts/other"), 404, "invalid-request")


def test_work_is_rebased_and_conflicts_are_told(stoker, project, repository, server):
    attempt = worked(stoker, project, {"edit": "a.txt", "content": "mine\n"})
    key = attempt.attempt_id
    (repository / "a.txt").write_text("theirs\n")
    git(repository, "commit", "-q", "-a", "-m", "theirs")
    with server.client() as client:
        told = problem(client.post(f"/v1/attempts/{key}/rebase"), 409, "merge-conflict")
        assert [one["file"] for one in told["errors"]] == ["a.txt"]
        problem(client.post(f"/v1/attempts/{key}/rebase"), 409, "rebase-in-progress")
        problem(client.get(f"/v1/attempts/{key}/commits/zzz"), 404, "not-found")
        path = f"/v1/attempts/{key}/files"
        problem(client.delete(path, params={"path": "../x"}), 422, "invalid-request")
    assert stoker.work.abort(key).name == attempt.branch
    with pytest.raises(Conflict):
        stoker.work.resolved(key)
    git(repository, "branch", "other", "HEAD~1")
    assert stoker.work.retarget(key, branch="other").commits_behind == 0
    assert stoker.work.rebase(key).ref
    deleted = stoker.work.delete_file(key, path="a.txt")
    shown = stoker.work.commit(key, deleted.commit)
    assert (shown.subject, shown.ahead, shown.is_linear) == ("Delete a.txt", 0, True)
    assert [one.path for one in stoker.work.search(key, q="a").matches] == []
    child = worked(stoker, project, {"say": "x"}, parent_attempt_id=key)
    assert [one.task_id for one in stoker.work.children(key).children] == [child.task_id]
    stoker.attempts.remove(key)
    assert not Path(attempt.worktree).exists()
    with pytest.raises(NotFound):
        stoker.attempts.show(key)


def test_a_worktree_is_served_and_opened(stoker, project, server, tmp_path):
    attempt = worked(stoker, project, {"say": "x"})
    key = attempt.attempt_id
    assert stoker.work.dev_server(key).step is None
    serving = stoker.work.serve(key)
    assert (serving.step, serving.status) == ("devserver-1", "running")
    server.kill()
    server.start()
    with SyncClient(server.url) as again:
        assert again.work.dev_server(key).status == "running"
        again.work.stop_step(key, "devserver-1")
        assert again.work.dev_server(key).status == "canceled"
        with pytest.raises(Conflict):
            again.work.stop_step(key, "devserver-1")
        note = tmp_path / "opened"
        command = f"sh -c 'echo $0 > {note}'"
        again.work.open_editor(key, editor="custom", custom_command=command, file="a.txt")
        assert note.read_text() == f"{attempt.worktree}/a.txt\n"
        with pytest.raises(Conflict, match="no program"):
            again.projects.open_editor(
                project.project_id, editor="custom", custom_command="no-such-editor"
            )
    with server.client() as client:
        for body in ({"file": "../../x"}, {"editor": "emacs?"}):
            answer = client.post(f"/v1/attempts/{key}/open-editor", json=body)
            problem(answer, 422, "invalid-request")


def test_the_library(stoker, project, server):
    image = stoker.images.add(name="a.png", data=PNG)
    assert stoker.images.show(image.image_id) == image
    assert stoker.images.file(image.image_id) == PNG
    task = stoker.tasks.create(project.project_id, title="T", images=(image.image_id,))
    assert stoker.tasks.images(task.task_id).images == [image]
    with server.client() as client:
        answer = client.get(f"/v1/images/{image.image_id}/file")
        assert answer.headers["content-type"] == "image/png"
        body = {"name": "x.svg", "data": base64.b64encode(b"<svg/>").decode()}
        problem(client.post("/v1/images", json=body), 422, "invalid-request")
    stoker.images.remove(image.image_id)
    assert stoker.tasks.images(task.task_id).images == []
    tag = stoker.tags.add(tag_name="brief", content="Be brief.")
    assert stoker.tags.change(tag.tag_id, content="").content == ""
    assert [one.tag_name for one in stoker.tags.list().tags] == ["brief"]
    stoker.tags.remove(tag.tag_id)
    with pytest.raises(NotFound):
        stoker.tags.show(tag.tag_id)
    made = stoker.templates.add(template_name="bug", title="Fix", project_id=project.project_id)
    assert stoker.templates.list(project_id="other").templates == []
    assert stoker.templates.change(made.template_id, project_id=None).project_id is None
    assert stoker.templates.show(made.template_id).title == "Fix"
    stoker.templates.remove(made.template_id)


def test_what_agents_ask_and_what_there_is(stoker, project):
    begun = stoker.attempts.create_and_start(
        project_id=project.project_id,
        title=script({"run": "touch b", "ask": True}),
        executor="SCRIPTED",
        variant="APPROVALS",
    )
    key = begun.attempt.attempt_id
    for entry in stoker.attempts.stream(key, 1):
        if getattr(entry.content, "tag", type(entry.content).__name__) == "Approval":
            break
    (asked,) = stoker.attempts.asking().approvals
    assert (asked.attempt_id, asked.turn, asked.approval.command) == (key, 1, "touch b")
    stoker.attempts.answer(key, 1, asked.approval.id, allowed=True)
    settled(stoker, begun.attempt)
    assert stoker.attempts.asking().approvals == []
    agents = {(one.executor, one.variant): one for one in stoker.server.agents().agents}
    assert agents["SCRIPTED", "APPROVALS"].installed
    assert agents["SCRIPTED", "APPROVALS"].approvals == "ask"
    info = stoker.server.info()
    assert (info.os, "custom" in info.editors) == ("Linux", True)
