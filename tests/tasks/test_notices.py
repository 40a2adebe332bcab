"""Who is told of what: real commands, and webhooks over real sockets."""

import asyncio
import hashlib
import hmac
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import asyncinotify
import pytest

from stoker.agents.inbox import Reply
from stoker.agents.stream import Approval
from stoker.tasks.following import follow
from stoker.tasks.notifier import FILE, Notice, Notifier

NOTICE = Notice(
    event="turn_ended",
    title="Add a list",
    text="the agent is done <b>",
    time=1.0,
    project_id="p",
    task_id="t",
    attempt_id="a",
)


def configure(directory, text, mode=0o600):
    path = directory / FILE
    path.write_text(text)
    path.chmod(mode)


def tell(directory, notice=NOTICE):
    asyncio.run(Notifier(directory).tell(notice))


def problems(caplog):
    return [record.fields.get("error") for record in caplog.records]


class Heard:
    """What a command was told: it appends to a file."""

    def __init__(self, directory, events=None):
        self.file = directory / "heard"
        chosen = f"\nevents = {json.dumps(events)}" if events else ""
        configure(directory, f"[[commands]]\nargv = ['tee', '-a', '{self.file}']{chosen}\n")

    def all(self):
        text = self.file.read_text() if self.file.exists() else ""
        return [json.loads(line) for line in text.replace("}{", "}\n{").splitlines()]

    async def of(self, event):
        """Returns when it was told of one."""
        with asyncinotify.Inotify() as watch:
            watch.add_watch(self.file.parent, asyncinotify.Mask.CLOSE_WRITE)
            while not any(one["event"] == event for one in self.all()):
                await watch.get()


class Hook:
    """A server that keeps what it was sent."""

    def __init__(self):
        heard = self.heard = []
        outer = self
        self.status = 204

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.path, dict(self.headers), body))
                self.send_response(outer.status)
                self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/s3cret-path"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))


@pytest.fixture
def hook():
    made = Hook()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def test_nobody_is_told_without_a_file(tmp_path, caplog):
    assert not Notifier(tmp_path).wanted("turn_ended")
    tell(tmp_path)
    assert caplog.records == []


def test_a_command_gets_it_as_json(tmp_path):
    heard = Heard(tmp_path)
    tell(tmp_path)
    (told,) = heard.all()
    assert told.pop("notice_id")
    assert told == {
        "event": "turn_ended",
        "title": "Add a list",
        "text": "the agent is done <b>",
        "time": 1.0,
        "project_id": "p",
        "task_id": "t",
        "attempt_id": "a",
        "url": None,
    }


def test_only_what_is_wanted(tmp_path):
    heard = Heard(tmp_path, events=["pull_request"])
    assert not Notifier(tmp_path).wanted("turn_ended")
    assert Notifier(tmp_path).wanted("pull_request")
    tell(tmp_path)
    assert heard.all() == []


def test_a_webhook_is_signed(tmp_path, hook, monkeypatch, caplog):
    monkeypatch.setenv("HOOK_SECRET", "k3y")
    configure(
        tmp_path,
        f'[[webhooks]]\nurl = "{hook.url}"\nsecret_env = "HOOK_SECRET"\n'
        f'[[webhooks]]\nurl = "{hook.url}2"\n',
    )
    tell(tmp_path)
    signed, plain = sorted(hook.heard, key=lambda one: one[0])
    path, headers, body = signed
    assert path == "/s3cret-path"
    expected = "sha256=" + hmac.new(b"k3y", body, hashlib.sha256).hexdigest()
    assert headers["X-Stoker-Signature-256"] == expected
    assert headers["X-Stoker-Event"] == "turn_ended"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["attempt_id"] == "a"
    assert "X-Stoker-Signature-256" not in plain[1]
    assert caplog.records == []


def test_what_goes_wrong_is_logged_and_stops_nobody_else(tmp_path, hook, caplog):
    hook.status = 500
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret-path"
        heard = tmp_path / "heard"
        configure(
            tmp_path,
            f'[[webhooks]]\nurl = "{closed}"\n'
            f'[[webhooks]]\nurl = "{hook.url}"\n'
            f'[[webhooks]]\nurl = "{hook.url}"\nsecret_env = "NOT_SET"\n'
            '[[commands]]\nargv = ["/no/such/program"]\n'
            "[[commands]]\nargv = ['sh', '-c', 'echo oh >&2; exit 3']\n"
            f"[[commands]]\nargv = ['sh', '-c', 'cat > {heard}']\n",
        )
        tell(tmp_path)
    assert json.loads(heard.read_text())["attempt_id"] == "a"
    said = problems(caplog)
    assert len(said) == 5
    assert "127.0.0.1: ConnectError" in said
    assert "127.0.0.1 answered 500" in said
    assert "$NOT_SET is not set" in said
    assert any(one.startswith("sh ended with 3: oh") for one in said)
    assert len(hook.heard) == 1
    assert "s3cret-path" not in caplog.text + str(said)


