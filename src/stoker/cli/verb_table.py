"""The commands that are one request each: rows that `stoker.cli.verbs` carries out.

Nothing of the client is imported for it: help and completion need only what is here.
"""

from __future__ import annotations

from typing import Any, Final

from stoker.cli.verb import Kind, Option, Verb


def _look(
    operation: str, help: str, *places: str, takes: tuple[Option, ...] = (), **more: Any
) -> Verb:
    return Verb(operation, help, places, takes, changes=False, **more)


def _place(name: str, help: str, kind: Kind = "text", **more: Any) -> Option:
    return Option(name, help, kind, name.upper(), place=True, **more)


_ATTEMPT: Final = ("attempt_id",)
_PROJECT: Final = ("project_id",)
_MANY: Final = "; may be given again, '' alone: none"

_SCRIPTS: Final = (
    Option("setup_script", "run in new worktrees, before the agent", "clear", "SHELL"),
    Option("cleanup_script", "run after each turn of an agent", "clear", "SHELL"),
    Option("dev_script", "serves what is in a worktree, until it is stopped", "clear", "SHELL"),
    Option("copy_files", f"untracked files that worktrees get{_MANY}", "many", "PATTERN"),
    Option("directory", "where in the repository the agents work", "text", "PATH"),
    Option("wip_limit", "how many tasks may be in progress", "whole", "N"),
    Option("auto_pull_request", "open one when a turn has ended well", "switch"),
    Option("reviewers", f"of pull requests{_MANY}", "many", "LOGIN"),
    Option("open_issue", "open an issue for each task that is begun", "switch"),
)
_EDITOR: Final = (
    Option("editor", "of the server's (default: vscode)", "text", "NAME"),
    Option("custom_command", "with --editor custom: its words", "text", "COMMAND"),
    Option("file", "only this one", "text", "PATH"),
)
_SEARCH: Final = (
    _place("q", "what names have in them"),
    Option("limit", "how many at most (default: 50)", "whole", "N"),
)
_PROMPT: Final = (
    _place("prompt", "what to tell it"),
    Option("variant", "of the agent's profile"),
    Option("images", "ids of images; may be given again", "many", "ID"),
)
_DRAFT: Final = ("attempt_id", "kind")
_VERSION: Final = Option("expected_version", "only if that is its version", "whole", "N")

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
    "attempts": _look(
        "attempts.list",
        "attempts at all tasks, newest first",
        takes=(
            Option("project_id", "only of this project", "text", "ID"),
            Option("task_id", "only at this task", "text", "ID"),
            Option("active", "only those at work, or only others", "switch"),
            Option("limit", "how many at most (default: 500)", "whole", "N"),
            Option("cursor", "`next_cursor` of what was shown before"),
        ),
        row="attempt.attempt_id status attempt.executor attempt.branch",
    ),
    "approvals": _look(
        "attempts.asking",
        "what agents wait to be allowed",
        row="attempt_id turn approval.title",
    ),
    "edit": Verb(
        "tasks.change",
        "change what a task says",
        ("task_id",),
        (
            Option("title", "what is to be done, in a line"),
            Option("description", "and in full; '': none", "clear"),
            Option(
                "status",
                "how it stands",
                choices=("todo", "inprogress", "inreview", "done", "cancelled"),
            ),
            Option("parent_attempt_id", "whose work led to it; '': none", "clear", "ID"),
            Option("labels", f"for people{_MANY}", "many", "NAME"),
            Option("depends_on", f"ids of tasks to be done before{_MANY}", "many", "ID"),
            Option("images", f"ids{_MANY}", "many", "ID"),
            Option("agent", "begin with it once all allows it", "clear", "EXECUTOR[:VARIANT]"),
            Option("base_branch", "begin from it then; '': the current one", "clear", "BRANCH"),
            Option("issue_url", "where it is discussed; '': nowhere", "clear", "URL"),
        ),
    ),
    "delete": Verb(
        "tasks.remove",
        "forget a task with its attempts; their branches stay",
        ("task_id",),
        says="the task is forgotten; its branches stay",
    ),
    "remove": Verb(
        "attempts.remove_worktree",
        "give an attempt's worktree up; its branch stays",
        _ATTEMPT,
        says="the worktree is gone; the work is on the attempt's branch",
    ),
    "forget": Verb(
        "attempts.remove",
        "forget an attempt; its branch stays",
        _ATTEMPT,
        says="the attempt is forgotten; its branch stays",
    ),
    "interrupt": Verb(
        "attempts.interrupt",
        "have the agent leave off, and be told more",
        ("attempt_id", "turn"),
        says="the agent was asked to leave off",
    ),
    "status": _look(
        "attempts.branch_status", "how the branch stands to its target and remote", *_ATTEMPT
    ),
    "pulls": _look(
        "pulls.list",
        "its pull requests, as they were last asked for",
        *_ATTEMPT,
        row="number status url title",
    ),
    "attach-pr": Verb("pulls.attach", "take up the pull request that its branch has", _ATTEMPT),
    "replace": Verb(
        "work.replace",
        "have the agent do a turn over, with another prompt; what is given up is backed up",
        ("attempt_id", "turn"),
        (
            *_PROMPT,
            Option("force_when_dirty", "also give up what is in no commit", "flag"),
            Option("perform_git_reset", "put the files back as they were (default)", "switch"),
        ),
        begins=True,
    ),
    "target": Verb(
        "work.retarget",
        "have the work go to another branch",
        _ATTEMPT,
        (_place("branch", "of the repository"),),
    ),
    "delete-file": Verb(
        "work.delete_file",
        "delete a file of the worktree, and commit that",
        _ATTEMPT,
        (_place("path", "in the worktree"),),
        says="the file is gone; it was in no commit",
    ),
    "commit": _look("work.commit", "a commit, and how HEAD stands to it", "attempt_id", "sha"),
    "children": _look(
        "work.children", "tasks that an attempt has led to", *_ATTEMPT, row="task_id status title"
    ),
    "search": _look(
        "work.search", "files of the worktree, by name", *_ATTEMPT, takes=_SEARCH, row="path"
    ),
    "open": _look("work.open_editor", "open the worktree in an editor", *_ATTEMPT, takes=_EDITOR),
    "draft show": _look("drafts.show", "what is written down, and whether it is queued", *_DRAFT),
    "draft save": Verb(
        "drafts.save",
        "write it down, or change it; the agent is not told yet",
        _DRAFT,
        (
            Option("prompt", "what to tell it"),
            Option("variant", "of the agent's profile; '': the same", "clear"),
            Option("images", f"ids{_MANY}", "many", "ID"),
            Option("retry_turn", "of a retry: the turn to take the place of", "whole", "N"),
            _VERSION,
        ),
    ),
    "draft remove": Verb("drafts.remove", "forget it", _DRAFT, says="the draft is gone"),
    "draft queue": Verb(
        "drafts.queue",
        "have it sent as soon as the agent is idle, or not",
        _ATTEMPT,
        (
            Option("queued", "send it (default); --no-queued: to be edited first", "switch"),
            _VERSION,
            Option("expected_queued", "only if it is queued still, or not yet", "switch"),
        ),
        begins=True,
    ),
    "draft cancel": Verb(
        "attempts.take_back",
        "take back what is queued",
        _ATTEMPT,
        says="nothing is queued any more",
    ),
    "backup list": _look("work.backups", "newest first", *_ATTEMPT, row="ref time"),
    "backup restore": Verb(
        "work.restore",
        "bring one back; what is there now is backed up first",
        _ATTEMPT,
        (_place("ref", "of a backup"),),
    ),
    "dev-server show": _look("work.dev_server", "how it stands", *_ATTEMPT),
    "dev-server start": Verb("work.serve", "run the project's dev script", _ATTEMPT, served=True),
    "dev-server stop": Verb(
        "work.stop_step",
        "end it",
        ("attempt_id", "step"),
        says="stopped",
    ),
    "image add": Verb(
        "images.add",
        "keep a PNG, JPEG, GIF, WebP or BMP",
        takes=(_place("picture", "a file", "picture"),),
        creates=True,
    ),
    "image list": _look(
        "tasks.images", "those of a task", "task_id", row="image_id size_bytes original_name"
    ),
    "image show": _look("images.show", "what is known of one", "image_id"),
    "image file": _look("images.file", "get it back", "image_id", file=True),
    "image remove": Verb("images.remove", "forget one", ("image_id",), says="the image is gone"),
    "tag add": Verb(
        "tags.add",
        "write one down",
        takes=(_place("tag_name", "its name"), Option("content", "the text")),
        creates=True,
    ),
    "tag list": _look("tags.list", "all, by name", row="tag_id tag_name content"),
    "tag show": _look("tags.show", "one of them", "tag_id"),
    "tag edit": Verb(
        "tags.change",
        "change one",
        ("tag_id",),
        (Option("tag_name", "its name"), Option("content", "the text")),
    ),
    "tag remove": Verb("tags.remove", "forget one", ("tag_id",), says="the tag is gone"),
    "template add": Verb(
        "templates.add",
        "write one down",
        takes=(
            _place("template_name", "its name"),
            _place("title", "of tasks"),
            Option("description", "of tasks"),
            Option("project_id", "only in this project", "text", "ID"),
        ),
        creates=True,
    ),
    "template list": _look(
        "templates.list",
        "all, by name",
        takes=(Option("project_id", "only of this project", "text", "ID"),),
        row="template_id template_name title",
    ),
    "template show": _look("templates.show", "one of them", "template_id"),
    "template edit": Verb(
        "templates.change",
        "change one",
        ("template_id",),
        (
            Option("template_name", "its name"),
            Option("title", "of tasks"),
            Option("description", "of tasks; '': none", "clear"),
            Option("project_id", "only in this project; '': in all", "clear", "ID"),
        ),
    ),
    "template remove": Verb(
        "templates.remove", "forget one", ("template_id",), says="the template is gone"
    ),
    "mcp show": _look("server.mcp_servers", "those of an agent", "executor"),
    "mcp set": Verb(
        "server.set_mcp_servers",
        "have an agent's file hold exactly these",
        ("executor",),
        (
            Option(
                "servers", "a JSON file, by name; -: stdin", "servers", metavar="FILE", place=True
            ),
        ),
        creates=True,
    ),
}

