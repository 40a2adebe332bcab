"""Events and logs, live: without gap or duplicate, for many and for slow readers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path

import pytest
from serving import begin, events, outcome, problem, wait_for
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

WAIT = "touch {0}.ready; until test -e {0}.go; do sleep 0.02; done"
SSE = {"Accept": "text/event-stream"}


def ws(shared, path, **options):
    return connect(shared.ws + path, proxy=None, max_size=None, **options)


def log_of(run_id, step="a", attempt=1, output="stdout"):
    return f"/v1/runs/{run_id}/steps/{step}/attempts/{attempt}/logs/{output}"


def process(shared):
    return shared.process.pid


def resident(pid) -> int:
    """Peak memory of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_every_way_to_read_events_tells_the_same(shared, api):
    run_id = begin(api, *({"id": f"s{n}", "run": "true"} for n in range(20)))
    live = events(api, run_id)
    assert [event["sequence"] for event in live] == list(range(1, len(live) + 1))
    assert live[-1]["type"] == "run.settled"
    page = api.get(f"/v1/runs/{run_id}/events", params={"limit": 1000}).json()
    assert (page["events"], page["over"], page["next_after"]) == (live, True, len(live))
    first = api.get(f"/v1/runs/{run_id}/events", params={"limit": 7}).json()
    rest = api.get(
        f"/v1/runs/{run_id}/events", params={"limit": 1000, "after": first["next_after"]}
    ).json()
    assert first["events"] + rest["events"] == live
    assert not first["over"]

    async def listen():
        async with ws(shared, f"/v1/runs/{run_id}/events/ws?after=5") as connection:
            return [json.loads(frame) async for frame in connection]

    assert asyncio.run(listen()) == live[5:]


def test_a_stream_goes_on_where_its_reader_stopped(shared, api):
    step = {"id": "a", "run": WAIT.format("resumed")}
    run_id = begin(api, step)
    seen = events(api, run_id, until="attempt.starting")
    (shared.directory / "resumed.go").touch()
    last = str(seen[-1]["sequence"])
    with api.stream(
        "GET", f"/v1/runs/{run_id}/events", headers={**SSE, "Last-Event-ID": last}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list(answer.iter_lines())
    ids = [int(line[4:]) for line in lines if line.startswith("id: ")]
    assert ids == list(range(seen[-1]["sequence"] + 1, ids[-1] + 1))
    over = api.get(f"/v1/runs/{run_id}/events", headers={**SSE, "Last-Event-ID": str(ids[-1])})
    assert over.status_code == 204  # which tells a browser not to come back
    problem(
        api.get(f"/v1/runs/{run_id}/events", headers={**SSE, "Last-Event-ID": "x"}),
        422,
        "invalid-request",
    )


def test_readers_that_leave_are_forgotten(shared, api):
    run_id = begin(api, {"id": "ask", "step_def": {"type": "approval", "prompt": "?"}})
    wait_until(shared, 0)

    async def main():
        async with ws(shared, f"/v1/runs/{run_id}/events/ws") as connection:
            await connection.recv()
            with api.stream("GET", "/v1/events", headers=SSE) as answer:
                lines = answer.iter_lines()
                assert next(lines) == ": connected"
                await asyncio.to_thread(wait_until, shared, 2)

    asyncio.run(main())
    wait_until(shared, 0)
    api.post(f"/v1/runs/{run_id}/cancel")


def wait_until(shared, streams):
    """Until so many are open."""
    deadline = time.monotonic() + 20
    with shared.client() as client:
        while (found := client.get("/v1/stats").json()["streams"]) != streams:
            assert time.monotonic() < deadline, found


def test_fifty_listeners_hear_the_same(shared, api):
    run_id = begin(
        api,
        {"id": "a", "run": WAIT.format("fifty")},
        *({"id": f"s{n}", "run": "true", "depends_on": ["a"]} for n in range(20)),
    )

    async def listen(ready):
        async with ws(shared, f"/v1/runs/{run_id}/events/ws") as connection:
            found = [json.loads(await connection.recv())]
            ready.release()
            return found + [json.loads(frame) async for frame in connection]

    async def main():
        ready = asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen(ready)) for _ in range(50)]
            for _ in tasks:
                await ready.acquire()
            (shared.directory / "fifty.go").touch()
        return [task.result() for task in tasks]

    first, *others = asyncio.run(main())
    assert [event["sequence"] for event in first] == list(range(1, len(first) + 1))
    assert all(other == first for other in others)