def test_a_webhook_is_not_followed_elsewhere(tmp_path, hook, caplog):
    hook.status = 302
    configure(tmp_path, f'[[webhooks]]\nurl = "{hook.url}"\n')
    tell(tmp_path)
    assert [path for path, _, _ in hook.heard] == ["/s3cret-path"]
    assert problems(caplog) == ["127.0.0.1 answered 302"]


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ('[[webhooks]]\nurl = "http://x"\nsecret = "k3y"', 0o644, "chmod 600"),
        ('[desktop]\nevents = ["all"]', 0o600, "Invalid enum value"),
        ("[desktop", 0o600, "is not TOML"),
    ],
)
def test_settings_that_make_no_sense_are_told_in_the_log(tmp_path, caplog, text, mode, reason):
    configure(tmp_path, text, mode)
    tell(tmp_path)
    (said,) = problems(caplog)
    assert reason in said


def test_on_the_desktop(tmp_path, monkeypatch, caplog):
    configure(tmp_path, "[desktop]\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}")
    tell(tmp_path)
    assert problems(caplog) == ["notify-send is not there"]
    program = programs / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    program.chmod(0o755)
    tell(tmp_path)
    shown = (tmp_path / "shown").read_text().splitlines()
    assert shown == ["--app-name=Stoker", "--", "Add a list", "the agent is done &lt;b&gt;"]


def test_turns_approvals_and_pull_requests(world, github, monkeypatch):
    heard = Heard(world.state)
    asking = [{"run": "echo x >> list.md", "ask": True}, {"say": "done"}]
    monkeypatch.setenv("STOKER_SCRIPT", json.dumps(asking))

    async def scenario(tasks):
        project = await tasks.catalog.create_project("P", str(world.repository))
        begun = await tasks.starter.create_and_start(
            project.project_id, "Add a list", executor="SCRIPTED", variant="APPROVALS"
        )
        key = begun.attempt.attempt_id
        async for entry in await follow(tasks, key, 1):
            if isinstance(entry.content, Approval) and entry.content.answer is None:
                await heard.of("approval_asked")
                reply = Reply(approval=entry.content.id, allowed=True)
                await tasks.turns.tell(key, 1, reply)
        await tasks.turns.settled(key)
        await tasks.pulls.create(key)
        github.merge(1)
        await tasks.pulls.refresh(key)
        await tasks.pulls.refresh(key)  # nothing new

    world.run(scenario)
    told = heard.all()
    assert [one["event"] for one in told[:2]] == ["approval_asked", "turn_ended"]
    assert told[0]["text"].startswith("asks: ")
    assert told[1]["text"] == "the agent is done"
    pulls = [(one["text"], one["url"]) for one in told[2:]]
    url = f"{github.url}/acme/widgets/pull/1"
    assert sorted(pulls) == [("pull request #1 is merged", url), ("pull request #1 is open", url)]


def test_after_a_restart_only_what_is_new_is_told(world, monkeypatch):
    """An approval that waits was told of by the process that has ended."""
    heard = Heard(world.state, events=["approval_asked"])
    monkeypatch.setenv("STOKER_SCRIPT", '[{"run": "echo x", "ask": true}]')

    async def first(tasks):
        project = await tasks.catalog.create_project("P", str(world.repository))
        begun = await tasks.starter.create_and_start(
            project.project_id, "Ask", executor="SCRIPTED", variant="APPROVALS"
        )
        await heard.of("approval_asked")
        return begun.attempt.attempt_id

    key = world.run(first)

    async def second(tasks):
        async for entry in await follow(tasks, key, 1):
            if isinstance(entry.content, Approval) and entry.content.answer is None:
                reply = Reply(approval=entry.content.id, allowed=True)
                await tasks.turns.tell(key, 1, reply)
        await tasks.turns.settled(key)

    world.run(second)
    assert len(heard.all()) == 1
