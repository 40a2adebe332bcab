"""The scripted model: each wire, whole and streamed, each fault, and a real agent against it."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import real_agents
from model_server import (
    Call,
    Conversation,
    Garbage,
    Hang,
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

WIRES = ("chat", "responses", "anthropic", "gemini")
ANSWER = Say(
    "the answer is long enough for several pieces" * 2, "let me think", usage=Usage(7, 3, 2)
)


def request(wire: str, *, stream: bool, tools: bool = True) -> tuple[str, dict[str, Any]]:
    """Path and body of the second request of a conversation with one call of a tool."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    if wire == "chat":
        call = {"name": "ls", "arguments": '{"path": "."}'}
        body: dict[str, Any] = {
            "model": "m",
            "stream": stream,
            "messages": [
                {"role": "system", "content": "be good"},
                {"role": "user", "content": [{"type": "text", "text": "look"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": call}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
            ],
        }
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": "ls", "parameters": schema}}]
        return "/v1/chat/completions", body
    if wire == "responses":
        return "/v1/responses", {
            "model": "m",
            "stream": stream,
            "instructions": "be good",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
                {"type": "reasoning", "summary": []},
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "ls",
                    "arguments": '{"path": "."}',
                },
                {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
            ],
            "tools": [{"type": "function", "name": "ls", "parameters": schema}] if tools else [],
        }
    if wire == "anthropic":
        use = {"type": "tool_use", "id": "c1", "name": "ls", "input": {"path": "."}}
        result = {"type": "tool_result", "tool_use_id": "c1", "content": "a.txt"}
        return "/v1/messages", {
            "model": "m",
            "stream": stream,
            "max_tokens": 100,
            "system": [{"type": "text", "text": "be good"}],
            "messages": [
                {"role": "user", "content": "look"},
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result]},
            ],
            "tools": [{"name": "ls", "input_schema": schema}] if tools else [],
        }
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    answered = {"name": "ls", "response": {"output": "a.txt"}, "id": "c1"}
    declared = {"functionDeclarations": [{"name": "ls", "parameters": schema}]}
    return f"/v1beta/models/m:{verb}", {
        "systemInstruction": {"parts": [{"text": "be good"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "look"}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "ls", "args": {"path": "."}, "id": "c1"}}],
            },
            {"role": "user", "parts": [{"functionResponse": answered}]},
        ],
        "tools": [declared] if tools else [],
    }


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("wire", WIRES)
def test_the_policy_sees_the_same_conversation_on_every_wire(wire: str) -> None:
    seen: list[Conversation] = []

    def policy(talk: Conversation) -> Reply:
        seen.append(talk)
        return Say("done")

    path, body = request(wire, stream=False)
    with ModelServer(policy) as server:
        assert httpx.post(server.url + path, json=body).status_code == 200

    talk = seen[0]
    assert (talk.wire, talk.model, talk.tools, talk.number) == (wire, "m", ("ls",), 0)
    assert [message.role for message in talk.messages] == ["system", "user", "assistant", "tool"]
    assert (talk.messages[0].text, talk.asked, talk.turns) == ("be good", "look", 1)
    assert talk.messages[2].calls == (Call("ls", {"path": "."}, "c1"),)
    assert talk.latest == talk.results
    assert "a.txt" in talk.latest[0].text
    assert talk.latest[0].call_id == "c1"


