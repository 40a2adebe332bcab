"""What is built is whole: installed from the wheel, away from this checkout, Stoker works."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (built,) = folder.iterdir()
    return built


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        str(file.relative_to(SOURCES))
        for file in (SOURCES / "stoker").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert packed == there
    for needed in (
        "stoker/py.typed",
        "stoker/steps/powershell.ps1",
        "stoker/journal/migrations/sqlite/0001_first.sql",
        "stoker/journal/migrations/postgres/0001_first.sql",
    ):
        assert needed in packed


def test_stoker_runs_a_plan_from_where_the_wheel_was_installed(wheel, tmp_path):
    installed = tmp_path / "installed"
    pip(
        "install",
        "-q",
        "--no-deps",
        "--root-user-action=ignore",
        "--target",
        str(installed),
        str(wheel),
    )
    (tmp_path / "plan.yaml").write_text(
        "plan_id: installed\n"
        "steps:\n"
        "  - {id: where, step_def: {type: python, code: 'import stoker; print(stoker.__file__)'}}\n"
    )
    command = installed / "bin" / "stoker"

    def stoker(*words: str) -> str:
        env = {**os.environ, "PYTHONPATH": str(installed)}
        env.pop("STOKER_DB", None)
        done = subprocess.run(
            [command, *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (tmp_path / ".stoker").mkdir()
    assert "run a plan" in stoker("--help")
    assert "Stoker plan" in stoker("schema")
    assert "succeeded" in stoker("run", "plan.yaml")
    assert stoker("logs", "last", "where").strip() == str(installed / "stoker/__init__.py")
