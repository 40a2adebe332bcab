"""Any command as an agent."""

from __future__ import annotations

from agent_bench import Bench, says

from stoker.agents.inbox import Interrupt
from stoker.agents.stream import TurnEnded, UserMessage


def test_its_stdout_is_what_it_says(tmp_path):
    bench = Bench(tmp_path)
    words = ["sh", "-c", "cat; echo; printf unfinished; echo hidden >&2"]
    profile = bench.profile("COMMAND", command=words, append_prompt="and be good")
    ran = bench.run({"profile": profile, "prompt": "do it"})
    assert ran.outcome.status == "succeeded", ran.reason
    assert ran.said == ["do it\nand be good\n\nunfinished\n"]
    assert ran.one(UserMessage).text == "do it"
    assert ran.one(TurnEnded).reason == "completed"
    assert ran.outputs["summary"] == ran.said[0]


def test_the_prompt_may_be_an_argument(tmp_path):
    bench = Bench(tmp_path)
    profile = bench.profile("COMMAND", command=["sh", "-c", 'echo "$1"; cat', "sh", "<{prompt}>"])
    ran = bench.run({"profile": profile, "prompt": "a 'b' $HOME"})
    assert ran.said == ["<a 'b' $HOME>\n"]


def test_its_failure_is_the_steps(tmp_path):
    bench = Bench(tmp_path)
    profile = bench.profile("COMMAND", command=["sh", "-c", "echo half; echo why >&2; exit 7"])
    ran = bench.run({"profile": profile, "prompt": "x"})
    assert ran.status == "failed"
    assert ran.reason == "the agent's turn ended: failed: exit code 7\nwhy"
    assert ran.said == ["half\n"]


def test_it_is_ended_when_it_is_interrupted(tmp_path):
    async def act(live):
        await live.until(says("ready"))
        live.tell(Interrupt())

    bench = Bench(tmp_path)
    profile = bench.profile("COMMAND", command=["sh", "-c", "echo ready; exec sleep 1000"])
    ran = bench.run({"profile": profile, "prompt": "x"}, act)
    assert ran.reason == "the agent's turn ended: interrupted"
