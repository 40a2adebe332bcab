"""The commands that are one request each: rows that `stoker.cli.verbs` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A request."""

    operation: str
    """Of `stoker.client`: group and name. It says what the command takes, and of which types."""
    help: str
    takes: Mapping[str, str] = MappingProxyType({})
    """What to say of each field of the request."""
    row: str = ""
    """What is shown of each item of the list that is answered."""
    says: str = ""
    """What is said where nothing is answered."""
    creates: bool = False
    """Makes the journal, if there is none."""
    served: bool = False
    """What it begins lasts no longer than the server."""
    begins: bool = False
    """The agent is at work afterwards, which is watched."""


_MANY: Final = "; may be given again, '' alone: none"

_SETTINGS: Final = {
    "name": "what it is called (default: as the repository)",
    "setup_script": "shell text, run in new worktrees before the agent; '': none",
    "cleanup_script": "shell text, run after each turn of an agent; '': none",
    "dev_script": "shell text that serves what is in a worktree, until it is stopped; '': none",
    "copy_files": f"patterns of untracked files that worktrees get{_MANY}",
    "directory": "where in the repository the agents work",
    "wip_limit": "how many tasks may be in progress; '': any number",
    "auto_pull_request": "open one when a turn has ended well",
    "reviewers": f"logins, of pull requests{_MANY}",
    "open_issue": "open an issue for each task that is begun",
}
_EDITOR: Final = {
    "editor": "of the server's (default: vscode)",
    "custom_command": "with --editor custom: its words",
    "file": "only this one",
}
_SEARCH: Final = {
    "q": "what names have in them",
    "limit": "how many at most (default: 50)",
}
_PROMPT: Final = {
    "prompt": "what to tell it",
    "variant": "of the agent's profile; '': the same",
    "images": f"ids of images{_MANY}",
}
_VERSION: Final = {"expected_version": "only if that is its version"}
_TAG: Final = {"tag_name": "its name", "content": "the text"}
_TEMPLATE: Final = {
    "template_name": "its name",
    "title": "of tasks",
    "description": "of tasks; '': none",
    "project_id": "only in this project; '': in all",
}

GROUPS: Final = {
    "draft": "what the agent is to be told next, or instead of a turn",
    "backup": "work that was given up, and is kept",
    "dev-server": "what serves an attempt's worktree",
    "image": "pictures for tasks and prompts",
    "tag": "texts for prompts, by their names",
    "template": "what tasks of a kind begin with",
    "mcp": "MCP servers that agents have in configuration files of their own",
}

