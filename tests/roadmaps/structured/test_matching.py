"""Which task is which after a plan file was edited by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stoker.roadmaps.document import Phase, Roadmap, Task
from stoker.roadmaps.matching import match


def doc(*tasks, phases=()):
    return Roadmap(
        source="x.md", root="/", format="x", sha256="", tasks=tuple(tasks), phases=tuple(phases)
    )


def task(id, title=None, explicit=False, **rest):
    return Task(id=id, title=title or id, line=1, column=1, explicit=explicit, **rest)


def test_reordered_ticked_added_and_removed():
    before = doc(task("a"), task("b"), task("c"))
    now = doc(task("d"), task("c"), task("a", status="done"))
    found = match(before, now)
    assert found.same == {"a": "a", "c": "c"}
    assert found.added == ("d",)


def test_what_has_its_authors_id_may_say_something_else():
    before = doc(task("T1", "Log in", explicit=True), task("T2", "Log out", explicit=True))
    now = doc(task("T2", "Leave", explicit=True), task("T1", "Log in", explicit=True))
    found = match(before, now)
    assert found.same == {"T1": "T1", "T2": "T2"}


def test_a_task_put_in_before_others_does_not_inherit_their_work():
    before = doc(
        task("1.1", "Schema", explicit=True, status="done"), task("1.2", "Views", explicit=True)
    )
    now = doc(
        task("1.1", "Licence", explicit=True),
        task("1.2", "Schema", explicit=True, status="done"),
        task("1.3", "Views", explicit=True),
    )
    found = match(before, now)
    assert found.same == {"1.1": "1.2", "1.2": "1.3"}
    assert found.added == ("1.1",)


def test_the_same_words_under_another_heading_are_another_task():
    def phases(*names):
        return [Phase(id=name, name=name, line=1) for name in names]

    before = doc(
        task("x", "Write tests", phase="API"),
        task("y", "Write tests", phase="UI"),
        phases=phases("API", "UI"),
    )
    now = doc(
        task("y", "Write tests", phase="UI"),
        task("z", "Write tests", phase="Docs"),
        phases=phases("UI", "Docs"),
    )
    found = match(before, now)
    # "x" may have become "z": moved, since its words are nobody else's any more.
    assert found.same == {"y": "y", "x": "z"}
    explicit = match(
        doc(task("T1", "Write tests", explicit=True, section="API")),
        doc(task("T9", "Write tests", explicit=True, section="UI")),
    )
    assert explicit.same == {}


def test_a_renamed_task_is_known_by_what_stands_with_it():
    before = doc(task("a", "Log in", description="With a form.\nAnd a cookie."), task("b"))
    now = doc(task("b"), task("a2", "Sign in", description="With a form.\nAnd a cookie."))
    found = match(before, now)
    assert found.same == {"a": "a2", "b": "b"}
    # A title alone that is another one is another task.
    assert match(doc(task("a", "Log in")), doc(task("c", "Sign in"))).same == {}


def test_a_renamed_heading_takes_its_tasks_along():
    before = doc(task("1.1", "A", section="1. Core"), task("1.2", "B", section="1. Core"))
    now = doc(task("x", "A", section="2. Core"), task("y", "B", section="3. Base"))
    assert match(before, now).same == {"1.1": "x", "1.2": "y"}


def test_subtasks_are_matched_below_their_tasks():
    before = doc(
        task("a", subtasks=(task("a.1", "test"),)), task("b", subtasks=(task("b.1", "test"),))
    )
    now = doc(task("b", subtasks=(task("b.1", "test", status="done"),)), task("a"))
    found = match(before, now)
    assert found.same == {"a": "a", "b": "b", "b.1": "b.1"}


def test_of_tasks_that_nothing_tells_apart_those_of_one_status_are_the_same():
    before = doc(task("a", "same", status="done"), task("b", "same"))
    now = doc(task("a", "same"))
    found = match(before, now)
    assert found.same == {"b": "a"}


TITLES = st.lists(st.sampled_from("abcdef"), max_size=8)


@given(before=TITLES, now=TITLES, explicit=st.booleans())
def test_every_task_is_accounted_for_once(before, now, explicit):
    old = doc(*(task(f"{n}", title, explicit) for n, title in enumerate(before)))
    new = doc(*(task(f"{n}", title, explicit) for n, title in enumerate(now)))
    found = match(old, new)
    assert set(found.same) <= {one.id for one in old.tasks}
    assert sorted([*found.same.values(), *found.added]) == sorted(one.id for one in new.tasks)
    assert match(old, old).same == {one.id: one.id for one in old.tasks}


def test_large_documents_are_matched_at_once():
    many = [task(f"{n}", f"title {n // 2}") for n in range(10_000)]
    found = match(doc(*many), doc(*reversed(many)))
    assert len(found.same) == 10_000
