"""The normalised stream: records, their fold, their schema."""

import asyncio

import msgspec
import pytest
from jsonschema import Draft202012Validator

from stoker.agents import stream
from stoker.agents.follow import batches
from stoker.agents.stream import (
    Answer,
    Append,
    Approval,
    AssistantMessage,
    Change,
    Command,
    Entries,
    Failure,
    FileEdit,
    Notice,
    Option,
    Put,
    Session,
    Thinking,
    Todo,
    Todos,
    Tokens,
    ToolCall,
    TurnEnded,
    Usage,
    UserMessage,
    load,
)

OPTION = Option(id="a", name="Allow", kind="allow_once")
EVERY = [
    UserMessage(text="do it", images=("a.png",)),
    AssistantMessage(text="I will"),
    Thinking(text="hm"),
    Notice(text="n"),
    ToolCall(id="t", name="read_file", kind="read", status="succeeded", input={"p": 1}),
    Command(id="c", command="ls", output="a\n", exit_code=0, status="succeeded"),
    FileEdit(id="e", changes=(Change(path="a", change="added", diff="+x"),)),
    Todos(items=(Todo(text="one", status="in_progress"),)),
    Usage(tokens=Tokens(input=3, cached=1, output=2), cost_usd=0.5),
    Failure(message="oh"),
    Approval(
        id="p",
        kind="execute",
        title="ls",
        command="ls",
        options=(OPTION,),
        answer=Answer(option="a", allowed=True, by="policy"),
    ),
    Session(id="s", model="m"),
    TurnEnded(reason="completed", summary="done"),
]


def test_every_content_survives_its_line_and_fits_the_schema():
    assert {type(content) for content in EVERY} == set(stream.AnyContent.__args__)
    records = [Put(index=i, time=1.5, content=content) for i, content in enumerate(EVERY)]
    records.append(Append(index=1, text=" now"))
    lines = stream.encode(records).splitlines()
    assert [stream.decode(line) for line in lines] == records
    validator = Draft202012Validator(stream.schema())
    for line in lines:
        validator.validate(msgspec.json.decode(line))
    assert list(validator.iter_errors({"record": "put", "index": 0, "time": 1, "content": {}}))


def test_records_fold_into_entries():
    entries = Entries()
    entries.add(Put(index=0, time=1.0, content=AssistantMessage(text="a")))
    entries.add(Append(index=0, text="b"))
    entries.add(Put(index=1, time=2.0, content=Command(id="c", command="ls")))
    entries.add(Append(index=1, text="out"))
    changed = entries.add(
        Put(index=1, time=2.0, content=Command(id="c", command="ls", output="all", exit_code=1))
    )
    assert list(entries) == [AssistantMessage(text="ab"), changed.content]
    assert len(entries) == 2


@pytest.mark.parametrize(
    "record", [Put(index=1, time=0.0, content=Notice(text="")), Append(index=0, text="x")]
)
def test_a_record_that_does_not_follow_is_refused(record):
    with pytest.raises(ValueError, match="but there are 0"):
        Entries().add(record)


def test_it_is_followed_while_it_is_written(tmp_path):
    records = [
        Put(index=0, time=1.0, content=AssistantMessage(text="ä")),
        *(Append(index=0, text=str(number)) for number in range(3)),
    ]
    data = stream.encode(records)
    (tmp_path / "stream").write_bytes(data[:-5])  # the last is being written

    async def read(finished=None):
        found = batches(tmp_path, finished=finished)
        return [one async for batch in found for one in batch]

    assert asyncio.run(read()) == records[:-1]
    assert list(load(tmp_path / "stream")) == list(Entries(records[:-1]))

    async def live():
        finished = asyncio.get_running_loop().create_future()
        following = asyncio.ensure_future(read(finished))
        await asyncio.sleep(0)
        with (tmp_path / "stream").open("ab") as file:
            file.write(data[-5:] + stream.encode(records[1:2]))
        finished.set_result(None)
        return await following

    assert asyncio.run(live()) == [*records, records[1]]
    assert len(load(tmp_path / "nothing")) == 0
