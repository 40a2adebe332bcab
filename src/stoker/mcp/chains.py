"""Tools for plans of chain groups, named as their clients know them."""

from __future__ import annotations

from stoker.client import api
from stoker.mcp.tool import Tools

TOOLS = Tools()

TOOLS.ask(
    "set_execution_plan",
    api.Chains.set_execution_plan,
    "Begin a plan of groups of operations on EVM chains; `next_groups` has them begin. A group: "
    "description, operations (plain language), dependencies (indices of groups), contracts "
    "([chain_id, address, name] each). All that is wrong is told, with its place.",
    "groups",
    "automatic",
)
TOOLS.ask(
    "next_groups",
    api.Chains.next_groups,
    "Have all groups of a plan begin whose dependencies are done. Receipts, at once; with `wait` "
    "the results of this batch, when it is over, and how many groups remain.",
    "wait",
)
TOOLS.ask(
    "get_results",
    api.Chains.get_results,
    "What came of the groups that are over: transactions to sign and the script they are from, or "
    "why it failed.",
    reads=True,
)
TOOLS.ask(
    "extend_plan",
    api.Chains.extend_plan,
    "Give a plan more groups; their dependencies may name any of the plan's.",
    "groups",
)
TOOLS.ask(
    "cancel_plan",
    api.Chains.cancel,
    "End the groups that are under way, and begin no more.",
    "reason",
    destroys=True,
)
