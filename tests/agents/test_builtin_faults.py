"""What a provider does wrong, a model does wrong, and what a turn may not exceed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent_process import KEY, AgentProcess
from model_server import (
    Call,
    Conversation,
    Garbage,
    Hang,
    Message,
    ModelServer,
    Overflow,
    Refuse,
    Reply,
    Say,
    Truncate,
    Usage,
    by_turn,
    in_order,
    with_faults,
)

from stoker.agents.builtin.assembler import Unavailable
from stoker.agents.builtin.client import Wire
from stoker.agents.builtin.wire_anthropic import Anthropic
from stoker.agents.builtin.wire_openai import OpenAI

WIRES = ("openai", "anthropic")
WORK = by_turn(Say(calls=(Call("execute", {"command": "echo once >> log"}),)), Say("done"))


@pytest.mark.parametrize("wire", WIRES)
def test_faults_that_pass(wire: str, tmp_path: Path) -> None:
    faults: dict[int, Reply] = {
        0: Refuse(429, 0.05),
        1: Refuse(500, 0),
        2: Truncate(0),
        3: Truncate(3),
        # 4 is the first answer
        5: Hang(2),
        6: Garbage(),
        7: Refuse(529, 0),
    }
    with (
        ModelServer(with_faults(WORK, faults)) as server,
        AgentProcess(
            server, tmp_path, prompt="x", wire=wire, idle_sec=0.5, retry_sec=0.01
        ) as agent,
    ):
        result = agent.finish()
        assert len(server.requests) == 9
    assert result["result"] == "done"
    assert (agent.work / "log").read_text() == "once\n"
    retries = [line for line in agent.lines if line.get("subtype") == "api_retry"]
    assert [retry["attempt"] for retry in retries] == [1, 2, 3, 4, 1, 2, 3]
    whys = " ".join(retry["error"] for retry in retries)
    for why in ("HTTP 429", "HTTP 500", "broke off", "ReadTimeout", "text/html", "HTTP 529"):
        assert why in whys or (why == "broke off" and "RemoteProtocolError" in whys)


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        (OpenAI, b"{"),
        (OpenAI, b"\xff"),
        (OpenAI, b"[1]"),
        (OpenAI, b'{"choices": 5}'),
        (OpenAI, b'{"choices": [{"delta": {"content": ["a"]}}]}'),
        (OpenAI, b'{"choices": [{"delta": {"tool_calls": [{"index": "a"}]}}]}'),
        (OpenAI, b'{"choices": [{"delta": {"tool_calls": [{"function": {"name": 1}}]}}]}'),
        (OpenAI, b'{"usage": {"prompt_tokens": "many"}}'),
        (Anthropic, b"{}"),
        (Anthropic, b'{"type": "content_block_start", "index": 0}'),
        (Anthropic, b'{"type": "content_block_start", "index": [], "content_block": {"type": 1}}'),
        (Anthropic, b'{"type": "content_block_delta", "index": 0, "delta": {"text": "a"}}'),
    ],
)
def test_events_that_are_none(wire: type[Wire], event: bytes) -> None:
    assembler = wire().assembler(lambda kind, text: None)
    with pytest.raises(Unavailable):
        assembler.feed(event)


def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    with (
        ModelServer(with_faults(WORK, {0: Refuse(429, 1)})) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        agent.finish()
        first, second = (record.time for record in server.requests[:2])
    assert second - first >= 1
    assert next(x for x in agent.lines if x.get("subtype") == "api_retry")["retry_delay_ms"] == 1000


@pytest.mark.parametrize(
    ("reply", "retries", "message"),
    [
        (Refuse(500, 0), 2, "no answer in 3 attempts: HTTP 500"),
        (Refuse(429, 10_000), 2, "to be asked again only in 10000 s"),
        (Refuse(401, message=f"wrong key: {KEY}"), 2, "HTTP 401"),
        (Garbage(), 0, "found text/html: <html>a proxy's login page"),
        (Overflow(), 0, "HTTP 400"),
    ],
)
def test_faults_that_stay_end_the_turn(
    reply: Reply, retries: int, message: str, tmp_path: Path
) -> None:
    with (
        ModelServer(in_order(reply)) as server,
        AgentProcess(server, tmp_path, prompt="x", retries=retries) as agent,
    ):
        result = agent.until("result")
        server.policy = in_order(Say("better now"))
        agent.ask("again")
        assert agent.finish()["result"] == "better now"
    assert (result["reason"], result["subtype"]) == ("error", "error_during_execution")
    assert message in result["result"]
    assert KEY not in str(agent.lines)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with ModelServer(in_order(Say("?"))) as server:
        url = server.url
    with AgentProcess(None, tmp_path, prompt="x", base_url=url, retries=0) as agent:
        assert "ConnectError" in agent.finish()["result"]
        assert agent.process.returncode == 1


MALFORMED = [
    (Call("ls", '{"path": '), "malformed: Input data was truncated"),
    (Call("ls", "[1]"), "malformed: Expected `object`, got `array`"),
    (Call("read_file", {}), "missing required field `path`"),
    (Call("read_file", {"path": 7}), "Expected `str`, got `int`"),
    (Call("read_file", {"path": "a", "colour": "red"}), "unknown field `colour`"),
    (Call("fly", {}), "there is no tool 'fly'; there are ls, "),
    (Call("read_file", {"path": "a\0b"}), "null byte"),
    (Call("write_file", {"path": "x" * 300, "content": ""}), "File name too long"),
]


@pytest.mark.parametrize("wire", WIRES)
def test_malformed_calls_are_answered(wire: str, tmp_path: Path) -> None:
    calls = Say(calls=tuple(call for call, _ in MALFORMED))
    with (
        ModelServer(by_turn(calls, Say("sorry"))) as server,
        AgentProcess(server, tmp_path, prompt="x", wire=wire) as agent,
    ):
        assert agent.finish()["result"] == "sorry"
        assert agent.errors == ""
    for output, (_, message) in zip(agent.outputs(), MALFORMED, strict=True):
        assert output.startswith("Error: ")
        assert message in output


def test_answers_that_are_cut_or_empty(tmp_path: Path) -> None:
    replies = (Say("a beginning", cut=True), Say(""), Say("the end"))
    with (
        ModelServer(by_turn(*replies)) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        assert agent.finish()["result"] == "the end"
    notes = [line["text"] for line in agent.lines if line.get("subtype") == "note"]
    assert ["cut off" in notes[0], "empty" in notes[1]] == [True, True]


def test_answers_that_are_always_empty(tmp_path: Path) -> None:
    with (
        ModelServer(in_order(Say(""))) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        assert "empty 4 times in a row" in agent.finish()["result"]
        assert len(server.requests) == 4


def loop_of(*names: str) -> Any:
    return lambda talk: Say(calls=(Call("ls", {"path": names[talk.turns % len(names)]}),))


@pytest.mark.parametrize(("names", "steps"), [(("a",), 6), (("a", "b"), 12)])
def test_going_in_circles(names: tuple[str, ...], steps: int, tmp_path: Path) -> None:
    with (
        ModelServer(loop_of(*names)) as server,
        AgentProcess(server, tmp_path, prompt="x") as agent,
    ):
        result = agent.finish()
    assert (result["reason"], result["num_turns"]) == ("loop", steps)
    notes = [line["text"] for line in agent.lines if line.get("subtype") == "note"]
    assert "done this 3 times with the same result" in notes[0]


def test_trying_again_after_a_change_is_no_circle(tmp_path: Path) -> None:
    def policy(talk: Conversation) -> Reply:
        if talk.turns == 20:
            return Say("I give up")
        if talk.turns % 2:
            return Say(calls=(Call("execute", {"command": "false"}),))
        change = {"path": "a", "content": f"try {talk.turns}"}
        return Say(calls=(Call("write_file", change),))

    with ModelServer(policy) as server, AgentProcess(server, tmp_path, prompt="x") as agent:
        assert agent.finish()["result"] == "I give up"
    assert not [line for line in agent.lines if line.get("subtype") == "note"]


@pytest.mark.parametrize(
    ("limits", "reason", "subtype", "turns"),
    [
        ({"turns": 3}, "max_turns", "error_max_turns", 3),
        ({"tokens": 2500}, "max_tokens", "error_max_budget_tokens", 3),
        ({"cost_usd": 0.0045}, "max_cost", "error_max_budget_usd", 5),
    ],
)
def test_limits_end_the_turn(
    limits: dict[str, Any], reason: str, subtype: str, turns: int, tmp_path: Path
) -> None:
    def policy(talk: Conversation) -> Reply:
        command = {"command": f"echo {talk.turns}"}
        return Say(calls=(Call("execute", command),), usage=Usage(900, 100))

    prices = {"scripted": {"input": 1.0, "output": 1.0}}
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", limits=limits, prices=prices) as agent,
    ):
        result = agent.until("result")
        assert (result["reason"], result["subtype"]) == (reason, subtype)
        assert (result["num_turns"], result["is_error"]) == (turns, True)
        assert "limit" in result["result"]
        # Limits are of a turn: the next has them anew, and every call has its result.
        server.policy = in_order(Say("fine"))
        agent.ask("again")
        assert agent.finish()["result"] == "fine"
        talk = server.requests[-1].conversation
    assert talk is not None
    assert len(talk.results) == turns


def test_the_limit_of_time_ends_what_is_under_way(tmp_path: Path) -> None:
    policy = by_turn(Say(calls=(Call("execute", {"command": "echo begun > a; sleep 1000"}),)))
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", limits={"seconds": 1}) as agent,
    ):
        result = agent.finish()
    assert (result["reason"], result["subtype"]) == ("max_seconds", "error_max_seconds")
    assert result["result"] == "the limit of 1 s is reached"
    assert "may have taken effect in part" in agent.outputs()[0]


def test_a_full_disk_ends_the_agent_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    policy = by_turn(Say("x" * 60_000, calls=(Call("ls", {}),)), Say("done"))
    with (
        ModelServer(policy) as server,
        AgentProcess(
            server, tmp_path, prompt="x", program=(*FULL, "-m", "stoker.agents.builtin")
        ) as agent,
    ):
        assert agent.process.wait(30) == 3
        assert "transcript.jsonl: File too large" in agent.errors
        assert not (agent.state / "transcript.jsonl").read_bytes().endswith(b"\n")
        agent.command[1 : 1 + len(FULL)] = []
        agent.again()
        assert agent.finish()["result"] == "done"
        assert len(server.requests) == 3


FULL = (
    "-c",
    "import os, resource, sys; "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
)
"""Arguments of Python, to start it anew where no file may be larger than that."""

BIG = "the same long line of output again and again\n" * 150


def chatty(steps: int, last: Say) -> Any:
    """Reads a big file so many times, in different places, and ends."""

    def policy(talk: Conversation) -> Reply:
        if not talk.tools:
            return Say("SUMMARY of what was")
        read = sum(len(m.calls) for m in talk.messages)
        if "SUMMARY" in str(talk.messages) or talk.number >= steps:
            return last if talk.number >= steps else reading(talk.number)
        return reading(read)

    return policy


def reading(number: int) -> Say:
    return Say(calls=(Call("execute", {"command": f"cat big; echo {number}"}),))


def valid(messages: tuple[Message, ...]) -> bool:
    """Every result answers a call of the answer before it, and every call is answered."""
    waiting: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.call_id not in waiting:
                return False
            waiting.discard(message.call_id)
        elif waiting:
            return False
        waiting |= {call.id for call in message.calls}
    return not waiting


@pytest.mark.parametrize("wire", WIRES)
def test_a_long_conversation_is_summarised(wire: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/big").write_text(BIG)
    with (
        ModelServer(chatty(12, Say("done"))) as server,
        AgentProcess(
            server, tmp_path, prompt="the REQUEST", wire=wire, context_limit=12_000
        ) as agent,
    ):
        assert agent.finish()["result"] == "done"
        requests = [record for record in server.requests if record.conversation]
    asides = [r for r in requests if not r.conversation.tools]  # type: ignore[union-attr]
    assert asides
    assert "the REQUEST" in asides[0].conversation.asked  # type: ignore[union-attr]
    last = requests[-1].conversation
    assert last is not None
    assert last.messages[1].text.startswith("[The conversation up to here was summarised:]")
    assert "SUMMARY of what was" in last.messages[1].text
    assert "verbatim:]\nthe REQUEST" in last.messages[1].text
    assert last.messages[-1].role == "tool"  # the last step, as it was
    assert "same long line" in last.messages[-1].text
    assert all(valid(r.conversation.messages) for r in requests)  # type: ignore[union-attr]
    assert max(len(record.body) for record in requests) < 12_000 * 4
    boundaries = [x for x in agent.lines if x.get("subtype") == "compact_boundary"]
    assert "SUMMARY" in boundaries[0]["summary"]


def test_without_a_summary_outputs_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/big").write_text(BIG)
    steps = chatty(14, Say("done"))

    def policy(talk: Conversation) -> Reply:
        return steps(talk) if talk.tools else Refuse(400)

    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", context_limit=12_000) as agent,
    ):
        assert agent.finish()["result"] == "done"
        talks = [r.conversation for r in server.requests if r.conversation and r.conversation.tools]
    assert any("was dropped to save context" in one.text for one in talks[-1].results)
    assert "same long line" in talks[-1].results[-1].text
    assert all(valid(talk.messages) for talk in talks)


@pytest.mark.parametrize("wire", WIRES)
def test_when_the_provider_says_that_it_does_not_fit(wire: str, tmp_path: Path) -> None:
    """By its own count, which may be another than ours."""

    def policy(talk: Conversation) -> Reply:
        if not talk.tools:
            return Say("SUMMARY")
        size = sum(len(message.text) for message in talk.messages[1:])
        if size > 20_000:
            return Overflow(5000)
        if talk.number > 8:
            return Say("done")
        return reading(talk.number)

    (tmp_path / "work").mkdir()
    (tmp_path / "work/big").write_text(BIG)
    with (
        ModelServer(policy) as server,
        AgentProcess(server, tmp_path, prompt="x", wire=wire, context_limit=40_000) as agent,
    ):
        assert agent.finish()["result"] == "done"
    assert [x for x in agent.lines if x.get("subtype") == "compact_boundary"]


def test_a_compacted_conversation_is_the_same_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/big").write_text(BIG)
    with (
        ModelServer(chatty(12, Say("done"))) as server,
        AgentProcess(server, tmp_path, prompt="x", context_limit=12_000) as agent,
    ):
        agent.finish()
        server.policy = in_order(Say("again"))
        agent.again()
        agent.ask("more")
        agent.finish()
        before, after = (record.conversation for record in server.requests[-2:])
    assert before is not None
    assert after is not None
    assert after.messages[: len(before.messages)] == before.messages
