"""Snapshots and diffs, against git itself."""

import asyncio
import os
import shutil
import stat
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoker.workspace import commit, diff, snapshot
from stoker.workspace.errors import UnknownBranch

_NAMES = [
    *("a", "b", "a/x", "a/y/z", "b/x", "-rf", "new\nline", "ü", "sp ace ", "tab\t", "\x01"),
    *("\udcff\udcfe", ":(top)x", "*", "!x", "a\\b", '"q"', "d/-n", ".hid"),
]
_TEXTS = [b"", b"one\n", b"two\n", b"one\ntwo\n", b"no newline", b"\0\1\2", b"\xff\xfe\n"]
_LONG = [b"".join(b"%d\n" % n for n in range(30)) + tail for tail in (b"", b"x\n", b"y\n")]
_FILE = st.tuples(
    st.sampled_from(["file", "file", "program", "link"]), st.sampled_from(_TEXTS + _LONG)
)
_TREE = st.dictionaries(st.sampled_from(_NAMES), _FILE, max_size=7)


def _write(top, tree):
    for child in top.iterdir():
        if child.name == ".git":
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    for name, (kind, content) in tree.items():
        file = top / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.parent.resolve().is_relative_to(top):
                continue
            if kind == "link":
                target = content.replace(b"\0", b"").strip() or b"nowhere"
                os.symlink(target[:60], os.fsencode(file))
            else:
                file.write_bytes(content)
                file.chmod(0o755 if kind == "program" else 0o644)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            continue  # a name that another one's directory has


def _raw(bench, path):
    """What git itself says, once everything is staged."""
    args = ("--cached", "-M", "--no-abbrev", "-z", "main")
    raw = subprocess.run(["git", "diff", "--raw", *args], cwd=path, capture_output=True, check=True)
    words = iter(os.fsdecode(raw.stdout).split("\0"))
    found = set()
    for word in words:
        if word:
            old_mode, new_mode, old, new, letter = word[1:].split(" ")
            first = next(words)
            second = next(words) if letter[0] in "RC" else first
            found.add((letter[0], old_mode, new_mode, old, new, first, second))
    lines = subprocess.run(
        ["git", "diff", "--numstat", *args], cwd=path, capture_output=True, check=True
    )
    numbers = {}
    words = iter(os.fsdecode(lines.stdout).split("\0"))
    for word in words:
        if word:
            added, deleted, name = word.split("\t", 2)
            if not name:
                next(words)
                name = next(words)
            numbers[name] = (added, deleted)
    return found, numbers


def _told(file):
    letter = {"added": "A", "deleted": "D", "renamed": "R", "copied": "C"}.get(file.change)
    if letter is None:
        kinds = [stat.S_IFMT(int(mode, 8)) for mode in (file.old_mode, file.new_mode)]
        letter = "M" if kinds[0] == kinds[1] else "T"
    nothing = "0" * 40
    return (
        *(letter, file.old_mode or "000000", file.new_mode or "000000"),
        *(file.old_oid or nothing, file.new_oid or nothing),
        *(file.old_path or file.new_path, file.new_path or file.old_path),
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=_TREE, after=_TREE, later=_TREE)
def test_any_change_is_told_as_git_tells_it(bench, before, after, later):
    _write(bench.path, before)
    bench.git("checkout", "--quiet", "-B", "main")
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--allow-empty", "--message", "before")
    path = bench.top / "wt" / "task"
    if path.exists():
        bench.git("worktree", "remove", "--force", str(path))
        bench.git("branch", "-D", "task")

    async def check():
        worktree = await bench.worktree()
        index = worktree.git.git_dir / "index"
        for tree in (after, later):
            _write(worktree.path, tree)
            untouched = index.read_bytes()
            files = await diff.changes(worktree, "main")
            oid = await snapshot.take(worktree)
            assert index.read_bytes() == untouched
            bench.git("add", "--all", cwd=worktree.path)
            assert oid == bench.git("write-tree", cwd=worktree.path)
            found, numbers = _raw(bench, worktree.path)
            assert {_told(file) for file in files} == found
            for file in files:
                added = "-" if file.additions is None else str(file.additions)
                deleted = "-" if file.deletions is None else str(file.deletions)
                assert numbers[file.path] == (added, deleted)
                if file.new_content is not None:
                    assert file.new_content == _content(worktree.path / file.path)
            bench.git("reset", "--quiet", cwd=worktree.path)

    asyncio.run(check())


def _content(path):
    data = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
    return data.decode(errors="replace")


