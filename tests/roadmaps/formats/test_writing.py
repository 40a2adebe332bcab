"""Ticking: the bytes between the brackets, all files or none, and only what was read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.roadmaps import writing
from stoker.roadmaps.document import Roadmap
from stoker.roadmaps.format import Edit, Format, NotReadable, Reading, Source
from stoker.roadmaps.formats import bmad, checklist, kiro, openspec, roadmap, spec_kit

FORMATS = [module.FORMAT for module in (roadmap, checklist, spec_kit, kiro, openspec, bmad)]


def edits(format_: Format, source: Source, document: Roadmap, status: str = "done") -> list[Edit]:
    return [
        edit
        for task in document.walk()
        for edit in format_.edits(source, document, task, status)  # type: ignore[arg-type]
    ]


def tick(format_: Format, path: Path) -> Roadmap:
    source = Source(root=path.parent, path=path)
    document = format_.read(source, Reading())
    writing.apply(path.parent, edits(format_, source, document))
    return document


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf# T\r\n\r\n- [ ] T001 a  \r\n\t- [ ]\tb\r\n  more \r\n",
        b"# T\n## Tasks\n- [ ] 1. one\n- [ ] 2. one\n```\n- [ ] 3. one\n```\n- [X] 4. x\n",
        "## Phase 1: Ü\r## Tasks\r* [-] \U0001f680 é\r1) [~] ~~x~~\r- [ ]* 1.1 o".encode(),
    ],
)
def test_only_the_marks_change(format_, data, tmp_path):
    path = tmp_path / "tasks.md"
    path.write_bytes(data)
    path.chmod(0o640)
    document = tick(format_, path)
    after = path.read_bytes()
    expected = bytearray(data)
    for task in document.walk():
        assert task.mark
        if task.status != "done":
            expected[task.mark.start : task.mark.end] = b"x"
    assert after == bytes(expected)
    assert path.stat().st_mode & 0o777 == 0o640
    again = format_.read(Source(root=tmp_path, path=path), Reading())
    assert [task.status for task in again.walk()] == ["done"] * len(list(document.walk()))
    assert [task.id for task in again.walk()] == [task.id for task in document.walk()]
    assert os.listdir(tmp_path) == ["tasks.md"]


def test_one_of_three_tasks_of_one_title_is_ticked(tmp_path):
    path = tmp_path / "T.md"
    path.write_bytes(b"- [ ] **Same**\n- [ ] **Same**\r\n- [ ] **Same**\n")
    source = Source(root=tmp_path, path=path)
    document = roadmap.FORMAT.read(source, Reading())
    found = roadmap.FORMAT.edits(source, document, document.tasks[1], "done")
    assert writing.apply(tmp_path, found) == ("T.md",)
    assert path.read_bytes() == b"- [ ] **Same**\n- [x] **Same**\r\n- [ ] **Same**\n"


def test_what_is_so_already_or_cannot_be_said_is_no_edit(tmp_path):
    path = tmp_path / "T.md"
    path.write_bytes(b"- [X] a\n- [ ] b\n")
    source = Source(root=tmp_path, path=path)
    document = checklist.FORMAT.read(source, Reading())
    a, b = document.tasks
    assert not checklist.FORMAT.edits(source, document, a, "done")
    assert not checklist.FORMAT.edits(source, document, b, "pending")
    assert not checklist.FORMAT.edits(source, document, b, "deferred")
    (edit,) = checklist.FORMAT.edits(source, document, a, "pending")
    assert (edit.before, edit.after) == (b"X", b" ")


@pytest.mark.parametrize(
    "edited",
    [
        b"# New\n- [ ] a\n  text\n- [ ] b\n",  # moved
        b"- [ ] A\n  text\n- [ ] b\n",  # another task
        b"- [ ] a\n  Text\n- [ ] b\n",  # the same title, another text
        b"- [x] a\n  text\n- [ ] b\n",  # ticked by somebody
        b"- [ ] b\n- [ ] a\n  text\n",  # reordered
        b"",
    ],
)
def test_a_file_that_has_changed_is_left_alone(edited, tmp_path):
    path = tmp_path / "T.md"
    path.write_bytes(b"- [ ] a\n  text\n- [ ] b\n")
    source = Source(root=tmp_path, path=path)
    document = checklist.FORMAT.read(source, Reading())
    found = checklist.FORMAT.edits(source, document, document.tasks[0], "done")
    path.write_bytes(edited)
    with pytest.raises(writing.Changed, match=r"^T\.md:\d+: expected "):
        writing.apply(tmp_path, found)
    assert path.read_bytes() == edited
    assert os.listdir(tmp_path) == ["T.md"]


def test_ticks_of_others_and_changes_elsewhere_do_not_matter(tmp_path):
    path = tmp_path / "T.md"
    path.write_bytes(b"- [ ] a\r\n  - [ ] part\r\n- [ ] b\r\n")
    source = Source(root=tmp_path, path=path)
    document = checklist.FORMAT.read(source, Reading())
    path.write_bytes(b"- [ ] a\r\n  - [x] part\r\n- [ ] other\r\n")
    found = checklist.FORMAT.edits(source, document, document.tasks[0], "done")
    writing.apply(tmp_path, found)
    assert path.read_bytes() == b"- [x] a\r\n  - [x] part\r\n- [ ] other\r\n"


def test_all_files_or_none(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"- [ ] x")
    both = [Edit(path=name, start=3, before=b" ", after=b"x") for name in ("a", "b")]
    (tmp_path / "b").write_bytes(b"- [x] x")
    with pytest.raises(writing.Changed, match="b:1"):
        writing.apply(tmp_path, both)
    assert (tmp_path / "a").read_bytes() == b"- [ ] x"


@pytest.mark.parametrize("which", ["a", "b"])
def test_a_file_that_cannot_be_replaced_takes_the_others_back(tmp_path, monkeypatch, which):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "T.md").write_bytes(b"- [ ] x")
    both = [Edit(path=f"{name}/T.md", start=3, before=b" ", after=b"x") for name in ("a", "b")]
    replace = Path.replace

    def fails(self, target):
        if target.parent.name == which:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        writing.apply(tmp_path, both)
    assert [(tmp_path / n / "T.md").read_bytes() for n in ("a", "b")] == [b"- [ ] x"] * 2
    assert [os.listdir(tmp_path / name) for name in ("a", "b")] == [["T.md"]] * 2


def test_a_link_stays_a_link_and_leads_nowhere_else(tmp_path):
    root, real = tmp_path / "root", tmp_path / "root" / "real.md"
    root.mkdir()
    real.write_bytes(b"- [ ] x")
    (root / "T.md").symlink_to("real.md")
    tick(checklist.FORMAT, root / "T.md")
    assert (root / "T.md").is_symlink()
    assert real.read_bytes() == b"- [x] x"
    (tmp_path / "outside.md").write_bytes(b"- [ ] x")
    (root / "out.md").symlink_to("../outside.md")
    with pytest.raises(NotReadable, match="outside"):
        writing.apply(root, [Edit(path="out.md", start=3, before=b" ", after=b"x")])
    assert (tmp_path / "outside.md").read_bytes() == b"- [ ] x"


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_has_is_not(tmp_path):
    path = tmp_path / "plan.md"
    path.write_text("- [ ] one\n")
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f".plan.md.{gone.pid}-0a0b.tmp").write_text("half")
    (tmp_path / f".plan.md.{os.getppid()}-0a0b.tmp").write_text("being written")
    writing.apply(tmp_path, [Edit(path="plan.md", start=3, before=b" ", after=b"x")])
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"plan.md", f".plan.md.{os.getppid()}-0a0b.tmp"}


def test_edits_that_overlap_are_refused():
    two = [Edit(path="p", start=start, before=b"ab", after=b"") for start in (0, 1)]
    with pytest.raises(writing.Changed):
        writing.edited(b"abab", "p", two)


def test_ten_thousand_ticks_of_one_file_are_one_pass():
    data = b"- [ ] x\n" * 10_000
    every = [Edit(path="p", start=8 * k + 3, before=b" ", after=b"x") for k in range(10_000)]
    assert writing.edited(data, "p", every) == data.replace(b"[ ]", b"[x]")
    with pytest.raises(writing.Changed, match=r"^p:10000: "):
        writing.edited(data[:-8] + b"- [x] x\n", "p", every)


_WORDS = st.text(
    st.sampled_from("ab é\U0001f680\u2028\x0b `*_~T001.123[]()<>#|\\"), min_size=1, max_size=12
)
_BULLETS = st.sampled_from(["- ", "* ", "+ ", "1. ", "2) ", "-", "-\t"])
_STATES = st.sampled_from([" ", " ", " ", "x", "X", "-", "~", "/"])
_ITEMS = st.tuples(
    st.sampled_from(["", "", "  ", "    ", "\t", "   ", "      "]), _BULLETS, _STATES,
    st.sampled_from([" ", " ", "* ", "\t", "  "]), _WORDS,
).map(lambda part: f"{part[0]}{part[1]}[{part[2]}]{part[3]}{part[4]}")  # fmt: skip
_OTHERS = st.one_of(
    st.sampled_from(
        ["", "", "```", "~~~py", "<!--", "-->", "<details>", "# T", "## Phase 1: A", "### 1.1 S",
         "## Tasks", "## Progress", "> - [ ] q", "---", "**Files**: `a.py`", "Acceptance criteria:",
         "Status: done", "- plain", "  text", "  _Requirements: 1.1_", "    ```", "T001"]
    ),
    _WORDS,
)  # fmt: skip
_DOCUMENTS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(st.one_of(_ITEMS, _OTHERS), st.sampled_from(["\n", "\n", "\r\n", "\r"])),
             max_size=25),
).map(lambda part: part[0] + "".join(map("".join, part[1])).encode())  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=_DOCUMENTS)
@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_any_document_ticked_differs_in_its_marks_only_and_is_all_done(
    format_, data, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / f"{format_.name}.md"
    path.write_bytes(data)
    source = Source(root=path.parent, path=path)
    document = format_.read(source, Reading())
    tasks = list(document.walk())
    assert len({task.id for task in tasks}) == len(tasks)
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for task in tasks:
        assert task.mark
        assert data[task.mark.start : task.mark.end].decode() == task.mark.text
        assert data[task.mark.start - 1 : task.mark.start] == b"["
        assert data[task.mark.end : task.mark.end + 1] == b"]"
        line = lines.split(b"\n")[task.line - 1].decode()
        assert line[task.column - 1] in "-*+0123456789"
        assert task.title in line
    after = writing.edited(data, path.name, edits(format_, source, document))
    expected = bytearray(data)
    for task in reversed(tasks):
        assert task.mark
        if task.status != "done":
            expected[task.mark.start : task.mark.end] = b"x"
    assert after == bytes(expected)
    path.write_bytes(after)
    again = format_.read(source, Reading())
    assert [task.id for task in again.walk()] == [task.id for task in tasks]
    assert {task.status for task in again.walk()} <= {"done"}
