"""The plan `examples/sales-report`, run by the real command line on files made here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "sales-report"
HEADER = "order,date,product,quantity,price"
NORTH = ("n1,2026-01-03,tea,2,4.50", "n2,2026-02-01,tea,1,4.50", "n3,2026-02-02,<jam>,3,2.10")
SOUTH = ("s1,2026-01-20,jam,10,2.00",)


class Shops:
    """A directory of CSV files, and the plan to run on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.public = directory / "public"
        self.site = directory / "build" / "site"
        (directory / "data").mkdir()
        self.env = {
            **{name: value for name, value in os.environ.items() if "STOKER" not in name},
            "STOKER_DB": str(directory / "state" / "journal.db"),
        }

    def write(self, name: str, *rows: str, header: str = HEADER) -> None:
        text = "".join(f"{line}\n" for line in (header, *rows))
        (self.directory / "data" / name).write_text(text)

    def command(self, **inputs: Any) -> tuple[str, ...]:
        given = {"build": "build", "public": self.public, **inputs}
        pairs = [word for name, value in given.items() for word in ("--input", f"{name}={value}")]
        return (sys.executable, "-m", "stoker", "run", str(EXAMPLE / "plan.yaml"), *pairs)

    def run(self, **inputs: Any) -> subprocess.CompletedProcess[str]:
        return self.execute(*self.command(**inputs))

    def stoker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.execute(sys.executable, "-m", "stoker", *words)

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def steps(self) -> dict[str, Any]:
        shown = json.loads(self.stoker("show", "last", "--json").stdout)
        return {step["id"]: step for step in shown["steps"]}

    def ran(self) -> set[str]:
        """Which children of the two foreach steps had something to do."""
        return {name for name, step in self.steps().items() if "[" in name and step["attempts"]}

    def published(self) -> dict[str, str]:
        pages = {page.stem: page.read_text() for page in (self.public / "current").iterdir()}
        return {
            name: " ".join(re.sub("<[^>]*>", " ", text).split()) for name, text in pages.items()
        }

    def history(self) -> list[str]:
        lines = (self.public / "history.jsonl").read_text().splitlines()
        return [json.loads(line)["total"] for line in lines]


@pytest.fixture
def shops(tmp_path: Path) -> Shops:
    made = Shops(tmp_path)
    made.write("north.csv", *NORTH)
    made.write("south.csv", *SOUTH)
    return made


def test_files_become_steps_and_their_outputs_a_site(shops: Shops) -> None:
    done = shops.run()
    assert done.returncode == 0, done.stdout + done.stderr
    steps = shops.steps()
    assert shops.ran() == {
        *("clean[north.csv]", "clean[south.csv]"),
        *("month[2026-01]", "month[2026-02]"),
    }
    assert steps["clean"]["outputs"] == {
        "rows": [3, 1],
        "rejected": [0, 0],
        "months": [["2026-01", "2026-02"], ["2026-01"]],
    }
    assert steps["index"]["outputs"] == {"total": "39.80"}
    assert (steps["rejects"]["status"], steps["quality"]["status"]) == ("skipped", "skipped")
    pages = shops.published()
    assert pages["index"] == (
        "Sales: 39.80 Sales: 39.80 month orders revenue 2026-01 2 29.00 2026-02 2 10.80"
    )
    assert pages["2026-01"].endswith("product pieces revenue jam 10 20.00 tea 2 9.00")
    assert "&lt;jam&gt; 3 6.30" in pages["2026-02"]
    assert shops.history() == ["39.80"]


def test_what_has_not_changed_is_not_done_again(shops: Shops) -> None:
    assert shops.run().returncode == 0
    first = shops.published()
    assert shops.run().returncode == 0
    assert shops.ran() == set()
    steps = shops.steps()
    assert steps["clean[north.csv]"]["skip_reason"] == "up to date"
    assert steps["clean"]["outputs"]["rows"] == [3, 1]
    assert steps["announce"]["status"] == "skipped"
    assert shops.published() == first
    assert shops.history() == ["39.80"]


