"""The sandbox of an agent: what it can reach, and what it cannot."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agent_bench import Bench

from stoker.agents import bubblewrap, confine_main, profiles
from stoker.agents.defaults import EXECUTORS
from stoker.agents.stream import Command
from stoker.agents.view import view
from stoker.engine.attempt import realm
from stoker.process.survivors import marked

BWRAP = shutil.which("bwrap")
works = pytest.mark.skipif(
    BWRAP is None or bubblewrap.trouble(BWRAP, True) is not None,
    reason="bubblewrap does not work on this machine",
)
filters = pytest.mark.skipif(
    confine_main.abi() < confine_main.NETWORK,
    reason="the landlock of this machine's kernel does not do",
)


@pytest.fixture(
    params=[pytest.param("bwrap", marks=works), pytest.param("landlock", marks=filters)]
)
def means(request, monkeypatch):
    """Each test with both sandboxes."""
    if request.param == "landlock":
        without_bubblewrap(monkeypatch)
    return request.param


def without_bubblewrap(monkeypatch, landlock=True):
    monkeypatch.setattr(bubblewrap, "trouble", lambda *_: "bubblewrap does not work here: no")
    if not landlock:
        monkeypatch.setattr(confine_main, "abi", lambda: 0)


@pytest.fixture
def bench(tmp_path):
    """With a home that holds a secret, and another directory beside the worktree."""
    made = Bench(tmp_path)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "key").write_text("SECRET")
    (home / ".state").mkdir()
    (home / ".state" / "own").write_text("OWN")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("SECRET")
    made.env["HOME"] = str(home)
    return made


def outputs(bench, *commands, **settings):
    settings = {"confine": "auto", **settings}
    profile = bench.profile("SCRIPTED", **settings)
    ran = bench.script(*({"run": command} for command in commands), profile=profile)
    assert ran.outcome.status == "succeeded", ran.reason
    return [(one.status, one.output.strip()) for one in ran.all(Command)]


def test_it_cannot_read_outside(bench, tmp_path, means):
    state = bench.state / "journal.db"
    places = [tmp_path / "home/.ssh/key", tmp_path / "other/file", state, "/etc/shadow"]
    found = outputs(bench, *(f"cat {place}" for place in places), "cat ~/.ssh/key", "ls ~ ..")
    assert [status for status, _ in found[:3]] == ["failed"] * 3
    assert "SECRET" not in str(found)
    assert "root:" not in found[3][1]
    assert "other" not in found[-1][1]


def test_it_cannot_write_outside(bench, tmp_path, means):
    found = outputs(
        bench,
        f"echo x > {tmp_path}/other/file",
        f"echo x > {tmp_path}/other/new",
        "echo x > /usr/new",
        "echo x > /etc/new",
        f"echo x > {bench.state}/new",
        "ln -s / root; echo x > root/usr/new",
        "echo x > ~/new",
        "f=$(mktemp) && echo x > $f",
        "echo inside > file && mkdir folder && mv file folder && ln folder/file",
    )
    home = "succeeded" if means == "bwrap" else "failed"  # an empty one, gone with it
    assert [status for status, _ in found] == ["failed"] * 6 + [home] + ["succeeded"] * 2
    assert (tmp_path / "other" / "file").read_text() == "SECRET"
    assert not (tmp_path / "other" / "new").exists()
    assert not (tmp_path / "home" / "new").exists()
    assert (bench.cwd / "file").read_text() == "inside\n"


@works
def test_it_sees_no_processes_of_others(bench):
    ((_, listed),) = outputs(bench, "ls -d /proc/[0-9]* | wc -l")
    assert int(listed) < 10


def test_what_its_profile_names_is_there(bench, tmp_path, means):
    found = outputs(
        bench,
        "cat ~/.state/own; echo more >> ~/.state/own",
        f"cat {tmp_path}/other/file; echo x > {tmp_path}/other/file",
        "echo kept > ~/.new/state/file",
        writable=["~/.state", "~/.new/state/"],
        readable=[str(tmp_path / "other")],
    )
    assert found[0] == ("succeeded", "OWN")
    assert found[1][0] == "failed"
    assert "SECRET" in found[1][1]
    assert found[2][0] == "succeeded"
    assert (tmp_path / "home/.new/state/file").read_text() == "kept\n"
    assert (tmp_path / "home/.state/own").read_text() == "OWNmore\n"
    assert (tmp_path / "other" / "file").read_text() == "SECRET"


AGENTS = {
    name: variants["DEFAULT"]
    for name, variants in EXECUTORS.items()
    if variants["DEFAULT"].guarded is not None
}


@works
@pytest.mark.parametrize("settings", AGENTS.values(), ids=AGENTS)
def test_what_its_program_reads_the_next_time_cannot_be_changed(bench, tmp_path, settings):
    home = tmp_path / "home"
    names = [name.rstrip("/") for name in settings.guarded if "*" not in name]
    folders = [one.rstrip("/") for one in settings.writable if one.endswith("/")]
    places = [home / folder.removeprefix("~/") for folder in folders]
    (places[0] / "old" / "deep").mkdir(parents=True)
    (places[0] / names[0]).write_text("MINE")
    (places[0] / "script.sh").write_text("MINE")
    (places[0] / "script.sh").chmod(0o755)
    tried = [f"{place}/{name}" for place in places for name in names]
    found = outputs(
        bench,
        *(f"echo evil > {one}" for one in tried),
        *(f"echo evil > {one}/x" for one in tried),
        *(f"echo evil > x; mv -f x {one}" for one in tried),
        *(f"mv -T {one} {one}2" for one in tried),
        *(f"rm -rf {one}" for one in tried),
        *(f"{{ mkdir {one} || ln -s /tmp {one}; }} 2>&1" for one in tried),
        f"echo evil >> {places[0]}/script.sh" if "*.sh" in settings.guarded else "false",
        f"mkdir {places[0]}/sessions && echo kept > {places[0]}/sessions/x",
        f"echo kept > {places[0]}/new && mv {places[0]}/new {places[0]}/auth",
        f"echo kept > {places[0]}/old/deep/x",
        writable=list(settings.writable),
        guarded=list(settings.guarded),
    )
    done = [n for n, (status, _) in enumerate(found[:-3]) if status != "failed"]
    assert done == []
    assert [status for status, _ in found[-3:]] == ["succeeded"] * 3
    assert (places[0] / names[0]).read_text() == "MINE"
    for file in home.rglob("*"):
        assert not file.is_file() or "evil" not in file.read_text(), file
    for name in ("sessions/x", "auth", "old/deep/x"):
        assert (places[0] / name).read_text() == "kept\n"
    assert [(one / name).exists() for one in places for name in names] == [True] * len(tried)


@works
def test_a_link_to_settings_stays(bench, tmp_path):
    state = tmp_path / "home" / ".state"
    (tmp_path / "home" / "dotfiles").mkdir()
    (tmp_path / "home" / "dotfiles" / "settings.json").write_text("MINE")
    (state / "settings.json").symlink_to("../dotfiles/settings.json")
    (state / "sessions").mkdir()
    outputs(
        bench,
        "cd ~/.state; rm settings.json; echo evil > settings.json; echo kept > sessions/x",
        "cd ~/.state; echo more >> own; echo evil > hooks.json; echo gone > new",
        writable=["~/.state/"],
        guarded=["settings.json", "hooks.json"],
    )
    assert (state / "settings.json").is_symlink()
    assert (state / "settings.json").read_text() == "MINE"
    assert (state / "sessions" / "x").read_text() == "kept\n"
    assert (state / "own").read_text() == "OWNmore\n"
    assert (state / "hooks.json").read_text() == "{}\n"
    assert not (state / "new").exists()


@works
def test_what_is_private_is_as_it_was_afterwards(bench, tmp_path):
    home = tmp_path / "home"
    (home / ".claude" / "shell-snapshots").mkdir(parents=True)
    (home / ".claude" / "shell-snapshots" / "x.sh").write_text("MINE")
    (home / ".claude.json").write_text("MINE")
    found = outputs(
        bench,
        "cat ~/.claude.json; echo evil > ~/.claude.json; cat ~/.claude.json",
        "cd ~/.claude/shell-snapshots; ls; echo evil > x.sh; echo evil > y.sh",
        writable=["~/.claude/", "~/.claude.json"],
        private=[".claude.json", "shell-snapshots", "nothing"],
    )
    assert found == [("succeeded", "MINEevil"), ("succeeded", "")]
    assert (home / ".claude.json").read_text() == "MINE"
    assert [one.name for one in (home / ".claude").rglob("*.sh")] == ["x.sh"]
    assert (home / ".claude" / "shell-snapshots" / "x.sh").read_text() == "MINE"


def connect(port: int) -> str:
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
    return f'{sys.executable} -c "{code}"'


class Model(ThreadingHTTPServer):
    """Stands for a model on this machine: remembers what it was asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                self.paths.append(handler.path)
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        super().__exit__(*error)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("network", ["on", "off"])
def test_the_network_is_as_the_profile_says(bench, network, listening, means):
    ((status, told),) = outputs(bench, connect(listening), network=network, confine="auto")
    assert status == ("succeeded" if network == "on" else "failed"), told
    assert network == "on" or any(one in told for one in ("refused", "unreachable", "denied"))


