"""What an agent is told of its task, and of the tries before. Pure: the same of the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stoker.roadmaps.evidence import Evidence, Fault
from stoker.roadmaps.parts import Part
from stoker.roadmaps.suggest import Suggestion
from stoker.roadmaps.task_text import task_text
from stoker.roadmaps.tries import Try
from stoker.roadmaps.unit import Job, Unit

_FAULTS: Final = 20
_OUTPUT: Final = 3000
_RULES: Final = """\
Work in the current directory, which is a git worktree of your own; what you leave in it is \
what counts. When you stop, an independent verification is run on it: the project's tests as \
they were before your work, its build and its checks. Saying that it is done counts for nothing.
- Do all that the task says and nothing beside it.
- Do not delete, skip or weaken tests, and do not change how they are run.
- Do not tick boxes: the plan file is not yours to change.
- Do not push, do not switch branches, and do not work outside this directory."""

_REVIEW: Final = """\
You review the work of another agent, which was told to do the task below and nothing beside it. \
The project's tests have been run on it already. What it did is the last commit in the current \
directory: `git diff {base} HEAD` shows it. Judge by what is there, not by what is said of it: \
does it do all that the task says, does all hold that must hold afterwards, would it in cases \
that no test is for? Change nothing; what you change is thrown away."""
_VERDICT: Final = """\
# Your verdict

If it is not good enough, tell what is wrong, each point on a line of its own that begins with \
`- ` and names the file and the line (`- path/to/file.py:12: what is wrong`); the other agent is \
told those lines. Leave matters of taste out. Then end your last message with one of these lines:
VERDICT: accept
VERDICT: refuse"""

_SPLIT = """\
# Divide it

It was too much for one turn. Do none of it now and change nothing: divide what is left of it into \
2 to 5 parts that are done in their order, each by an agent of its own that has one turn for it, \
and each whole in itself, so that the project's tests pass after it. Look at the project as far as \
you need to. End your last message with the parts as JSON:
```json
[{"title": "in a line", "description": "what is to be done", "files": ["path/that/it/makes.py"]}]
```"""
_PART = """\
# Your part: {number} of {many}

Parts are done one after the other, and verified each. What is done is in your directory. Do your \
part and leave the others."""


def prompt(
    job: Job,
    unit: Unit,
    tries: Sequence[Try],
    *,
    context: str = "",
    diff: str = "",
    conflicts: Sequence[str] = (),
    carried: bool = False,
    other_way: bool = False,
    applied: Sequence[Suggestion] = (),
    said: Sequence[str] = (),
) -> str:
    """What to tell the agent. `context`: what is known beside its tasks; `diff`: of the last try;
    `carried`: its work is in the worktree again, in `conflicts` with marks of conflicts;
    `applied`: of what was suggested; `said`: by people meanwhile."""
    parts = [_tasks(job, unit), _RULES]
    if said:
        listed = "\n".join(f"- {text.strip()}" for text in said)
        parts.append(f"# What you are told by a person, before all else\n\n{listed}")
    if context:
        parts.append(f"# What is known\n\n{context}")
    told = [one for one in tries if one.outcome == "failed" and one.category != "rate_limit"]
    if told:
        parts.append(_before(told, diff, carried=carried, applied=applied))
    if conflicts:
        listed = "\n".join(f"- {path}" for path in conflicts)
        parts.append(
            "# Conflicts\n\nOthers changed the same places meanwhile. These files have conflict "
            f"markers (<<<<<<<, >>>>>>>); resolve them, keeping what both sides want:\n{listed}"
        )
    if other_way:
        parts.append(
            "# Take another way\n\nTrying the same again came to the same. Question what the "
            "tries before took for granted, and find another approach."
        )
    return "\n\n".join(parts) + "\n"


