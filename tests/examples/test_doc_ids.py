"""The plan `examples/doc-ids`, run by the real command line on repositories made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "doc-ids"
BODY = "\n".join(f"A line of the document, number {number}." for number in range(12))


class Docs:
    """A repository of documents, and the plan to run on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "repository"
        self.directory.mkdir()
        self.work = directory / "work"
        self.env = {
            **{name: value for name, value in os.environ.items() if "STOKER" not in name},
            **{f"GIT_{who}_NAME": "A" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "a@example.org" for who in ("AUTHOR", "COMMITTER")},
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "STOKER_DB": str(directory / "state" / "journal.db"),
        }
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ("git", *words), cwd=self.directory, env=self.env, check=True, capture_output=True
        ).stdout.decode()

    def path(self, name: str) -> Path:
        return self.directory / name

    def write(self, name: str, *lines: str, body: str = BODY) -> None:
        """A document with these lines as its front matter."""
        text = "".join(f"{line}\n" for line in ("---", *lines, "---", body))
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(text.encode())

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def run(self, *words: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        given = {"work": str(self.work), **inputs}
        pairs = [word for name, value in given.items() for word in ("--input", f"{name}={value}")]
        return self.stoker("run", str(EXAMPLE / "plan.yaml"), *words, *pairs)

    def restore(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        """The real thing, without a person."""
        return self.run(dry_run="false", ask="false", **inputs)

    def stoker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "stoker", *words),
            check=False,
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def steps(self) -> dict[str, Any]:
        shown = json.loads(self.stoker("show", "last", "--json").stdout)
        return {step["id"]: step for step in shown["steps"]}

    def report(self) -> str:
        return (self.work / "report.md").read_text()

    def contents(self) -> dict[str, bytes]:
        found = {path: path.read_bytes() for path in self.directory.rglob("*.md")}
        return {str(path.relative_to(self.directory)): data for path, data in found.items()}


@pytest.fixture
def docs(tmp_path: Path) -> Docs:
    return Docs(tmp_path)


@pytest.fixture
def broken(docs: Docs) -> Docs:
    """An id lost after two renames, one duplicated by a copy, and documents that are well."""
    docs.write("guide/old.md", "id: guide-1", "title: Guide")
    docs.write("first.md", "id: first-1", body=BODY.upper())
    docs.write("second.md", "id: second-1 # stable", body=BODY[::-1])
    docs.path("README.md").write_text("# No front matter, and never had an id\n")
    docs.commit("documents")
    docs.git("mv", "guide/old.md", "guide/new.md")
    docs.commit("rename")
    docs.write("guide/new.md", "title: Guide")
    docs.commit("lose the id")
    docs.git("mv", "guide/new.md", "guide.md")
    docs.write("second.md", "id: first-1", body=BODY[::-1])
    docs.commit("rename again, and copy an id")
    return docs


def test_a_dry_run_comes_first_and_reports(broken: Docs) -> None:
    before = broken.contents()
    done = broken.run()
    assert done.returncode == 0, done.stderr
    assert broken.contents() == before
    steps = broken.steps()
    assert steps["scan"]["outputs"] == {"documents": 4, "problems": 3}
    assert steps["trace"]["outputs"] == {"restorable": 2, "unresolved": 0}
    assert [steps[name]["status"] for name in ("approve", "rewrite", "verify")] == ["skipped"] * 3
    assert "| guide.md | no id | `guide-1` |" in broken.report()
    assert "| second.md | the id first-1 | `second-1` |" in broken.report()
    patch = (broken.work / "changes.diff").read_text()
    assert [
        line for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in "+++---"
    ] == [*("+id: guide-1", "-id: first-1", "+id: second-1 # stable")]
    broken.git("apply", "--check", str(broken.work / "changes.diff"))


def test_ids_come_back_from_the_history_through_renames(broken: Docs) -> None:
    before = broken.contents()
    done = broken.restore()
    assert done.returncode == 0, done.stderr
    after = broken.contents()
    assert after.pop("guide.md").decode().startswith("---\nid: guide-1\ntitle: Guide\n---\nA line")
    assert after.pop("second.md") == before["second.md"].replace(
        b"id: first-1", b"id: second-1 # stable"
    )
    assert all(before[name] == data for name, data in after.items())
    assert broken.steps()["verify"]["status"] == "succeeded"
    assert broken.run().returncode == 0
    assert broken.steps()["scan"]["outputs"]["problems"] == 0


def test_nothing_is_rewritten_before_a_person_has_seen_the_report(broken: Docs) -> None:
    before = broken.contents()
    done = broken.run(dry_run="false")
    assert done.returncode == 3, done.stderr
    assert broken.contents() == before
    assert "`guide-1`" in broken.report()
    done = broken.stoker("approve", "last", "approve", "--comment", "looks right")
    assert done.returncode == 0, done.stderr
    assert b"id: guide-1" in broken.contents()["guide.md"]


def test_a_rejected_rewrite_leaves_all_as_it_was(broken: Docs) -> None:
    before = broken.contents()
    assert broken.run(dry_run="false").returncode == 3
    assert broken.stoker("reject", "last", "approve").returncode == 1
    assert broken.contents() == before


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_only_the_id_line_changes(docs: Docs, eol: str, bom: bytes) -> None:
    rest = f"title: caf\u00e9{eol}tags: [id, x]{eol}---{eol}id: no\r odd \x0b ends\n\r\n".encode()
    head = bom + f"---{eol}".encode()
    quoted = f"id: 'x 1'   # keep{eol}".encode()
    docs.path("lost.md").write_bytes(head + quoted + rest)
    docs.path("empty.md").write_bytes(head + rest[:12] + f"{eol}id: e-1{eol}---{eol}".encode())
    docs.commit()
    docs.path("lost.md").write_bytes(head + rest + b"\xff no utf-8, no last line end")
    docs.path("lost.md").chmod(0o754)
    docs.path("empty.md").write_bytes(head + rest[:12] + f"{eol}id:  {eol}---{eol}".encode())
    assert docs.restore().returncode == 0
    assert docs.path("lost.md").read_bytes() == head + quoted + rest + (
        b"\xff no utf-8, no last line end"
    )
    assert docs.path("lost.md").stat().st_mode & 0o7777 == 0o754
    restored = head + rest[:12] + f"{eol}id: e-1{eol}---{eol}".encode()
    assert docs.path("empty.md").read_bytes() == restored
    assert sorted(path.name for path in docs.directory.iterdir()) == [".git", "empty.md", "lost.md"]


def test_the_original_keeps_its_id_and_a_copy_does_not_inherit_one(docs: Docs) -> None:
    docs.write("z-original.md", "id: one")
    docs.commit()
    docs.write("a-copy.md", "id: one")
    docs.commit()
    done = docs.restore()
    assert done.returncode == 1
    assert "a-copy.md has the id 'one' of another one" not in docs.report()
    assert "- a-copy.md: has the id 'one' of another one, and never had" in docs.report()
    assert docs.path("z-original.md").read_bytes() == docs.path("a-copy.md").read_bytes()
    assert docs.steps()["verify"]["status"] == "failed"


def test_history_of_merged_branches_and_renames_not_yet_committed(docs: Docs) -> None:
    docs.write("base.md", "id: base-1")
    docs.commit()
    docs.git("checkout", "--quiet", "-b", "side")
    docs.write("side.md", "id: side-1", body=BODY.upper())
    docs.commit()
    docs.write("side.md", "draft: true", body=BODY.upper())
    docs.commit()
    docs.git("checkout", "--quiet", "main")
    docs.write("base.md", "title: Base")
    docs.commit()
    docs.git("merge", "--quiet", "--no-edit", "side")
    docs.git("mv", "base.md", "moved.md")
    assert docs.restore().returncode == 0
    assert docs.path("side.md").read_text().startswith("---\nid: side-1\ndraft")
    assert docs.path("moved.md").read_text().startswith("---\nid: base-1\ntitle")


def test_what_the_history_cannot_answer_is_listed_and_fails_the_run(docs: Docs) -> None:
    docs.write("bare.md", "id: b-1")
    docs.write("twice.md", "id: t-1", "id: t-2")
    docs.write("block.md", "id: |", "  text")
    docs.write("lost.md", "id: l-1", body="short")
    docs.commit()
    docs.path("bare.md").write_text(BODY)
    docs.write("lost.md", "title: Lost", body="short")
    docs.write("untracked.md", "title: New")
    docs.write("thief.md", "id: l-1", body="other")
    docs.path("link.md").symlink_to("lost.md")
    docs.path(".gitignore").write_text("ignored/\n")
    docs.write("ignored/x.md", "title: Not ours")
    done = docs.restore()
    assert done.returncode == 1
    report = docs.report()
    for line in (
        "- bare.md: had the id 'b-1', but has no front matter any more to hold it",
        "- block.md: has an id that is no plain value: '\\|'",
        "- lost.md: has no id; the 'l-1' it had belongs to thief.md now",
        "- twice.md: has 2 id lines",
        "- untracked.md: has no id, and never had one of its own",
    ):
        assert line in report
    assert report.count("\n- ") == 5


def test_no_document_is_rewritten_if_one_has_changed_since_the_scan(broken: Docs) -> None:
    assert broken.run(dry_run="false").returncode == 3
    broken.write("second.md", "id: first-1", "edited: true")
    before = broken.contents()
    done = broken.stoker("approve", "last", "approve")
    assert done.returncode == 1
    assert "second.md" in broken.stoker("logs", "last", "rewrite").stderr
    assert broken.contents() == before


def test_a_rewrite_that_was_cut_short_goes_on(broken: Docs) -> None:
    assert broken.run(dry_run="false").returncode == 3
    text = broken.path("guide.md").read_text()
    broken.path("guide.md").write_text(text.replace("---\n", "---\nid: guide-1\n", 1))
    assert broken.stoker("approve", "last", "approve").returncode == 0
    assert broken.steps()["rewrite"]["outputs"] == {"rewritten": 1}
    assert b"id: second-1 # stable" in broken.contents()["second.md"]


def test_only_the_chosen_tree_is_looked_at(broken: Docs) -> None:
    broken.write("docs/new.md", "title: New")
    done = broken.run(root="docs")
    assert done.returncode == 0
    assert broken.steps()["scan"]["outputs"] == {"documents": 1, "problems": 1}
    for root in ("nowhere", ".."):
        assert broken.run(root=root).returncode == 1
        assert f"root: there is no directory {root}" in broken.stoker("logs", "last", "scan").stderr


def test_without_a_repository_the_error_says_so(tmp_path: Path) -> None:
    docs = Docs(tmp_path)
    done = docs.run(repository="/")
    assert done.returncode == 1
    assert "not a git repository" in docs.stoker("logs", "last", "scan").stderr
