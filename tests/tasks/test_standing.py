"""How attempts stand, and documents, on both databases."""

import uuid

from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.engine import Engine
from stoker.journal.base import NewRun
from stoker.steps.registry import kinds
from stoker.tasks.documents import Documents
from stoker.tasks.model import Attempt, Merge, Project, Task
from stoker.tasks.standing import Standing, attempts_like, standings
from stoker.tasks.store import ATTEMPTS, MERGES, PROJECTS, TASKS


class Note(Struct, frozen=True):
    text: str


def attempt(key, task="t"):
    return Attempt(
        attempt_id=key,
        task_id=task,
        run_id=f"task-{key}",
        executor="SCRIPTED",
        branch="b",
        target_branch="main",
        state="ready",
        created_at=1.0,
        updated_at=1.0,
    )


def test_attempts_stand_as_their_runs_do(within, tmp_path):
    begun, merged, other = (str(uuid.uuid4()) for _ in range(3))

    async def scenario(journal):
        engine = Engine(journal, tmp_path, kinds())
        project = Project(project_id="p", name="P", repository="/r", created_at=1.0, updated_at=1.0)
        task = Task(task_id="t", project_id="p", title="T", created_at=1.0, updated_at=1.0)
        async with journal.transaction() as session:
            await PROJECTS.add(session, project)
            await PROJECTS.add(session, replace(project, project_id="q", repository="/s"))
            await TASKS.add(session, task)
            await TASKS.add(session, replace(task, task_id="u", project_id="q"))
            for one in (attempt(begun), attempt(merged), attempt(other, "u")):
                await ATTEMPTS.add(session, one)
            await ATTEMPTS.add(session, replace(attempt("half"), state="creating"))
            await MERGES.add(
                session,
                Merge(
                    merge_id="m",
                    attempt_id=merged,
                    target_branch="main",
                    merge_commit="c",
                    created_at=1.0,
                ),
            )
        await journal.create_run(
            NewRun(
                run_id=f"task-{begun}",
                plan_id="p",
                plan_version="1",
                plan_description="",
                plan_json=b"{}",
            )
        )
        mine = {
            begun: Standing(under_way=True, last=None, merged=False),
            merged: Standing(under_way=False, last=None, merged=True),
        }
        nothing = {other: Standing(under_way=False, last=None, merged=False)}
        assert await standings(engine, journal) == mine | nothing
        assert await standings(engine, journal, project_id="p") == mine
        assert await standings(engine, journal, task_id="u") == nothing
        assert await standings(engine, journal, attempt_id=other) == nothing
        for key in (begun, merged, other):
            assert [one.attempt_id for one in await attempts_like(journal, key[:14])] == [key]
        assert await attempts_like(journal, "zzzzzzzz-zzzz-") == []

    within(scenario)


def test_documents_are_kept_under_their_names(within):
    async def scenario(journal):
        documents = Documents(journal)
        assert await documents.get("a/1", Note) is None
        assert await documents.add("a/1", Note("one"))
        assert not await documents.add("a/1", Note("two"))
        await documents.put("a/1", Note("three"))
        await documents.put("b/1", Note("other"))
        assert await documents.get("a/1", Note) == Note("three")
        assert await documents.under("a/", Note) == {"a/1": Note("three")}
        await documents.remove("a/1")
        await documents.remove("a/1")
        assert await documents.under("a/", Note) == {}

    within(scenario)
