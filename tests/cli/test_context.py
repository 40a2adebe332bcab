"""What the commands say about where the journal is."""

from __future__ import annotations

import pytest

from stoker.cli.context import Context
from stoker.cli.output import Output


@pytest.mark.parametrize(
    ("db", "shown"),
    [
        ("runs/j@home.db", "stoker show r --db runs/j@home.db"),
        ("postgresql://host/stoker", "stoker show r --db postgresql://host/stoker"),
        ("postgresql://me:hunter2@host/stoker", "stoker show r"),
        ("postgresql://host/stoker?user=me&password=hunter2", "stoker show r"),
    ],
)
def test_a_hint_names_the_journal_but_no_password(tmp_path, db, shown):
    context = Context(Output({}), db=db, cwd=tmp_path, environment={})
    assert context.hint("show", "r") == shown
