"""Which category a failure has, and what is done about it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.roadmaps.evidence import Category, Evidence, Fault
from stoker.roadmaps.failures import (
    Failure,
    decide,
    of_agent,
    of_conflict,
    of_evidence,
    signature,
)


@pytest.mark.parametrize(
    ("said", "category", "severity", "pause"),
    [
        ("HTTP 429: slow down", "rate_limit", "low", None),
        ("to be asked again only in 930 s: HTTP 429: {}", "rate_limit", "low", 930),
        ("Rate limit reached. Please try again in 2m", "rate_limit", "low", 120),
        ("HTTP 529: overloaded_error", "rate_limit", "low", None),
        ("no answer in 4 attempts: HTTP 500: oops", "api_error", "high", None),
        ("no answer in 4 attempts: the answer broke off", "api_error", "high", None),
        ("ConnectError: All connection attempts failed", "api_error", "high", None),
        ("HTTP 401: invalid x-api-key", "api_error", "critical", None),
        ("HTTP 400: prompt is too long: 210000 tokens", "context_too_large", "high", None),
        ("This model's maximum context length is 8192", "context_too_large", "high", None),
        ("the turn timed out", "timeout", "high", None),
        ("OSError: [Errno 28] No space left on device", "tool_failure", "critical", None),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'a'",
            "file_not_found",
            "high",
            None,
        ),
        ("the agent's turn ended: limit: 50 turns", "incomplete", "high", None),
        ("the agent's turn ended: refused", "wrong_approach", "high", None),
        ("the agent exited with code 1", "tool_failure", "high", None),
    ],
)
def test_agents_and_providers(said, category, severity, pause):
    failure = of_agent(said)
    assert (failure.category, failure.severity, failure.pause_sec) == (category, severity, pause)


def evidence(*faults, files=()):
    return Evidence(
        verdict="failed", reason="", base="a", commit="b", faults=tuple(faults), files=files
    )


def fault(category: Category, message="", **more):
    return Fault(category=category, message=message, **more)


def test_of_several_faults_the_one_that_others_follow_from():
    failure = of_evidence(
        evidence(fault("test_failure"), fault("syntax_error", "x"), fault("regression"))
    )
    assert failure is not None
    assert (failure.category, failure.message, len(failure.faults)) == ("syntax_error", "x", 3)
    missing = fault("file_not_found", severity="critical")
    assert of_evidence(evidence(missing)).category == "file_not_found"
    partial = of_evidence(evidence(missing, files=("a.py",)))
    assert (partial.category, partial.severity) == ("partial_change", "critical")
    assert of_evidence(evidence()) is None


def test_where_it_went_wrong_is_said_once():
    broken = fault("syntax_error", "invalid syntax\n  x =", path="a.py", line=3)
    failed = of_evidence(evidence(broken))
    assert decide([failed], attempts=1).reason == "1 tries failed: a.py:3: invalid syntax"
    named = of_evidence(evidence(fault("file_not_found", "a.py is missing", path="a.py")))
    assert decide([named], attempts=2).reason == "a.py is missing"


def after(*failures, attempts=5):
    return decide(failures, attempts=attempts)


def test_a_rate_limit_pauses_and_counts_for_nothing():
    decision = after(of_agent("HTTP 429: try again in 30 s"))
    assert (decision.action, decision.pause_sec) == ("pause", 30)
    # Where nothing is said of it, longer each time, with an end to it.
    pauses = [after(*[of_agent("HTTP 429")] * n, attempts=1).pause_sec for n in (1, 2, 3, 40)]
    assert pauses == [60, 120, 240, 6 * 3600]


def test_what_no_try_can_help_is_a_persons():
    assert after(of_agent("HTTP 401: invalid api key")).action == "escalate"
    assert after(of_agent("ENOSPC: no space left on device")).action == "escalate"


def test_the_same_again_is_done_otherwise():
    failing = Failure(category="test_failure", message="test_a fails: 1 != 2")
    again = Failure(category="test_failure", message="test_a fails: 3 != 4")
    other = Failure(category="test_failure", message="test_b fails")
    assert not after(failing).fresh
    assert (after(failing, again).action, after(failing, again).fresh) == ("retry", True)
    assert not after(failing, other).fresh
    assert after(failing, again, failing).action == "escalate"
    assert after(failing, other, again).action == "retry"
    assert after(failing, other, attempts=2).action == "skip"


def test_strategies():
    large = Failure(category="context_too_large", message="too large")
    assert (after(large).action, after(large).trim) == ("retry", True)
    assert after(large, large).action == "decompose"
    late = Failure(category="timeout", message="late")
    assert after(late, late).action == "decompose"
    refused = Failure(category="wrong_approach", message="no")
    assert (after(refused).fresh, after(refused, refused).action) == (True, "rewrite")
    assert after(Failure(category="test_tampering", message="x")).fresh
    assert after(of_conflict(["a.py"])).action == "retry"


def test_conflicts_name_their_files():
    failure = of_conflict([f"f{n}" for n in range(99)])
    assert (failure.category, len(failure.faults)) == ("conflict", 50)
    assert "f0, f1" in failure.message


@given(st.text(max_size=300), st.integers(1, 4))
def test_any_text_gets_a_category_and_a_decision(text, attempts):
    failure = of_agent(text)
    assert failure.category in msgspec.inspect.type_info(Category).values  # type: ignore[attr-defined]
    assert signature(failure)
    failures = [failure] * attempts
    decision = decide(failures, attempts=attempts)
    assert decision.action in ("skip", "pause", "escalate")
