"""The tools by themselves: what they do, how much they say, and that no path leads out."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.agents.builtin.patterns import path_pattern
from stoker.agents.builtin.repetition import rounds
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.tools.tool import MAX_OUTPUT, Context, Output, ToolError
from stoker.agents.builtin.tools.toolbox import TOOLS
from stoker.agents.worktree import Worktree
from stoker.process.spawner import Spawner

Use = Callable[..., Output]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "secret").write_text("outside")
    return folder


@pytest.fixture
def use(work: Path, tmp_path: Path) -> Use:
    """Call a tool by its name: `use("ls", path=".")`."""
    (tmp_path / "scratch").mkdir()

    def using(name: str, **arguments: Any) -> Output:
        async def run() -> Output:
            spawner = Spawner(asyncio.get_running_loop())
            context = Context(
                worktree=Worktree(str(work)),
                settings=Settings(model="m", command_sec=20, command_max_sec=30),
                spawner=spawner,
                env={"PATH": os.environ["PATH"]},
                scratch=str(tmp_path / "scratch"),
                marker=f"agent/test-{os.getpid()}/{name}",
                todos=lambda: None,
                delegate=no_delegate,
            )
            tool = TOOLS[name]
            decoded = tool.decode(msgspec.json.encode(arguments).decode())
            tool.subject(decoded, context.worktree)
            try:
                return await tool.run(decoded, context)
            finally:
                spawner.close()

        return asyncio.run(run())

    return using


async def no_delegate(prompt: str) -> Output:
    raise AssertionError


def paths_out(work: Path) -> list[str]:
    (work / "up").symlink_to("..")
    (work / "file").symlink_to("../secret")
    (work / "chain").symlink_to("up/secret")
    (work / "dangling").symlink_to("../not-yet")
    (work / "absolute").symlink_to("/etc")
    (work / "inner").mkdir()
    return [
        *("../secret", "/etc/passwd", "up/secret", "file", "chain", "dangling", "absolute/passwd"),
        *("inner/../../secret", "up", "..", "/", "./up/../secret", "inner/../up/new/file", "up/"),
        f"{work}-twin/file",
        f"{work}/../secret",
    ]


@pytest.mark.parametrize("tool", ["ls", "read_file", "write_file", "edit_file", "glob", "grep"])
def test_no_path_leads_out(tool: str, work: Path, use: Use, tmp_path: Path) -> None:
    more = {
        "write_file": {"content": "x"},
        "edit_file": {"old_string": "outside", "new_string": "x"},
        "glob": {"pattern": "*"},
        "grep": {"pattern": "."},
    }.get(tool, {})
    before = sorted(path.name for path in tmp_path.iterdir())
    for path in paths_out(work):
        with pytest.raises(ToolError, match="leads out of the worktree"):
            use(tool, path=path, **more)
    assert (tmp_path / "secret").read_text() == "outside"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("tool", ["glob", "grep"])
def test_a_search_does_not_follow_links_out(tool: str, work: Path, use: Use) -> None:
    paths_out(work)
    (work / "here").write_text("outside in name only\n")
    subprocess.run(["git", "init", "-q", work], check=True)
    found = use(tool, pattern={"glob": "**", "grep": "outside"}[tool]).text
    assert "here" in found
    assert "secret:" not in found
    assert "passwd" not in found


def test_a_link_that_changes_between_the_look_and_the_use(work: Path, tmp_path: Path) -> None:
    """Whatever the moment: what is opened is within, or it is refused."""
    (work / "good").mkdir()
    (work / "good/secret").write_text("inside")
    worktree = Worktree(str(work))
    link = work / "link"
    look = worktree.relative

    def looking(path: str) -> str:
        found = look(path)
        (work / "good").rename(work / "moved")
        (work / "good").symlink_to("..")
        return found

    worktree.relative = looking  # type: ignore[method-assign]
    link.symlink_to("good")
    with pytest.raises(ToolError, match="leads out"):
        worktree.read("link/secret")
    (work / "good").unlink()
    (work / "moved").rename(work / "good")
    with pytest.raises(ToolError, match="leads out"):
        worktree.write("link/secret", b"changed")
    assert (tmp_path / "secret").read_text() == "outside"


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "up", "self", "/", "", "x"]), max_size=8))
def test_whatever_the_path_what_is_found_is_within(parts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        (root / "a/b").mkdir(parents=True)
        (root / "up").symlink_to("..")
        (root / "a/self").symlink_to("../a")
        worktree = Worktree(str(root))
        try:
            found = worktree.relative("/".join(parts))
        except ToolError:
            return
        assert Path(worktree.root, found).resolve().is_relative_to(Path(worktree.root))


@pytest.mark.parametrize("path", [".git", ".git/config", ".git/hooks/pre-commit", "sub/.GIT/x"])
def test_gits_own_files_are_not_written(path: str, work: Path, use: Use) -> None:
    subprocess.run(["git", "init", "-q", work], check=True)
    with pytest.raises(ToolError, match="git's own files"):
        use("write_file", path=path, content="x")
    assert "[core]" in use("read_file", path=".git/config").text


def test_lines_are_numbered_as_others_number_them(work: Path, use: Use) -> None:
    """By line feeds alone: neither form feeds nor Unicode's own ends of lines count."""
    (work / "a").write_bytes("one\x0cpage\r\ntwo\u2028more\x1c\nthree".encode())
    read = use("read_file", path="a").text.split("\n")
    assert [line.split("\t")[0].strip() for line in read] == ["1", "2", "3"]
    assert read[2].endswith("\tthree")
    assert use("grep", pattern="three").text == "a:3:three"
    assert use("grep", pattern="page|more").text.count("\n") == 1


