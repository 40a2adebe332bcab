"""The plan `examples/safe-merge`, run by the real command line on real repositories."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "safe-merge"


def hook(directory: Path, name: str, script: str) -> None:
    path = directory / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_graph_reads_like_the_procedure(world: Any) -> None:
    assert world.phases() == [
        *("lock", "scan", "nested", "classify", "snapshot", "fetch", "merge", "resolve", "agent"),
        *("commit", "gate", "push", "advance", "verify", "event", "cleanup", "conclude"),
    ]


def test_clean_merge_touches_nothing_else(world: Any) -> None:
    world.branches({"new.py": "new\n"}, {"other.py": "other\n"})
    (world.a / "notes").write_text("put away\n")
    world.git(world.a, "stash")
    world.git(world.a, "checkout", "--quiet", "-b", "mine")
    (world.a / "untracked").write_text("mine\n")
    before = world.standing()
    done = world.run()
    assert done.exit_code == 0, done.text
    world.assert_merged(before)
    assert world.show("new.py") == "new"
    assert (world.a / "untracked").read_text() == "mine\n"
    assert not list(world.root.glob("cache/stoker/merges/*"))
    (event,) = world.events()
    assert event["outcome"] == "merged"
    assert event["merge"] == world.git(world.remote, "rev-parse", "main")
    assert event["resolved"] == []


def test_every_class_of_conflict_is_settled_by_its_rule(conflicted: Any) -> None:
    before = conflicted.standing()
    gate = 'test -z "$(git status --porcelain)" && grep -q TWO app.py'
    done = conflicted.run(test_command=gate)
    assert done.exit_code == 0, done.text
    conflicted.assert_merged(before)
    assert conflicted.show("README.md") == "# App\n\n- base\n- main\n- feature"
    assert conflicted.show("uv.lock") == "a==1\nf==1\nm==1"
    assert conflicted.show("generated/lines.txt") == "4"
    assert conflicted.show("logo") == "\0feature"
    assert conflicted.show("app.ini") == "[app]\nlevel = 3"
    assert (conflicted.a / "uv.lock").read_text() == "a==1\nf==1\nm==1\n"
    (event,) = conflicted.events()
    assert {one["path"]: (one["kind"], one["rule"]) for one in event["resolved"]} == {
        "README.md": ("documents", "union"),
        "uv.lock": ("lock_files", "regenerate"),
        "generated/lines.txt": ("generated", "regenerate"),
        "logo": ("binary", "theirs"),
        "app.ini": ("settings", "ours"),
    }


def test_deleted_on_one_side(world: Any) -> None:
    world.branches(
        {"logo": None, "README.md": None, "app.ini": "[app]\n"},
        {"logo": b"\0main", "app.ini": None, "README.md": "# other\n"},
    )
    before = world.standing()
    done = world.run()
    assert done.exit_code == 1
    assert world.standing() == before
    (event,) = world.events()
    assert [(one["path"], one["note"]) for one in event["unresolved"]] == [
        ("README.md", "there are no two texts to unite")
    ]
    rules = {one["path"]: one["rule"] for one in event["resolved"]}
    assert rules == {"logo": "theirs", "app.ini": "ours"}  # gone on both


def test_what_nothing_resolves_is_refused_with_the_list(unresolvable: Any) -> None:
    before = unresolvable.standing()
    done = unresolvable.run()
    assert done.exit_code == 1
    assert "conflicts that nothing resolved (1):" in done.text
    assert "app.py  [code] both modified: refuse" in done.text
    assert unresolvable.standing() == before
    (event,) = unresolvable.events()
    assert event["outcome"] == "not merged"
    assert event["failed_step"] == "commit"
    assert event["restored"]
    assert [one["path"] for one in event["unresolved"]] == ["app.py"]


AGENT = """
test "$(cat "$MERGE_CONFLICTS_FILE")" = app.py || exit 9
printf 'one\\nboth\\nthree\\n' > app.py
"""


@pytest.mark.parametrize(
    ("script", "refusal"),
    [
        (AGENT, None),
        ("true", "conflicts that nothing resolved (1)"),
        ("git add app.py", "conflict markers are left in app.py"),
        (AGENT + "echo more >> notes; git add notes", "the agent staged files it was not asked"),
        (AGENT + "exit 3", "step 'agent' failed: exit code 3"),
    ],
)
def test_agent(unresolvable: Any, script: str, refusal: str | None) -> None:
    before = unresolvable.standing()
    (unresolvable.root / "agent.sh").write_text(script)
    command = f"sh -e {shlex.quote(str(unresolvable.root / 'agent.sh'))}"
    done = unresolvable.run(agent_command=command)
    if refusal is None:
        assert done.exit_code == 0, done.text
        unresolvable.assert_merged(before)
        assert unresolvable.show("app.py") == "one\nboth\nthree"
        (event,) = unresolvable.events()
        rules = {one["path"]: one["rule"] for one in event["resolved"]}
        assert rules == {"app.py": "agent", "README.md": "union"}
    else:
        assert done.exit_code == 1
        assert refusal in done.text
        assert unresolvable.standing() == before


def colleague(world: Any) -> str:
    """A script by which a colleague pushes to main, once."""
    path = world.root / "colleague.sh"
    path.write_text(
        f"mkdir {world.root}/once 2>/dev/null || exit 0\n"
        f"cd {world.b} && unset GIT_DIR && echo b > b.py && git add b.py &&\n"
        "git commit -qm colleague && git push -q origin main\n"
    )
    return f"sh {path}"


@pytest.mark.parametrize("moment", ["in the gate", "during the push"])
def test_merge_is_redone_when_the_remote_moves(conflicted: Any, moment: str) -> None:
    world = conflicted
    feature = world.git(world.remote, "rev-parse", "feature")
    gates = world.root / "gates"
    gate = f"echo x >> {gates}"
    if moment == "in the gate":
        gate = f"{colleague(world)} && {gate}"
    else:
        hook(world.a / ".git", "pre-push", colleague(world))
    done = world.run(test_command=gate)
    assert done.exit_code == 0, done.text
    moved = world.git(world.b, "rev-parse", "HEAD")
    assert world.git(world.remote, "log", "-1", "--format=%P", "main").split() == [moved, feature]
    assert world.show("b.py") == "b"
    assert world.show("uv.lock") == "a==1\nf==1\nm==1"
    assert gates.read_text() == "x\nx\n"
    attempts = [one["status"] for one in world.step("r1", "push")["attempts"]]
    again = ["failed"] if moment == "during the push" else []
    assert attempts == [*again, "succeeded"]
    (event,) = world.events()
    assert event["before"] == moved


def test_a_failing_gate_leaves_everything_as_before(conflicted: Any) -> None:
    before = conflicted.standing()
    done = conflicted.run(test_command="echo 2 tests failed >&2; exit 4")
    assert done.exit_code == 1
    assert "2 tests failed" in done.text
    assert conflicted.standing() == before
    (event,) = conflicted.events()
    assert (event["failed_step"], event["restored"]) == ("gate", True)


def test_what_cannot_be_verified_is_restored(conflicted: Any) -> None:
    """The remote takes the push and then undoes it: the clone's branch goes back too."""
    before = conflicted.standing()
    undo = (
        "while read old new ref; do [ $ref != refs/heads/main ] || git update-ref $ref $old; done"
    )
    hook(conflicted.remote, "post-receive", undo)
    done = conflicted.run()
    assert done.exit_code == 1
    assert "does not hold 'feature': not merged" in done.text
    assert conflicted.standing() == before
    assert conflicted.events()[0]["failed_step"] == "verify"


