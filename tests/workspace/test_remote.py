"""Push, to directories and over smart HTTP."""

import pytest
from git_server import serving

from stoker.workspace import remote
from stoker.workspace.errors import (
    AuthFailed,
    PushRejected,
    RemoteUnreachable,
    UnknownBranch,
)
from stoker.workspace.remote import Credentials


@pytest.fixture
def files(monkeypatch):
    """Directories are pushed to, too."""
    monkeypatch.setattr(remote, "PROTOCOLS", ("file",))


@pytest.fixture
def origin(bench):
    """A bare clone, which is `origin`."""
    path = bench.top / "origin.git"
    bench.git("clone", "--quiet", "--bare", str(bench.path), str(path))
    bench.git("remote", "add", "origin", str(path))
    bench.git("config", "http.receivepack", "true", cwd=path)
    return path


@pytest.fixture
def server(bench):
    with serving(bench.top) as made:
        yield made


def test_push_and_lease(bench, run, origin, files):
    async def check():
        worktree = await bench.worktree()
        repository = worktree.repository
        bench.commit("c.txt", "c\n", cwd=worktree.path)
        done = await remote.push(repository, "task")
        assert done.changed
        tip = bench.git("rev-parse", "task")
        assert bench.git("rev-parse", "task", cwd=origin) == done.commit == tip
        assert bench.git("rev-parse", "refs/remotes/origin/task") == tip
        assert not (await remote.push(repository, "task")).changed
        bench.git("commit", "--quiet", "--amend", "-m", "again", cwd=worktree.path)
        with pytest.raises(PushRejected) as caught:
            await remote.push(repository, "task")
        assert "non-fast-forward" in caught.value.reasons["refs/heads/task"]
        await remote.push(repository, "task", force=True)
        other = bench.git("commit-tree", "-p", tip, "-m", "theirs", f"{tip}^{{tree}}", cwd=origin)
        bench.git("update-ref", "refs/heads/task", other, cwd=origin)
        bench.git("commit", "--quiet", "--amend", "-m", "third", cwd=worktree.path)
        with pytest.raises(PushRejected) as caught:
            await remote.push(repository, "task", force=True)
        assert "stale info" in caught.value.reasons["refs/heads/task"]
        with pytest.raises(UnknownBranch):
            await remote.push(repository, "nope")

    run(check())


def test_over_http_with_a_password(bench, run, origin, server):
    async def check():
        repository = await bench.open()
        bench.git("remote", "set-url", "origin", f"{server.url}/origin.git")
        bench.git("branch", "new")
        with pytest.raises(AuthFailed):
            await remote.push(repository, "new")
        wrong = Credentials(server.url, "wr0ng")
        with pytest.raises(AuthFailed) as caught:
            await remote.push(repository, "new", credentials=wrong)
        assert "wr0ng" not in repr(caught.value)
        assert "wr0ng" not in repr(wrong)
        right = Credentials(server.url, "s3cret")
        bench.commit("new.txt", "x")
        done = await remote.push(repository, "main", credentials=right)
        assert done.changed
        assert bench.git("rev-parse", "main", cwd=origin) == done.commit
        server.seen.clear()
        elsewhere = Credentials("http://localhost:1", "s3cret")
        with pytest.raises(AuthFailed):
            await remote.push(repository, "main", credentials=elsewhere)
        assert set(server.seen) == {None}

    run(check())


def test_a_remote_that_is_not_there(bench, run, server):
    url = f"{server.url}/none.git"
    server.shutdown()
    server.server_close()

    async def check():
        repository = await bench.open()
        with pytest.raises(RemoteUnreachable, match="no remote 'origin'"):
            await remote.push(repository, "main")
        for place in (url, "https://user:s3cret@127.0.0.1:1/x.git"):
            bench.git("config", "remote.origin.url", place)
            with pytest.raises(RemoteUnreachable) as caught:
                await remote.push(repository, "main")
            assert "s3cret" not in str(caught.value) + repr(caught.value.argv)

    run(check())


def test_the_repositorys_own_settings_have_no_say(bench, run, origin, monkeypatch):
    """Where a push goes, and by which program, is not for whoever works in it."""
    ran = bench.top / "ran"
    evil = bench.top / "evil.git"
    bench.git("init", "--quiet", "--bare", str(evil))
    bench.git("config", f"url.{evil}.insteadOf", str(origin))
    bench.git("config", "remote.origin.receivepack", f"touch {ran}; git-receive-pack")
    bench.git("config", "remote.origin.vcs", "evil")
    bench.git("config", "core.sshCommand", f"touch {ran};")
    hook = bench.path / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    bench.git("branch", "x")
    bench.git("branch", "y")

    async def check():
        repository = await bench.open()
        with monkeypatch.context() as patched:
            patched.setattr(remote, "PROTOCOLS", ("file",))
            await remote.push(repository, "x")
        assert bench.git("rev-parse", "x", cwd=origin) == bench.git("rev-parse", "main")
        with pytest.raises(RemoteUnreachable, match="not allowed"):
            await remote.push(repository, "y")
        bench.git("remote", "set-url", "origin", f"ext::sh -c touch% {ran}")
        with pytest.raises(RemoteUnreachable, match="not allowed"):
            await remote.push(repository, "y")

    run(check())
    assert not ran.exists()
    assert bench.git("for-each-ref", cwd=evil) == ""
