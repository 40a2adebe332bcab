"""What a repository's own commands can reach, and what is kept of what they print."""

from __future__ import annotations

import os
import shutil
import socket

import pytest

from stoker.agents import bubblewrap
from stoker.roadmaps.verify.work import Settings

BWRAP = shutil.which("bwrap")
works = pytest.mark.skipif(
    BWRAP is None or bubblewrap.trouble(BWRAP, True) is not None,
    reason="bubblewrap does not work on this machine",
)
FILES = {"a.txt": "a\n"}


def said(bench, command, **files):
    base = bench.commit(FILES)
    evidence = bench.verify(base, bench.commit({"b.txt": "b\n", **files}), verify=command)
    return evidence.commands[-1].output


@works
def test_commands_see_neither_home_nor_state_nor_the_repository(bench):
    (bench.home / "key").write_text("KEY")
    (bench.state / "journal").write_text("KEY")
    places = f"{bench.home}/key {bench.state}/journal {bench.path}/a.txt {bench.cache}"
    output = said(bench, f"cat {places} /etc/shadow; ls -a; git status; exit 0")
    assert "KEY" not in output
    assert "root:" not in output
    assert output.splitlines().count("b.txt") == 1
    assert ".git" not in output.split()


@works
def test_programs_that_stand_in_for_others_run(bench):
    """As pyenv has them: in a home, which is not to be seen otherwise."""
    home = bench.home / ".pyenv"
    programs = {
        "shims/python": f'#!/bin/sh\nexec "{home}/libexec/pyenv" exec "$@"\n',
        "libexec/pyenv": '#!/bin/sh\nshift\nexec "$PYENV_ROOT/versions/3/bin/python" "$@"\n',
        "versions/3/bin/python": "#!/bin/sh\necho Python of a home\n",
    }
    for name, text in programs.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (bench.home / "key").write_text("KEY")
    bench.env |= {"PATH": f"{home}/shims:{os.environ['PATH']}", "PYENV_ROOT": str(home)}
    output = said(bench, f"python --version; cat {bench.home}/key; exit 0")
    assert "Python of a home" in output
    assert "KEY" not in output


@works
def test_commands_have_no_network(bench):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = (
            f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('is' 'in')"
        )
        output = said(bench, f'python -c "{text}"')
    assert "Error" in output
    assert "isin" not in output.splitlines()


def test_secrets_are_neither_there_nor_shown(bench):
    output = said(bench, "env; echo hunter2-hunter2")
    assert "SECRET" not in output
    assert "hunter2" not in output
    assert "***" in output


def test_output_is_bounded(bench):
    base = bench.commit(FILES)
    commit = bench.commit({"b.txt": "b\n"})
    evidence = bench.verify(base, commit, verify="seq 1 100000; false")
    assert len(evidence.commands[-1].output) <= 16 << 10
    assert evidence.commands[-1].output.endswith("100000\n")
    evidence = bench.verify(base, commit, Settings(seconds=60), verify="yes")
    assert (evidence.commands[-1].exit_code, evidence.verdict) == (None, "failed")
    assert "wrote too much" in evidence.reason


def test_links_lead_nowhere(bench):
    """In what is restored, read and reported."""
    outside = bench.tmp / "outside"
    outside.mkdir()
    (outside / "conftest.py").write_text("untouched")
    base = bench.commit(
        {**FILES, "tests/conftest.py": "", "tests/test_a.py": "def test_a():\n    assert 1\n"}
    )
    shutil.rmtree(bench.path / "tests")
    os.symlink(outside, bench.path / "tests")
    os.symlink(outside / "conftest.py", bench.path / "Makefile")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "links")
    evidence = bench.verify(base, bench.git("rev-parse", "HEAD"))
    assert evidence.verdict == "failed"
    assert (outside / "conftest.py").read_text() == "untouched"
    assert os.listdir(outside) == ["conftest.py"]


def test_the_users_repository_is_left_alone(bench):
    base = bench.commit(FILES)
    commit = bench.commit(
        {"b.txt": "b\n", "test_b.py": "def test_b():\n    assert open('c', 'w')\n"}
    )
    (bench.path / "a.txt").write_text("edited\n")
    before = bench.git("status", "--porcelain"), (bench.path / ".git/index").read_bytes()
    assert bench.verify(base, commit).verdict == "verified"
    assert (bench.git("status", "--porcelain"), (bench.path / ".git/index").read_bytes()) == before
    assert bench.git("worktree", "list").count("\n") == 0
