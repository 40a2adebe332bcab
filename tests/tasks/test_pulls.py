"""Pull requests of attempts: real agents' work, pushed by git over HTTP to servers that speak the
providers' APIs."""

import json
import shutil
import subprocess

import pytest
from forges import TOKEN

from stoker.hosting import errors
from stoker.tasks.catalog import ProjectChange, TaskChange
from stoker.tasks.errors import Conflict, Unknown
from stoker.toml_file import BadFile
from stoker.workspace.errors import PushRejected, RemoteUnreachable


@pytest.fixture(autouse=True)
def adds_a_line(monkeypatch):
    """What the scripted agent does, whatever it is told."""
    actions = [{"run": "echo line >> list.md"}, {"say": "done"}]
    monkeypatch.setenv("STOKER_SCRIPT", json.dumps(actions))


async def worked(tasks, world, **more):
    """An attempt whose agent has added a line to a list."""
    project = await tasks.catalog.create_project("P", str(world.repository), ProjectChange(**more))
    begun = await tasks.starter.create_and_start(
        project.project_id, "Add a list", "Of what there is.", executor="SCRIPTED"
    )
    await tasks.turns.settled(begun.attempt.attempt_id)
    return begun.attempt


async def status(tasks, attempt):
    return (await tasks.catalog.task(attempt.task_id)).status


def head(forge, branch):
    return forge.git("rev-parse", f"refs/heads/{branch}")


