"""What the commands say about where the journal is."""

from __future__ import annotations

import asyncio
import os

import pytest

from stoker.cli.context import Context
from stoker.cli.output import Output
from stoker.client.local import announced, running
from stoker.project import locate


@pytest.mark.parametrize(
    ("db", "shown"),
    [
        ("runs/j@home.db", "stoker show r --db runs/j@home.db"),
        ("postgresql://host/stoker", "stoker show r --db postgresql://host/stoker"),
        ("postgresql://me:hunter2@host/stoker", "stoker show r"),
        ("postgresql://host/stoker?user=me&password=hunter2", "stoker show r"),
    ],
)
def test_a_hint_names_the_journal_but_no_password(tmp_path, db, shown):
    context = Context(Output({}), db=db, cwd=tmp_path, environment={})
    assert context.hint("show", "r") == shown


@pytest.mark.parametrize(("durability", "mode"), [("process", 1), ("power", 2)])
def test_a_journal_is_as_durable_as_when_the_run_was_begun(project, durability, mode):
    plan = project.plan({"id": "a", "run": "true", "approval": {}})
    assert project.run("run", plan, "--durability", durability).returncode == 3
    context = Context(Output({}), cwd=project.directory, environment={})

    async def synchronous() -> int:
        async with context.journal_of("last") as journal:
            return (await journal._fetch("PRAGMA synchronous"))[0][0]

    assert asyncio.run(synchronous()) == mode


def place(cwd):
    return locate(cwd=cwd, environment={}).directory


def test_the_state_of_others_is_not_believed(tmp_path):
    """Of another user, or such that another could have written it."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".stoker").mkdir()
    assert place(inner) == tmp_path / ".stoker"
    (tmp_path / "a" / ".stoker").mkdir()
    (tmp_path / "a" / ".stoker").chmod(0o777)
    assert place(inner) == tmp_path / ".stoker"
    if os.geteuid() == 0:
        (tmp_path / "a" / ".stoker").chmod(0o700)
        os.chown(tmp_path / "a" / ".stoker", 12345, 12345)
        assert place(inner) == tmp_path / ".stoker"
    (tmp_path / ".stoker").chmod(0o777)
    (tmp_path / ".git").mkdir()
    with pytest.raises(PermissionError, match="not this user's alone"):
        place(inner)
    assert locate("x.db", cwd=inner).directory == inner


def test_in_an_attempts_worktree_the_state_is_the_projects(tmp_path):
    worktree = tmp_path / ".stoker" / "worktrees" / "x"
    (worktree / ".stoker").mkdir(parents=True)
    assert place(worktree) == tmp_path / ".stoker"
    assert place(worktree / ".stoker") == tmp_path / ".stoker"


def test_a_server_is_believed_only_if_this_user_told_of_it(tmp_path):
    with announced(tmp_path, "a.db", "http://here", "token"):
        assert running(tmp_path, "b.db") is None
        assert running(tmp_path, "a.db") is not None
        (told,) = tmp_path.glob("server-*.json")
        told.chmod(0o666)
        assert running(tmp_path, "a.db") is None
        if os.geteuid() == 0:
            told.chmod(0o600)
            os.chown(told, 12345, 12345)
            assert running(tmp_path, "a.db") is None