def test_what_is_no_regular_file_is_not_read(work: Path, use: Use) -> None:
    os.mkfifo(work / "pipe")
    (work / "folder").mkdir()
    (work / "binary").write_bytes(b"\0\1\2")
    for path, message in {
        "pipe": "no regular file",
        "folder": "is a directory",
        "binary": "is binary, 3 bytes",
        "nothing": "No such file",
    }.items():
        with pytest.raises(ToolError, match=message):
            use("read_file", path=path)
        with pytest.raises(ToolError):
            use("edit_file", path=path, old_string="a", new_string="b")
    for path in ("pipe", "folder"):
        with pytest.raises(ToolError):
            use("write_file", path=path, content="x")


def test_reading(work: Path, use: Use) -> None:
    (work / "a").write_text("".join(f"line {n}\n" for n in range(1, 5001)))
    text = use("read_file", path="a").text
    assert text.startswith("     1\tline 1\n")
    assert text.splitlines()[-1] == f"[lines 1 to {len(text.splitlines()) - 1} of 5000]"
    assert len(text) < MAX_OUTPUT
    part = use("read_file", path=str(work / "a"), offset=4999, limit=5).text
    assert part == "  4999\tline 4999\n  5000\tline 5000"
    with pytest.raises(ToolError, match="has 5000 lines only"):
        use("read_file", path="a", offset=5001)
    (work / "long").write_text("x" * 100_000)
    assert len(use("read_file", path="long").text) < 3000
    (work / "empty").touch()
    assert use("read_file", path="empty").text == "(empty)"


def test_writing_keeps_the_mode_and_leaves_nothing_behind(work: Path, use: Use) -> None:
    (work / "run").write_text("old")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("run")
    assert use("write_file", path="link", content="new é").text == "replaced link, 6 bytes"
    assert (work / "link").is_symlink()
    assert (work / "run").read_text() == "new é"
    assert (work / "run").stat().st_mode & 0o777 == 0o755
    assert use("write_file", path="x/y/z", content="").text.startswith("created")
    assert sorted(path.name for path in work.iterdir()) == ["link", "run", "x"]


@pytest.mark.parametrize(
    ("old", "more", "text", "message"),
    [
        ("two", {}, "one 2 three two", "2 times"),
        ("one", {}, "2 two three two", "1 place"),
        ("two", {"replace_all": True}, "one 2 three 2", "2 places"),
        ("four", {}, "", "not in it"),
        ("2", {}, "", "the same"),
    ],
)
def test_editing(
    old: str, more: dict[str, Any], text: str, message: str, work: Path, use: Use
) -> None:
    (work / "a").write_text("one two three two")
    if "place" in message:
        assert message in use("edit_file", path="a", old_string=old, new_string="2", **more).text
        assert (work / "a").read_text() == text
    else:
        with pytest.raises(ToolError, match=message):
            use("edit_file", path="a", old_string=old, new_string="2", **more)
        assert (work / "a").read_text() == "one two three two"


def test_editing_keeps_line_ends_and_bytes_that_are_no_text(work: Path, use: Use) -> None:
    (work / "a").write_bytes(b"one\r\ntwo\r\n\xff\r\n")
    use("edit_file", path="a", old_string="one\ntwo", new_string="1\n2")
    assert (work / "a").read_bytes() == b"1\r\n2\r\n\xff\r\n"


def test_listing(work: Path, use: Use) -> None:
    assert use("ls").text == "(empty)"
    (work / "b").mkdir()
    (work / "a").write_text("12")
    (work / "c").symlink_to("a")
    assert use("ls").text == "a  2\nb/\nc@"
    for number in range(1100):
        (work / "b" / str(number)).touch()
    assert use("ls", path="b").text.splitlines()[-1] == "[... 100 more entries; ask for less ...]"