def test_a_refusal_by_the_remote_is_not_retried(conflicted: Any) -> None:
    before = conflicted.standing()
    hook(conflicted.remote, "update", 'test "$1" != refs/heads/main')
    done = conflicted.run()
    assert done.exit_code == 1
    assert "the remote refused the push" in done.text
    assert conflicted.standing() == before
    assert len(conflicted.step("r1", "push")["attempts"]) == 1


def test_already_merged(world: Any) -> None:
    world.git(world.a, "push", "--quiet", "origin", "main:feature")
    before = world.standing()
    done = world.run()
    assert done.exit_code == 0, done.text
    assert world.standing() == before
    assert world.events()[0]["outcome"] == "up-to-date"


def test_the_scan_tells_everything_at_once(conflicted: Any) -> None:
    world = conflicted
    (world.a / "notes").write_text("edited\n")
    (world.a / ".git" / "MERGE_HEAD").write_text(world.git(world.a, "rev-parse", "HEAD"))
    before = world.standing()
    done = world.run(source="faeture")
    assert done.exit_code == 1
    assert "the work tree has 1 uncommitted changes (notes)" in done.text
    assert "a merge is under way" in done.text
    assert "there is no branch 'faeture', neither here nor on 'origin'" in done.text
    assert world.standing() == before


