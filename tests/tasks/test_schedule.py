"""Tasks that begin by themselves, and those that must wait."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.tasks.catalog import ProjectChange, TaskChange
from stoker.tasks.errors import Conflict, Invalid
from stoker.tasks.model import Project, Task
from stoker.tasks.readiness import hindrance, ready

WHEN = {"created_at": 0.0, "updated_at": 0.0}


def _some(of):
    return st.lists(st.sampled_from(of), unique=True) if of else st.just([])


@st.composite
def boards(draw):
    """A project and its tasks, each depending on earlier ones."""
    tasks = []
    for number in range(draw(st.integers(0, 8))):
        earlier = [task.task_id for task in tasks]
        tasks.append(
            Task(
                task_id=f"t{number}",
                project_id="p",
                title="T",
                status=draw(st.sampled_from(["todo", "inprogress", "inreview", "done"])),
                depends_on=tuple(
                    draw(
                        st.lists(st.sampled_from(earlier), unique=True) if earlier else st.just([])
                    )
                ),
                agent=draw(st.sampled_from([None, "SCRIPTED"])),
                **WHEN,
            )
        )
    limit = draw(st.one_of(st.none(), st.integers(1, 4)))
    return Project(project_id="p", name="P", repository="/r", wip_limit=limit, **WHEN), tasks


@given(boards())
def test_what_is_ready_keeps_the_limit_and_its_dependencies(board):
    project, tasks = board
    chosen = ready(project, tasks)
    status = {task.task_id: task.status for task in tasks}
    at_work = sum(task.status == "inprogress" for task in tasks)
    for task in chosen:
        assert task.agent
        assert task.status == "todo"
        assert {status[one] for one in task.depends_on} <= {"done"}
    if project.wip_limit and chosen:
        assert at_work + len(chosen) <= project.wip_limit
    left = [task for task in tasks if task.agent and task.status == "todo" and task not in chosen]
    for task in left:  # each for a reason
        full = project.wip_limit and at_work + len(chosen) >= project.wip_limit
        assert full or hindrance(project, task, tasks)


def test_each_begins_when_what_it_waits_for_is_done(world, scripted):
    async def scenario(tasks):
        project = await tasks.catalog.project_of(str(world.repository))
        await tasks.catalog.change_project(project.project_id, ProjectChange(wip_limit=1))
        create = tasks.catalog.create_task
        first, other = [
            await create(
                project.project_id, scripted({"say": name}), None, TaskChange(agent="SCRIPTED")
            )
            for name in ("first", "other")
        ]
        last = await create(
            project.project_id,
            scripted({"say": "last"}),
            None,
            TaskChange(agent="SCRIPTED", depends_on=(first.task_id,)),
        )
        with pytest.raises(Conflict, match="waits for"):
            await tasks.starter.start(last.task_id, executor="SCRIPTED")
        begun = []
        async with asyncio.timeout(30):
            scheduling = asyncio.create_task(tasks.schedule.run())
            async for changes in tasks.feed.follow():
                for change in changes:
                    if change.subject != "tasks":
                        continue
                    task = await tasks.catalog.task(change.key)
                    at_work = [
                        one
                        for one in await tasks.catalog.tasks(project.project_id)
                        if one.status == "inprogress"
                    ]
                    assert len(at_work) <= 1
                    if task.status == "inreview" and task.task_id not in begun:
                        begun.append(task.task_id)
                    if task.task_id == first.task_id and task.status == "inreview":
                        assert (await tasks.catalog.task(last.task_id)).status == "todo"
                        await tasks.catalog.change_task(first.task_id, TaskChange(status="done"))
                if len(begun) == 3:
                    break
            scheduling.cancel()
            await asyncio.wait({scheduling})
        assert set(begun) == {first.task_id, other.task_id, last.task_id}
        assert begun.index(first.task_id) < begun.index(last.task_id)

    world.run(scenario)


def test_the_limit_holds_when_many_are_started_at_once(world, scripted):
    async def scenario(tasks):
        project = await tasks.catalog.project_of(str(world.repository))
        await tasks.catalog.change_project(project.project_id, ProjectChange(wip_limit=2))
        wait = scripted({"run": "until [ -e go ]; do sleep 0.01; done; rm go"})
        begun = await asyncio.gather(
            *(
                tasks.starter.create_and_start(project.project_id, wait, executor="SCRIPTED")
                for _ in range(5)
            ),
            return_exceptions=True,
        )
        refused = [one for one in begun if isinstance(one, Conflict)]
        assert len(refused) == 3
        assert "limit is 2" in str(refused[0])
        assert len(await tasks.catalog.tasks(project.project_id)) == 2
        for one in begun:
            if one not in refused:
                open(f"{one.attempt.worktree}/go", "w").close()
                await tasks.turns.settled(one.attempt.attempt_id)

    world.run(scenario)


def test_one_that_cannot_be_begun_waits_until_it_is_changed(world, scripted):
    async def scenario(tasks):
        project = await tasks.catalog.project_of(str(world.repository))
        task = await tasks.catalog.create_task(
            project.project_id, scripted({"say": "x"}), None, TaskChange(agent="NOBODY")
        )
        scheduling = asyncio.create_task(tasks.schedule.run())
        await tasks.catalog.create_task(project.project_id, "other")
        assert await tasks.catalog.attempts() == []
        await tasks.catalog.change_task(task.task_id, TaskChange(agent="SCRIPTED"))
        async with asyncio.timeout(30):
            async for _ in tasks.feed.follow():
                if attempts := await tasks.catalog.attempts():
                    break
        await tasks.turns.settled(attempts[0].attempt_id)
        scheduling.cancel()
        await asyncio.wait({scheduling})

    world.run(scenario)


def test_tasks_cannot_wait_for_each_other_or_for_strangers(world):
    async def scenario(tasks):
        project = await tasks.catalog.project_of(str(world.repository))
        create, change = tasks.catalog.create_task, tasks.catalog.change_task
        first = await create(project.project_id, "first")
        second = await create(
            project.project_id, "second", None, TaskChange(depends_on=(first.task_id,))
        )
        with pytest.raises(Invalid, match="wait for itself"):
            await change(first.task_id, TaskChange(depends_on=(second.task_id,)))
        with pytest.raises(Invalid, match="no task of the project"):
            await change(first.task_id, TaskChange(depends_on=("nobody",)))
        with pytest.raises(Invalid, match="wip_limit"):
            await tasks.catalog.change_project(project.project_id, ProjectChange(wip_limit=0))

    world.run(scenario)


def test_one_that_fails_when_it_is_begun_is_tried_once(world, scripted):
    async def scenario(tasks):
        project = await tasks.catalog.project_of(str(world.repository))
        change = TaskChange(agent="SCRIPTED", base_branch="nowhere")
        task = await tasks.catalog.create_task(project.project_id, "T", None, change)
        scheduling = asyncio.create_task(tasks.schedule.run())
        other = await tasks.catalog.create_task(
            project.project_id, scripted({"say": "x"}), None, TaskChange(agent="SCRIPTED")
        )
        async with asyncio.timeout(30):
            async for _ in tasks.feed.follow():
                if (await tasks.catalog.task(other.task_id)).status == "inreview":
                    break
        refused = await tasks.catalog.task(task.task_id)
        assert refused.status == "todo"
        more = await tasks.catalog.create_task(
            project.project_id, scripted({"say": "y"}), None, TaskChange(agent="SCRIPTED")
        )
        async with asyncio.timeout(30):  # it has looked again when this is begun
            async for _ in tasks.feed.follow():
                if (await tasks.catalog.task(more.task_id)).status == "inreview":
                    break
        assert await tasks.catalog.task(task.task_id) == refused
        scheduling.cancel()
        await asyncio.wait({scheduling})

    world.run(scenario)
