"""Plan files that are not one task after the other: todos in groups, signs, prose, all mixed."""

from __future__ import annotations

from typing import Any

from scenario_shop import Shop, changes


def module(name: str, value: int = 1, *, expected: int = 1) -> dict[str, str]:
    return {
        f"shop/{name}.py": f"VALUE = {value}\n",
        f"tests/test_{name}.py": f"from shop.{name} import VALUE\n\n\n"
        f"def test_{name}():\n    assert VALUE == {expected}\n",
    }


GROUPS = """\
# Shop

## Phase 1: Sell

### 1.1 Parts
- [ ] **Left**: write `shop/left.py`
- [x] **Done before**: nothing is left of it
- [ ] **Right**: write `shop/right.py`
  - [ ] with its test
  - [x] with a name

### 1.2 Rest
- [ ] **Whole**: write `shop/whole.py`

### 1.3 Nothing
"""


def test_todos_of_a_section_are_done_together(shop: Shop) -> None:
    shop.open(GROUPS)
    both = {**module("left"), **module("right", 2)}
    shop.script = {
        "1.1.1": [changes(both), changes(module("right"))],
        "1.2.1": [changes(module("whole"))],
    }
    shop.complete("--grouping", "section")
    first = shop.prompts[0][2]
    assert "# Your tasks, in this order" in first
    assert first.index("1.1.1: Left") < first.index("1.1.3: Right")
    assert "Done before" not in first.partition("# Your tasks")[2].partition("# What is known")[0]
    again = shop.retry()
    assert "tests/test_right.py::test_right fails" in again
    assert "tests/test_left.py::test_left fails" not in again
    shop.recovered("1.1.1", "1.1.3")
    standing = shop.evidence()
    assert standing["1.1.1"]["commit"] == standing["1.1.3"]["commit"]
    assert (standing["1.2.1"]["status"], standing["1.2.1"]["tries"]) == ("done", 1)


def test_todos_one_by_one_are_ticked_as_each_is_verified(shop: Shop) -> None:
    shop.begin(
        "- [ ] **Both**: write both\n  - [ ] write `shop/left.py`\n  - [ ] write `shop/right.py`\n"
    )
    names = ("1.1.1.1", "1.1.1.2")
    ticked: list[int] = []
    shop.on_request = lambda task, number: ticked.append(
        (shop.root / shop.plan).read_text().count("[x]")
    )
    shop.script = {
        names[0]: [changes(module("left"))],
        names[1]: [changes(module("right", 2)), changes(module("right"))],
    }
    shop.complete("--execution-mode", "todo")
    assert ticked == [0, 1, 1]
    assert "tests/test_right.py::test_right fails" in shop.retry(names[1])
    shop.recovered(names[1])


SIGNS = """\
# 🛒 Shop

A word before, with a ✅ in it.

## 🚀 Now

⏳ Write the left part 🙂
✅ Think
- 🔲 Write the right part
- ~~Give up~~

```
⏳ an example
```
"""


def test_signs_are_boxes(shop: Shop) -> None:
    shop.open(SIGNS)
    script: dict[str, Any] = {
        "Write the left part": [
            changes(module("left", 1, expected=2)),
            changes(module("left", 2, expected=2)),
        ],
        "Write the right part": [changes(module("right"))],
    }
    ids = by_title(shop, script)
    shop.complete()
    assert "tests/test_left.py::test_left fails" in shop.retry(ids["Write the left part"])
    ticked = SIGNS.replace("⏳ Write", "✅ Write").replace("🔲 Write", "✅ Write")
    shop.recovered(ids["Write the left part"], ticked=ticked.encode())


PROSE = """\
Notes for the shop, from the meeting

We should write the left part first, it is what everybody waits for.
Somebody said the sky is green.
- [x] think about it
* TODO: then write the right part
Lovely weather. 🌞
"""


def answer(asked: str) -> dict[str, Any]:
    """What a model makes of it, one thing of which no line says."""
    lines = {text: int(line) for line, _, text in (o.partition("| ") for o in asked.splitlines())}

    def todo(text: str, title: str, status: str = "pending") -> dict[str, Any]:
        line = next((number for said, number in lines.items() if text in said), 1)
        return {"line": line, "title": title, "status": status, "phase": ""}

    return {
        "todos": [
            todo("left part", "write the left part"),
            todo("think", "think about it", "done"),
            todo("right part", "then write the right part"),
            todo("weather", "Invent a database"),
        ]
    }


def test_prose_that_a_model_reads(shop: Shop) -> None:
    shop.plan = "NOTES.md"
    shop.normalise = answer
    shop.open(PROSE)
    endpoint = ("--normalize-with-llm", "--model", "scripted")
    script: dict[str, Any] = {
        "write the left part": [changes(module("left", 2)), changes(module("left"))],
        "then write the right part": [changes(module("right"))],
    }
    ids = by_title(shop, script, "parse", *endpoint)
    shop.complete("--normalize-with-llm", "--model", "scripted", "--branch", "roadmap/shop")
    assert "tests/test_left.py::test_left fails" in shop.retry(ids["write the left part"])
    asked = [r for r in shop.server.requests if r.conversation and not r.conversation.tools]
    assert len(asked) == 1, "the normal form was kept"
    # The file itself is changed only if somebody asks.
    shop.recovered(ids["write the left part"], ticked=shop.before)
    assert shop.stoker("run", shop.plan).startswith("nothing is to be done")


def by_title(shop: Shop, script: dict[str, Any], *parse: str) -> dict[str, str]:
    """Ids of the tasks to be done, which are fingerprints; `script` is for those."""
    import json

    words = parse or ("parse",)
    found = json.loads(shop.stoker(words[0], shop.plan, *words[1:], "--json"))["tasks"]
    ids = {one["title"]: one["id"] for one in found if one["status"] == "pending"}
    assert {title.rstrip(" 🙂") for title in ids} == set(script)
    ids = {title.rstrip(" 🙂"): name for title, name in ids.items()}
    shop.script = {ids[title]: tries for title, tries in script.items()}
    return ids