def test_uncommitted_edits_are_never_touched(conflicted: Any) -> None:
    """The remote is merged, but the branch under the edits is not moved."""
    world = conflicted
    (world.a / "notes").write_text("edited\n")
    (world.a / "README.md").write_text("edited and staged\n")
    world.git(world.a, "add", "README.md")
    before = world.standing()
    index = (world.a / ".git" / "index").read_bytes()
    done = world.run(allow_dirty="true")
    assert done.exit_code == 0, done.text
    after = world.standing()
    assert after["remote"]["refs/heads/main"] != before["remote"]["refs/heads/main"]
    assert after | {"remote": None} == before | {"remote": None}
    assert (world.a / ".git" / "index").read_bytes() == index
    assert (world.a / "notes").read_text() == "edited\n"
    assert "checked out with uncommitted changes" in world.log("r1", "advance")


def test_an_untracked_file_in_the_way_is_kept(world: Any) -> None:
    world.branches({"new.py": "new\n"}, {"other.py": "other\n"})
    (world.a / "new.py").write_text("mine\n")
    done = world.run()
    assert done.exit_code == 0, done.text
    assert (world.a / "new.py").read_text() == "mine\n"
    assert world.git(world.a, "status", "--porcelain") == "?? new.py"
    assert "would be overwritten" in world.log("r1", "advance")
    assert not (world.a / ".git" / "index.lock").exists()


def test_nested_repositories_are_found(conflicted: Any) -> None:
    world = conflicted
    for name in ("deps", "vendor/untracked", "vendor/committed", "ignored/inner"):
        world.git(world.a, "init", "--quiet", name)
        world.git(world.a / name, "commit", "--quiet", "--allow-empty", "-m", "inner")
    (world.a / ".git" / "info" / "exclude").write_text("ignored/\n")
    world.git(world.a, "-c", "advice.addEmbeddedRepo=false", "add", "vendor/committed")
    world.git(world.a, "commit", "--quiet", "-m", "embedded")
    world.git(world.a, "worktree", "add", "--quiet", "-b", "beside", "beside")
    before = world.standing()
    done = world.run()
    assert done.exit_code == 1
    log = world.log("r1", "nested")
    lines = [line.strip() for line in log.splitlines() if line.startswith("  ")]
    assert lines == [
        *(f"{name}: a repository that is no submodule" for name in FOUND),
        "vendor/committed: a submodule that .gitmodules does not know",
    ]
    assert world.standing() == before


FOUND = ("deps", "vendor/untracked")


def test_fetching_is_retried(conflicted: Any) -> None:
    """The remote does not answer once."""
    programs = conflicted.root / "bin"
    programs.mkdir()
    (programs / "git").write_text(
        f"""#!/bin/sh
case "$*" in *refs/heads/feature:refs/stoker*)
mkdir {conflicted.root}/once 2>/dev/null && echo could not read from remote >&2 && exit 128;;
esac
exec {shutil.which("git")} "$@"
"""
    )
    (programs / "git").chmod(0o755)
    conflicted.env["PATH"] = f"{programs}:{conflicted.env['PATH']}"
    done = conflicted.run()
    assert done.exit_code == 0, done.text
    attempts = [one["exit_code"] for one in conflicted.step("r1", "fetch")["attempts"]]
    assert attempts == [69, 0]


