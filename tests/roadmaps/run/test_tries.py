"""What follows from the tries so far, and what the next agent is told."""

from __future__ import annotations

from stoker.roadmaps import failures
from stoker.roadmaps.document import Task
from stoker.roadmaps.evidence import Command, Evidence, Fault
from stoker.roadmaps.prompt import prompt
from stoker.roadmaps.settings import Options
from stoker.roadmaps.tries import Try, decide
from stoker.roadmaps.unit import Job, Unit

JOB = Job(root="/r", source="/r/R.md", format="roadmap", branch="roadmap/r", base="0", title="R")
UNIT = Unit(tasks=(Task(id="1.1", title="Add", line=1, column=1, description="write it"),))


def evidence(*messages, path="a.py"):
    return Evidence(
        verdict="failed",
        reason=messages[0],
        base="b",
        commit="c",
        files=(path,),
        faults=tuple(
            Fault(category="test_failure", message=message, path=path, line=3)
            for message in messages
        ),
        commands=(
            Command(
                level="tests",
                argv=("sh", "-c", "pytest"),
                directory=".",
                exit_code=1,
                seconds=1.0,
                output="E assert 1 == 2",
            ),
        ),
    )


def failed(number, message="it fails", digest="", **more):
    found = evidence(message)
    return Try(
        number=number,
        run_id=f"r.{number}",
        outcome="failed",
        failure=failures.of_evidence(found),
        error=message,
        evidence=found,
        commit="c",
        digest=digest or str(number),
        **more,
    )


def agent(number, error, **more):
    return Try(
        number=number,
        run_id="r",
        outcome="failed",
        failure=failures.of_agent(error),
        error=error,
        **more,
    )


def conflict(number):
    return Try(
        number=number,
        run_id="r",
        outcome="failed",
        failure=failures.of_conflict(["a.py"]),
        conflicts=("a.py",),
        commit="c",
    )


LOST = Try(number=1, run_id="r", outcome="lost")


def test_it_is_tried_again_with_its_work_until_the_retries_are_used_up():
    options = Options(retries=2)
    assert decide((), options).again
    first = decide([failed(1, "a is wrong")], options)
    assert (first.again, first.carry, first.ask, first.other_way) == (True, True, False, False)
    assert decide([failed(1, "a is wrong"), failed(2, "b differs")], options).again
    last = decide(
        [failed(1, "a is wrong"), failed(2, "b differs"), failed(3, "and now c")], options
    )
    assert not last.again
    assert "and now c" in last.reason


def test_what_a_crash_ended_is_no_try():
    assert decide([LOST], Options(retries=0)).again
    assert decide([LOST, LOST, failed(3)], Options(retries=0)).again is False
    assert decide([failed(1), LOST], Options(retries=1)).carry


def test_strategies():
    assert not decide([failed(1)], Options(strategy="skip")).again
    assert not decide([failed(1)], Options(strategy="rollback_failed")).carry
    asked = decide([failed(1, "broken")], Options(strategy="manual"))
    assert (asked.again, asked.ask) == (True, True)
    assert "broken" in asked.reason


def test_a_person_who_says_no_ends_it():
    refused = Try(number=1, run_id="r", outcome="refused", error="rejected by ann: no")
    assert decide([refused], Options()).again is False


def test_a_rate_limit_waits_until_the_provider_says_and_uses_up_nothing():
    limited = agent(1, "HTTP 429: rate limited, retry after 90 s", ended=1000.0)
    found = decide([limited, limited, limited], Options(retries=0))
    assert (found.again, found.not_before) == (True, 1090.0)
    found = decide([failed(1), limited], Options(retries=1))
    assert (found.again, found.carry) == (True, False)  # the last try made nothing to carry


def test_a_conflict_goes_back_to_the_agent_with_the_work_and_uses_up_nothing():
    found = decide([conflict(1), conflict(2)], Options(retries=0, strategy="rollback_failed"))
    assert (found.again, found.carry) == (True, True)
    assert decide([conflict(n) for n in range(9)], Options()).again is False


def test_no_progress_changes_the_strategy_and_then_asks_a_person():
    many = Options(retries=9)
    same = [failed(n, f"message {'abcdef'[n]} differs", digest="x") for n in range(4)]
    two, three = decide(same[:2], many), decide(same[:3], many)
    assert (two.again, two.other_way, two.carry, two.ask) == (True, True, False, False)
    assert (three.again, three.ask) == (True, True)
    assert "same" in three.reason
    # The same faults by other changes likewise.
    alike = [failed(n, "test_a fails") for n in range(1, 5)]
    assert decide(alike[:2], many).other_way
    assert decide(alike[:3], many).ask


def test_a_first_prompt_is_the_task_and_the_rules():
    told = prompt(JOB, UNIT, ())
    assert "## 1.1: Add" in told
    assert "write it" in told
    assert "independent verification" in told
    assert "tried before" not in told


def test_the_next_prompt_tells_what_was_tried_changed_and_found():
    told = prompt(
        JOB,
        UNIT,
        [LOST, failed(2, "test_add fails", summary="I added it")],
        diff="+return a - b",
        carried=True,
    )
    for part in (
        "What was tried before (1 try)",
        "Try 2: test failure. test_add fails",
        "- test failure in a.py:3: test_add fails",
        "E assert 1 == 2",
        "+return a - b",
        "in your directory already",
        "I added it",
    ):
        assert part in told, part
    assert "taken back" in prompt(JOB, UNIT, [failed(1)], diff="+x")
    assert "Take another way" in prompt(JOB, UNIT, [failed(1)], other_way=True)
    assert "resolve them" in prompt(JOB, UNIT, [conflict(1)], conflicts=["a.py"])


def test_prompts_are_the_same_for_the_same():
    tries = [failed(1), conflict(2)]
    assert prompt(JOB, UNIT, tries, diff="d") == prompt(JOB, UNIT, list(tries), diff="d")
