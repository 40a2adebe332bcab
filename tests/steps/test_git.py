"""Kind `git`, on real repositories."""

import asyncio
import subprocess

import pytest

from stoker.engine.kinds import StepFailed
from stoker.plan.model import Step


@pytest.fixture
def git(carry):
    """Run git in the step's directory, which is a repository with one commit on `main`."""
    config = carry.home / "gitconfig"
    config.write_text(
        "[user]\nname = Tester\nemail = t@example.com\n[init]\ndefaultBranch = main\n"
    )
    carry.env |= {"GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_SYSTEM": "/dev/null"}

    def run(*args, cwd=None, check=True):
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or carry.cwd,
            env=carry.env,
            check=check,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    run("init", "--quiet")
    commit(run, carry.cwd, "a.txt", "one\n")
    return run


def commit(git, directory, name, content):
    (directory / name).write_text(content)
    git("add", "--all", cwd=directory)
    git("commit", "--quiet", "--message", f"{name}: {content.strip()}", cwd=directory)
    return git("rev-parse", "HEAD", cwd=directory)


@pytest.fixture
def branches(git, carry):
    """`topic` and `main` differ; `clash` and `main` conflict in a.txt."""
    git("switch", "--quiet", "--create", "clash")
    commit(git, carry.cwd, "a.txt", "theirs\n")
    git("switch", "--quiet", "--create", "topic", "main")
    commit(git, carry.cwd, "b.txt", "topic\n")
    git("switch", "--quiet", "main")
    commit(git, carry.cwd, "a.txt", "ours\n")
    return git


def state(git):
    """All that a failed step must leave alone."""
    return (
        git("status", "--porcelain"),
        git("for-each-ref"),
        git("worktree", "list"),
        git("stash", "list"),
    )


# Snapshot and restore


def test_snapshot_of_a_clean_tree_is_head(carry, git):
    outputs = carry("git", action="snapshot", name="before", working_tree=True).result.outputs
    head = git("rev-parse", "HEAD")
    assert outputs == {"ref": "refs/backup/before", "commit": head, "head": head, "dirty": False}
    assert git("rev-parse", "refs/backup/before") == head


def test_snapshot_with_edits_touches_neither_index_nor_tree_nor_stash(carry, git):
    (carry.cwd / ".gitignore").write_text("ignored\n")
    (carry.cwd / "ignored").write_text("x")
    (carry.cwd / "a.txt").write_text("staged\n")
    git("add", "a.txt")
    (carry.cwd / "a.txt").write_text("edited\n")
    (carry.cwd / "new ü.txt").write_text("untracked\n")
    before = git("status", "--porcelain"), git("diff"), git("diff", "--cached")
    outputs = carry("git", action="snapshot", name="b", working_tree=True).result.outputs
    assert (git("status", "--porcelain"), git("diff"), git("diff", "--cached")) == before
    assert git("stash", "list") == ""
    assert outputs["dirty"] is True
    names = git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", outputs["commit"])
    assert names.splitlines() == [".gitignore", "a.txt", "new ü.txt"]
    assert git("show", f"{outputs['commit']}:a.txt") == "edited"
    assert git("rev-parse", f"{outputs['commit']}^") == outputs["head"]


def test_a_second_snapshot_keeps_the_first_in_the_reflog(carry, git):
    first = carry("git", action="snapshot", name="b").result.outputs["commit"]
    commit(git, carry.cwd, "a.txt", "two\n")
    carry("git", action="snapshot", name="b")
    assert git("rev-parse", "refs/backup/b@{1}") == first


def test_nothing_to_back_up(carry, git, tmp_path):
    subprocess.run(["git", "init", "-q", "empty"], cwd=carry.cwd, check=True)
    with pytest.raises(StepFailed, match="there is no commit yet"):
        carry("git", action="snapshot", repo="empty", name="b")
    (carry.cwd / "empty/file").write_text("x")
    outputs = carry("git", action="snapshot", repo="empty", name="b", working_tree=True)
    assert git("show", f"{outputs.result.outputs['commit']}:file", cwd=carry.cwd / "empty") == "x"


