"""`stoker chain`, as it is typed."""

from __future__ import annotations

import json

REVERTS = 'require(block.chainid == 0, "closed");'


def test_groups_of_a_file_are_done_and_told(stoker, groups, wrap, worlds):
    file = groups(wrap(5), wrap(2, 0))
    done = stoker("chain", "run", file)
    assert done.status == 0, done.err
    assert "group 0: Wrap 5: 1 transaction to sign" in done.out
    assert f"to {worlds[1]['WETH']}, 5 ether, 4 bytes of data" in done.out

    shown = stoker("chain", "results", "--json").json
    assert [one["inner"]["Done"]["transactions"][0]["value"] for one in shown] == [
        hex(5 * 10**18),
        hex(2 * 10**18),
    ]
    traced = stoker("chain", "results", "--group", "1", "--trace")
    assert "Balance changes" in traced.out
    assert "Wrap 5" not in traced.out
    code = stoker("chain", "results", "last", "--group", "0", "--code")
    assert code.out.strip() == wrap(5)["script"].strip()


def test_results_are_json_lines_as_they_come(stoker, groups, wrap):
    done = stoker("chain", "run", groups(wrap(1), wrap(2, body=REVERTS), wrap(3, 1)), "--json")
    assert done.status == 1
    found = {one["group_index"]: one["inner"] for one in map(json.loads, done.out.splitlines())}
    assert found[0]["Done"]["transactions"]
    assert "closed" in found[1]["Failed"]["error"]
    assert "group 1 (Wrap 2), which this one depends on, failed" in found[2]["Failed"]["error"]
    told = stoker("chain", "results")
    assert told.status == 1
    assert "group 2: Wrap 3: failed" in told.out


def test_a_plan_is_written_down_and_led_batch_by_batch(stoker, groups, wrap):
    planned = stoker("chain", "plan", groups(wrap(1), wrap(2, 0)), "--json").json
    assert planned["success"] is True
    assert planned["total_groups"] == 2
    plan = planned["plan_id"]

    first = stoker("chain", "next", plan)
    assert first.status == 0, first.err
    assert "released group-0" in first.out
    assert "group 0: Wrap 1: 1 transaction to sign" in first.out
    assert "1 of 2 groups are not over" in stoker("chain", "results", plan).err

    more = stoker("chain", "extend", plan, groups(wrap(3, 0, 1), name="more.json"))
    assert more.status == 0, more.err
    assert "1 group" in more.err
    stoker("chain", "next", plan)
    last = stoker("chain", "next", "last")
    assert last.status == 0, last.err
    assert "group 2: Wrap 3: 1 transaction to sign" in last.out
    assert len(stoker("chain", "results", plan, "--json").json) == 3


def test_every_fault_of_a_file_is_told_with_its_place(stoker, groups, wrap, project):
    bad = {**wrap(1), "contracts": [["1", "0x1234", "X"]], "dependencies": [7]}
    done = stoker("chain", "run", groups(bad))
    assert done.status == 2
    assert "groups.json: /groups/0/contracts/0" in done.err
    assert "groups.json: /groups/0/dependencies/0" in done.err
    assert (
        not (project / ".stoker" / "journal.db").exists()
        or not stoker("list", "--json").json["runs"]
    )


def test_what_is_missing_is_said(stoker, groups, wrap, project):
    (project / "plan.json").write_text('{"plan_id": "p", "steps": [{"id": "s", "run": "true"}]}')
    assert stoker("run", "plan.json", "--run-id", "r1").status == 0
    assert "no plan of groups yet" in stoker("chain", "results").err
    done = stoker("chain", "results", "r1")
    assert done.status == 2
    assert "run r1 is no plan of chain groups" in done.err
    (project / ".stoker" / "chains.toml").unlink()
    told = stoker("chain", "run", groups(wrap(1)))
    assert told.status == 2
    assert "chains.toml" in told.err
    assert "[chains.mainnet]" in told.err


def test_a_script_is_simulated(stoker, project, wrap):
    (project / "Wrap.s.sol").write_text(wrap(4)["script"])
    done = stoker("chain", "simulate", "Wrap.s.sol")
    assert done.status == 0, done.err
    assert "group 0: Wrap.s.sol: 1 transaction to sign" in done.out
    assert "succeeds; gas" in done.out
    there = stoker("chain", "simulate", "Wrap.s.sol", "--chain", "optimism", "--json")
    # What is a contract on one chain is none on the other.
    assert there.status == 1, there.out
    no = stoker("chain", "simulate", "Wrap.s.sol", "--chain", "base")
    assert no.status == 2
    assert "mainnet, optimism, 1, 10" in no.err


def test_what_groups_came_to_is_tried_and_then_sent(
    stoker, groups, wrap, project, worlds, changing
):
    weth, wallet = worlds[1]["WETH"], "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".rjust(64, "0")
    held = {"to": weth, "data": f"0x70a08231{wallet}"}

    def balance() -> int:
        return int(changing[1].rpc("eth_call", held, "latest"), 16)

    before = balance()
    assert stoker("chain", "run", groups(wrap(5), wrap(2, 0))).status == 0
    tried = stoker("chain", "broadcast", "last")
    assert tried.status == 0, tried.err
    assert "nothing is sent" in tried.err
    assert [path for path in tried.out.split() if "/dry-run/" in path]
    assert balance() == before

    refused = stoker("chain", "broadcast", "last", "--send")
    assert refused.status == 2
    assert "signs" in refused.err
    settings = project / ".stoker" / "chains.toml"
    settings.write_text(settings.read_text().replace("id = 1\n", "id = 1\nsigns = true\n"))
    sent = stoker("chain", "broadcast", "last", "--send", "--group", "0")
    assert sent.status == 0, sent.err
    assert balance() == before + 5 * 10**18
    (made,) = (project / "broadcast").glob("*/1/run-latest.json")
    assert json.loads(made.read_text())["receipts"]
    again = stoker("chain", "broadcast", "last", "--send", "--group", "0")
    assert again.status == 2
    assert "it has been sent, by run broadcast-" in again.err
    assert balance() == before + 5 * 10**18
