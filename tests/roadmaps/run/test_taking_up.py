"""Tasks that are added to the plan file during a run."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace
from roadmap_world import World
from test_order_grouping import roadmap, task

from stoker.roadmaps.begun import begun
from stoker.roadmaps.plan import extension
from stoker.roadmaps.settings import Settings
from stoker.roadmaps.taking_up import added
from stoker.roadmaps.unit import Job

PLAN = """# Shop

## Phase 1: Prices

### 1.1 Sums

- [ ] **Price**: write it
- [ ] **Tax**: write it
"""


def test_who_is_new_follows_from_what_it_says():
    known = roadmap(task("1.1", "First"), task("1.2", "Second"))
    put_in = roadmap(
        task("1.1", "First"),
        task("1.2", "Between", depends_on=("1.3",)),
        task("1.3", "Second", status="done"),
        task("1.4", "Done already", status="done"),
    )
    (new,) = added(known, put_in)
    assert (new.title, new.depends_on) == ("Between", ("1.2",))  # as it was called
    assert new.id.startswith("1.2-")
    more = replace(known, tasks=(*known.tasks, new))
    assert added(more, put_in) == ()


def test_what_waits_for_one_of_a_group_waits_for_the_group():
    known = roadmap(task("a"), task("b"), task("c", subtasks=(task("c.1"),)))
    new = task("d", depends_on=("b", "a"), files=("x",))
    for mode, waits in (("task", ["a"]), ("todo", ["a"])):
        settings = Settings(mode=mode, grouping="section", parallel=2)
        began = begun(known, Job(root="/", source="", format="", branch="r", base=""), settings)
        text = extension(began, [new], settings, {"a": "a", "b": "a", "c": "a", "c.1": "a"})
        (step,) = msgspec.json.decode(text)["steps"]
        assert (step["id"], step["depends_on"]) == ("d", waits)


@pytest.mark.parametrize("sync", [True, False])
def test_they_are_done_by_the_run(world: World, sync: bool) -> None:
    file = world.write("ROADMAP.md", PLAN)
    world.commit()
    world.script = {name: [{f"{name}.txt": name}] for name in ("1.1.1", "1.1.2")}
    longer = PLAN.replace("- [ ] **Tax**", "- [ ] **Discount**: write it\n- [ ] **Tax**")

    def on_request(name: str, number: int) -> None:
        if name == "1.1.1":
            file.write_text(longer)
        elif name not in world.script:
            world.script[name] = [{"discount.txt": "10%"}]

    world.on_request = on_request
    run = world.run(sync=sync, verify="skip", context=0)
    assert run.status == "succeeded"
    titles = ["Price", "Tax", "Discount"]
    assert [one.unit.title for one in run.units] == (titles if sync else titles[:2])
    assert file.read_text() == (longer.replace("[ ]", "[x]") if sync else longer)
