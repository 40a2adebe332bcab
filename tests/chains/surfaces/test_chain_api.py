"""Plans of groups over HTTP and as tools of the MCP server."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from serving import Server

from stoker.client import SyncClient
from stoker.client.errors import NotFound, StokerError

REVERTS = 'require(block.chainid == 0, "closed");'


@pytest.fixture
def client(project):
    with Server(project, "--rate", "0") as server, SyncClient(server.url) as client:
        yield client


def test_receipts_come_at_once_and_results_later(client, wrap):
    plan = client.chains.set_execution_plan(groups=[wrap(1), wrap(2, 0), wrap(3, body=REVERTS)])
    assert (plan.success, plan.total_groups) == (True, 3)
    receipts = client.chains.next_groups(plan.plan_id)
    assert [one.node_id for one in receipts] == ["group-0", "group-2"]
    assert receipts[0].ops_count == 1
    batch = client.chains.next_groups(plan.plan_id, wait=True)
    assert batch.remaining_groups == 1
    while client.chains.show(plan.plan_id).remaining_groups:
        client.chains.next_groups(plan.plan_id, wait=True)
    told = {one.group_index: one for one in client.chains.subscribe_results(plan.plan_id)}
    assert told[0].inner.done.transactions[0].value == hex(10**18)
    assert told[1].inner.done.transactions[0].value == hex(2 * 10**18)
    assert "closed" in told[2].inner.failed.error
    assert sorted(told.values(), key=lambda one: one.group_index) == client.chains.get_results(
        plan.plan_id
    )


def test_a_plan_goes_on_by_itself_grows_and_is_cancelled(client, wrap):
    plan = client.chains.set_execution_plan(groups=[wrap(1)], automatic=True).plan_id
    assert [one.group_index for one in client.chains.subscribe_results(plan)] == [0]
    assert client.chains.extend_plan(plan, groups=[wrap(2, 0)]).total_groups == 2
    assert [one.group_index for one in client.chains.subscribe_results(plan)] == [0, 1]

    waits = client.chains.set_execution_plan(groups=[wrap(1)]).plan_id
    client.chains.cancel(waits, reason="not today")
    (only,) = client.chains.get_results(waits)
    assert "not today" in only.inner.failed.error


def test_what_is_wrong_is_told_with_its_place(client, wrap):
    with pytest.raises(StokerError) as told:
        client.chains.set_execution_plan(groups=[{**wrap(1), "dependencies": [3]}])
    assert told.value.status == 422
    assert told.value.problem.errors[0].pointer == "/0/dependencies/0"
    with pytest.raises(NotFound):
        client.chains.show("chain-none")
    assert client.runs.list().runs == []


def test_tools_are_named_as_their_clients_know_them(project, wrap):
    async def main():
        started = StdioServerParameters(
            command=sys.executable,
            args=["-m", "stoker", "mcp"],
            cwd=project,
            env=dict(os.environ),
        )
        async with stdio_client(started) as streams, ClientSession(*streams) as session:
            await session.initialize()
            plan = await session.call_tool("set_execution_plan", {"groups": [wrap(1), wrap(2, 0)]})
            plan_id = plan.structured_content["plan_id"]
            receipts = await session.call_tool("next_groups", {"plan_id": plan_id})
            later = await session.call_tool("next_groups", {"plan_id": plan_id, "wait": True})
            while later.structured_content["result"]["remaining_groups"]:
                later = await session.call_tool("next_groups", {"plan_id": plan_id, "wait": True})
            results = await session.call_tool("get_results", {"plan_id": plan_id})
            refused = await session.call_tool("set_execution_plan", {"groups": [{}]})
            return receipts, results, refused

    receipts, results, refused = asyncio.run(main())
    assert [one["node_id"] for one in receipts.structured_content["result"]] == ["group-0"]
    inner = [one["inner"] for one in results.structured_content["result"]]
    assert [len(one["Done"]["transactions"]) for one in inner] == [1, 1]
    assert refused.is_error
    assert "/0" in refused.content[0].text
