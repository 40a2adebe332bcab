"""What agents say and do, as entries of a normalised log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.agents import stream
from stoker.agents.stream import Put
from stoker.server.forge.entries import Log, approval_id

OPTIONS = (stream.Option(id="y", name="yes", kind="allow_once"),)


def told(*contents):
    """The entries that a stream with these contents comes to, each told by itself."""
    log, found = Log("p"), []
    for index, content in contents:
        for op in log.take([Put(index=index, time=1.0, content=content)]):
            number = int(op["path"].removeprefix("/entries/"))
            assert (op["op"] == "add") == (number == len(found))
            found[number : number + 1] = [op["value"]["content"]]
    return found


@pytest.mark.parametrize(
    ("content", "tool", "action"),
    [
        (
            stream.ToolCall(id="1", name="Read", kind="read", input={"file_path": "a"}),
            "Read",
            {"action": "file_read", "path": "a"},
        ),
        (
            stream.ToolCall(id="1", name="Grep", kind="search", input={"pattern": "x"}),
            "Grep",
            {"action": "search", "query": "x"},
        ),
        (
            stream.ToolCall(id="1", name="Fetch", kind="fetch", input={"url": "http://x"}),
            "Fetch",
            {"action": "web_fetch", "url": "http://x"},
        ),
        (
            stream.ToolCall(id="1", name="Task", kind="task", title="look"),
            "Task",
            {"action": "task_create", "description": "look"},
        ),
        (
            stream.ToolCall(id="1", name="mcp", input=[1], result="*r*"),
            "mcp",
            {
                "action": "tool",
                "tool_name": "mcp",
                "arguments": [1],
                "result": {"type": {"type": "markdown"}, "value": "*r*"},
            },
        ),
        (
            stream.Command(id="1", command="ls"),
            "Bash",
            {"action": "command_run", "command": "ls", "result": None},
        ),
        (
            stream.Command(id="1", command="ls", status="failed", exit_code=2, output="no"),
            "Bash",
            {
                "action": "command_run",
                "command": "ls",
                "result": {"exit_status": {"type": "exit_code", "code": 2}, "output": "no"},
            },
        ),
        (
            stream.FileEdit(id="1", changes=(stream.Change(path="a", change="deleted"),)),
            "Edit",
            {"action": "file_edit", "path": "a", "changes": [{"action": "delete"}]},
        ),
        (
            stream.FileEdit(
                id="1", changes=(stream.Change(path="b", change="renamed", old_path="a"),)
            ),
            "Edit",
            {
                "action": "file_edit",
                "path": "a",
                "changes": [{"action": "rename", "new_path": "b"}],
            },
        ),
        (
            stream.FileEdit(
                id="1", changes=(stream.Change(path="a", change="added", diff="text"),)
            ),
            "Edit",
            {
                "action": "file_edit",
                "path": "a",
                "changes": [{"action": "write", "content": "text"}],
            },
        ),
        (
            stream.FileEdit(
                id="1", changes=(stream.Change(path="a", diff="@@ -1 +1 @@\n-a\n+b\n"),)
            ),
            "Edit",
            {
                "action": "file_edit",
                "path": "a",
                "changes": [
                    {
                        "action": "edit",
                        "unified_diff": "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n",
                        "has_line_numbers": True,
                    }
                ],
            },
        ),
    ],
)
def test_a_tool_in_use_has_its_action(content, tool, action):
    (entry,) = told((0, content))
    kind = entry["entry_type"]
    assert (kind["type"], kind["tool_name"], kind["action_type"]) == ("tool_use", tool, action)
    assert kind["status"]["status"] == ("failed" if content.status == "failed" else "created")


def test_an_edit_of_several_files_is_an_entry_for_each():
    changes = (stream.Change(path="a"), stream.Change(path="b"))
    found = told((0, stream.FileEdit(id="1", changes=changes)), (1, stream.Notice(text="n")))
    assert [one["content"] for one in found] == ["a", "b", "n"]


def test_what_is_no_entry_leaves_no_gap():
    found = told(
        (0, stream.Usage()),
        (1, stream.Session(id="s")),
        (2, stream.AssistantMessage(text="x")),
        (3, stream.TurnEnded(reason="completed")),
    )
    assert [one["content"] for one in found] == ["x"]
    (failed,) = told((0, stream.TurnEnded(reason="limit")))
    assert (failed["entry_type"]["type"], failed["content"]) == (
        "error_message",
        "The turn ended: limit",
    )


def asked(answer=None, tool_call="1"):
    return stream.Approval(
        id="q/1", kind="execute", title="rm", options=OPTIONS, tool_call=tool_call, answer=answer
    )


def test_a_request_for_approval_is_the_standing_of_its_tool():
    run = stream.Command(id="1", command="rm")
    (pending,) = told((0, run), (1, asked()))
    status = pending["entry_type"]["status"]
    assert status["status"] == "pending_approval"
    assert status["approval_id"] == approval_id("p", "q/1") == "p.712f31"
    no = stream.Answer(option="n", allowed=False, by="me", reason="because")
    denied, said = told((0, run), (1, asked()), (1, asked(no)))
    assert denied["entry_type"]["status"] == {"status": "denied", "reason": "because"}
    assert said["entry_type"] == {"type": "user_feedback", "denied_tool": "rm"}
    assert said["content"] == "because"
    yes = stream.Answer(option="y", allowed=True)
    done = stream.Command(id="1", command="rm", status="succeeded")
    (allowed,) = told((0, run), (1, asked()), (1, asked(yes)), (0, done))
    assert allowed["entry_type"]["status"] == {"status": "success"}


def test_a_request_about_no_tool_is_an_entry_of_its_own():
    (entry,) = told((0, asked(tool_call=None)))
    assert entry["entry_type"]["action_type"] == {"action": "other", "description": "rm"}


CONTENTS = st.one_of(
    st.builds(stream.AssistantMessage, text=st.text(max_size=3)),
    st.just(stream.Usage()),
    st.builds(
        stream.Command,
        id=st.sampled_from("12"),
        command=st.just("ls"),
        status=st.sampled_from(("running", "denied", "succeeded")),
    ),
    st.builds(
        asked,
        st.sampled_from((None, stream.Answer(option="n", allowed=False, by="me", reason="no"))),
        st.sampled_from(("1", "2", None)),
    ),
)


@given(st.lists(CONTENTS, max_size=12), st.data())
def test_entries_are_the_same_however_records_come_together(contents, data):
    puts, count = [], 0
    for content in contents:
        index = data.draw(st.integers(0, count))
        count += index == count
        puts.append(Put(index=index, time=1.0, content=content))
    cut = data.draw(st.integers(0, len(puts)))
    results = []
    for batches in ([puts], [puts[:cut], puts[cut:]], [[put] for put in puts]):
        log, found = Log("p"), []
        for batch in batches:
            for op in log.take(batch):
                number = int(op["path"].removeprefix("/entries/"))
                assert (op["op"] == "add") == (number == len(found))
                found[number : number + 1] = [op["value"]]
        results.append(found)
    assert results[0] == results[1] == results[2]
