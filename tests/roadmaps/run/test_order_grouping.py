"""Which tasks are done together, and what waits for what."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stoker.plan.errors import PlanError
from stoker.roadmaps.document import Phase, Roadmap, Task
from stoker.roadmaps.grouping import alike, units
from stoker.roadmaps.order import order
from stoker.roadmaps.plan import units_of
from stoker.roadmaps.settings import Settings


def task(id_, title="", *, phase="1", line=1, **more):
    return Task(id=id_, title=title or id_, line=line, column=1, phase=phase, **more)


def roadmap(*tasks, phases=(), gates=()):
    return Roadmap(
        source="R.md",
        root="/r",
        format="roadmap",
        sha256="",
        tasks=tasks,
        phases=phases or (Phase(id="1", name="One", line=1),),
        gates=gates,
    )


def waits(found, **settings):
    """Of each unit the ids of those it waits for."""
    listed = units_of(found, Settings(**{"parallel": 2, **settings}))
    return {
        one.unit.id: {listed[other].unit.id for other in (*one.waits, *one.follows)}
        for one in listed
    }


def test_what_is_done_or_shall_not_be_done_is_left_out():
    found = roadmap(
        task("a", status="done"),
        task("b", status="skipped"),
        task("c", depends_on=("a", "nowhere")),
        task("d", optional=True),
    )
    assert waits(found) == {"c": set()}
    assert waits(found, optional=True) == {"c": set(), "d": set()}


def test_dependencies_go_before_the_order_of_the_file():
    found = roadmap(task("a", depends_on=("b",)), task("b"), task("c"))
    assert [one.unit.id for one in units_of(found, Settings())] == ["b", "a", "c"]
    assert waits(found) == {"b": set(), "a": {"b"}, "c": set()}


def test_a_dependency_on_a_subtask_is_one_on_its_task():
    found = roadmap(task("a", subtasks=(task("a.1"),)), task("b", depends_on=("a.1",)))
    assert waits(found)["b"] == {"a"}


def test_tasks_that_wait_for_each_other_are_an_error_with_the_path():
    found = roadmap(
        task("a", depends_on=("c",), line=3),
        task("b", depends_on=("a",)),
        task("c", depends_on=("b",)),
    )
    with pytest.raises(PlanError) as caught:
        waits(found)
    text = str(caught.value)
    assert "wait for each other" in text
    path = text.rpartition(": ")[2].split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    follows = {("a", "c"), ("b", "a"), ("c", "b")}
    assert set(pairwise(path)) in (follows, {(y, x) for x, y in follows})


def test_tasks_with_a_file_in_common_follow_each_other():
    found = roadmap(
        task("a", files=("x.py",)),
        task("b", files=("y.py",)),
        task("c", files=("y.py", "x.py"), depends_on=("d",)),
        task("d", files=("x.py",)),
    )
    assert waits(found) == {"a": set(), "b": set(), "d": {"a"}, "c": {"b", "d"}}
    assert waits(found, infer=False) == {"a": set(), "b": set(), "d": set(), "c": {"d"}}


def test_phases_are_barriers_where_the_format_has_them():
    phases = (
        Phase(id="1", name="Setup", line=1),
        Phase(id="2", name="Empty", line=2, barrier=True),
        Phase(id="3", name="Story", line=3, barrier=True),
        Phase(id="4", name="Aside", line=4, depends_on=("1",)),
    )
    found = roadmap(
        task("a"),
        task("b", depends_on=("a",)),
        task("c", phase="3"),
        task("d", phase="3", depends_on=("c",)),
        task("e", phase="4"),
        phases=phases,
    )
    # The last of a phase hold up the first of the next; the rest follows.
    assert waits(found) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}, "e": {"b"}}


def test_where_some_are_marked_as_parallel_the_others_are_alone():
    found = roadmap(
        task("a"), task("b", parallel=True), task("c", parallel=True), task("d"), task("e")
    )
    assert waits(found) == {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": {"d"}}


def test_a_gate_holds_up_what_follows_it():
    found = roadmap(task("a"), task("b"), task("g", gate=True), task("c"))
    assert waits(found) == {"a": set(), "b": set(), "g": {"a", "b"}, "c": {"g"}}


def test_an_order_is_found_for_a_thousand():
    many = [task(f"t{i}", files=(f"f{i % 7}",)) for i in range(1000)]
    chosen = units(roadmap(*many), Settings())
    placed = order(chosen, (), infer=True)
    assert [one.unit.id for one in placed] == [f"t{i}" for i in range(1000)]
    assert (placed[7].waits, placed[7].follows) == ((), (0,))


def test_one_by_one_is_the_order_of_the_file_whatever_becomes_of_each():
    found = units_of(roadmap(task("a"), task("b"), task("c", depends_on=("b",))), Settings())
    assert [(one.waits, one.follows) for one in found] == [((), ()), ((), (0,)), ((1,), ())]


def groups(found, **settings):
    return [list(unit.ids) for unit in units(found, Settings(**settings))]


def test_groups_by_section():
    found = roadmap(
        task("a", section="1.1"),
        task("b", section="1.1"),
        task("c", section="1.2"),
        task("g", section="1.2", gate=True),
        task("d", section="1.2"),
    )
    assert groups(found) == [["a"], ["b"], ["c"], ["g"], ["d"]]
    assert groups(found, grouping="section") == [["a", "b"], ["c"], ["g"], ["d"]]
    assert len(groups(roadmap(*(task(f"t{i}") for i in range(20))), grouping="section")) == 3


def test_smart_groups_are_of_tasks_that_are_alike_and_follow_each_other():
    found = roadmap(
        task("a", "Parse the header of requests", files=("http.py",)),
        task("b", "Something else", files=("http.py",)),
        task("c", "Colours"),
        task("d", "Parse the header of responses", files=("http.py",)),
    )
    assert groups(found, grouping="smart") == [["a", "b"], ["c"], ["d"]]
    assert alike(task("a", "Rename `Session` now"), task("b", "Delete `Session`"))
    assert alike(task("a", "Validate user email address"), task("b", "Validate email address"))
    assert not alike(task("a", "Validate user email"), task("b", "Delete old email archive"))


def test_a_group_does_not_wait_for_itself():
    found = roadmap(
        task("x", section="0", depends_on=("b",)),
        task("a", section="1"),
        task("b", section="1"),
        task("c", section="1", depends_on=("x",)),
    )
    assert len(units_of(found, Settings(grouping="section"))) == 4


@given(st.data(), st.sampled_from(["section", "smart"]))
def test_groups_never_wait_for_each_other_where_their_tasks_do_not(data, grouping):
    ids = [f"t{n}" for n in range(data.draw(st.integers(2, 8)))]
    line = data.draw(st.permutations(ids))  # in which they can be done
    found = roadmap(
        *(
            task(
                name,
                data.draw(st.sampled_from(["parse the header", "parse a header", "colours"])),
                section=data.draw(st.sampled_from("ab")),
                depends_on=tuple(data.draw(st.sets(st.sampled_from(line[: line.index(name) + 1])))),
                subtasks=(task(f"{name}.1", depends_on=tuple(line[:1])),),
            )
            for name in ids
        )
    )
    assert units_of(found, Settings(grouping=grouping))


def test_settings_that_differ_keep_tasks_apart():
    found = roadmap(task("a", section="1"), task("b", section="1"))
    settings = Settings(grouping="section", task={"b": {"agent": "CODEX"}})
    assert [unit.options.agent for unit in units(found, _converted(settings))] == [
        "BUILTIN",
        "CODEX",
    ]


def _converted(settings):
    import msgspec

    return msgspec.convert(msgspec.to_builtins(settings), Settings)


def test_todos_are_done_one_after_the_other():
    sub = tuple(task(f"a.{n}", phase=None) for n in (1, 2, 3))
    found = roadmap(
        task("a", subtasks=(sub[0], task("a.2", status="done", phase=None), sub[2])), task("b")
    )
    assert waits(found, mode="todo") == {"a.1": set(), "a.3": set(), "b": set()}
    found = roadmap(task("a", "Parent", subtasks=sub))
    assert waits(found, mode="todo") == {"a.1": set(), "a.2": {"a.1"}, "a.3": {"a.2"}}
    assert "Part of: Parent" in units(found, Settings(mode="todo"))[0].tasks[0].context


def test_only_some_and_at_most():
    found = roadmap(task("a"), task("b"), task("c"))
    assert list(waits(found, only=("b",))) == ["b"]
    assert list(waits(found, max_tasks=2)) == ["a", "b"]
    with pytest.raises(PlanError, match="there is no task nix"):
        waits(found, only=("nix",))


def test_what_is_imported_comes_before_what_imports_it(tmp_path):
    for path, text in {
        "app.py": "from lib import store\n",
        "lib/store.py": "from . import base\n",
        "lib/base.py": "",
        "left.py": "import right\n",
        "right.py": "import left\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    found = roadmap(
        task("app", files=("app.py",)),
        task("store", files=("lib/store.py",)),
        task("base", files=("lib/base.py",), depends_on=("left",)),
        task("left", files=("left.py",)),
        task("right", files=("right.py",)),
    )
    found = replace(found, root=str(tmp_path))
    # Import each other: no order. What the file says goes before.
    expected = {
        **{"app": {"store"}, "store": {"base"}, "base": {"left"}, "left": set(), "right": set()}
    }
    assert waits(found) == expected
    line = ["left", "base", "store", "app", "right"]
    in_turn = [one.unit.id for one in units_of(found, Settings())]
    assert in_turn == line
    assert waits(found, infer=False)["app"] == set()
    against = replace(
        found,
        tasks=(
            task("a", files=("lib/base.py",), depends_on=("b",)),
            task("b", files=("app.py", "lib/store.py")),
        ),
    )
    assert waits(against) == {"b": set(), "a": {"b"}}


GATED = [f"{'tg'[k % 2]}{k}" for k in range(4_000)]


@pytest.mark.parametrize(
    "tasks",
    [
        [task(name, gate=name[0] == "g") for name in GATED],
        [task(name, parallel=name[0] == "g") for name in GATED],
        [task(f"{k}", parallel=k % 100 > 1) for k in range(4_000)],
        [task(f"{k}", depends_on=(f"{k + 1}",), parallel=k % 2 == 0) for k in range(4_000)],
    ],
    ids=["gates", "every second one alone", "few alone", "backwards"],
)
def test_waits_are_about_as_many_as_tasks(tasks):
    listed = units_of(roadmap(*tasks), Settings(parallel=2))
    assert sum(len(one.waits) for one in listed) <= 2 * len(tasks)


def test_a_gate_holds_what_follows_through_the_next_one():
    found = roadmap(task("a"), task("b", gate=True), task("c"), task("d", gate=True), task("e"))
    assert waits(found) == {
        "a": set(), "b": {"a"}, "c": {"b"}, "d": {"b", "c"}, "e": {"d"},
    }  # fmt: skip


def test_what_is_said_the_other_way_round_stays_so_beside_parallel_tasks():
    found = roadmap(task("a", depends_on=("z",)), task("b", parallel=True), task("c"), task("z"))
    assert waits(found) == {"b": set(), "c": {"b"}, "z": {"c"}, "a": {"z", "b"}}


def test_too_many_waits_are_refused():
    phases = [Phase(id=name, name=name, line=1, barrier=True) for name in "12"]
    many = [task(f"{name}.{k}", phase=name) for name in "12" for k in range(1_500)]
    with pytest.raises(PlanError, match="expected at most 2,000,000 waits of tasks"):
        units_of(roadmap(*many, phases=phases), Settings(parallel=2))
    names = tuple(f"{k}" for k in range(1_500))
    said = [task(f"w{k}", depends_on=names) for k in names]
    with pytest.raises(PlanError, match="expected at most 2,000,000"):
        units_of(roadmap(*map(task, names), *said), Settings(parallel=2))
