"""Listings of directories, some of which the server may not look into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stoker.server.forge import filesystem
from stoker.server.forge.envelope import Business


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A directory beside a repository that may not be entered, not even by root."""
    (tmp_path / "open" / ".git").mkdir(parents=True)
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(closed / "below")
    real_stat, real_scandir = os.stat, os.scandir

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    def stat(path, *args, **options):
        if not isinstance(path, int) and closed in Path(os.path.realpath(path)).parents:
            refuse(path)
        return real_stat(path, *args, **options)

    def scandir(path="."):
        return refuse(path) if Path(path) == closed else real_scandir(path)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "scandir", scandir)
    return closed


def test_a_directory_that_is_closed_does_not_break_the_listing(closed):
    listed = {one["name"]: one for one in filesystem._listing(closed.parent)}
    assert list(listed) == ["closed", "open", "link"]
    assert [one["is_git_repo"] for one in listed.values()] == [False, True, False]
    with pytest.raises(Business, match="Permission denied"):
        filesystem._listing(closed / "below")


def test_a_directory_that_is_closed_does_not_break_the_search(closed):
    (found,) = filesystem._repositories([closed.parent])
    assert found["name"] == "open"