def test_it_reaches_what_is_listed_and_nothing_else(bench, listening, means):
    with Model() as model, Model() as other:
        found = outputs(
            bench,
            f"curl -sS --noproxy '*' http://127.0.0.1:{model.port}/direct",
            f"curl -sS --noproxy '' http://127.0.0.1:{model.port}/by-proxy",
            f"curl -sS -p --noproxy '' http://127.0.0.1:{model.port}/tunnel",
            connect(listening),
            f"curl -sS -p --noproxy '' http://127.0.0.1:{other.port}/",
            f"curl -sSf --noproxy '' http://127.0.0.1:{other.port}/",
            "curl -sS https://example.com/",
            network=[f"localhost:{model.port}"],
            confine="auto",
        )
        assert model.paths == ["/direct", "/by-proxy", "/tunnel"]
        assert other.paths == []
    assert [status for status, _ in found] == ["succeeded"] * 3 + ["failed"] * 4
    assert "403" in found[4][1]
    assert "403" in found[5][1]
    assert "403" in found[6][1]
    told = (bench.state / "runs/r/logs/s.1.err").read_text()
    assert "stoker: the sandbox refused a connection: example.com:443 is not in the list" in told


@works
def test_its_end_is_told_and_its_network_ends_with_it(bench):
    profile = bench.profile("SCRIPTED", confine="always", network=["example.com"])
    ran = bench.script({"stderr": "why"}, {"exit": 3}, profile=profile)
    assert "exit code 3" in (ran.reason or "")
    assert "why" in (ran.reason or "")
    assert marked(f"{realm(bench.state)}/r") == []


GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


def repository_at(path):
    """With a commit; and git, to be run in it."""

    def run(*words: object) -> str:
        return subprocess.run(
            [*GIT, *map(str, words)], cwd=path, check=True, capture_output=True, text=True
        ).stdout

    path.mkdir(exist_ok=True)
    run("init", "-q", "-b", "main")
    run("commit", "-q", "--allow-empty", "-m", "first")
    return path, run


def test_it_commits_in_its_worktree_and_touches_no_other(bench, tmp_path, means):
    repository, run = repository_at(tmp_path / "repository")
    run("worktree", "add", "-q", "-b", "mine", bench.cwd)
    run("worktree", "add", "-q", "-b", "other", tmp_path / "second")
    words = " ".join(GIT)
    metadata = repository / ".git"
    found = outputs(
        bench,
        f"echo x > file && {words} add file && {words} commit -q -m mine",
        f"ls {repository}/.git/hooks && echo evil > {metadata}/hooks/pre-commit",
        f"git config core.pager evil; echo evil >> {metadata}/config",
        f"echo x > {metadata}/worktrees/second/HEAD",
        "rm .git",
        f"ls {tmp_path}/second",
    )
    link = "failed" if means == "bwrap" else "succeeded"  # in a directory it may write
    assert [status for status, _ in found] == ["succeeded"] + ["failed"] * 3 + [link, "failed"]
    assert run("log", "--format=%s", "mine").split() == ["mine", "first"]
    assert "evil" not in (metadata / "config").read_text()
    assert not (metadata / "hooks" / "pre-commit").exists()