def test_the_demonstration_merges(world: Any) -> None:
    done = subprocess.run(
        (sys.executable, "-B", str(EXAMPLE / "demo.py"), "--keep", str(world.root / "demo")),
        env=world.env,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shop.py  [code] both modified: agent" in done.stdout
    assert "requirements.lock  [lock_files] both modified: regenerate" in done.stdout
    lock = (world.root / "demo" / "shop" / "requirements.lock").read_text()
    assert lock == "celery==locked\nflask==locked\nredis==locked\n"


def test_a_broken_policy_is_refused_with_all_its_faults(conflicted: Any) -> None:
    world = conflicted
    (world.root / "policy.yaml").write_text(
        "classes:\n  docs: {paths: ['*.md'], on_conflict: unoin}\n  code: {path: x}\n"
        "  gen: {paths: [g], on_conflict: regenerate}\n"
    )
    done = world.run()
    assert done.exit_code == 1
    log = world.log("r1", "classify")
    assert "docs.on_conflict: expected one of ours, theirs, union" in log
    assert "code: unknown field 'path'" in log
    assert "gen: 'command' and 'on_conflict: regenerate' go together" in log


def test_a_remote_that_does_not_answer(conflicted: Any) -> None:
    conflicted.git(conflicted.a, "remote", "set-url", "origin", "../gone.git")
    done = conflicted.run()
    assert done.exit_code == 1
    assert "the remote cannot be used" in done.text
    assert "gone.git" in done.text
    assert conflicted.events()[0]["failed_step"] == "lock"


def test_one_command_restores_the_snapshot(conflicted: Any) -> None:
    world = conflicted
    before = world.standing()
    done = world.run()
    assert done.exit_code == 0, done.text
    command = world.log("r1", "conclude").partition("undo with: ")[2]
    subprocess.run(shlex.split(command), env=world.env, check=True)
    assert world.standing() == before
    assert world.git(world.a, "diff", "HEAD") == ""
    # Again: nothing left to do.
    again = world.restore()
    assert again.exit_code == 0
    assert "'main' of 'origin' was not changed by this run" in again.text


def test_the_bundle_restores_what_the_refs_lost(conflicted: Any) -> None:
    world = conflicted
    before = world.standing()
    assert world.run().exit_code == 0
    for name in ("remote", "local"):
        world.git(world.a, "update-ref", "-d", f"refs/stoker/backup/{world.id('r1')}/{name}")
    done = world.restore()
    assert done.exit_code == 0, done.text
    assert world.standing() == before


def test_a_merge_with_commits_on_top_is_not_undone(conflicted: Any) -> None:
    world = conflicted
    assert world.run().exit_code == 0
    world.git(world.b, "pull", "--quiet", "origin", "main")
    top = world.commit(world.b, {"later.py": "later\n"}, "later")
    world.git(world.b, "push", "--quiet", "origin", "main")
    done = world.restore()
    assert done.exit_code == 1
    assert "revert it instead (git revert -m 1" in done.text
    assert world.git(world.remote, "rev-parse", "main") == top


def test_old_snapshots_are_forgotten(world: Any) -> None:
    world.git(world.a, "push", "--quiet", "origin", "main:feature")
    for number in range(2):
        assert world.run(f"r{number}", keep_snapshots=1).exit_code == 0
    newest = [world.id("r1")]
    refs = world.git(world.a, "for-each-ref", "--format=%(refname)", "refs/stoker")
    assert sorted({ref.split("/")[3] for ref in refs.splitlines()}) == newest
    kept = [path.name for path in (world.a / ".git" / "stoker" / "merges").iterdir()]
    assert sorted(kept) == newest
