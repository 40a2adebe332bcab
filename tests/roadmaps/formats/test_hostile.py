"""Plan files that are made to be slow: twice as long, twice as much to do, whatever is in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.roadmaps.detect import registry
from stoker.roadmaps.document import DEEPEST, Roadmap
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.matching import match

PLACES = {
    "roadmap": "ROADMAP.md",
    "checklist": "TODO.md",
    "spec-kit": "specs/001-x/tasks.md",
    "kiro": ".kiro/specs/x/tasks.md",
    "openspec": "openspec/changes/x/tasks.md",
    "bmad": "docs/stories/1.2.x.md",
    "glyphs": "NOTES.md",
    "cursor": ".cursor/plans/x.plan.md",
    "backlog": "backlog/tasks/task-1.md",
    "taskmaster": ".taskmaster/tasks/tasks.json",
    "prd": "prd.json",
    "instructions": "AGENTS.md",
}
MARKDOWN = ["roadmap", "checklist", "spec-kit", "kiro", "openspec", "bmad", "glyphs"]
HEAD = "## Phase 1: A\n### 1.1 S\n## Tasks\n"
BOX = "- [ ] T001 1. "
FRONT = "---\nid: task-1\ntitle: x\n"


SIGNS = (
    "[", "(", "`", "*", "~~", "a/", "a.", "/", "T001", "T001-", "#", ">", " ", "\t", "(blocked",
    "(depends on a ", "depends on a, ", "(AC ", "(P)", "[a](", "[a] ", "- ", "(2025-01-01", "<a ",
    "9", "verify: ", "- verify ", "_Depends: ", "1.", "⏳", "<!--",
)  # fmt: skip


SHAPES: dict[str, Callable[[int], str]] = {
    "equal tasks": lambda n: HEAD + "- [ ] same\n" * (n // 8),
    "equal ids": lambda n: HEAD + "- [ ] T001 1. same\n" * (n // 8),
    "equal headings": lambda n: "## Phase 1: A\n### 1.1 S\n- [ ] a\n" * (n // 24),
    "other headings": lambda n: "".join(f"## {k}. H\n- [ ] {k}.1 a\n" for k in range(n // 24)),
    "deep": lambda n: HEAD + "".join("  " * (k % 500) + "- [ ] a\n" for k in range(n // 200)),
    "markers": lambda n: HEAD + "- " * (n // 2) + "[ ] x",
    "criteria": lambda n: "- [ ] a\n\nAcceptance criteria:\n" + "- [ ] b\n" * (n // 8),
    "blank lines": lambda n: HEAD + "- [ ] a" + "\n" * n + "- [ ] b",
    "blank front": lambda n: "\n" * n + HEAD + "- [ ] b",
    "files": lambda n: HEAD + "- [ ] a\n  **Files**: `a.py`\n" * (n // 30),
    "waits": lambda n: HEAD + "- [ ] a (depends on b, c)\n" * (n // 26),
    "verify": lambda n: f"{HEAD}- [ ] a\n  {'- verify:`a` ' * (n // 13)}",
    "heading": lambda n: f"# a{' ' * n}b {'#' * n}x\n- [ ] a",
    "meta": lambda n: f"## Phase 1: A\n> **Goal**: a{' ' * n}b\n**Files**: a{' ' * n}b\n- [ ] a",
    "keyed": lambda n: f"{HEAD}- [ ] 1. a\n  _Depends: {'_ ' * n}\n  _Files: a{' ' * n}b",
    "status": lambda n: f"Status{'*' * n}\nstatus:{'*' * n}1\n## Tasks\n- [ ] a",
    "acceptance": lambda n: f"- [ ] a\n\nAcceptance{':' * n}x\n- [ ] b",
    "description": lambda n: f"{FRONT}---\n" + "<!-- SECTION:DESCRIPTION:BEGIN -->\n" * (n // 35),
    "lists": lambda n: f"{FRONT}---\n" + "<!-- AC:BEGIN -->\n" * (n // 18),
    "flow": lambda n: f"{FRONT}a: {'[' * n}\n---\n",
    "block": lambda n: f"{FRONT}a:\n{'- ' * n}x\n---\n",
    "aliases": lambda n: (
        "---\na: &a0 [x]\n"
        + "".join(f"b{k}: &a{k + 1} [*a{k}, *a{k}]\n" for k in range(n // 100))
        + f"todos: [*a{n // 100}]\n---\n"
    ),
    "long lines": lambda n: HEAD + "\n".join(f"{BOX}{sign * (n // len(sign))}" for sign in SIGNS),
}  # fmt: skip


def source(root: Path, name: str, text: str) -> Source:
    path = root / PLACES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "backlog":
        (root / "backlog/config.yml").write_text("statuses: [To Do, Done]\n")
    path.write_text(text)
    return Source(root=root, path=path)


def work(found: Source, name: str) -> Roadmap | None:
    """All that is done with a file: recognised, read, and matched with itself."""
    format_ = registry()[name]
    format_.recognises(found)
    try:
        document = format_.read(found, Reading(include_fenced=True))
    except NotReadable:
        return None
    match(document, document)
    return document


def took(root: Path, name: str, text: str) -> float:
    found = source(root, name, text)
    began = time.process_time()
    work(found, name)
    return time.process_time() - began


def grows_evenly(root: Path, name: str, shape: Callable[[int], str], size: int = 10_000) -> bool:
    """Four times as much takes about four times as long, not sixteen times: in one of some
    attempts, since others use the machine."""
    small, large = shape(size), shape(4 * size)
    return any(took(root, name, large) < 9 * max(took(root, name, small), 0.004) for _ in range(6))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*MARKDOWN, "cursor", "backlog", "instructions"])
def test_reading_takes_time_as_the_file_is_long(tmp_path, name, shape):
    assert grows_evenly(tmp_path, name, SHAPES[shape])


def tasks(count: int, **more: object) -> str:
    return json.dumps({"tasks": [{"id": 1, "title": "same", **more}] * count})


JSONS: dict[str, Callable[[int], str]] = {
    "equal tasks": lambda n: tasks(n // 40),
    "criteria": lambda n: tasks(1, acceptanceCriteria=["a"] * (n // 5)),
    "odd items": lambda n: json.dumps({"tasks": [1] * (n // 3), "userStories": [1] * (n // 3)}),
    "dependencies": lambda n: tasks(1, dependencies=[2] * (n // 3)),
    "quotes": lambda n: '{"tasks": "' + '\\"' * n,
    "open strings": lambda n: '{"status":"' * (n // 11),
    "space": lambda n: '{"tasks": [], "userStories": []}' + " " * n,
    "deep arrays": lambda n: '{"tasks": ' + "[" * n,
    "deep objects": lambda n: '{"a":' * (n // 5),
    "equal stories": lambda n: json.dumps({"userStories": [{"id": "a", "title": "b"}] * (n // 40)}),
    "stories": lambda n: json.dumps(
        {"userStories": [{"id": f"s{k}", "priority": k % 2} for k in range(n // 40)]}
    ),
}


@pytest.mark.parametrize("shape", JSONS)
@pytest.mark.parametrize("name", ["taskmaster", "prd"])
def test_reading_json_takes_time_as_the_file_is_long(tmp_path, name, shape):
    assert grows_evenly(tmp_path, name, JSONS[shape], 40_000)


def depth(document: Roadmap) -> int:
    found, level = 0, list(document.tasks)
    while level:
        found += 1
        level = [child for task in level for child in task.subtasks]
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, HEAD + "".join("  " * k + f"- [ ] {k}\n" for k in range(300)))
          for name in ("roadmap", "checklist", "spec-kit", "openspec", "bmad")),
        ("kiro", "".join(f"- [ ] {'.'.join('1' * k)} a\n" for k in range(1, 1500))),
        ("glyphs", "".join(f"{' ' * k}- ⏳ {k}\n" for k in range(1500))),
    ],
)  # fmt: skip
def test_what_nests_without_end_is_taken_as_of_a_level(tmp_path, name, text):
    document = work(source(tmp_path, name, text), name)
    assert document is not None
    assert len(list(document.walk())) >= text.count("\n") - 4  # but for headings
    assert depth(document) <= DEEPEST + 1
    if name != "glyphs":
        assert "deep-nesting" in {problem.code for problem in document.problems}


def test_files_that_are_parts_of_each_other_without_end(tmp_path):
    folder = tmp_path / "backlog/tasks"
    folder.mkdir(parents=True)
    for k in range(600):
        text = f"---\nid: task-{k}\nparent_task_id: task-{(k + 1) % 600}\n---\n"
        (folder / f"task-{k} - x.md").write_text(text)
    format_ = registry()["backlog"]
    document = format_.read(Source(root=tmp_path, path=tmp_path / "backlog"), Reading())
    assert len(list(document.walk())) == 600
    assert depth(document) <= DEEPEST + 1


PIECES = (
    *("- [ ] ", "T001 ", "1.1 ", "(depends on ", "T001-T9", "**", "`", "~~", "\n", "\r", "  "),
    *("## Phase 1: A", "### 1.1 ", "```", "<!--", "-->", "> ", "**Files**: ", "_Depends: ", "\t"),
    *("---\n", "id: a\n", "todos:\n", "  - id: x\n", "&a ", "*a", "[", "]", "{", "}", '"', "null"),
    *(
        '"tasks":',
        '"id":',
        "1",
        ",",
        "\\",
        "status",
        ":",
        "\ufeff",
        "\u2028",
        "\0",
        "é",
        "⏳",
        "true",
    ),
    *("Status: done\n", "## Tasks\n", "## Acceptance Criteria\n", "9" * 5000, "verify: "),
)
_TEXT = st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@settings(max_examples=150, deadline=None)
@given(text=_TEXT, fenced=st.booleans())
@pytest.mark.parametrize("name", PLACES)
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory, name, text, fenced):
    root = tmp_path_factory.getbasetemp() / f"hostile-{name}"
    path = root / PLACES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(errors="surrogatepass"))
    found = Source(root=root, path=path)
    format_ = registry()[name]
    assert 0 <= format_.recognises(found) <= 100
    try:
        document = format_.read(found, Reading(include_fenced=fenced))
    except NotReadable as error:
        assert str(error)
        return
    ids = [task.id for task in document.walk()]
    assert len(set(ids)) == len(ids) or "duplicate-id" in {one.code for one in document.problems}
    for task in document.walk():
        if task.mark is not None:
            data = (root / task.mark.path).read_bytes()
            assert data[task.mark.start : task.mark.end].decode() == task.mark.text