def review_prompt(job: Job, unit: Unit, base: str) -> str:
    """What to tell the agent that reviews a try, in the try's worktree, cut from `base`."""
    return "\n\n".join((_REVIEW.format(base=base), _tasks(job, unit), _VERDICT)) + "\n"


def split_prompt(told: str) -> str:
    """What to tell the agent that divides its task; `told`: what it is told of it."""
    return f"{told}\n{_SPLIT}\n"


def part_prompt(told: str, parts: Sequence[Part], number: int) -> str:
    """What to tell the agent of a part; `told`: what it is told of the whole."""
    lines = [
        f"{n}. {part.title}" + (" (done)" if n < number else " (yours)" if n == number else "")
        for n, part in enumerate(parts, 1)
    ]
    part = parts[number - 1]
    files = "".join(f"\n- {path}" for path in part.files)
    text = "\n\n".join(
        (
            _PART.format(number=number, many=len(parts)) + "\n" + "\n".join(lines),
            *filter(None, (part.description, files and f"Files of it:{files}")),
        )
    )
    return f"{told}\n{text}\n"


def _tasks(job: Job, unit: Unit) -> str:
    parts = [f"You are working on: {job.title}"] if job.title else []
    if unit.goal:
        parts.append(f"The aim of this phase:\n{unit.goal.strip()}")
    head = "# Your task" if len(unit.tasks) == 1 else "# Your tasks, in this order"
    parts.append(head)
    parts += map(task_text, unit.tasks)
    if unit.said:
        listed = "\n".join(f"- {text}" for text in unit.said)
        head = "# What people said of earlier work for it, which they turned down"
        parts.append(f"{head}\n\n{listed}")
    return "\n\n".join(parts)


def _before(
    tries: Sequence[Try], diff: str, *, carried: bool, applied: Sequence[Suggestion]
) -> str:
    lines = [f"# What was tried before ({len(tries)} {'try' if len(tries) == 1 else 'tries'})"]
    for one in tries:
        line = f"- Try {one.number}: {(one.category or 'failed').replace('_', ' ')}. {one.error}"
        lines.append(line.rstrip())
    last = tries[-1]
    if last.faults:
        lines.append("## What is wrong with it")
        lines += [_fault(fault) for fault in last.faults[:_FAULTS]]
    if last.evidence is not None:
        lines += _outputs(last.evidence)
        lines += [f"Note: {note}" for note in last.evidence.notes[:_FAULTS]]
    if last.suggestions:
        lines.append("## What may help")
        lines += [_suggestion(one, done=one in applied) for one in last.suggestions]
    if last.summary:
        lines.append(f"## What was said of it then\n\n{last.summary.strip()[:1500]}")
    if diff:
        state = (
            "These changes are in your directory already: mend them, or take them back."
            if carried
            else "These changes were taken back; your directory is as it was before them."
        )
        lines.append(f"## What it had changed\n\n{state}\n\n```diff\n{diff.strip()}\n```")
    return "\n\n".join(lines)


def _fault(fault: Fault) -> str:
    where = f" in {fault.place}" if fault.path else ""
    return f"- {fault.category.replace('_', ' ')}{where}: {fault.message}"


def _suggestion(one: Suggestion, *, done: bool) -> str:
    what = " ".join(filter(None, (one.kind.replace("_", " "), one.task, one.path, one.value)))
    return f"- {what}: {one.reason}" + (" (this is done already)" if done else "")


def _outputs(evidence: Evidence) -> list[str]:
    lines = []
    for command in evidence.commands:
        if command.exit_code != 0 and command.output.strip():
            ended = "no end in time" if command.exit_code is None else f"exit {command.exit_code}"
            output = command.output.strip()[-_OUTPUT:]
            lines.append(f"`{' '.join(command.argv)}` ({ended}) printed:\n\n```\n{output}\n```")
    if evidence.tests.broken:
        lines.append("Passed before, fail now: " + ", ".join(evidence.tests.broken[:_FAULTS]))
    return lines
