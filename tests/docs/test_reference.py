"""The reference names what there is, all of it, and nothing else."""

from __future__ import annotations

import re

import jsonschema
import msgspec
import pages
import pytest
import reference
from msgspec.structs import fields

from stoker.cli.exit_codes import BY_STATUS
from stoker.cli.main import COMMANDS, main
from stoker.journal import events
from stoker.plan import model
from stoker.steps.registry import BUILT_IN

DOCS = pages.ROOT / "docs/reference"
_ROW = re.compile(r"^\| `([^`]+)` \|([^|]*)\|", re.MULTILINE)


def section(text, title):
    _, _, rest = text.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize(
    "struct",
    [
        model.Plan,
        model.Input,
        model.Globals,
        model.CircuitBreaker,
        model.Step,
        model.Retry,
        model.Approval,
    ],
    ids=lambda struct: struct.__name__,
)
def test_every_field_of_a_plan_is_listed_with_its_default(struct):
    text = section((DOCS / "plan.md").read_text(), struct.__name__)
    listed = {name: default.strip() for name, default in _ROW.findall(text)}
    assert listed == {field.encode_name: shown(field) for field in fields(struct)}


def shown(field):
    if field.name == "steps" or field.required:
        return "required"
    if field.default in (msgspec.NODEFAULT, None, "", ()):
        return ""
    return f"`{msgspec.json.encode(field.default).decode()}`"


def test_parts_written_from_the_code_are_up_to_date():
    assert not [str(file) for file in reference.outdated()], "run `make docs`"


def test_every_command_and_every_kind_has_its_part():
    listed = set(re.findall(r"<!-- (?:command|verbs) ([\w-]+)", (DOCS / "cli.md").read_text()))
    assert listed == set(COMMANDS)
    listed = set(re.findall(r"<!-- kind (\w+) -->", (DOCS / "kinds.md").read_text()))
    # Nobody writes those that a roadmap's run, or a broadcast, is made of.
    assert listed == {one for one in BUILT_IN if not one.startswith(("roadmap-", "chain-"))}


def test_every_event_is_listed():
    listed = [
        name for name, _ in _ROW.findall(section((DOCS / "journal.md").read_text(), "Events"))
    ]
    known = [value for name, value in vars(events).items() if name.isupper() and "." in value]
    # Reserved, but nothing puts it into a run's stream yet.
    assert sorted(listed) == sorted(set(known) - {events.CIRCUIT_CHANGED})


def test_every_exit_status_is_listed():
    text = section((DOCS / "environment.md").read_text(), "Exit status")
    assert set(map(str, BY_STATUS.values())) <= set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))


def test_the_document_in_the_page_on_show_is_one(capfd):
    (block,) = pages.blocks((DOCS / "show.md").read_text())
    assert main(["show", "--schema"]) == 0
    jsonschema.validate(
        msgspec.json.decode(block.text), msgspec.json.decode(capfd.readouterr().out)
    )