def test_events_of_all_runs_come_in_one_stream_also_those_of_other_processes(shared, api):
    (shared.directory / "own.yaml").write_text("plan_id: own\nsteps:\n- {id: a, run: 'true'}\n")

    async def main():
        async with ws(shared, "/v1/events/ws") as connection:
            await asyncio.to_thread(api.get, "/healthz")  # the stream has begun before it
            run_id = await asyncio.to_thread(begin, api, {"id": "a", "run": "true"})
            await asyncio.to_thread(shared.stoker, "run", "own.yaml", "--run-id", "own", "-q")
            found = {run_id: [], "own": []}
            ids = []
            while not all(e and e[-1]["type"] == "run.settled" for e in found.values()):
                told = json.loads(await connection.recv())
                ids.append(told["id"])
                found.setdefault(told["event"]["run_id"], []).append(told["event"])
        async with ws(shared, f"/v1/events/ws?after={ids[2]}") as connection:
            again = [json.loads(await connection.recv())["id"] for _ in ids[3:]]
        async with ws(shared, "/v1/events/ws?after=elsewhere.3") as connection:
            assert json.loads(await connection.recv())["event"] is None  # some were missed
        return run_id, found, ids, again

    run_id, found, ids, again = asyncio.run(main())
    for one in (run_id, "own"):
        assert found[one] == api.get(f"/v1/runs/{one}/events").json()["events"]
    assert again == ids[3:]


def test_a_log_is_read_whole_in_parts_and_live(shared, api):
    script = (
        f"printf 'h\\303\\244'; {WAIT.format('log')}; printf '\\303\\266!\\377\\n'; echo bad >&2"
    )
    run_id = begin(api, {"id": "a", "run": script})
    wait_for(shared.directory / "log.ready")
    whole = "hä".encode() + b"\xc3\xb6!\xff\n"

    async def follow(offset):
        async with ws(shared, f"{log_of(run_id)}/ws?offset={offset}") as connection:
            frames = [await connection.recv(), await connection.recv()]
            (shared.directory / "log.go").touch()
            return frames + [frame async for frame in connection]

    frames = asyncio.run(follow(0))
    assert json.loads(frames[0]) == {"offset": 0}
    assert json.loads(frames[-1]) == {"offset": len(whole), "end": True}
    assert b"".join(frame for frame in frames if isinstance(frame, bytes)) == whole
    outcome(api, run_id)
    assert api.get(log_of(run_id)).content == whole
    assert api.get(log_of(run_id, output="stderr")).text == "bad\n"
    assert api.get(log_of(run_id), params={"offset": 3}).content == whole[3:]
    lines = api.get(log_of(run_id), headers=SSE).text.splitlines()
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert "".join(one.get("text", "") for one in told) == whole.decode("utf-8", "replace")
    assert lines[-3:] == ["event: end", "data:", ""]
    for path in (log_of(run_id, attempt=2), log_of(run_id, step="b"), log_of("nope")):
        problem(api.get(path), 404, "not-found")
    problem(api.get(log_of(run_id, output="passwd")), 404, "invalid-request")


def test_a_log_outside_the_servers_directory_is_not_read(shared, api):
    """A step may replace its log by a link."""
    secret = shared.directory / "secret"
    secret.write_text("hunter2")
    run_id = begin(
        api,
        {
            "id": "a",
            "run": 'log="$(readlink /proc/$$/fd/1)"; rm "$log"; ln -s "$PWD/secret" "$log"',
        },
    )
    outcome(api, run_id)
    link = shared.directory / f".stoker/runs/{run_id}/logs/a.1.out"
    assert link.is_symlink()
    assert link.read_text() == "hunter2"
    problem(api.get(log_of(run_id)), 404, "not-found")