@works
def test_git_works_in_its_worktree(bench, tmp_path):
    repository, run = repository_at(tmp_path / "repository")
    run("worktree", "add", "-q", "-b", "mine", bench.cwd)
    (repository / "upstream").write_text("x")
    run("add", ".")
    run("commit", "-q", "-m", "second")
    commands = (
        "echo x > file && {git} add . && {git} commit -q -m mine",
        "{git} checkout -q -b topic && {git} commit -q --allow-empty -m topic",
        "echo y > file && {git} stash -q && {git} stash pop -q && grep -q y file",
        "{git} commit -q -a -m more && {git} rebase -q main && test -f upstream",
        "{git} tag done && {git} checkout -q mine && {git} merge -q --no-edit main",
        "{git} reset -q --hard HEAD~1 && {git} cherry-pick main && {git} fsck",
        "echo z > file && {git} stash -q && {git} stash pop -q && grep -q z file",
    )
    found = outputs(bench, *(one.format(git=" ".join(GIT)) for one in commands))
    assert [status for status, _ in found] == ["succeeded"] * len(commands), found
    assert "packed-refs.lock" not in str(found)
    assert run("log", "--format=%s", "topic").split()[:2] == ["more", "topic"]


@works
def test_refs_that_others_pack_while_it_works_stay_seen(bench, tmp_path):
    _, run = repository_at(tmp_path / "repository")
    run("worktree", "add", "-q", "-b", "mine", bench.cwd)
    git = " ".join(GIT)
    profile = bench.profile("SCRIPTED", confine="always")
    wait = "touch ready; until test -e packed; do sleep 0.01; done"
    commands = (wait, f"{git} commit -q --allow-empty -m second", f"{git} pack-refs --all --prune")

    async def pack(_):
        while not (bench.cwd / "ready").exists():
            await asyncio.sleep(0.01)
        run("pack-refs", "--all", "--prune")
        (bench.cwd / "packed").touch()

    ran = bench.script(*({"run": one} for one in commands), profile=profile, act=pack)
    assert [one.status for one in ran.all(Command)] == ["succeeded", "succeeded", "failed"]
    assert run("log", "--format=%s", "mine").split() == ["second", "first"]


@works
def test_nothing_that_others_act_on_can_be_changed_in_a_worktree(bench, tmp_path):
    repository, run = repository_at(tmp_path / "repository")
    run("worktree", "add", "-q", "-b", "mine", bench.cwd)
    shared = repository / ".git"
    own = next((shared / "worktrees").iterdir())
    (shared / "modules" / "sub" / "hooks").mkdir(parents=True)
    (shared / "stoker-intents").mkdir()
    evil = (
        *(shared / name for name in ("commondir", "config.worktree", "info/attributes", "HEAD")),
        *(shared / name for name in ("stoker-intents/x.json", "modules/sub/config", "config")),
        *(shared / name for name in ("modules/sub/hooks/x", "hooks/pre-commit", "new")),
        *(own / name for name in ("commondir", "gitdir", "config.worktree")),
    )
    found = outputs(
        bench,
        *(f"echo evil > {path}" for path in evil),
        *(f"echo evil > x; mv x {path}" for path in evil),
        *(f"mv {path} {path}2" for path in (shared / "info", shared / "hooks", own, shared)),
        f"umount {shared}",
        f"mount -o remount,bind,rw {shared}",
    )
    assert {status for status, _ in found[-6:]} == {"failed"}, found
    assert [path for path in evil if path.exists() and "evil" in path.read_text()] == []
    assert not (shared / "commondir").exists()
    assert not (shared / "new").exists()


@works
def test_nothing_that_others_act_on_can_be_changed_in_a_checkout(bench, tmp_path):
    _, run = repository_at(bench.cwd)
    metadata = bench.cwd / ".git"
    (metadata / "trap").symlink_to(tmp_path / "other")
    (metadata / "modules").symlink_to(tmp_path / "other")
    names = ("config", "hooks/x", "info/attributes", "stoker-intents/x.json", "worktrees/x")
    found = outputs(
        bench,
        *(f"echo evil > {metadata / name}" for name in names),
        *(f"mv {metadata / name} {metadata}/2" for name in ("info", "hooks", "config")),
        f"mv {metadata} {metadata}2",
        f"umount {metadata}/hooks",
        f"cat {metadata}/modules/file",
        f"echo x > file && {' '.join(GIT)} add file && {' '.join(GIT)} commit -q -m mine",
    )
    assert [status for status, _ in found] == ["failed"] * (len(found) - 1) + ["succeeded"], found
    assert "SECRET" not in str(found)
    assert run("log", "--format=%s").split() == ["mine", "first"]


