"""Files in editors, found by name, and backups brought back."""

import asyncio
from pathlib import Path

import pytest
from helping import appears, worked

from stoker.tasks import editor
from stoker.tasks.errors import Conflict, Invalid
from stoker.workspace.errors import UnknownCommit


@pytest.fixture
def program(tmp_path, monkeypatch):
    """An editor that writes down what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "code"
    file.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" > {tmp_path}/new\n'
        f"mv {tmp_path}/new {tmp_path}/given; sleep 1\n"
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return tmp_path / "given"


@pytest.mark.parametrize("name", ["VS_CODE", "code", "vscode"])
def test_an_editor_is_started_and_not_waited_for(tmp_path, program, name):
    file = tmp_path / "a; touch b"
    file.write_text("")

    async def main():
        await editor.open(file, name)
        await asyncio.wait_for(appears(program), 20)

    asyncio.run(main())
    assert program.read_text().splitlines() == [str(tmp_path), str(file)]
    assert not (tmp_path / "b").exists()


def test_a_command_of_ones_own_is_no_shell(tmp_path, program):
    async def main():
        await editor.open(tmp_path, "CUSTOM", "code --wait '$HOME; x'")
        await asyncio.wait_for(appears(program), 20)

    asyncio.run(main())
    assert program.read_text().splitlines() == [
        *(str(tmp_path), "--wait", "$HOME; x"),
        str(tmp_path),
    ]


@pytest.mark.parametrize(
    ("name", "command", "error", "said"),
    [
        ("emacs?", None, Invalid, "expected one of vscode"),
        ("custom", None, Invalid, "found nothing"),
        ("custom", "a 'b", Invalid, "not words"),
        ("custom", "no-such-program", Conflict, "no program 'no-such-program'"),
        ("custom", "false", Conflict, "exit code 1"),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path, name, command, error, said):
    with pytest.raises(error, match=said.replace("?", r"\?")):
        asyncio.run(editor.open(tmp_path, name, command))


def test_only_what_is_inside_is_opened(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    (top / "a").write_text("")
    (top / "out").symlink_to(tmp_path)
    assert editor.inside(str(top), "a") == top / "a"
    assert editor.inside(str(top), None) == top
    for name in ("..", "/etc/passwd", "out", "none"):
        with pytest.raises(Invalid, match="file"):
            editor.inside(str(top), name)


def test_files_are_found_in_the_repository_and_in_a_worktree(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "web/Bee.txt", "content": ""}))
        project, _ = await tasks.catalog.origin(attempt)
        search = tasks.work.search
        assert [one.path for one in await search(project, "txt")] == ["a.txt"]
        found = await search(project, "bee", attempt=attempt)
        assert [(one.path, one.match_type) for one in found] == [("web/Bee.txt", "FileName")]

    world.run(scenario)


def test_what_was_given_up_is_listed_and_comes_back(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "1"}))
        key = attempt.attempt_id
        Path(attempt.worktree, "mine").write_text("precious")
        await tasks.turns.replace(key, 1, scripted({"say": "y"}), force_when_dirty=True)
        await tasks.turns.settled(key)
        (kept,) = await tasks.work.backups(attempt)
        assert not Path(attempt.worktree, "b").exists()
        before = await tasks.work.restore(key, kept.ref)
        assert Path(attempt.worktree, "b").read_text() == "1"
        assert Path(attempt.worktree, "mine").read_text() == "precious"
        assert [one.ref for one in await tasks.work.backups(attempt)] == [before.ref, kept.ref]
        for ref in ("refs/heads/main", "refs/backup/none/20260101T000000.000000Z"):
            with pytest.raises(UnknownCommit):
                await tasks.work.restore(key, ref)

    world.run(scenario)
