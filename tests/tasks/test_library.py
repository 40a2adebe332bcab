"""Images, tags and templates."""

import os
import subprocess
from pathlib import Path

import pytest
from helping import PNG, project, started, told, worked

from stoker.tasks.catalog import TaskChange
from stoker.tasks.changes import TagChange, TemplateChange
from stoker.tasks.errors import Conflict, Invalid, Unknown


def test_images_are_kept_told_and_forgotten(world):
    async def scenario(tasks):
        images = tasks.library.images
        image = await images.add(PNG, "../a b.png", "image/png")
        assert (image.original_name, image.mime_type, image.size_bytes) == (
            "a b.png",
            "image/png",
            len(PNG),
        )
        file = await images.file(image.image_id)
        assert file.read_bytes() == PNG
        assert file.is_relative_to(world.state)
        with pytest.raises(Invalid, match="no PNG"):
            await images.add(b"<svg/>", "a.svg", "image/svg+xml")
        with pytest.raises(Invalid, match="is image/png, not image/gif"):
            await images.add(PNG, "a", "image/gif")
        made = await project(tasks, world)
        of = TaskChange(images=(image.image_id,))
        task = await tasks.catalog.create_task(made.project_id, "T", None, of)
        assert await images.of_task(task.task_id) == [image]
        with pytest.raises(Invalid, match="images"):
            await tasks.catalog.change_task(task.task_id, TaskChange(images=("none",)))
        await images.remove(image.image_id)
        assert not file.exists()
        assert (await tasks.catalog.task(task.task_id)).images == ()
        for key in (image.image_id, "../journal.db"):
            with pytest.raises(Unknown):
                await images.file(key)

    world.run(scenario)


def test_what_has_images_ignored_is_never_half_written(world):
    """A worktree may get a copy of it at any moment."""

    async def scenario(tasks):
        image = await tasks.library.images.add(PNG, "a.png")
        ignoring = (await tasks.library.images.file(image.image_id)).with_name(".gitignore")
        assert ignoring.read_text() == "*\n"
        before = ignoring.stat().st_mtime_ns
        await tasks.library.images.add(PNG, "b.png")
        assert ignoring.stat().st_mtime_ns == before

    world.run(scenario)


def test_an_agent_is_given_the_images_of_its_task(world, scripted):
    async def scenario(tasks):
        image = await tasks.library.images.add(PNG, "a.png")
        of = TaskChange(images=(image.image_id,))
        prompt = scripted({"run": "cp .stoker-images/*.png seen.png"})
        attempt = await worked(tasks, world, prompt, change=of)
        (path,) = (await told(tasks, attempt.attempt_id, 1)).images
        assert Path(path).is_relative_to(attempt.worktree)
        (change,) = await tasks.work.changes(attempt)
        assert change.path == "seen.png"
        status = await tasks.work.branch_status(attempt)
        assert (status.commits_ahead, status.untracked_count) == (1, 0)

    world.run(scenario)


def test_images_follow_no_link_out_of_a_worktree(world, scripted, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (world.repository / ".stoker-images").symlink_to(tmp_path / "elsewhere")
    git = ["git", "-C", world.repository]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "link"], check=True)

    async def scenario(tasks):
        image = await tasks.library.images.add(PNG, "a.png")
        with pytest.raises(Conflict, match="no directory"):
            await started(tasks, world, "T", change=TaskChange(images=(image.image_id,)))
        assert await tasks.catalog.attempts() == []

    world.run(scenario)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert world.branches() == ["main"]


def test_files_that_a_crash_left_are_swept(world):
    async def first(tasks):
        return await tasks.library.images.file(
            (await tasks.library.images.add(PNG, "a.png")).image_id
        )

    kept = world.run(first)
    old, young = kept.with_name("old.png"), kept.with_name("young.png")
    for file in (old, young):
        file.write_bytes(PNG)
    for file in (old, kept):
        os.utime(file, (0, 0))

    async def second(tasks):
        return None

    world.run(second)
    assert (kept.exists(), young.exists(), old.exists()) == (True, True, False)


def test_tags_and_templates(world):
    async def scenario(tasks):
        library = tasks.library
        tag = await library.tags.add(tag_name="style", content="be brief")
        other = await library.tags.add(tag_name="b", content="")
        assert [one.tag_name for one in await library.tags.all()] == ["b", "style"]
        with pytest.raises(Conflict, match="style"):
            await library.tags.add(tag_name="style", content="x")
        with pytest.raises(Conflict, match="style"):
            await library.tags.change(other.tag_id, TagChange(tag_name="style"))
        with pytest.raises(Invalid):
            await library.tags.change(tag.tag_id, TagChange(tag_name=" "))
        changed = await library.tags.change(tag.tag_id, TagChange(content="long"))
        assert await library.tags.one(tag.tag_id) == changed
        assert (changed.tag_name, changed.content) == ("style", "long")
        await library.tags.remove(other.tag_id)
        with pytest.raises(Unknown):
            await library.tags.remove(other.tag_id)

        made = await project(tasks, world)
        everywhere = await library.templates.add(
            template_name="a bug", title="Fix", description="…"
        )
        here = await library.templates.add(template_name="z", title="T", project_id=made.project_id)
        assert await library.templates.all() == [everywhere, here]
        assert await library.templates_for("another") == [everywhere]
        with pytest.raises(Unknown, match="project"):
            await library.templates.add(template_name="n", title="T", project_id="none")
        with pytest.raises(Invalid, match="title"):
            await library.templates.change(here.template_id, TemplateChange(title=""))
        moved = await library.templates.change(here.template_id, TemplateChange(project_id=None))
        assert await library.templates.one(here.template_id) == moved
        await library.templates.remove(here.template_id)
        with pytest.raises(Unknown):
            await library.templates.one(here.template_id)

    world.run(scenario)