_OF_PROJECTS: Final = {
    "add": Verb(
        "projects.create",
        "have a repository's tasks done here",
        takes=(
            _place("repository", "its working tree (default: this directory's)", optional=True),
            Option("name", "default: the repository's"),
            *_SCRIPTS,
        ),
        creates=True,
    ),
    "list": _look("projects.list", "all, oldest first", row="project_id name repository"),
    "show": _look("projects.show", "what holds in one", *_PROJECT),
    "edit": Verb(
        "projects.change",
        "change what holds in one",
        _PROJECT,
        (Option("name", "what it is called"), *_SCRIPTS),
    ),
    "remove": Verb(
        "projects.remove",
        "forget one with its tasks; repository and branches stay",
        _PROJECT,
        says="the project is forgotten; its repository is as it was",
    ),
    "branches": _look(
        "projects.branches", "the most recently committed to first", *_PROJECT, row="name commit"
    ),
    "search": _look(
        "projects.search", "files of the repository, by name", *_PROJECT, takes=_SEARCH, row="path"
    ),
    "open": _look(
        "projects.open_editor", "open the repository in an editor", *_PROJECT, takes=_EDITOR
    ),
}

_OF_SERVERS: Final = {
    "info": _look("server.info", "its version, journal and machine"),
    "stats": _look("server.stats", "how much it does at this moment"),
    "alive": _look("server.alive", "whether it answers"),
    "ready": _look("server.ready", "whether it can do anything"),
    "metrics": _look("server.metrics", "for Prometheus", file=True),
}

TABLE: Final = {"task": _OF_TASKS, "project": _OF_PROJECTS, "server": _OF_SERVERS}
"""By command and action."""