def test_the_whole_of_a_worktree(bench, run, monkeypatch):
    async def check():
        worktree = await bench.worktree()
        bench.commit("committed.txt", "c\n", cwd=worktree.path)
        bench.commit("main-only.txt", "m\n")  # the target has moved on; that is no change here
        top = worktree.path
        (top / "a.txt").chmod(0o755)
        (top / "dir" / "b.txt").rename(top / "moved.txt")
        (top / "picture").write_bytes(b"\0" * 100)
        (top / "large").write_text("x" * 5000 + "\n")
        (top / ".gitignore").write_text("ignored\n")
        (top / "ignored").write_text("x")
        monkeypatch.setattr(diff, "CONTENT_LIMIT", 1000)
        files = {file.path: file for file in await diff.changes(worktree, "main")}
        assert set(files) == {
            *("committed.txt", "a.txt", "moved.txt", "picture", "large", ".gitignore"),
        }
        assert files["a.txt"].change == "permission_change"
        assert (files["a.txt"].old_mode, files["a.txt"].new_mode) == ("100644", "100755")
        moved = files["moved.txt"]
        assert (moved.change, moved.old_path) == ("renamed", "dir/b.txt")
        assert moved.old_content == moved.new_content
        assert files["picture"].additions is None
        assert files["picture"].content_omitted
        assert files["large"].content_omitted
        assert (files["large"].new_content, files["large"].additions) == (None, 1)
        assert files["committed.txt"].new_content == "c\n"
        stats = await diff.changes(worktree, "main", contents=False)
        assert all(file.content_omitted and file.new_content is None for file in stats)
        text = await diff.patch(worktree, "main")
        base = bench.git("merge-base", "main", "task")
        bench.git("worktree", "add", "--quiet", "--detach", str(bench.top / "copy"), base)
        bench.git("apply", "--index", cwd=bench.top / "copy", input=text)
        tree = bench.git("write-tree", cwd=bench.top / "copy")
        assert tree == await snapshot.take(worktree)
        with pytest.raises(UnknownBranch):
            await diff.changes(worktree, "nope")

    run(check())


def test_a_file_ignored_but_committed_later_is_no_deletion(bench, run):
    """The private index follows the real one."""

    async def check():
        worktree = await bench.worktree()
        (worktree.path / ".gitignore").write_text("*.log\n")
        (worktree.path / "keep.log").write_text("k\n")
        before = {file.path for file in await diff.changes(worktree, "main")}
        assert before == {".gitignore"}
        bench.git("add", "--force", "keep.log", cwd=worktree.path)
        bench.git("commit", "--quiet", "-m", "forced", cwd=worktree.path)
        files = {file.path: file.change for file in await diff.changes(worktree, "main")}
        assert files == {".gitignore": "added", "keep.log": "added"}

    run(check())


def test_a_branch_with_nothing_in_common(bench, run):
    bench.git("checkout", "--quiet", "--orphan", "apart")
    bench.git("commit", "--quiet", "-m", "apart")
    bench.git("checkout", "--quiet", "main")

    async def check():
        worktree = await bench.worktree(base="apart")
        files = await diff.changes(worktree, "main")
        assert {file.change for file in files} == {"added"}

    run(check())


def test_repositories_inside_are_left_out(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.git("init", "--quiet", str(worktree.path / "inner"))
        bench.commit("x", "x", cwd=worktree.path / "inner")
        os.mkfifo(worktree.path / "pipe")
        tree = await snapshot.take(worktree)
        assert tree == bench.git("rev-parse", "main^{tree}")
        done = await commit.commit(worktree, "work")
        assert done.oid is None
        assert done.skipped == ("inner/",)

    run(check())


def test_many_at_once_do_not_hinder_each_other(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "new").write_text("n\n")
        results = await asyncio.gather(
            *(diff.changes(worktree, "main", contents=False) for _ in range(8))
        )
        assert all([file.path for file in files] == ["new"] for files in results)

    run(check())


def test_locks_that_a_killed_git_left_do_not_stop_a_snapshot(bench, run):
    async def check():
        worktree = await bench.worktree()
        await snapshot.take(worktree)
        (private,) = worktree.git.git_dir.glob("stoker-index-*")
        (worktree.path / "new").write_text("n\n")
        private.with_name(private.name + ".lock").write_text("")
        (worktree.git.git_dir / "index.lock").write_text("")
        assert [file.path for file in await diff.changes(worktree, "main")] == ["new"]

    run(check())
