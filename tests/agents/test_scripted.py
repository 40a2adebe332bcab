"""The kind of step `agent`, with the scripted agent over Claude-style stream-json."""

from __future__ import annotations

import json

from agent_bench import Bench, asked, says

from stoker.agents.inbox import Interrupt, Reply, Say
from stoker.agents.stream import (
    Approval,
    AssistantMessage,
    Command,
    Failure,
    FileEdit,
    Notice,
    Session,
    Thinking,
    Todo,
    Todos,
    Tokens,
    TurnEnded,
    Usage,
    UserMessage,
)


def test_all_that_an_agent_does_is_in_its_stream(tmp_path):
    bench = Bench(tmp_path)
    (bench.cwd / "old.txt").write_text("one\ntwo\n")
    ran = bench.script(
        {"think": "let me see"},
        {"todos": [["write", "in_progress"], ["test", "pending"]]},
        {"stream": "I write it now."},
        {"edit": "new/a.txt", "content": "hello\n"},
        {"edit": "old.txt", "old": "two", "new": "three"},
        {"run": "cat new/a.txt; echo to stderr >&2"},
        {"run": "echo no; exit 4"},
        {"todos": [["write", "completed"], ["test", "completed"]]},
        {"raw": "not JSON"},
        {"usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 2}},
        {"say": "All done."},
    )
    assert ran.outcome.status == "succeeded", ran.reason
    session = ran.one(Session)
    tokens = {"input": 8, "cached": 3, "output": 2, "reasoning": 0}
    assert ran.outputs == {
        "session_id": session.id,
        "summary": "All done.",
        "tokens": tokens,
        "cost_usd": 0,
    }
    assert ran.said == ["I write it now.", "All done."]
    assert ran.one(Thinking).text == "let me see"
    assert ran.one(Todos).items == tuple(
        Todo(text=text, status="completed") for text in ("write", "test")
    )
    new, old = ran.all(FileEdit)
    assert new.changes[0].path == "new/a.txt"
    assert (new.changes[0].change, new.changes[0].diff) == ("added", "hello\n")
    assert old.changes[0].diff == "@@ -1 +1 @@\n-two\n+three\n"
    assert (bench.cwd / "old.txt").read_text() == "one\nthree\n"
    good, bad = ran.all(Command)
    assert (good.output, good.exit_code, good.status) == ("hello\nto stderr\n", 0, "succeeded")
    assert (bad.exit_code, bad.status) == (4, "failed")
    assert ran.one(Notice).text == "not JSON"
    assert ran.one(Usage) == Usage(tokens=Tokens(input=8, cached=3, output=2), cost_usd=0)
    assert ran.one(TurnEnded) == TurnEnded(reason="completed", summary="All done.")
    assert ran.entries.entries[-1].content == ran.one(TurnEnded)


def test_a_person_is_asked_and_answers(tmp_path):
    bench = Bench(tmp_path)
    actions = [
        {"run": "echo yes > allowed", "ask": True},
        {"run": "echo no > denied", "ask": True},
        {"say": "ok"},
    ]

    async def act(live):
        first = await live.until(asked)
        assert (first.kind, first.command, first.paths) == ("execute", "echo yes > allowed", ())
        live.tell(Reply(approval="no such", allowed=True))
        live.tell(Reply(approval=first.id, allowed=True, by="anna"))
        second = await live.until(lambda content: asked(content) and content.id != first.id)
        live.tell(Reply(approval=second.id, allowed=False, by="bert", reason="not that"))
        live.tell(Reply(approval=second.id, allowed=True, by="too late"))

    ran = bench.script(*actions, act=act, approvals="ask")
    assert ran.outcome.status == "succeeded", ran.reason
    assert (bench.cwd / "allowed").exists()
    assert not (bench.cwd / "denied").exists()
    yes, no = (approval.answer for approval in ran.all(Approval))
    assert (yes.allowed, yes.by, yes.option) == (True, "anna", "allow")
    assert (no.allowed, no.by, no.reason) == (False, "bert", "not that")
    allowed, denied = ran.all(Command)
    assert (allowed.status, denied.status) == ("succeeded", "denied")
    assert denied.output == "not that"
    assert not any("UNEXPECTED" in text for text in ran.said)


def test_a_policy_answers_for_people(tmp_path):
    bench = Bench(tmp_path)
    profile = bench.profile(
        "SCRIPTED", approvals="deny", allow_commands=["echo *"], allow_paths=["docs/*"]
    )
    ran = bench.script(
        {"run": "echo hello", "ask": True},
        {"run": "touch x", "ask": True},
        {"edit": "docs/a", "content": "x", "ask": True},
        {"edit": "src/a", "content": "x", "ask": True},
        profile=profile,
    )
    answers = [(one.answer.allowed, one.answer.by) for one in ran.all(Approval)]
    assert answers == [(True, "policy"), (False, "policy")] * 2
    assert not (bench.cwd / "x").exists()
    assert (bench.cwd / "docs" / "a").exists()
    assert not (bench.cwd / "src").exists()


def test_what_is_said_during_a_turn_begins_the_next(tmp_path):
    bench = Bench(tmp_path)

    async def act(live):
        await live.until(says("first"))
        live.tell(Say(text='[{"say": "second"}]', by="anna"))
        (bench.cwd / "go").write_text("")

    ran = bench.script({"say": "first"}, {"run": "until test -e go; do sleep 0.01; done"}, act=act)
    assert ran.outcome.status == "succeeded", ran.reason
    assert ran.said == ["first", "second"]
    assert len(ran.all(UserMessage)) == len(ran.all(TurnEnded)) == 2
    assert ran.outputs["summary"] == "second"


def test_a_session_is_resumed(tmp_path):
    ran = Bench(tmp_path).script({"say": "again"}, session="11-22")
    assert ran.one(Session) == Session(id="11-22", model="scripted", resumed=True)
    assert ran.outputs["session_id"] == "11-22"


def test_an_interrupt_ends_the_turn(tmp_path):
    async def act(live):
        await live.until(lambda content: isinstance(content, Command))
        live.tell(Interrupt())

    ran = Bench(tmp_path).script({"run": "sleep 1000"}, {"say": "never"}, act=act)
    assert ran.status == "failed"
    assert ran.reason == "the agent's turn ended: interrupted"
    assert ran.one(TurnEnded).reason == "interrupted"
    assert ran.said == []


def test_a_canceled_run_ends_its_agent(tmp_path):
    bench = Bench(tmp_path)

    async def act(live):
        await live.until(says("ready"))
        await live.handle.cancel("enough")

    ran = bench.script({"say": "ready"}, {"hang": True}, act=act)
    assert ran.outcome.status == "canceled"
    assert ran.one(TurnEnded).reason == "interrupted"


def test_also_one_that_listens_to_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr("stoker.agents.driver.INTERRUPT_SEC", 0.05)
    monkeypatch.setattr("stoker.agents.driver.GRACE_SEC", 0.05)

    async def act(live):
        await live.until(asked)
        await live.handle.cancel("enough")

    ran = Bench(tmp_path).script(
        {"say": "ready"}, {"run": "true", "ask": True}, {"hang": "deaf"}, act=act, approvals="ask"
    )
    assert ran.outcome.status == "canceled"
    assert ran.one(Approval).answer.option == ""
    assert ran.one(TurnEnded).reason == "interrupted"


def test_failures_are_told(tmp_path):
    for number, (action, reason) in enumerate(
        [
            ({"fail": "the model is away"}, "failed: the model is away"),
            ({"exit": 3}, "exited: exit code 3\nlast words"),
            ({"exit": 0}, "exited: the agent ended before its turn did"),
        ]
    ):
        path = tmp_path / str(number)
        path.mkdir()
        ran = Bench(path).script({"stderr": "last words"}, action)
        assert ran.status == "failed"
        assert ran.reason == f"the agent's turn ended: {reason}"


def test_what_is_no_message_of_the_protocol_does_no_harm(tmp_path):
    strange = [
        {"type": "assistant"},
        {"type": "assistant", "message": {"content": [{"type": "tool_use"}]}},
        {"type": "control_request", "request_id": "x", "request": {"subtype": "hook_callback"}},
        {"type": "stream_event", "event": 3},
        {"type": "unheard of"},
    ]
    lines = [{"raw": json.dumps(message)} for message in strange]
    ran = Bench(tmp_path).script(*lines, {"raw": "[" * 100_000}, {"raw": "1"}, {"say": "ok"})
    assert ran.outcome.status == "succeeded", ran.reason
    assert len(ran.all(Failure)) == 3
    assert len(ran.all(Notice)) == 2
    assert sorted(ran.said) == ["UNEXPECTED ANSWER to x", "ok"]


def test_a_line_may_be_long(tmp_path):
    text = "x" * 300_000
    ran = Bench(tmp_path).script({"run": "head -c 300000 /dev/zero | tr '\\0' x"}, {"say": text})
    assert ran.said == [text]
    assert len(ran.one(Command).output) < 300_000


def test_an_unknown_profile_fails_the_step(tmp_path):
    bench = Bench(tmp_path)
    ran = bench.run({"profile": "NOBODY", "prompt": "x"})
    assert "unknown executor 'NOBODY'" in (ran.reason or "")
    path = tmp_path / "other"
    path.mkdir()
    bench = Bench(path)
    bench.profiles.write_text('{"executors": {"CODEX": {"DEFAULT": {"x": 1}}}}')
    ran = bench.run({"profile": "CODEX", "prompt": "x"})
    assert "profiles.json:1:38" in (ran.reason or "")


def test_a_command_that_is_not_there(tmp_path):
    bench = Bench(tmp_path)
    profile = bench.profile("SCRIPTED", base_command_override="no-such-agent --really")
    ran = bench.run({"profile": profile, "prompt": "x"})
    assert ran.status == "failed"
    assert "no-such-agent" in (ran.reason or "")


def test_an_agent_that_nobody_can_follow_is_ended(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    async def act(live):
        await live.until(says("ready"))
        monkeypatch.setattr("stoker.agents.store.Store.write", full)
        live.tell(Say(text="more"))

    bench = Bench(tmp_path)
    ran = bench.script({"say": "ready"}, {"hang": True}, act=act)
    assert ran.status == "failed"
    assert "No space left" in (ran.reason or "")
    assert (bench.place / "keeper" / "exit.json").exists()


def test_secrets_of_a_prompt_are_not_shown(tmp_path):
    bench = Bench(tmp_path)
    import msgspec

    plan = bench.plan({"profile": "SCRIPTED", "prompt": "the key is ${{ inputs.key }}"})
    inputs = {"key": {"secret": True, "default": "hunter2-hunter2"}}
    plan = msgspec.convert({**msgspec.to_builtins(plan), "inputs": inputs}, type(plan))
    bench.plan = lambda *_, **__: plan
    ran = bench.run({})
    assert ran.outcome.status == "succeeded", ran.reason
    assert "hunter2" not in str(list(ran.entries))
    assert "the key is" in ran.one(UserMessage).text
    assert ran.one(AssistantMessage).text.startswith("I was asked: the key is")


def test_a_long_answer_is_heard(tmp_path):
    bench = Bench(tmp_path)
    reason = "\N{GREEK SMALL LETTER ALPHA}" * 700_000

    async def act(live):
        asked = await live.until(lambda content: isinstance(content, Approval))
        live.tell(Reply(approval=asked.id, allowed=False, reason=reason))

    ran = bench.script({"run": "echo x", "ask": True}, act=act, profile="SCRIPTED:APPROVALS")
    assert ran.status == "succeeded"
    assert ran.one(Approval).answer.reason == reason
