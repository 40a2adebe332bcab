"""Pictures of plans: complete, and safe whatever the ids hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from stoker.plan import render_svg, render_text
from stoker.plan.drawing import action, dot, edges, mermaid
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step

_SVG = "{http://www.w3.org/2000/svg}"

ids = st.text(min_size=1, max_size=12).filter(lambda text: "/" not in text and text.strip())


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = draw(st.lists(ids, min_size=1, max_size=8, unique=True))
    steps = [
        Step(
            id=name,
            run=draw(st.text(max_size=20)),
            depends_on=tuple(draw(st.sets(st.sampled_from(names[:number])))) if number else (),
        )
        for number, name in enumerate(names)
    ]
    return Plan(plan_id=draw(ids), steps=tuple(steps))


@given(plans())
def test_every_picture_is_whole_whatever_the_names(plan: Plan) -> None:
    graph = Graph.build(plan.steps)
    count = sum(1 for _ in edges(graph))
    root = ElementTree.fromstring(render_svg.render(plan, graph))
    assert len(root.findall(f"{_SVG}g")) == len(plan.steps)
    assert len(root.findall(f"{_SVG}path")) == count

    flowchart = mermaid(graph).splitlines()
    assert len(flowchart) == 1 + len(plan.steps) + count
    for line in flowchart[1 : 1 + len(plan.steps)]:
        assert re.fullmatch(r'  s\d+\["[\w .:;#-]*"\]', line, re.ASCII)

    digraph = dot(plan.plan_id, graph)
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", digraph, flags=re.DOTALL)
    assert '"' not in bare
    assert bare.count("->") == count

    text = render_text.waves(graph)
    assert all(step.id in text for step in plan.steps)
    assert render_text.summary(plan, graph).startswith(plan.plan_id)


def test_arrows_say_how_steps_wait() -> None:
    plan = Plan(
        plan_id="p",
        steps=(
            Step(id="a", run="x", on_failure="fallback_step", fallback_step="f"),
            Step(id="f", run="x"),
            Step(id="b", run="x", depends_on=("a",)),
            Step(id="c", run="x", condition="prev.a.status == 'failed'"),
        ),
    )
    graph = Graph.build(plan.steps)
    flowchart = mermaid(graph)
    assert "s0 --> s2" in flowchart
    assert "s0 -.-> s3" in flowchart
    assert "s0 -. fallback .-> s1" in flowchart
    digraph = dot("p", graph)
    assert 's0 -> s1 [style=dotted, label="fallback"];' in digraph
    text = render_text.waves(graph)
    assert "f  (in place of a)" in text
    assert "c  (when settled: a)" in text
    classes = re.findall(r'class="edge (\w+)"', render_svg.render(plan, graph))
    assert sorted(classes) == ["dependency", "fallback", "order"]


def test_an_svg_of_a_long_plan_keeps_boxes_apart() -> None:
    steps = [Step(id=f"s{i}", run="x", depends_on=(f"s{i // 3}",) if i else ()) for i in range(60)]
    plan = Plan(plan_id="p", steps=tuple(steps))
    root = ElementTree.fromstring(render_svg.render(plan, Graph.build(plan.steps)))
    boxes = [group.find(f"{_SVG}rect") for group in root.findall(f"{_SVG}g")]
    places = {(float(box.get("x")), float(box.get("y"))) for box in boxes}
    assert len(places) == 60
    for x, y in places:
        assert not any(x == other and 0 < abs(y - top) < 40 for other, top in places)


def test_an_action_is_one_line_with_what_is_known_filled_in() -> None:
    scope = {"inputs": {"a": "x y", "n": 3}}
    command = Step(id="s", command="cp", args=("${{ inputs.a }}", "${{ prev.b.outputs.c }}", 1))
    assert action(command, scope) == "cp 'x y' '${{ prev.b.outputs.c }}' 1"
    assert action(Step(id="s", run="one\n  two")) == "one two"
    http = Step(id="s", step_def={"type": "http", "url": "http://h/${{ inputs.n }}", "retries": 2})
    assert action(http, scope) == "http url=http://h/3 retries=2"
    older = Step(id="s", command="ls", args=("*.c", "|", "wc"), shell=True)
    assert action(older) == "ls *.c | wc"