def test_restore_brings_back_branch_edits_and_untracked_files(carry, git):
    commit(git, carry.cwd, "gone.txt", "gone\n")
    (carry.cwd / "gone.txt").unlink()
    (carry.cwd / "a.txt").write_text("edited\n")
    (carry.cwd / "new.txt").write_text("new\n")
    saved = carry("git", action="snapshot", name="b", working_tree=True).result.outputs
    git("checkout", "--quiet", "--", ".")
    commit(git, carry.cwd, "a.txt", "later\n")
    (carry.cwd / "a.txt").write_text("latest\n")
    (carry.cwd / "stray.txt").write_text("stray\n")

    with pytest.raises(StepFailed, match=r"in no commit: a\.txt; say 'discard: true'"):
        carry("git", action="restore", name="b")
    outputs = carry("git", action="restore", name="b", discard=True).result.outputs

    assert git("rev-parse", "main") == saved["head"] == outputs["head"]
    assert sorted(p.name for p in carry.cwd.iterdir()) == [".git", "a.txt", "new.txt"]
    assert (carry.cwd / "a.txt").read_text() == "edited\n"
    assert git("show", f"{outputs['saved']}:a.txt") == "latest"
    assert git("show", f"{outputs['saved']}:stray.txt") == "stray"
    assert git("log", "-1", "--format=%s", f"{outputs['saved']}^") == "a.txt: later"


def test_restore_without_edits_needs_no_discard(carry, git):
    saved = carry("git", action="snapshot", name="b").result.outputs
    (carry.cwd / "untracked").write_text("kept")
    commit_ = commit(git, carry.cwd, "c.txt", "two\n")
    (carry.cwd / "other").write_text("kept")
    carry("git", action="restore", ref="refs/backup/b")
    assert git("rev-parse", "main") == saved["commit"] != commit_
    assert (carry.cwd / "other").read_text() == "kept"


def test_restore_does_not_overwrite_untracked_files(carry, git):
    (carry.cwd / "new.txt").write_text("snapshot\n")
    carry("git", action="snapshot", name="b", working_tree=True)
    carry("git", action="restore", name="b")  # the very same file is no loss
    (carry.cwd / "new.txt").write_text("precious\n")
    with pytest.raises(StepFailed, match=r"in no commit: new\.txt"):
        carry("git", action="restore", name="b")
    assert (carry.cwd / "new.txt").read_text() == "precious\n"


def test_restore_ends_a_merge_under_way(carry, branches):
    git = branches
    saved = carry("git", action="snapshot", name="b").result.outputs
    git("merge", "clash", check=False)
    assert (carry.cwd / ".git/MERGE_HEAD").exists()
    with pytest.raises(StepFailed, match="in no commit"):
        carry("git", action="restore", name="b")
    carry("git", action="restore", name="b", discard=True)
    assert git("status", "--porcelain") == ""
    assert not (carry.cwd / ".git/MERGE_HEAD").exists()
    assert git("rev-parse", "HEAD") == saved["commit"]


def test_restore_of_another_branch(carry, branches):
    git = branches
    saved = carry("git", action="snapshot", name="b").result.outputs["commit"]
    commit(git, carry.cwd, "a.txt", "worse\n")
    git("switch", "--quiet", "topic")
    carry("git", action="restore", name="b", branch="main")
    assert git("symbolic-ref", "--short", "HEAD") == "main"
    assert git("rev-parse", "main") == saved


def test_a_bundle_restores_a_repository_that_lost_everything(carry, git):
    (carry.cwd / "new.txt").write_text("new\n")
    outputs = carry(
        "git", action="snapshot", name="b", working_tree=True, bundle="../safe/b.bundle"
    ).result.outputs
    fresh = carry.cwd / "fresh"
    git("init", "--quiet", str(fresh))
    commit(git, fresh, "unrelated", "x\n")
    given = {"repo": "fresh", "bundle": outputs["bundle"]}
    carry("git", action="restore", **given)
    assert (fresh / "new.txt").read_text() == "new\n"
    assert git("rev-parse", "HEAD", cwd=fresh) == outputs["head"]
    with pytest.raises(StepFailed, match="holds refs/backup/b; expected refs/backup/c"):
        carry("git", action="restore", name="c", **given)


# Worktrees


def test_worktree_add_and_remove(carry, branches):
    git = branches
    given = {"action": "worktree", "path": "../tree"}
    first = carry("git", **given, ref="topic", branch="work").result.outputs
    tree = carry.home / "tree"
    assert first == {"path": str(tree), "commit": git("rev-parse", "topic"), "changed": True}
    assert git("symbolic-ref", "--short", "HEAD", cwd=tree) == "work"
    again = carry("git", **given, ref="topic", branch="work").result.outputs
    assert again == {**first, "changed": False}
    with pytest.raises(StepFailed, match=r"a worktree is at .* already"):
        carry("git", **given, ref="clash")
    (tree / "b.txt").write_text("edited\n")
    with pytest.raises(StepFailed, match="contains modified or untracked files"):
        carry("git", **given, remove=True)
    assert carry("git", **given, remove=True, force=True).result.outputs["changed"] is True
    assert not tree.exists()
    assert carry("git", **given, remove=True).result.outputs["changed"] is False


def test_many_worktrees_at_once(carry, git):
    async def main():
        steps = [
            Step(id=f"s{n}", step_def={"type": "git", "action": "worktree", "path": f"../t{n}"})
            for n in range(6)
        ]
        await asyncio.gather(*(carry.run(step) for step in steps))

    asyncio.run(main())
    assert len(git("worktree", "list").splitlines()) == 7


