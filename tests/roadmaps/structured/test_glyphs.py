"""Lists with emoji and words for their statuses."""

from __future__ import annotations

import pytest
from plan_edits import marks_hold, parse, set_all

from stoker.roadmaps import detect
from stoker.roadmaps.format import Source
from stoker.roadmaps.formats.glyphs import FORMAT
from stoker.roadmaps.glyphs import sign_of

PLAN = """\
# Rocket — plan

We use ✅ for what is done.

## 🚀 Engine

- ✅ Build the pump
  - ✔️ Casing
  - ⏳ Impeller
- 🚀 Ignite it
- ⏭️ Paint it

## Docs

TODO: write the manual
* **DONE**: sketch — première
* ~~Translate~~
- Proof-read ⏳
- Print (done)
- [ ] Bind
- plain prose, nothing TODO here

```
- ✅ in a fence
```
<!-- - ⏳ in a comment -->
"""


def test_signs_are_read_and_decoys_are_not(tmp_path):
    path = tmp_path / "PLAN.md"
    path.write_text(PLAN)
    source, roadmap = parse(FORMAT, path)
    assert FORMAT.recognises(source) == 25
    assert detect.read(path) == roadmap
    assert roadmap.title == "Rocket — plan"
    assert [(task.title, task.status, task.line) for task in roadmap.walk()] == [
        ("Build the pump", "done", 7),
        ("Casing", "done", 8),
        ("Impeller", "pending", 9),
        ("Ignite it", "pending", 10),
        ("Paint it", "skipped", 11),
        ("write the manual", "pending", 15),
        ("sketch — première", "done", 16),
        ("Translate", "done", 17),
        ("Proof-read", "pending", 18),
        ("Print", "done", 19),
        ("Bind", "pending", 20),
    ]
    assert [task.title for task in roadmap.tasks[0].subtasks] == ["Casing", "Impeller"]
    assert {task.section for task in roadmap.tasks} == {"🚀 Engine", "Docs"}
    marks_hold(roadmap)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_signs_change(tmp_path, end):
    path = tmp_path / "PLAN.md"
    text = PLAN.replace("\n", end)
    path.write_bytes(text.encode())
    source, roadmap = parse(FORMAT, path)
    assert set_all(FORMAT, source, roadmap, "done") == 6
    expected = text
    for before, after in [
        ("⏳ Impeller", "✅ Impeller"),
        ("🚀 Ignite", "✅ Ignite"),
        ("⏭️ Paint", "✅ Paint"),
        ("TODO: write", "DONE: write"),
        ("Proof-read ⏳", "Proof-read ✅"),
        ("[ ] Bind", "[x] Bind"),
    ]:
        expected = expected.replace(before, after)
    assert path.read_bytes().decode() == expected
    _, again = parse(FORMAT, path)
    assert {task.status for task in again.walk()} == {"done"}


def test_boxes_alone_are_a_checklist(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("- [ ] one\n- [x] two\n")
    assert FORMAT.recognises(Source(root=tmp_path, path=path)) == 0
    assert detect.read(path).format == "checklist"


@pytest.mark.parametrize(
    "line", ["", "- text", "TODOs are bad", "Done with it", "- method is todo (x)", "DONE", "- ✅"]
)
def test_what_is_no_sign(line):
    assert sign_of(line) is None
