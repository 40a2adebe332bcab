"""Repositories nobody vouches for: nothing they name is run, nothing outside is touched."""

import os

import pytest

from stoker.workspace import (
    backup,
    commit,
    copying,
    creation,
    diff,
    merge,
    rebase,
    recovery,
    removal,
    reset,
)
from stoker.workspace.errors import Diverged, MergeConflict, UnsafePath, redact
from stoker.workspace.search import search
from stoker.workspace.status import status

_HOOKS = (
    *("post-checkout", "pre-commit", "commit-msg", "prepare-commit-msg", "post-commit"),
    *("pre-rebase", "post-rewrite", "post-merge", "reference-transaction", "post-index-change"),
    *("pre-merge-commit", "applypatch-msg", "pre-auto-gc", "fsmonitor-watchman"),
)


@pytest.fixture
def traps(bench):
    """Every setting that names a program names one that leaves its name in a folder."""
    ran = bench.top / "ran"
    ran.mkdir()
    bench.commit(".gitattributes", "*.txt filter=evil merge=evil diff=evil\n")

    def trap(name):
        program = bench.top / f"trap-{name}"
        program.write_text(f'#!/bin/sh\ntouch "{ran}/{name}"\ncat\n')
        program.chmod(0o755)
        return str(program)

    def arm(git_dir):
        def config(key, value):
            bench.git("config", "--file", str(git_dir / "config"), key, value)

        hooks = git_dir / "hooks"
        hooks.mkdir(exist_ok=True)
        for name in _HOOKS:
            (hooks / name).write_text(f'#!/bin/sh\ntouch "{ran}/hook-{name}"\n')
            (hooks / name).chmod(0o755)
        for key in ("clean", "smudge"):
            config(f"filter.evil.{key}", trap(f"filter-{key}"))
        config("filter.evil.required", "true")
        config("merge.evil.driver", trap("merge-driver"))
        config("diff.evil.textconv", trap("textconv"))
        config("diff.evil.command", trap("diff-command"))
        config("diff.external", trap("diff-external"))
        for key in ("fsmonitor", "pager", "editor", "askPass", "sshCommand", "gitProxy"):
            config(f"core.{key}", trap(f"core-{key}"))
        config("sequence.editor", trap("sequence-editor"))
        config("gpg.program", trap("gpg"))
        config("credential.helper", trap("credential"))
        for key in ("commit.gpgSign", "log.showSignature", "submodule.recurse"):
            config(key, "true")
        config("status.submoduleSummary", "true")
        config("trailer.run.key", "Run")
        config("trailer.run.command", trap("trailer"))
        config("uploadpack.packObjectsHook", trap("pack-objects"))

    arm(bench.path / ".git")
    bench.arm, bench.ran = arm, ran
    return bench


def test_the_traps_work(traps):
    """Else the next test would prove nothing."""
    (traps.path / "a.txt").write_text("edited\n")
    traps.git("-c", "commit.gpgSign=false", "commit", "--all", "-m", "x", check=False)
    traps.git("diff", "HEAD~1", check=False)
    assert {"filter-clean", "core-fsmonitor", "hook-pre-commit"} <= set(os.listdir(traps.ran))