@pytest.mark.parametrize("repository", [True, False])
def test_searching(repository: bool, work: Path, use: Use) -> None:
    for name in ("a.py", "src/b.py", "src/deep/c.txt", "ignored/d.py"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(f"first\nthe Name is {name}\n")
    ignored = "" if repository else "ignored/d.py\n"
    if repository:
        (work / ".gitignore").write_text("ignored/\n")
        subprocess.run(["git", "init", "-q", work], check=True)
        subprocess.run(["git", "-C", work, "add", "a.py"], check=True)
    assert use("glob", pattern="*.py").text == f"a.py\n{ignored}src/b.py"
    assert use("glob", pattern="src/**/*.{py,txt}").text == "src/b.py\nsrc/deep/c.txt"
    assert use("glob", pattern="*.txt", path="src").text == "src/deep/c.txt"
    assert use("glob", pattern="*.rs").text == "(no file matches)"
    assert use("grep", pattern="Name is s.c", path="src").text == (
        "src/b.py:2:the Name is src/b.py\nsrc/deep/c.txt:2:the Name is src/deep/c.txt"
    )
    assert use("grep", pattern="name IS a", ignore_case=True).text == "a.py:2:the Name is a.py"
    assert use("grep", pattern="Name", glob="*.txt").text.startswith("src/deep/c.txt:2:")
    assert use("grep", pattern="c.txt", context=1).text.startswith("src/deep/c.txt-1-first\n")
    assert use("grep", pattern="-nothing").text == "(no match)"
    with pytest.raises(ToolError, match="nmatched"):
        use("grep", pattern="a(b")


def test_a_worktrees_settings_run_nothing(work: Path, use: Use, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", work], check=True)
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    git = ["git", "-C", work, "config"]
    for name in ("core.fsmonitor", "diff.external", "core.pager", "pager.grep"):
        subprocess.run([*git, name, program], check=True)
    (work / "a").write_text("text")
    assert use("grep", pattern="text").text == "a:1:text"
    assert use("glob", pattern="a").text == "a"
    assert not (tmp_path / "ran").exists()


def test_commands(work: Path, use: Use) -> None:
    output = use("execute", command="pwd; cat; echo $GIT_EDITOR; exit 4")
    assert (output.text, output.is_error) == (f"Exit code 4\n{work}\ntrue\n", True)
    assert use("execute", command="kill -9 $$").text == "Killed by signal 9\n"
    long = use("execute", command="seq 1000000; echo the end")
    assert long.text.startswith("1\n2\n")
    assert "bytes left out" in long.text
    assert long.text.endswith("1000000\nthe end\n")
    assert not long.is_error


def test_a_command_that_takes_too_long_ends_with_all_its_processes(work: Path, use: Use) -> None:
    began = time.monotonic()
    command = "setsid sleep 1000 & echo $! > out; sleep 1000"
    output = use("execute", command=command, timeout_sec=0.5)
    assert output.text == "Timed out after 0.5 s; its processes were ended\n"
    assert output.is_error
    assert time.monotonic() - began < 20
    assert_gone(int((work / "out").read_text()))


def test_what_a_command_leaves_in_the_background_ends_with_it(work: Path, use: Use) -> None:
    use("execute", command="sleep 1000 & echo $! > one; setsid sleep 1000 & echo $! > two")
    for name in ("one", "two"):
        assert_gone(int((work / name).read_text()))


def assert_gone(pid: int) -> None:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return
    assert state == "Z"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "deep/a.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("src/**", "src/deep/a.py", True),
        ("src/**/a.py", "src/a.py", True),
        ("[ab].py", "b.py", True),
        ("[!ab].py", "b.py", False),
        ("a?c", "a/c", False),
        ("*.{py,txt}", "a.txt", True),
        ("a+b(", "a+b(", True),
        ("[", "[", True),
        ("{a", "{a", True),
    ],
)
def test_patterns_of_paths(pattern: str, path: str, matches: bool) -> None:
    assert (path_pattern(pattern).fullmatch(path) is not None) is matches


@given(st.text(alphabet="*?[]{},!^\\-/ab.+($|", max_size=12))
def test_every_text_is_a_pattern(pattern: str) -> None:
    path_pattern(pattern).fullmatch("a/b")


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        ("", 0),
        ("a", 1),
        ("ab", 1),
        ("aa", 2),
        ("baaa", 3),
        ("abab", 2),
        ("xabcabcabc", 3),
        ("aab", 1),
    ],
)
def test_rounds(steps: str, times: int) -> None:
    assert rounds(list(steps)) == times