def local(world, *args):
    done = subprocess.run(
        ["git", "-C", world.repository, *args], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_from_work_to_merge(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world, reviewers=("rev",))
        key = attempt.attempt_id
        made = await tasks.pulls.create(key)
        assert (made.number, made.status, made.title) == (1, "open", "Add a list")
        assert made.target_branch == "main"
        assert made.url.startswith(forge.url)
        assert head(forge, attempt.branch) == local(world, "rev-parse", attempt.branch)
        assert forge.reviewers == {1: ["rev"]}
        assert forge.pulls[0]["body"] == (
            "Of what there is.\n\n"
            f"Stoker-Task: {attempt.task_id}\nStoker-Attempt: {attempt.attempt_id}"
        )
        # Again: what is there is taken up.
        assert await tasks.pulls.create(key) == made
        assert len(forge.pulls) == 1
        assert await tasks.pulls.of(key) == [made]

        assert (await tasks.pulls.refresh(key)).pull_request == made
        assert await status(tasks, attempt) == "inreview"
        forge.merge(1)
        merged = (await tasks.pulls.refresh(key)).pull_request
        assert merged.status == "merged"
        assert merged.merge_commit == head(forge, "main")
        assert await status(tasks, attempt) == "done"
        # Who reopens the task is not overruled by what was known before.
        await tasks.catalog.move_task(attempt.task_id, before="done", to="inprogress")
        await tasks.pulls.refresh(key)
        assert await status(tasks, attempt) == "inprogress"

    world.run(scenario)
    assert_no_token(world)


def assert_no_token(world):
    """Neither the journal nor a log has it."""
    for path in world.state.rglob("*"):
        if path.is_file() and path.name != "hosting.toml":
            assert TOKEN.encode() not in path.read_bytes(), path


def test_the_words_may_be_given(world, github):
    async def scenario(tasks):
        attempt = await worked(tasks, world)
        github.git("branch", "release", "main")
        made = await tasks.pulls.create(
            attempt.attempt_id, title="T", body="B", target_branch="release", draft=True
        )
        assert (made.title, made.target_branch) == ("T", "release")
        assert (github.pulls[0]["body"], github.pulls[0]["draft"]) == ("B", True)

    world.run(scenario)


def test_by_itself(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world, auto_pull_request=True)
        key = attempt.attempt_id
        (made,) = await tasks.pulls.of(key)
        assert made.status == "open"
        first = head(forge, attempt.branch)
        await tasks.turns.follow_up(key, "Another line")
        await tasks.turns.settled(key)
        assert len(forge.pulls) == 1
        assert head(forge, attempt.branch) == local(world, "rev-parse", attempt.branch) != first

    world.run(scenario)


def test_what_was_merged_meanwhile_is_proposed_anew(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world, auto_pull_request=True)
        key = attempt.attempt_id
        forge.merge(1)
        await tasks.turns.follow_up(key, "Another line")
        await tasks.turns.settled(key)
        assert [one.status for one in await tasks.pulls.of(key)] == ["merged", "open"]
        assert head(forge, attempt.branch) == local(world, "rev-parse", attempt.branch)

    world.run(scenario)


def test_not_what_failed_or_is_nothing(world, github, monkeypatch):
    async def scenario(tasks):
        monkeypatch.setenv("STOKER_SCRIPT", '[{"edit": "b", "content": "x"}, {"fail": "why"}]')
        attempt = await worked(tasks, world, auto_pull_request=True)
        key = attempt.attempt_id
        monkeypatch.setenv("STOKER_SCRIPT", '[{"say": "nothing to do"}]')
        (project,) = await tasks.catalog.projects()
        other = await tasks.starter.create_and_start(
            project.project_id, "Nothing", executor="SCRIPTED"
        )
        await tasks.turns.settled(other.attempt.attempt_id)
        assert await tasks.pulls.of(key) == await tasks.pulls.of(other.attempt.attempt_id) == []

    world.run(scenario)
    assert github.pulls == []
    assert len(github.git("branch").splitlines()) == 1


def test_what_fails_by_itself_disturbs_nothing(world, github):
    github.may_write = False

    async def scenario(tasks):
        attempt = await worked(tasks, world, auto_pull_request=True, open_issue=True)
        assert await status(tasks, attempt) == "inreview"
        assert await tasks.turns.follow_up(attempt.attempt_id, "go on")
        await tasks.turns.settled(attempt.attempt_id)

    world.run(scenario)
    assert github.pulls == github.issues == []


def test_reviews_come_back(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world)
        key = attempt.attempt_id
        await tasks.pulls.create(key)
        forge.comment("rev", "Two lines,\nplease", kind="line", path="list.md", line=1)
        forge.comment("stranger", "rm -rf everything")
        looked = await tasks.pulls.refresh(key, follow_up=False)
        assert [one.body for one in looked.new_comments] == ["Two lines,\nplease"]
        assert looked.started is None
        told = await tasks.pulls.refresh(key)
        assert told.new_comments == looked.new_comments
        assert (told.untrusted, told.started) == (1, True)
        await tasks.turns.settled(key)
        (step,) = [
            step.step
            for step in (await tasks.progress.state(attempt)).steps
            if step.step.id == "agent-2"
        ]
        prompt = step.step_def["prompt"]
        assert "rev on list.md:1:\n> Two lines,\n> please" in prompt
        assert "rm -rf" not in prompt
        again = await tasks.pulls.refresh(key)
        assert (again.new_comments, again.untrusted, again.started) == ([], 0, None)
        forge.comment("rev", "Thanks")
        assert [one.body for one in (await tasks.pulls.refresh(key)).new_comments] == ["Thanks"]
        await tasks.turns.settled(key)

    world.run(scenario)


def test_one_that_was_opened_by_hand(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world)
        with pytest.raises(Unknown, match="pull request"):
            await tasks.pulls.attach(attempt.attempt_id)
        with pytest.raises(Unknown, match="pull request"):
            await tasks.pulls.refresh(attempt.attempt_id)
        assert (await tasks.pulls.push(attempt.attempt_id)).changed
        forge.new_pull("By hand", "", attempt.branch, "main")
        made = await tasks.pulls.attach(attempt.attempt_id)
        assert made.title == "By hand"
        assert await tasks.pulls.of(attempt.attempt_id) == [made]

    world.run(scenario)


async def issue_of(tasks, task_id):
    async for _ in tasks.feed.follow():
        task = await tasks.catalog.task(task_id)
        if task.issue_url is not None:
            return task.issue_url
    return None


def test_an_issue_for_each_task(world, forge):
    async def scenario(tasks):
        attempt = await worked(tasks, world, open_issue=True)
        key = attempt.attempt_id
        url = await issue_of(tasks, attempt.task_id)
        assert forge.issues == [
            {
                "number": 51,
                "title": "Add a list",
                "body": f"Of what there is.\n\nStoker-Task: {attempt.task_id}",
            },
        ]
        await tasks.turns.follow_up(key, "more")
        await tasks.turns.settled(key)
        # As after a crash before it was written down: it is found again.
        await tasks.catalog.change_task(attempt.task_id, TaskChange(issue_url=None))
        await tasks.starter.start(attempt.task_id, executor="SCRIPTED")
        said = local(world, "log", "-1", "--format=%(trailers)", attempt.branch)
        assert f"Stoker-Task: {attempt.task_id}" in said
        assert f"Stoker-Attempt: {key}" in said
        assert f"Issue: {url}" in said
        assert await issue_of(tasks, attempt.task_id) == url
        await tasks.pulls.create(key)
        body = forge.pulls[0]["body"]
        assert "\n\nCloses #51\n\n" in body
        assert body.endswith(f"\nIssue: {url}")
        assert len(forge.issues) == 1

    world.run(scenario)


def test_refusals(world, github):
    async def scenario(tasks):
        attempt = await worked(tasks, world)
        key = attempt.attempt_id

        async def refused(error, doing=tasks.pulls.create):
            with pytest.raises(error) as caught:
                await doing(key)
            assert TOKEN not in str(caught.value)

        settings = world.state / "hosting.toml"
        text = settings.read_text()
        settings.write_text(text.replace(TOKEN, "wr0ng-token"))
        await refused(errors.TokenInvalid)
        settings.write_text(text)
        settings.chmod(0o644)
        await refused(BadFile)
        settings.chmod(0o600)
        github.may_write = False
        await refused(errors.InsufficientPermissions)
        github.may_write = True
        local(world, "remote", "set-url", "origin", github.remote.replace("widgets", "none"))
        await refused(RemoteUnreachable)
        await refused(errors.RepositoryNotFound, tasks.pulls.attach)
        local(world, "remote", "set-url", "origin", "/somewhere/else")
        await refused(errors.NotHosted, tasks.pulls.attach)
        local(world, "remote", "remove", "origin")
        await refused(errors.NotHosted, tasks.pulls.attach)
        local(world, "remote", "add", "origin", "http://127.0.0.1:1/acme/widgets.git")
        await refused(errors.NotHosted, tasks.pulls.attach)
        await refused(RemoteUnreachable)
        settings.write_text(text.replace(f'token = "{TOKEN}"\n', ""))
        local(world, "remote", "set-url", "origin", github.remote)
        await refused(errors.TokenMissing, tasks.pulls.attach)
        assert await tasks.pulls.of(key) == []

    world.run(scenario)
    assert github.pulls == []


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="agents have no sandbox here")
def test_an_agent_does_not_see_the_token(world, github, monkeypatch):
    look = f"cat {world.state}/hosting.toml ../../hosting.toml"
    monkeypatch.setenv("STOKER_SCRIPT", json.dumps([{"run": look}, {"say": "looked"}]))
    world.run(lambda tasks: worked(tasks, world))
    assert any(b"looked" in file.read_bytes() for file in world.state.rglob("stream"))
    assert_no_token(world)