_OF_TASKS: Final = {
    "attempts": Verb(
        "attempts.list",
        "attempts at all tasks, newest first",
        {
            "project_id": "only of this project",
            "task_id": "only at this task",
            "active": "only those at work, or only others",
            "limit": "how many at most (default: 500)",
            "cursor": "`next_cursor` of what was shown before",
        },
        row="attempt.attempt_id status attempt.executor attempt.branch",
    ),
    "approvals": Verb(
        "attempts.asking",
        "what agents wait to be allowed",
        row="attempt_id turn approval.title",
    ),
    "edit": Verb(
        "tasks.change",
        "change what a task says",
        {
            "title": "what is to be done, in a line",
            "description": "and in full; '': none",
            "status": "how it stands",
            "parent_attempt_id": "whose work led to it; '': none",
            "labels": f"for people{_MANY}",
            "depends_on": f"ids of tasks to be done before{_MANY}",
            "images": f"ids{_MANY}",
            "agent": "EXECUTOR[:VARIANT] that begins with it once all allows it; '': none",
            "base_branch": "begin from it then; '': the current one",
            "issue_url": "where it is discussed; '': nowhere",
        },
    ),
    "delete": Verb(
        "tasks.remove",
        "forget a task with its attempts; their branches stay",
        says="the task is forgotten; its branches stay",
    ),
    "remove": Verb(
        "attempts.remove_worktree",
        "give an attempt's worktree up; its branch stays",
        says="the worktree is gone; the work is on the attempt's branch",
    ),
    "forget": Verb(
        "attempts.remove",
        "forget an attempt; its branch stays",
        says="the attempt is forgotten; its branch stays",
    ),
    "interrupt": Verb(
        "attempts.interrupt",
        "have the agent leave off, and be told more",
        says="the agent was asked to leave off",
    ),
    "status": Verb("attempts.branch_status", "how the branch stands to its target and remote"),
    "pulls": Verb(
        "pulls.list",
        "its pull requests, as they were last asked for",
        row="number status url title",
    ),
    "attach-pr": Verb("pulls.attach", "take up the pull request that its branch has"),
    "replace": Verb(
        "work.replace",
        "have the agent do a turn over, with another prompt; what is given up is backed up",
        {
            **_PROMPT,
            "force_when_dirty": "also give up what is in no commit",
            "perform_git_reset": "put the files back as they were (default)",
        },
        begins=True,
    ),
    "target": Verb(
        "work.retarget", "have the work go to another branch", {"branch": "of the repository"}
    ),
    "delete-file": Verb(
        "work.delete_file",
        "delete a file of the worktree, and commit that",
        {"path": "in the worktree"},
        says="the file is gone; it was in no commit",
    ),
    "commit": Verb("work.commit", "a commit, and how HEAD stands to it"),
    "children": Verb(
        "work.children", "tasks that an attempt has led to", row="task_id status title"
    ),
    "search": Verb("work.search", "files of the worktree, by name", _SEARCH, row="path"),
    "open": Verb("work.open_editor", "open the worktree in an editor", _EDITOR),
    "draft show": Verb("drafts.show", "what is written down, and whether it is queued"),
    "draft save": Verb(
        "drafts.save",
        "write it down, or change it; the agent is not told yet",
        {**_PROMPT, "retry_turn": "of a retry: the turn to take the place of", **_VERSION},
    ),
    "draft remove": Verb(
        "drafts.remove", "forget it, also if it is queued", says="the draft is gone"
    ),
    "draft queue": Verb(
        "drafts.queue",
        "have it sent as soon as the agent is idle, or not",
        {
            "queued": "send it (default); --no-queued: to be edited first",
            **_VERSION,
            "expected_queued": "only if it is queued still, or not yet",
        },
        begins=True,
    ),
    "backup list": Verb("work.backups", "newest first", row="ref time"),
    "backup restore": Verb(
        "work.restore",
        "bring one back; what is there now is backed up first",
        {"ref": "of a backup"},
    ),
    "dev-server show": Verb("work.dev_server", "how it stands"),
    "dev-server start": Verb("work.serve", "run the project's dev script", served=True),
    "dev-server stop": Verb("work.stop_step", "end it", says="stopped"),
    "image add": Verb(
        "images.add",
        "keep a PNG, JPEG, GIF, WebP or BMP",
        {"name": "what it is called (default: as the file)", "data": "its file; -: stdin"},
        creates=True,
    ),
    "image list": Verb("tasks.images", "those of a task", row="image_id size_bytes original_name"),
    "image show": Verb("images.show", "what is known of one"),
    "image file": Verb("images.file", "get it back"),
    "image remove": Verb("images.remove", "forget one", says="the image is gone"),
    "tag add": Verb("tags.add", "write one down", _TAG, creates=True),
    "tag list": Verb("tags.list", "all, by name", row="tag_id tag_name content"),
    "tag show": Verb("tags.show", "one of them"),
    "tag edit": Verb("tags.change", "change one", _TAG),
    "tag remove": Verb("tags.remove", "forget one", says="the tag is gone"),
    "template add": Verb("templates.add", "write one down", _TEMPLATE, creates=True),
    "template list": Verb(
        "templates.list",
        "all, by name",
        {"project_id": "only of this project"},
        row="template_id template_name title",
    ),
    "template show": Verb("templates.show", "one of them"),
    "template edit": Verb("templates.change", "change one", _TEMPLATE),
    "template remove": Verb("templates.remove", "forget one", says="the template is gone"),
    "mcp show": Verb("server.mcp_servers", "those of an agent"),
    "mcp set": Verb(
        "server.set_mcp_servers",
        "have an agent's file hold exactly these",
        {"servers": "a JSON file, by name; -: stdin"},
        creates=True,
    ),
}

_OF_PROJECTS: Final = {
    "add": Verb(
        "projects.create",
        "have a repository's tasks done here",
        {**_SETTINGS, "repository": "its working tree (default: this directory's)"},
        creates=True,
    ),
    "list": Verb("projects.list", "all, oldest first", row="project_id name repository"),
    "show": Verb("projects.show", "what holds in one"),
    "edit": Verb("projects.change", "change what holds in one", _SETTINGS),
    "remove": Verb(
        "projects.remove",
        "forget one with its tasks; repository and branches stay",
        says="the project is forgotten; its repository is as it was",
    ),
    "branches": Verb(
        "projects.branches", "the most recently committed to first", row="name commit"
    ),
    "search": Verb("projects.search", "files of the repository, by name", _SEARCH, row="path"),
    "open": Verb("projects.open_editor", "open the repository in an editor", _EDITOR),
}

_OF_SERVERS: Final = {
    "info": Verb("server.info", "its version, journal and machine"),
    "stats": Verb("server.stats", "how much it does at this moment"),
    "alive": Verb("server.alive", "whether it answers"),
    "ready": Verb("server.ready", "whether it can do anything"),
    "metrics": Verb("server.metrics", "for Prometheus"),
}

TABLE: Final = {"task": _OF_TASKS, "project": _OF_PROJECTS, "server": _OF_SERVERS}
"""By command and action."""