@pytest.fixture(scope="module")
def big(shared):
    """A run whose log has 100 MiB."""
    with shared.client() as client:
        run_id = begin(client, {"id": "a", "run": "true"})
        outcome(client, run_id)
    block = os.urandom(1 << 20)
    with (shared.directory / f".stoker/runs/{run_id}/logs/a.1.out").open("wb") as file:
        for _ in range(100):
            file.write(block)
    return run_id, block


def test_a_log_of_100_megabytes_is_not_held_in_memory(shared, api, big):
    run_id, block = big
    before = resident(process(shared))

    async def replay():
        size = 0
        async with ws(shared, f"{log_of(run_id)}/ws") as connection:
            async for frame in connection:
                if isinstance(frame, bytes):
                    place = size % len(block)
                    assert frame[:64] == (block + block)[place : place + len(frame[:64])]
                    size += len(frame)
        return size

    assert asyncio.run(replay()) == 100 << 20
    size = 0
    with api.stream("GET", log_of(run_id)) as answer:
        for chunk in answer.iter_raw():
            size += len(chunk)
    assert size == 100 << 20
    assert resident(process(shared)) - before < 30 << 20


def test_a_reader_that_does_not_read_costs_no_memory_and_stops_nobody(shared, api, big):
    run_id, _ = big
    before = resident(process(shared))
    host, port = shared.url.removeprefix("http://").split(":")
    slow = []
    for _ in range(20):
        one = socket.create_connection((host, int(port)))
        one.sendall(f"GET {log_of(run_id)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        one.recv(1)  # it has begun
        slow.append(one)
    assert outcome(api, begin(api, {"id": "a", "run": "true"})) == "succeeded"
    assert resident(process(shared)) - before < 40 << 20
    for one in slow:
        one.close()


def test_a_websocket_that_is_refused_says_why(shared, api):
    async def refused(path):
        with pytest.raises(InvalidStatus) as caught:
            async with ws(shared, path):
                pass
        answer = caught.value.response
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, json.loads(answer.body)["status"]

    async def main():
        assert await refused("/v1/runs/nope/events/ws") == (404, 404)
        assert await refused("/nope") == (404, 404)
        assert await refused("/v1/events/nope") == (404, 404)
        assert await refused("/v1/runs/nope/events/ws?after=x") == (422, 422)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("bytes_", "code"),
    [
        (b"\x81\x82aaaa" + b"\x9e\x9e", 1007),  # not UTF-8 once unmasked
        (b"\xf1\x80aaaa", 1002),  # bits nobody has defined
        (b"\x01\x01x", 1002),  # not masked
        (b"\x82\xff\x00\x00\x00\x00\x10\x00\x00\x00aaaa", 1009),  # 256 MiB
        (b"\x82\x81aaaa\x00", 1008),  # right, but nothing is expected
    ],
)
def test_a_malformed_frame_closes_with_its_code(shared, api, bytes_, code):
    async def main():
        async with ws(shared, "/v1/events/ws") as connection:
            connection.transport.write(bytes_)
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd.code == code

    asyncio.run(main())
    assert api.get("/healthz").status_code == 200


def test_streams_end_when_the_server_does(serve):
    server = serve()
    with server.client() as client:
        run_id = begin(client, {"id": "ask", "step_def": {"type": "approval", "prompt": "?"}})

        async def main():
            async with ws(server, "/v1/events/ws") as connection:
                with client.stream("GET", f"/v1/runs/{run_id}/events", headers=SSE) as answer:
                    lines = answer.iter_lines()
                    assert next(lines) == ": connected"
                    stopped = asyncio.create_task(asyncio.to_thread(server.stop))
                    await asyncio.to_thread(list, lines)  # ends
                with pytest.raises(ConnectionClosed) as caught:
                    while True:
                        await connection.recv()
                assert caught.value.rcvd.code == 1012
                assert await stopped == 0

        asyncio.run(main())
    assert "Traceback" not in server.log
