"""Whether a process that held a lease is dead."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

from stoker.journal.identity import current_engine, is_dead


def test_this_process_is_alive_and_every_engine_has_an_id_of_its_own():
    one, two = current_engine(), current_engine()
    assert one.pid == os.getpid()
    assert is_dead(one) is False
    assert one.engine_id != two.engine_id
    assert msgspec.structs.replace(one, engine_id="") == msgspec.structs.replace(two, engine_id="")


def test_another_process_is_alive_until_it_is_killed(other_process):
    identity, process = other_process
    assert is_dead(identity) is False
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(identity) is True, "a zombie runs nothing any more"
    process.wait()
    assert is_dead(identity) is True


def test_a_pid_used_again_is_not_the_engine():
    earlier = msgspec.structs.replace(current_engine(), pid_started=1)
    assert is_dead(earlier) is True


def test_another_host_or_boot_cannot_be_judged():
    assert is_dead(msgspec.structs.replace(current_engine(), host="elsewhere/1")) is None


def test_a_hostile_process_name_does_not_confuse(tmp_path):
    program = shutil.copy("/bin/sleep", tmp_path / "a) Z 1 (b")
    with subprocess.Popen([program, "1000"]) as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        identity = msgspec.structs.replace(
            current_engine(), pid=process.pid, pid_started=int(stat[19])
        )
        assert is_dead(identity) is False
        process.kill()
