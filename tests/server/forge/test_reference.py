"""The reference lists all routes, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from test_methods import METHODS

from stoker.server.app import openapi

PAGE = Path(__file__).parents[3] / "docs/reference/forge-api.md"
_ROW = re.compile(r"^\| `((?:GET|POST|PUT|DELETE|WS) [^`]+)` \|", re.MULTILINE)


def plain(route):
    """Without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", route)


def test_the_table_has_every_route(common):
    listed = _ROW.findall(PAGE.read_text())
    assert listed == sorted(set(listed), key=lambda one: one.partition(" ")[::-1])
    # The server tells of those under /api.
    assert [one for one in listed if one != "GET /health"] == common.ask("GET", "/routes")
    assert common.client.get("/health").status_code == 200


def test_every_method_of_the_client_is_in_the_table():
    listed = {plain(route) for route in _ROW.findall(PAGE.read_text())}
    assert {plain(route) for every in METHODS.values() for route in every} <= listed


def test_the_openapi_document_describes_the_native_api_only():
    assert {path.split("/")[1] for path in openapi()["paths"]}.isdisjoint({"api", "health"})