def in_project(bench, worktree):
    """The engine's state beneath the project; the agent in the project, or in a worktree."""
    project = bench.cwd
    bench.state.rename(project / ".stoker")
    bench.state = project / ".stoker"
    bench.place = bench.state / bench.place.relative_to(bench.place.parents[3])
    repository_at(project)
    if worktree:
        bench.cwd = bench.state / "worktrees" / "x"
        subprocess.run(["git", "worktree", "add", "-q", bench.cwd], cwd=project, check=True)
    (bench.state / "tokens.json").write_text("SECRET")


@works
@pytest.mark.parametrize("worktree", [False, True])
def test_the_state_beneath_what_it_may_write_is_not_there(bench, tmp_path, worktree):
    project = bench.cwd
    in_project(bench, worktree)
    ((_, read), (_, _), (moved, _), (made, _)) = outputs(
        bench,
        f"cat {bench.state}/tokens.json; ls {bench.state}",
        f"echo evil > {bench.state}/notify.toml",
        f"mv {bench.state} {project}/2",
        f"echo x > file && {' '.join(GIT)} add file && {' '.join(GIT)} commit -q -m mine",
        readable=[str(project)] if worktree else [],
        confine="always",
    )
    assert "SECRET" not in read
    assert "runs" not in read
    assert (moved, made) == ("failed", "succeeded")
    assert not (bench.state / "notify.toml").exists()
    assert (bench.cwd / "file").exists()


@filters
def test_landlock_tells_that_the_state_is_beneath_what_it_may_write(bench, monkeypatch):
    without_bubblewrap(monkeypatch)
    in_project(bench, worktree=False)
    outputs(bench, "true")
    warned = (bench.state / "runs/r/logs/s.1.err").read_text()
    assert f"it can read and change the engine's state in {bench.state}" in warned


def test_a_program_in_a_home_does_not_show_the_home(tmp_path):
    home = tmp_path / "home" / "u"
    places = ("bin/x", ".cargo/bin/x", ".local/bin/x", ".nvm/v20/bin/x")
    for place in places:
        (home / place).parent.mkdir(parents=True)
        (home / place).write_text("")
        (home / place).chmod(0o755)
    (tmp_path / "home" / "bin").mkdir()
    (tmp_path / "home" / "bin" / "x").write_text("")
    (tmp_path / "home" / "bin" / "x").chmod(0o755)
    profile = profiles.load(tmp_path / "none").profile("SCRIPTED")
    programs = [str(home / place) for place in places] + [str(tmp_path / "home/bin/x")]
    shown = {
        program: view([program], profile, {"HOME": str(home)}).readable for program in programs
    }
    for program, found in shown.items():
        assert [one for one in found if home.is_relative_to(one)] == [], program
        assert not {str(home / ".cargo"), str(home / ".local")} & set(found)
    assert str(home / ".nvm/v20") in shown[programs[3]]