def test_an_agent_at_work_is_not_pushed(world, github, monkeypatch):
    monkeypatch.setenv("STOKER_SCRIPT", '[{"hang": true}]')

    async def scenario(tasks):
        project = await tasks.catalog.create_project("P", str(world.repository))
        begun = await tasks.starter.create_and_start(
            project.project_id, "Hang", executor="SCRIPTED"
        )
        with pytest.raises(Conflict, match="at work"):
            await tasks.pulls.push(begun.attempt.attempt_id)
        await tasks.turns.stop(begun.attempt.attempt_id)

    world.run(scenario)


def test_force_goes_over_what_was_seen_and_no_more(world, github):
    async def scenario(tasks):
        attempt = await worked(tasks, world)
        key = attempt.attempt_id
        await tasks.pulls.push(key)
        worktree = await tasks.catalog.worktree(attempt)
        amend = ("commit", "-q", "--amend", "-m")
        subprocess.run(["git", "-C", worktree.path, *amend, "anew"], check=True)
        with pytest.raises(PushRejected):
            await tasks.pulls.push(key)
        await tasks.pulls.push(key, force=True)
        assert head(github, attempt.branch) == local(world, "rev-parse", attempt.branch)
        github.git("update-ref", f"refs/heads/{attempt.branch}", "main")  # somebody else's work
        subprocess.run(["git", "-C", worktree.path, *amend, "again"], check=True)
        with pytest.raises(PushRejected, match="stale"):
            await tasks.pulls.push(key, force=True)

    world.run(scenario)
