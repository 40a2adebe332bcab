"""What can be asked of the work of attempts, and of what prompts are made of."""

from __future__ import annotations

from msgspec import Struct

from stoker.client.api import NONE, SearchQuery
from stoker.client.operation import C, Group, nothing, on_all, on_one, on_part, on_turn
from stoker.tasks.changes import TagChange, TemplateChange
from stoker.tasks.model import Draft, Image, Replaced, Tag, Template
from stoker.wire.attempts import (
    Backups,
    Children,
    CommitView,
    Deleted,
    DevServerView,
    DraftRequest,
    QueueRequest,
    RebaseRequest,
    ReplaceRequest,
    RestoreRequest,
    TargetRequest,
)
from stoker.wire.library import (
    ImageRequest,
    TagList,
    TagRequest,
    TemplateList,
    TemplateRequest,
)
from stoker.wire.tasks import EditorRequest, Matches
from stoker.workspace.model import Backup, BranchStatus


class PathQuery(Struct, frozen=True, kw_only=True):
    """Of a file in the worktree."""

    path: str


class TemplateQuery(Struct, frozen=True, kw_only=True):
    """Those that a project has; default: all."""

    project_id: str | None = None


class Work(Group[C]):
    """What attempts have made, in git."""

    replace = on_turn(
        "POST", "/v1/attempts/{attempt_id}/turns/{turn}/replace", ReplaceRequest, Replaced
    )
    rebase = on_one("POST", "/v1/attempts/{attempt_id}/rebase", RebaseRequest, Backup)
    resolved = on_one("POST", "/v1/attempts/{attempt_id}/conflicts/continue", nothing, NONE)
    abort = on_one("POST", "/v1/attempts/{attempt_id}/conflicts/abort", nothing, Backup)
    retarget = on_one("POST", "/v1/attempts/{attempt_id}/target", TargetRequest, BranchStatus)
    delete_file = on_one("DELETE", "/v1/attempts/{attempt_id}/files", PathQuery, Deleted)
    commit = on_part("GET", "/v1/attempts/{attempt_id}/commits/{sha}", nothing, CommitView)
    children = on_one("GET", "/v1/attempts/{attempt_id}/children", nothing, Children)
    backups = on_one("GET", "/v1/attempts/{attempt_id}/backups", nothing, Backups)
    restore = on_one("POST", "/v1/attempts/{attempt_id}/restore", RestoreRequest, Backup)
    search = on_one("GET", "/v1/attempts/{attempt_id}/search", SearchQuery, Matches)
    open_editor = on_one("POST", "/v1/attempts/{attempt_id}/open-editor", EditorRequest, NONE)
    dev_server = on_one("GET", "/v1/attempts/{attempt_id}/dev-server", nothing, DevServerView)
    serve = on_one("POST", "/v1/attempts/{attempt_id}/dev-server", nothing, DevServerView)
    stop_step = on_part("POST", "/v1/attempts/{attempt_id}/steps/{step}/stop", nothing, NONE)


class Drafts(Group[C]):
    """What agents are to be told; kinds are `follow_up` and `retry`."""

    show = on_part("GET", "/v1/attempts/{attempt_id}/drafts/{kind}", nothing, Draft)
    save = on_part("PUT", "/v1/attempts/{attempt_id}/drafts/{kind}", DraftRequest, Draft)
    remove = on_part("DELETE", "/v1/attempts/{attempt_id}/drafts/{kind}", nothing, NONE)
    queue = on_one("POST", "/v1/attempts/{attempt_id}/queue", QueueRequest, Draft)


class Images(Group[C]):
    """Pictures for tasks and prompts."""

    add = on_all("POST", "/v1/images", ImageRequest, Image)
    show = on_one("GET", "/v1/images/{image_id}", nothing, Image)
    file = on_one("GET", "/v1/images/{image_id}/file", nothing, bytes)
    remove = on_one("DELETE", "/v1/images/{image_id}", nothing, NONE)


class Tags(Group[C]):
    """Texts for prompts, by their names."""

    add = on_all("POST", "/v1/tags", TagRequest, Tag)
    list = on_all("GET", "/v1/tags", nothing, TagList)
    show = on_one("GET", "/v1/tags/{tag_id}", nothing, Tag)
    change = on_one("PATCH", "/v1/tags/{tag_id}", TagChange, Tag)
    remove = on_one("DELETE", "/v1/tags/{tag_id}", nothing, NONE)


class Templates(Group[C]):
    """What tasks of a kind begin with."""

    add = on_all("POST", "/v1/templates", TemplateRequest, Template)
    list = on_all("GET", "/v1/templates", TemplateQuery, TemplateList)
    show = on_one("GET", "/v1/templates/{template_id}", nothing, Template)
    change = on_one("PATCH", "/v1/templates/{template_id}", TemplateChange, Template)
    remove = on_one("DELETE", "/v1/templates/{template_id}", nothing, NONE)