def test_answers_as_documents() -> None:
    reply = Say(ANSWER.text, ANSWER.thinking, (Call("ls", {"path": "."}, "id1"),), ANSWER.usage)
    found = {}
    with ModelServer(in_order(reply)) as server:
        for wire in WIRES:
            path, body = request(wire, stream=False)
            found[wire] = httpx.post(server.url + path, json=body).json()

    message = found["chat"]["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (reply.text, reply.thinking)
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"path": "."}
    assert found["chat"]["choices"][0]["finish_reason"] == "tool_calls"
    assert found["chat"]["usage"]["prompt_tokens"] == 7
    kinds = [item["type"] for item in found["responses"]["output"]]
    assert kinds == ["reasoning", "message", "function_call"]
    assert found["responses"]["usage"]["input_tokens_details"] == {"cached_tokens": 2}
    blocks = found["anthropic"]["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    assert blocks[2]["input"] == {"path": "."}
    assert found["anthropic"]["stop_reason"] == "tool_use"
    assert found["anthropic"]["usage"]["input_tokens"] == 5
    parts = found["gemini"]["candidates"][0]["content"]["parts"]
    assert parts[2]["functionCall"]["args"] == {"path": "."}
    assert found["gemini"]["usageMetadata"]["candidatesTokenCount"] == 3


@pytest.mark.parametrize("closing", [False, True])
def test_answers_as_streams(closing: bool) -> None:
    reply = Say(ANSWER.text, ANSWER.thinking, (Call("ls", {"path": "."}, "id1"),), ANSWER.usage)
    found = {}
    with ModelServer(in_order(reply), closing=closing) as server, httpx.Client() as client:
        for wire in WIRES:
            path, body = request(wire, stream=True)
            found[wire] = events(client.post(server.url + path, json=body))
        connections = {record.connection for record in server.requests}

    assert len(connections) == (4 if closing else 1)
    deltas = [event["choices"][0]["delta"] for event in found["chat"] if event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == reply.text
    assert sum("content" in delta for delta in deltas) > 2
    assert found["chat"][-1]["usage"]["completion_tokens"] == 3
    done = found["responses"][-1]
    assert done["type"] == "response.completed"
    said = [e["delta"] for e in found["responses"] if e["type"] == "response.output_text.delta"]
    assert "".join(said) == reply.text
    assert done["response"]["output"][2]["call_id"] == "id1"
    parts = [e["delta"] for e in found["anthropic"] if e["type"] == "content_block_delta"]
    assert "".join(part.get("text", "") for part in parts) == reply.text
    assert json.loads("".join(p.get("partial_json", "") for p in parts)) == {"path": "."}
    assert found["anthropic"][-2]["usage"]["output_tokens"] == 3
    spoken = [e["candidates"][0]["content"]["parts"][0] for e in found["gemini"]]
    assert "".join(p.get("text", "") for p in spoken if not p.get("thought")) == reply.text


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_that_break_the_answer(wire: str, stream: bool) -> None:
    path, body = request(wire, stream=stream)
    with ModelServer(in_order(Truncate(2), Hang(2), Hang())) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(server.url + path, json=body)
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(server.url + path, json=body, timeout=0.2)


@pytest.mark.parametrize("wire", WIRES)
def test_faults_that_are_answers(wire: str) -> None:
    path, body = request(wire, stream=True)
    faults = {0: Refuse(429, 2), 1: Refuse(429, 0.05), 2: Refuse(500), 3: Overflow(), 4: Garbage()}
    with ModelServer(with_faults(by_turn(Say("?"), ANSWER), faults)) as server:
        answers = [httpx.post(server.url + path, json=body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429, 429, 500, 400, 200, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert answers[1].headers["retry-after-ms"] == "50"
    assert "1000" in answers[3].json()["error"]["message"]
    assert answers[4].headers["content-type"] == "text/html"
    assert len(events(answers[5])) > 2


@pytest.mark.parametrize("wire", ["chat", "responses", "anthropic"])
def test_a_malformed_call_is_sent_as_it_is(wire: str) -> None:
    path, body = request(wire, stream=True)
    with ModelServer(in_order(Say(calls=(Call("ls", '{"path": '),)))) as server:
        text = httpx.post(server.url + path, json=body).text
    assert json.dumps('{"path": ')[1:-1] in text


def test_requests_are_recorded_also_chunked_ones() -> None:
    path, body = request("chat", stream=False, tools=False)
    document = json.dumps(body).encode()
    with ModelServer(by_turn(ANSWER)) as server:
        chunks = iter([document[:20], document[20:]])
        head = {"Authorization": "Bearer key", "Content-Type": "application/json"}
        answer = httpx.post(server.url + path, content=chunks, headers=head)
        models = httpx.get(f"{server.url}/v1/models").json()
        unknown = httpx.get(f"{server.url}/nothing")
        (record,) = server.wait_requests(1)
        assert len(server.all_requests) == 3
    assert record.headers["transfer-encoding"] == "chunked"
    assert record.headers["authorization"] == "Bearer key"
    assert record.json == body
    assert answer.json()["choices"][0]["message"]["content"] == "a title"
    assert models["data"][0]["id"] == "scripted"
    assert unknown.status_code == 404


def test_an_answer_by_a_schema_is_an_instance_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "next": {"type": "string", "enum": ["user", "model"]},
            "why": {"type": "string"},
            "more": {"type": "boolean"},
        },
        "required": ["next", "why"],
    }
    path, body = request("gemini", stream=False)
    body["generationConfig"] = {"responseJsonSchema": schema}
    with ModelServer(in_order(Refuse(500))) as server:
        answer = httpx.post(server.url + path, json=body).json()
        assert server.requests == ()
    text = answer["candidates"][0]["content"]["parts"][0]["text"]
    assert json.loads(text) == {"next": "user", "why": "text"}


def test_a_policy_answers_when_the_test_says_so() -> None:
    go = threading.Event()

    def policy(talk: Conversation) -> Reply:
        assert go.wait(30)
        return Say("now")

    path, body = request("chat", stream=False)
    with ModelServer(policy) as server:
        answers: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(server.url + path, json=body, timeout=30))
        )
        asking.start()
        server.wait_requests(1)
        assert answers == []
        go.set()
        asking.join()
    assert answers[0].json()["choices"][0]["message"]["content"] == "now"