# Merge


def test_a_merge_that_succeeds_changes_nothing_here(carry, branches):
    git = branches
    before = state(git)
    outputs = carry("git", action="merge", source="topic").result.outputs
    assert state(git) == before
    parents = git("log", "-1", "--format=%P", outputs["commit"]).split()
    assert parents == [git("rev-parse", "main"), git("rev-parse", "topic")]
    assert git("log", "-1", "--format=%s", outputs["commit"]) == "Merge topic into main"
    assert outputs["conflicts"] == []


def test_a_merge_in_place_moves_the_branch(carry, branches):
    git = branches
    given = {"action": "merge", "source": "topic", "in_place": True, "message": "Both"}
    outputs = carry("git", **given).result.outputs
    assert git("rev-parse", "main") == outputs["commit"]
    assert (carry.cwd / "b.txt").read_text() == "topic\n"
    assert git("log", "-1", "--format=%s") == "Both"
    again = carry("git", **given).result.outputs
    assert again == {"commit": outputs["commit"], "conflicts": [], "changed": False}


@pytest.mark.parametrize("place", [{}, {"in_place": True}, {"path": "../tree"}])
def test_conflicts_leave_nothing_half_done(carry, branches, place):
    before = state(branches)
    result = carry("git", action="merge", source="clash", **place).result
    assert result.error == "merging clash into HEAD: conflicts in a.txt"
    assert result.outputs == {"conflicts": ["a.txt"]}
    assert state(branches) == before
    assert not (carry.home / "tree").exists()


@pytest.mark.parametrize("place", [{"in_place": True}, {"path": "../tree"}])
def test_conflicts_are_kept_where_asked(carry, branches, place):
    result = carry("git", action="merge", source="clash", keep_conflicts=True, **place).result
    assert result.outputs["conflicts"] == ["a.txt"]
    tree = carry.cwd if "in_place" in place else carry.home / "tree"
    assert "<<<<<<<" in (tree / "a.txt").read_text()


def test_a_merge_into_a_path_is_left_there(carry, branches):
    outputs = carry(
        "git", action="merge", source="topic", into="clash", path="../tree"
    ).result.outputs
    assert outputs["path"] == str(carry.home / "tree")
    assert (carry.home / "tree/b.txt").exists()
    assert branches("rev-parse", "HEAD", cwd=carry.home / "tree") == outputs["commit"]


def test_a_merge_cleans_up_after_a_crash(carry, branches):
    before = state(branches)
    left = carry.home / "run/out.worktree"
    left.parent.mkdir()
    branches("worktree", "add", "--quiet", "--detach", str(left))
    assert carry("git", action="merge", source="topic").result.error is None
    assert state(branches) == before


