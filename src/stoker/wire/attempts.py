"""Attempts: agents at work on tasks, and what they have made."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stoker.agents.stream import Put
from stoker.tasks.changes import LongText, Text
from stoker.tasks.model import Asked, Attempt, Draft, Listed, Task
from stoker.tasks.plan import Role
from stoker.workspace.model import Backup, FileDiff

Prompt = Annotated[str, Meta(min_length=1, max_length=1_000_000)]
Version = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to work, and from where."""

    executor: Text
    """Of the profiles, such as `CODEX`."""
    variant: Text | None = None
    base_branch: Text | None = None
    """Default: the one checked out in the repository."""


class AttemptRequest(Agent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task to write down and to begin at once."""

    project_id: Text
    title: Text
    description: LongText | None = None
    parent_attempt_id: Text | None = None
    """The attempt whose work led to it."""
    labels: tuple[Text, ...] = ()
    images: tuple[Text, ...] = ()
    """Ids of those that belong to it."""


class FollowUpRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to tell an agent next."""

    prompt: Prompt
    variant: Text | None = None
    images: tuple[Text, ...] = ()
    """Ids."""


class DraftRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to write down; what is not given stays."""

    prompt: LongText | None = None
    variant: Text | UnsetType | None = UNSET
    images: tuple[Text, ...] | None = None
    """Ids."""
    retry_turn: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Of a retry: the turn it is to take the place of."""
    expected_version: Version | None = None
    """What was changed; 409 if somebody else was faster. 0: nothing was written down."""


class QueueRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether what is written down is to be sent as soon as the agent is idle."""

    queued: bool = True
    expected_version: Version | None = None
    expected_queued: bool | None = None


class ReplaceRequest(FollowUpRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent is to be told in the place of a turn."""

    force_when_dirty: bool = False
    """Give up what is in no commit, too; all that is given up is backed up."""
    perform_git_reset: bool = True


class RebaseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to put the work onto."""

    onto: Text | None = None
    """A branch, which is the target from then on; default: the target there is."""
    old_base: Text | None = None
    """What this branch has is left out; default: the target so far."""


class TargetRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the work is to go."""

    branch: Text


class RestoreRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to bring back."""

    ref: Text
    """Of a backup."""


class Backups(Struct, frozen=True):
    """Of an attempt, the newest first."""

    backups: list[Backup]


class CommitView(Struct, frozen=True, kw_only=True):
    """A commit, and how the attempt's HEAD stands to it."""

    sha: str
    subject: str
    head: str
    ahead: int
    """Commits that HEAD has and it has not."""
    behind: int
    is_linear: bool
    """HEAD contains it."""


class Deleted(Struct, frozen=True):
    """A file is gone."""

    commit: str | None
    """None: it was in no commit before."""


class Children(Struct, frozen=True, kw_only=True):
    """What an attempt comes from, and has led to."""

    parent: Task | None
    attempt: Attempt
    children: list[Task]


class DevServerView(Struct, frozen=True, kw_only=True):
    """The dev servers of an attempt: a run of their own, whose logs are those of its steps."""

    run_id: str
    step: str | None
    """Of the newest; None: there was none yet."""
    status: str | None
    """`running`, or how it ended."""


class AttemptPage(Struct, frozen=True, kw_only=True):
    """Some attempts, newest first."""

    attempts: list[Listed]
    next_cursor: str | None
    """For the next page; None: this is the last."""


class Asking(Struct, frozen=True):
    """What agents wait to be allowed, by attempts, the newest first."""

    approvals: list[Asked]


class Told(Struct, frozen=True):
    """What became of a follow-up."""

    started: bool
    """False: it waits for the end of the turn under way."""


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to an agent's request for approval."""

    allowed: bool
    always: bool = False
    """Also for all that are like it, where the agent offers that."""
    reason: LongText = ""


class StepView(Struct, frozen=True, kw_only=True):
    """A step of an attempt's run."""

    step: str
    role: Role
    turn: int
    status: str
    reason: str | None
    started_at: float | None
    dropped: bool
    """A later turn has taken its place."""


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt and how its run stands."""

    attempt: Attempt
    status: str
    """Of the run."""
    busy: bool
    """A turn is under way, or what it has left is not kept yet."""
    steps: list[StepView]
    queued: Draft | None


class Transcript(Struct, frozen=True):
    """What an agent has said and done in a turn."""

    entries: list[Put]


class Changes(Struct, frozen=True):
    """What an attempt has changed."""

    changes: list[FileDiff]