def test_what_goes_wrong_in_a_policy_fails_the_test() -> None:
    path, body = request("chat", stream=False)

    def policy(talk: Conversation) -> Reply:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        ModelServer(policy) as server,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.post(server.url + path, json=body)


def test_closing_ends_connections_that_hang() -> None:
    path, body = request("chat", stream=True)
    document = json.dumps(body).encode()
    with ModelServer(in_order(Hang())) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        head = f"POST {path} HTTP/1.1\r\ncontent-length: {len(document)}\r\n\r\n"
        client.sendall(head.encode() + document)
        server.wait_requests(1)
    with client:
        assert client.recv(1) == b""


def test_codex_writes_a_file(tmp_path: Path, codex: str) -> None:
    def policy(talk: Conversation) -> Reply:
        if "exec_command" not in talk.tools:
            return Say("aside")
        if not talk.results:
            return Say("I write it", calls=(Call("exec_command", {"cmd": "echo hi > made.txt"}),))
        return Say("written")

    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run(["git", "init", "-q", work], check=True)
    with ModelServer(policy) as server:
        (home / "config.toml").write_text(
            'model = "scripted"\nmodel_provider = "local"\ncheck_for_update_on_startup = false\n'
            '[model_providers.local]\nname = "local"\n'
            f'base_url = "{server.url}/v1"\nwire_api = "responses"\n'
            "requires_openai_auth = false\nrequest_max_retries = 0\nstream_max_retries = 0\n"
            "[analytics]\nenabled = false\n"
        )
        options = ["--json", "--dangerously-bypass-approvals-and-sandbox", "-C", work]
        done = subprocess.run(
            [codex, "exec", *options, "write a file"],
            env={"PATH": real_agents.PATH, "HOME": str(home), "CODEX_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        asked = [record.conversation for record in server.requests if record.conversation]

    assert done.returncode == 0, done.stderr
    assert (work / "made.txt").read_text() == "hi\n"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["type"] == "thread.started"
    assert lines[-1]["type"] == "turn.completed"
    assert lines[-1]["usage"]["input_tokens"] > 0
    said = [line["item"].get("text") for line in lines if line["type"] == "item.completed"]
    assert said[-1] == "written"
    assert [talk.wire for talk in asked] == ["responses", "responses"]
    assert asked[-1].asked == "write a file"


@pytest.fixture
def codex() -> str:
    """The real agent, from npm (`@openai/codex`)."""
    return real_agents.program("codex")