def test_a_change_is_carried_no_further_than_it_reaches(shops: Shops) -> None:
    assert shops.run().returncode == 0
    shops.write("north.csv", NORTH[0].replace(",2,", ",4,"), *NORTH[1:])
    assert shops.run().returncode == 0
    assert shops.ran() == {"clean[north.csv]", "month[2026-01]"}
    assert shops.history() == ["39.80", "48.80"]
    shops.write("west.csv", "w1,2026-03-01,tea,1,1")
    assert shops.run().returncode == 0
    assert shops.ran() == {"clean[west.csv]", "month[2026-03]"}
    assert shops.history()[-1] == "49.80"


def test_a_shop_and_a_month_that_are_gone_leave_nothing_behind(shops: Shops) -> None:
    assert shops.run().returncode == 0
    (shops.directory / "data" / "north.csv").unlink()
    assert shops.run().returncode == 0
    assert shops.ran() == {"month[2026-01]"}
    assert shops.published().keys() == {"index", "2026-01"}
    assert shops.history() == ["39.80", "20.00"]
    releases = [path.name for path in (shops.public / "releases").iterdir()]
    assert len(releases) == 2


def test_pages_that_were_edited_are_made_again(shops: Shops) -> None:
    assert shops.run().returncode == 0
    (shops.site / "2026-02.html").write_text("edited")
    assert shops.run().returncode == 0
    assert shops.ran() == {"month[2026-02]"}


def test_a_few_unreadable_rows_are_told_and_the_rest_published(shops: Shops) -> None:
    bad = ("n1,2026-02-03,tea,2,4", "n4,2026-13-01,tea,1,1", "n5,2026-02-01,tea,-1,1")
    shops.write("north.csv", *NORTH, *bad, "n6,2026-02-01,tea,1,NaN", ",2026-02-01,tea,1,1")
    assert shops.run(max_rejected_percent=60).returncode == 0
    steps = shops.steps()
    assert steps["collect"]["outputs"]["rejected_percent"] == 55.56
    assert (shops.directory / steps["rejects"]["outputs"]["report"]).read_text().splitlines() == [
        "north.csv:5: order: 'n1' was there before",
        "north.csv:6: date: expected YYYY-MM-DD, found '2026-13-01'",
        "north.csv:7: quantity: expected a count, found '-1'",
        "north.csv:8: price: expected an amount, found 'NaN'",
        "north.csv:9: order: nothing there",
    ]
    assert shops.history() == ["39.80"]


def test_too_many_unreadable_rows_hold_the_site_back(shops: Shops) -> None:
    assert shops.run().returncode == 0
    before = shops.published()
    shops.write("north.csv", *NORTH, "n4,soon,tea,1,1")
    done = shops.run()
    assert done.returncode == 1
    steps = shops.steps()
    assert (steps["index"]["status"], steps["publish"]["status"]) == ("succeeded", "skipped")
    assert shops.stoker("logs", "last", "quality").stderr == (
        "20.0 % of the rows are unreadable, at most 5 % may be\n"
    )
    assert shops.published() == before


def test_a_file_of_another_shape_fails_alone_and_nothing_is_published(shops: Shops) -> None:
    shops.write("broken.csv", "1,2", header="id,amount")
    assert shops.run().returncode == 1
    steps = shops.steps()
    assert steps["clean[broken.csv]"]["status"] == steps["clean"]["status"] == "failed"
    assert steps["clean[north.csv]"]["status"] == "succeeded"
    assert steps["publish"]["status"] == "skipped"
    assert not shops.public.exists()
    said = shops.stoker("logs", "last", "clean[broken.csv]").stderr
    assert "broken.csv: no column order, date, product, quantity, price" in said
    assert "the first line has id, amount" in said


def test_without_a_place_to_publish_the_site_is_only_built(shops: Shops) -> None:
    assert shops.run(public="").returncode == 0
    assert shops.steps()["publish"]["status"] == "skipped"
    assert (shops.site / "index.html").exists()


def test_no_files_at_all_are_an_empty_site(shops: Shops) -> None:
    for path in (shops.directory / "data").iterdir():
        path.unlink()
    done = shops.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert shops.published() == {"index": "Sales: 0.00 Sales: 0.00 month orders revenue"}


def test_a_missing_directory_is_told(shops: Shops) -> None:
    assert shops.run(data="nowhere").returncode == 1
    said = shops.stoker("logs", "last", "discover").stderr
    assert "data: there is no directory nowhere" in said