def test_a_canceled_merge_leaves_nothing(carry, branches):
    """Canceled at the very moment git is merging: a merge driver waits for it."""
    git = branches
    pipe = carry.home / "merging"
    subprocess.run(["mkfifo", str(pipe)], check=True)
    driver = f"echo now > {pipe}; cat {pipe}.never 2>/dev/null || sleep 600"
    git("config", "merge.stall.driver", f"sh -c '{driver}'")
    (carry.cwd / ".git/info").mkdir(exist_ok=True)
    (carry.cwd / ".git/info/attributes").write_text("a.txt merge=stall\n")
    before = state(git)
    step = Step(id="s", step_def={"type": "git", "action": "merge", "source": "clash"})

    async def main():
        task = asyncio.create_task(carry.run(step))
        await asyncio.to_thread(pipe.read_text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert state(git) == before


def test_edits_forbid_a_merge_in_place(carry, branches):
    (carry.cwd / "a.txt").write_text("edited\n")
    with pytest.raises(StepFailed, match=r"in no commit: a\.txt"):
        carry("git", action="merge", source="topic", in_place=True)
    with pytest.raises(StepFailed, match="'topic' is not the branch that is checked out"):
        branches("checkout", "--quiet", "--", ".")
        carry("git", action="merge", source="main", into="topic", in_place=True)


def test_a_merge_that_fails_without_conflicts(carry, branches):
    branches("config", "user.useConfigOnly", "true")
    branches("config", "--global", "--remove-section", "user")
    before = state(branches)
    with pytest.raises(StepFailed, match=r"git merge failed: (.|\n)*user\.(name|email)"):
        carry("git", action="merge", source="topic")
    assert state(branches) == before


# Remotes


@pytest.fixture
def remote(git, carry):
    """A bare `origin`, and a second clone beside the step's."""
    origin, other = carry.home / "origin.git", carry.home / "other"
    git("clone", "--quiet", "--bare", str(carry.cwd), str(origin))
    git("remote", "add", "origin", str(origin))
    git("fetch", "--quiet", "origin")
    git("clone", "--quiet", str(origin), str(other))
    return other


def test_fetch_and_push(carry, git, remote):
    theirs = commit(git, remote, "b.txt", "b\n")
    git("push", "--quiet", "origin", "main", cwd=remote)
    outputs = carry("git", action="fetch", refspecs=["main"], prune=True).result.outputs
    assert outputs == {"commit": theirs}
    git("merge", "--quiet", "--ff-only", "origin/main")
    ours = commit(git, carry.cwd, "a.txt", "two\n")
    outputs = carry("git", action="push", refspecs=["main"]).result.outputs
    assert outputs == {"pushed": ["refs/heads/main"]}
    assert git("ls-remote", "origin", "refs/heads/main").split()[0] == ours


def test_a_push_the_remote_refuses(carry, git, remote):
    base = git("rev-parse", "main")
    theirs = commit(git, remote, "b.txt", "b\n")
    git("push", "--quiet", "origin", "main", cwd=remote)
    commit(git, carry.cwd, "a.txt", "two\n")
    for lease in (False, f"main:{base}", [f"main:{base}"]):
        result = carry("git", action="push", refspecs=["main"], force_with_lease=lease).result
        assert result.exit_code == 1
        assert result.error.startswith("push refused: refs/heads/main [rejected]")
        assert git("ls-remote", "origin", "refs/heads/main").split()[0] == theirs
    lease = f"main:{theirs}"
    assert (
        carry("git", action="push", refspecs=["main"], force_with_lease=lease).result.error is None
    )


def test_a_remote_that_is_not_there(carry, git):
    for action in ("fetch", "push"):
        with pytest.raises(StepFailed, match=f"git {action} failed: .*nowhere") as caught:
            carry("git", action=action, remote="../nowhere", refspecs=["main"])
        assert caught.value.exit_code == 128


# Safety


def test_hooks_run_only_where_asked(carry, branches):
    for name in ("post-checkout", "pre-merge-commit", "reference-transaction"):
        hook = carry.cwd / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {carry.home}/hooked\n")
        hook.chmod(0o755)
    given = {"action": "merge", "source": "topic"}
    assert carry("git", **given).result.error is None
    assert not (carry.home / "hooked").exists()
    assert carry("git", **given, hooks=True).result.error is None
    assert (carry.home / "hooked").exists()


def test_a_surrounding_git_does_not_lead_us_astray(carry, git):
    """As when a hook started us."""
    carry.env |= {"GIT_DIR": "/nonexistent", "GIT_INDEX_FILE": "/nonexistent"}
    assert carry("git", action="snapshot", name="b").result.error is None


def test_bad_places(carry, git):
    with pytest.raises(StepFailed, match="nowhere is not a directory"):
        carry("git", action="snapshot", repo="nowhere", name="b")
    (carry.home / "plain").mkdir()
    with pytest.raises(StepFailed, match="not a git repository"):
        carry("git", action="worktree", repo="../plain", path="x")
    with pytest.raises(StepFailed, match="no commit is named 'nobody'"):
        carry("git", action="merge", source="nobody")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"action": "snapshot"}, "needs 'name'"),
        ({"action": "snapshot", "name": "a", "source": "b"}, "source: action 'snapshot' does not"),
        ({"action": "restore"}, "needs 'name', 'ref' or 'bundle'"),
        ({"action": "restore", "name": "a", "ref": "b"}, "found both"),
        ({"action": "merge", "source": "--octopus"}, "would be an option of git"),
        ({"action": "fetch", "refspecs": ["--upload-pack=x"]}, "would be an option of git"),
        ({"action": "fetch", "remote": "--upload-pack=x"}, "would be an option of git"),
        ({"action": "merge", "source": "a", "path": "p", "in_place": True}, "in one place"),
        ({"action": "merge", "source": "a", "keep_conflicts": True}, "a place to keep them"),
    ],
)
def test_problems(carry, definition, words):
    (problem,) = carry.problems("git", **definition)
    assert words in problem


def test_credentials_of_a_remote_are_in_no_message(carry, git):
    url = "http://user:hunter2@127.0.0.1:1/x.git"
    with pytest.raises(StepFailed) as caught:
        carry("git", action="fetch", remote=url)
    attempt = carry.attempt(Step(id="s"))
    assert "http://***@127.0.0.1:1/x.git" in attempt.log(error=True)
    git("remote", "add", "origin", url)
    with pytest.raises(StepFailed) as again:
        carry("git", action="push", refspecs=["main"])
    assert "127.0.0.1" in str(again.value)
    assert "hunter2" not in f"{caught.value} {again.value} {attempt.log(error=True)}"