def test_nothing_a_repository_names_is_run(traps, run):
    bench = traps

    async def check():
        worktree = await bench.worktree()
        repository, top = worktree.repository, worktree.path
        (top / "a.txt").write_text("theirs\n")
        (top / "-c").write_text("x")
        await status(worktree, "main")
        await diff.changes(worktree, "main")
        await diff.patch(worktree, "main")
        await commit.commit(worktree, "work", trailers=[("Run", "1")])
        assert bench.git("cat-file", "-p", "task:a.txt") == "theirs"
        await repository.commit("HEAD")
        await search(worktree.git, "a")
        blob = bench.git("hash-object", "-w", "--no-filters", "--stdin", input=b"ours\n")
        bench.git("update-index", "--cacheinfo", f"100644,{blob},a.txt")
        tree = bench.git("write-tree")
        moved = bench.git("commit-tree", "--no-gpg-sign", "-p", "main", "-m", "x", tree)
        bench.git("-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/side", moved)
        for name in os.listdir(bench.ran):  # this test's own git ran them
            (bench.ran / name).unlink()
        with pytest.raises(Diverged):
            await merge.merge(repository, "task", "side", "Merge")
        with pytest.raises(MergeConflict):
            await rebase.rebase(worktree, "side")
        (top / "a.txt").write_text("both\n")
        await rebase.resume(worktree)
        await merge.merge(repository, "task", "side", "Merge")
        (top / "a.txt").write_text("again\n")
        kept = await backup.save(worktree, "x")
        await reset.reset(worktree, "x")
        await backup.restore(worktree, kept)
        await removal.remove(worktree, "x")
        await creation.recreate(repository, worktree.path, "task")

    run(check())
    assert os.listdir(bench.ran) == []


def test_settings_written_later_are_seen(bench, run):
    """By an agent, say, while the repository is open; also through an included file."""
    bench.commit(".gitattributes", "*.txt filter=evil\n")

    async def check():
        worktree = await bench.worktree()
        ran = bench.top / "ran"
        included = bench.top / "included"
        bench.git("config", "include.path", str(included))
        await diff.changes(worktree, "main")
        included.write_text(f'[filter "evil"]\n\tclean = touch {ran}; cat\n')
        (worktree.path / "a.txt").write_text("edited\n")
        await commit.commit(worktree, "work")
        assert not ran.exists()

    run(check())