def test_it_is_not_given_what_acts_for_others(bench, means):
    names = ("STOKER_TOKEN", "STOKER_URL", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
    bench.env |= dict.fromkeys(names, "theirs")
    ((_, told),) = outputs(bench, "env", env={"STOKER_URL": "its own"})
    assert "theirs" not in told
    assert "STOKER_URL=its own" in told


def test_a_worktree_that_names_another_repository_gets_nothing_of_it(bench, tmp_path, means):
    victim = tmp_path / "victim"
    subprocess.run(["git", "init", "-q", victim], check=True)
    (victim / ".git" / "worktrees" / "x").mkdir(parents=True)
    (bench.cwd / ".git").write_text(f"gitdir: {victim}/.git/worktrees/x\n")
    assert outputs(bench, f"ls {victim}")[0][0] == "failed"


def test_without_any_it_is_refused(bench, monkeypatch):
    without_bubblewrap(monkeypatch, landlock=False)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    ran = bench.script({"say": "x"}, profile=bench.profile("SCRIPTED", confine="always"))
    assert "needs a sandbox: bubblewrap is not installed" in (ran.reason or "")


@filters
def test_landlock_tells_what_else_it_leaves(bench, monkeypatch):
    without_bubblewrap(monkeypatch)
    monkeypatch.setattr(confine_main, "_CALLS", {})
    repository_at(bench.cwd)
    outputs(bench, "true", writable=["~/.state/"], guarded=["settings.json"])
    warned = (bench.state / "runs/r/logs/s.1.err").read_text()
    assert "it can connect to sockets of this machine that are files" in warned
    assert "it can change its program's own settings and hooks" in warned
    assert "it can change the configuration and hooks of its repository" in warned


SOCKETS = """
import socket, sys
one, two = socket.socketpair()
one.send(b"x"), two.recv(1)
socket.create_server(("127.0.0.1", 0)).close()
print("begun", flush=True)
if sys.argv[1] == "plain":
    connection = socket.socket(socket.AF_UNIX)
elif sys.argv[1] == "pair":
    connection = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]
connection.connect(sys.argv[2])
print("connected")
"""


@pytest.mark.parametrize("kind", ["plain", "pair"])
def test_it_cannot_ask_who_listens_on_a_file(bench, tmp_path, means, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    (bench.cwd / "ask.py").write_text(SOCKETS)
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM if kind == "pair" else socket.SOCK_STREAM
    ) as listening:
        listening.bind("other/socket")
        if kind == "plain":
            listening.listen()
        command = [sys.executable, "worktree/ask.py", kind, "other/socket"]
        outside = subprocess.run(command, capture_output=True, text=True, check=True)
        assert outside.stdout.split() == ["begun", "connected"]
        ((status, told),) = outputs(bench, f"{sys.executable} ask.py {kind} ../other/socket 2>&1")
    assert status == "failed"
    assert "begun" in told
    assert "connected" not in told
    assert ("PermissionError" if means == "landlock" else "FileNotFoundError") in told


@works
def test_git_is_not_led_elsewhere_by_what_it_has_made_in_a_checkout(bench, tmp_path):
    _, run = repository_at(bench.cwd)
    entry = bench.cwd / ".git"
    evil = f"cp -r {entry} evil && mv evil {entry}/ && echo evil > {entry}/commondir"
    assert outputs(bench, evil) == [("succeeded", "")]
    assert not (entry / "commondir").exists()
    assert run("log", "--format=%s").split() == ["first"]
    assert f"removed {entry}/commondir" in (bench.state / "runs/r/logs/s.1.err").read_text()


@works
def test_what_was_in_a_checkout_before_stays(bench):
    _, run = repository_at(bench.cwd)
    entry = bench.cwd / ".git"
    (entry / "commondir").write_text("../.git\n")
    ((status, _),) = outputs(bench, f"echo evil > {entry}/commondir")
    assert status == "failed"
    assert (entry / "commondir").read_text() == "../.git\n"
    assert run("log", "--format=%s").split() == ["first"]


@filters
def test_landlock_is_not_enough_for_a_profile_that_must_have_a_sandbox(bench, monkeypatch):
    without_bubblewrap(monkeypatch)
    profile = bench.profile("SCRIPTED", confine="always")
    ran = bench.script({"say": "x"}, profile=profile)
    assert "needs a sandbox: bubblewrap does not work here: no" in (ran.reason or "")


@pytest.mark.parametrize("landlock", [False, pytest.param(True, marks=filters)])
def test_a_warning_says_what_is_not_confined(bench, monkeypatch, landlock):
    without_bubblewrap(monkeypatch, landlock)
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda one, **how: "/bwrap" if one == "bwrap" else which(one, **how)
    )
    ran = bench.script({"say": "x"}, profile=bench.profile("SCRIPTED", network="off"))
    assert ran.outcome.status == "succeeded", ran.reason
    warned = (bench.state / "runs/r/logs/s.1.err").read_text()
    told = "bubblewrap does not work here: no;"
    if landlock:
        assert warned.startswith(f"stoker: {told} landlock confines the agent in its place")
        assert "sockets" not in warned
        assert "hooks" not in warned
        assert "not UDP" in warned
    else:
        assert warned.startswith(f"stoker: no sandbox: {told}")
        assert "also the network" in warned