def test_a_submodules_own_settings_are_not_obeyed(traps, run):
    """It has a config that nothing overrides: git must never look into it."""
    bench = traps
    bench.git("init", "--quiet", str(bench.top / "lib"))
    bench.commit("x", "x", cwd=bench.top / "lib")
    oid = bench.git("rev-parse", "HEAD", cwd=bench.top / "lib")

    async def check():
        worktree = await bench.worktree()
        top = worktree.path
        sub = top / "sub"
        bench.git("clone", "--quiet", str(bench.top / "lib"), str(sub))
        bench.git("update-index", "--add", "--cacheinfo", f"160000,{oid},sub", cwd=top)
        (top / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = ../lib\n')
        await commit.commit(worktree, "with a submodule")
        assert bench.git("ls-tree", "task", "sub").startswith("160000 commit")
        bench.arm(sub / ".git")
        for name in os.listdir(bench.ran):
            (bench.ran / name).unlink()
        (sub / "x").write_text("edited")
        (top / "a.txt").write_text("edited")
        found = await status(worktree, "main")
        assert found.uncommitted_count == 1
        files = {file.path: file for file in await diff.changes(worktree, "main")}
        assert files["sub"].new_content == f"Subproject commit {oid}\n"
        await commit.commit(worktree, "more")
        kept = await backup.save(worktree, "x")
        (top / "a.txt").write_text("again")
        await reset.reset(worktree, "x")
        await backup.restore(worktree, kept)
        await rebase.rebase(worktree, "main")
        await removal.remove(worktree, "x", discard_nested=True)

    run(check())
    assert os.listdir(bench.ran) == []


def test_another_repository_in_the_place_of_the_worktrees_own(bench, run):
    async def check():
        worktree = await bench.worktree()
        top = worktree.path
        (top / ".git").unlink()
        bench.git("init", "--quiet", cwd=top)
        ran = bench.top / "ran"
        bench.git("config", "core.fsmonitor", f"touch {ran}; false", cwd=top)
        (top / "new").write_text("n")
        assert (await commit.commit(worktree, "work")).oid == bench.git("rev-parse", "task")
        # Neither is a common directory of somebody else's.
        evil = bench.top / "evil"
        bench.git("clone", "--quiet", "--bare", str(bench.path), str(evil))
        bench.git("--git-dir", str(evil), "config", "core.fsmonitor", f"touch {ran}; false")
        (worktree.git.git_dir / "commondir").write_text(f"{evil}\n")
        await status(worktree, "main")
        assert not ran.exists()

    run(check())


def test_an_intent_that_somebody_wrote_deletes_nothing_but_trash(bench, run):
    precious = bench.top / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    folder = bench.path / ".git" / "stoker-intents"
    folder.mkdir()
    for n, kind in enumerate(("remove", "create")):
        (folder / f"{n}.json").write_text(
            f'{{"kind":"{kind}","path":"{precious}","trash":"{precious}"}}'
        )
        (folder / f"{n}x.json").write_text("nonsense")
    (bench.top / f".stoker-trash-{'0' * 32}").symlink_to(precious)
    (folder / "link.json").write_text(
        f'{{"kind":"remove","path":"/nowhere/x","trash":"{bench.top}/.stoker-trash-{"0" * 32}"}}'
    )

    async def check():
        await recovery.sweep(await bench.open())

    run(check())
    assert (precious / "file").exists()


@pytest.mark.parametrize("what", ["elsewhere", "no trash", "branch"])
def test_an_intent_that_is_not_ours_is_left(bench, run, what):
    path = run(bench.worktree("task")).path
    folder = bench.path / ".git" / "stoker-intents"
    folder.mkdir(exist_ok=True)
    above = bench.top / "stolen" if what == "elsewhere" else path.parent
    above.mkdir(exist_ok=True)
    trash = above / ("stolen" if what == "no trash" else f".stoker-trash-{'0' * 32}")
    branch = '"../../x"' if what == "branch" else "null"
    file = folder / "x.json"
    file.write_text(f'{{"kind":"create","path":"{path}","trash":"{trash}","branch":{branch}}}')

    async def check():
        await recovery.sweep(await bench.open())

    run(check())
    assert (path / ".git").exists()
    assert not trash.exists()
    assert file.exists()


def test_copying_stays_inside_and_follows_no_links(bench, run):
    top = bench.path
    secret = bench.top / "secret"
    secret.mkdir()
    (secret / "key").write_text("s3cret")
    (top / "out").symlink_to(secret)
    (top / ".env.link").symlink_to(secret / "key")
    (top / "conf").mkdir()
    (top / "conf" / "local.env").write_text("1")
    (top / "conf" / "deep").mkdir()
    (top / "conf" / "deep" / "x.env").write_text("2")
    target = bench.top / "target"
    target.mkdir()
    patterns = ["out/key", "out/*", ".env*", "**/*.env", "**/key", "conf/"]
    assert copying.copy(top, target, patterns) == ["conf/local.env", "conf/deep/x.env"]
    assert sorted(os.listdir(target)) == ["conf"]
    (bench.top / "trap").mkdir()
    (bench.top / "trap" / "conf").symlink_to(secret)
    assert copying.copy(top, bench.top / "trap", ["conf"]) == []
    assert os.listdir(secret) == ["key"]
    (target / "conf" / "local.env").write_text("theirs")
    assert copying.copy(top, target, ["conf/*.env"]) == []
    assert (target / "conf" / "local.env").read_text() == "theirs"
    for pattern in ("/etc/passwd", "../x", "a/../../x", ".git/config", "", "x\0", ".GIT/x"):
        with pytest.raises(UnsafePath):
            copying.copy(top, target, [pattern])


def test_copying_whole_trees_once(tmp_path):
    for folder in ("a", "a/b", "a/b/c"):
        (tmp_path / "from" / folder).mkdir(parents=True)
        for n in range(3):
            (tmp_path / "from" / folder / f"{n}").write_text(folder)
    (tmp_path / "to").mkdir()
    assert len(copying.copy(tmp_path / "from", tmp_path / "to", ["**"])) == 9
    assert (tmp_path / "to" / "a" / "b" / "c" / "2").read_text() == "a/b/c"


def test_credentials_are_not_told():
    text = "fatal: https://user:s3cret@host/x and Authorization: Basic czNjcmV0"
    assert redact(text) == "fatal: https://***@host/x and Authorization: Basic ***"
