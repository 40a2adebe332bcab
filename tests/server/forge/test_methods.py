"""Every method that callers have, in every spelling: path, fields, status and shape."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgspec
import pytest
import wire
from forge_client import ops
from repositories import git, script

NONE = type(None)
# By method of the client: the requests it, or an older server, speaks of. The first is its own.
METHODS: dict[str, list[str]] = {
    "healthCheck": ["GET /health"],
    "authGithubDeviceStart": ["POST /api/auth/github/device/start"],
    "authGithubDevicePoll": ["POST /api/auth/github/device/poll"],
    "authGithubCheck": ["GET /api/auth/github/check"],
    "getSystemInfo": ["GET /api/info"],
    "getConfig": ["GET /api/config"],
    "updateConfig": ["PUT /api/config"],
    "getExecutorProfiles": ["GET /api/info", "GET /api/profiles"],
    "updateExecutorProfiles": ["PUT /api/profiles"],
    "getMcpConfig": ["GET /api/mcp-config"],
    "updateMcpConfig": ["POST /api/mcp-config"],
    "getNotificationSound": ["GET /api/sounds/{sound}"],
    "listProjects": ["GET /api/projects"],
    "createProject": ["POST /api/projects"],
    "getProject": ["GET /api/projects/{project}"],
    "updateProject": ["PUT /api/projects/{project}"],
    "deleteProject": ["DELETE /api/projects/{project}"],
    "listProjectBranches": ["GET /api/projects/{project}/branches"],
    "searchProjectFiles": ["GET /api/projects/{project}/search"],
    "openProjectInEditor": ["POST /api/projects/{project}/open-editor"],
    "listTasks": ["GET /api/projects/{project}/tasks", "GET /api/tasks"],
    "createTask": ["POST /api/projects/{project}/tasks", "POST /api/tasks"],
    "createAndStartTask": [
        "POST /api/tasks/create-and-start",
        "POST /api/projects/{project}/tasks/create-and-start",
    ],
    "getTask": ["GET /api/projects/{project}/tasks/{task}", "GET /api/tasks/{task}"],
    "updateTask": ["PUT /api/projects/{project}/tasks/{task}", "PUT /api/tasks/{task}"],
    "deleteTask": ["DELETE /api/projects/{project}/tasks/{task}", "DELETE /api/tasks/{task}"],
    "listTaskAttempts": ["GET /api/task-attempts"],
    "createTaskAttempt": ["POST /api/task-attempts"],
    "getTaskAttempt": ["GET /api/task-attempts/{attempt}"],
    "followUpTaskAttempt": ["POST /api/task-attempts/{attempt}/follow-up"],
    "replaceTaskAttemptProcess": ["POST /api/task-attempts/{attempt}/replace-process"],
    "stopTaskAttemptExecution": ["POST /api/task-attempts/{attempt}/stop"],
    "getTaskAttemptBranchStatus": ["GET /api/task-attempts/{attempt}/branch-status"],
    "rebaseTaskAttempt": ["POST /api/task-attempts/{attempt}/rebase"],
    "mergeTaskAttempt": ["POST /api/task-attempts/{attempt}/merge"],
    "pushTaskAttemptBranch": ["POST /api/task-attempts/{attempt}/push"],
    "abortTaskAttemptConflicts": ["POST /api/task-attempts/{attempt}/conflicts/abort"],
    "createTaskAttemptPullRequest": ["POST /api/task-attempts/{attempt}/pr"],
    "attachExistingPullRequest": ["POST /api/task-attempts/{attempt}/pr/attach"],
    "getCommitInfo": ["GET /api/task-attempts/{attempt}/commit-info"],
    "compareCommitToHead": ["GET /api/task-attempts/{attempt}/commit-compare"],
    "getTaskAttemptChildren": ["GET /api/task-attempts/{attempt}/children"],
    "changeTaskAttemptTargetBranch": ["POST /api/task-attempts/{attempt}/change-target-branch"],
    "openTaskAttemptInEditor": ["POST /api/task-attempts/{attempt}/open-editor"],
    "startDevServer": ["POST /api/task-attempts/{attempt}/start-dev-server"],
    "deleteTaskAttemptFile": ["POST /api/task-attempts/{attempt}/delete-file"],
    "saveDraft": [
        "POST /api/task-attempts/{attempt}/draft",
        "PUT /api/task-attempts/{attempt}/draft",
    ],
    "getDraft": ["GET /api/task-attempts/{attempt}/draft"],
    "deleteDraft": ["DELETE /api/task-attempts/{attempt}/draft"],
    "queueDraftExecution": ["POST /api/task-attempts/{attempt}/draft/queue"],
    "listExecutionProcesses": ["GET /api/execution-processes"],
    "getExecutionProcess": ["GET /api/execution-processes/{process}"],
    "stopExecutionProcess": ["POST /api/execution-processes/{process}/stop"],
    "listTaskTemplates": ["GET /api/templates", "GET /api/tags"],
    "createTaskTemplate": ["POST /api/templates", "POST /api/tags"],
    "getTaskTemplate": ["GET /api/templates/{template}", "GET /api/tags/{tag}"],
    "updateTaskTemplate": ["PUT /api/templates/{template}", "PUT /api/tags/{tag}"],
    "deleteTaskTemplate": ["DELETE /api/templates/{template}", "DELETE /api/tags/{tag}"],
    "uploadImage": ["POST /api/images/upload"],
    "uploadTaskImage": ["POST /api/images/task/{task}/upload"],
    "getImageFile": ["GET /api/images/{image}/file"],
    "getTaskImages": ["GET /api/images/task/{task}"],
    "deleteImage": ["DELETE /api/images/{image}"],
    "createApprovalRequest": ["POST /api/approvals/create"],
    "getApprovalStatus": ["GET /api/approvals/{approval}/status"],
    "respondToApprovalRequest": ["POST /api/approvals/{approval}/respond"],
    "getPendingApprovals": ["GET /api/approvals/pending"],
    "getContainerInfo": ["GET /api/containers/info"],
    "listDirectory": ["GET /api/filesystem/directory"],
    "listGitRepositories": ["GET /api/filesystem/git-repos"],
    "getForgeAgents": ["GET /api/forge/agents"],
    "createForgeAgent": ["POST /api/forge/agents"],
    "subscribeToEvents": ["GET /api/events"],
    "getTasksStreamUrl": ["WS /api/tasks/stream/ws", "WS /api/projects/{project}/tasks/stream/ws"],
    "getExecutionProcessesStreamUrl": ["WS /api/execution-processes/stream/ws"],
    "getRawLogsStreamUrl": ["WS /api/execution-processes/{process}/raw-logs/ws"],
    "getNormalizedLogsStreamUrl": ["WS /api/execution-processes/{process}/normalized-logs/ws"],
    "getTaskDiffStreamUrl": ["WS /api/task-attempts/{attempt}/diff/ws"],
    "getDraftsStreamUrl": ["WS /api/drafts/stream/ws"],
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ACKNOWLEDGED = {"theme": "DARK", "github": {"pat": "secret", "default_pr_base": "main"}}


class Caller:
    """Makes the requests of the table, and knows which it has made."""

    def __init__(self, forge):
        self.forge = forge
        self.made = set()
        self.ids = {}

    def request(self, name, spelling=0, **ids):
        method, _, path = METHODS[name][spelling].partition(" ")
        self.made.add((name, spelling))
        return method, path.format(**{**self.ids, **ids}).removeprefix("/api")

    def ask(self, name, shape, spelling=0, *, status=200, ids=(), **options):
        method, path = self.request(name, spelling, **dict(ids))
        return wire.read(self.forge.ask(method, path, status, **options), shape)

    def refused(self, name, status, spelling=0, **options):
        method, path = self.request(name, spelling)
        return self.forge.refused(method, path, status, **options)


def test_every_method_in_every_spelling(common, tmp_path):
    assert len(METHODS) == 79
    caller = Caller(common)
    projects(caller)
    tasks(caller)
    attempts(caller)
    streams(caller)
    drafts(caller)
    in_git(caller)
    library(caller)
    approvals(caller)
    surroundings(caller)
    removals(caller)
    left = {(name, n) for name, every in METHODS.items() for n in range(len(every))} - caller.made
    # What the server itself is asked of has tests of its own below.
    assert {METHODS[name][n] for name, n in left} == {
        "GET /health",
        "POST /api/auth/github/device/start",
        "POST /api/auth/github/device/poll",
        "GET /api/auth/github/check",
        "GET /api/info",
        "GET /api/config",
        "PUT /api/config",
        "GET /api/profiles",
        "PUT /api/profiles",
        "GET /api/mcp-config",
        "POST /api/mcp-config",
        "GET /api/sounds/{sound}",
    }


def projects(caller):
    repository = caller.forge.repository
    body = {"name": "P", "git_repo_path": str(repository), "use_existing_repo": True}
    assert caller.ask("listProjects", list[wire.Project]) == []
    made = caller.ask("createProject", wire.Project, json=body)
    caller.ids["project"] = made["id"]
    again = caller.refused("createProject", 200, json=body)
    assert again["message"] == "A project with this git repository path already exists"
    fresh = {**body, "name": "new", "git_repo_path": "fresh", "use_existing_repo": False}
    caller.ids["fresh"] = caller.ask("createProject", wire.Project, json=fresh)["id"]
    assert git(repository.parent / "fresh", "log", "--format=%s") == "First commit"
    assert caller.ask("getProject", wire.Project) == made
    scripts = {"setup_script": "true", "copy_files": ".env, *.pem", "unknown": 1}
    changed = caller.ask("updateProject", wire.Project, json={"name": "Q", **scripts})
    assert (changed["name"], changed["copy_files"]) == ("Q", ".env, *.pem")
    unchanged = caller.ask("updateProject", wire.Project, json={"default_base_branch": "main"})
    assert unchanged == changed
    cleared = caller.ask("updateProject", wire.Project, json={"dev_script": "sleep 60"})
    assert (cleared["name"], cleared["setup_script"], cleared["copy_files"]) == ("Q", None, None)
    (branch,) = caller.ask("listProjectBranches", list[wire.Branch])
    assert (branch["name"], branch["is_current"], branch["is_remote"]) == ("main", True, False)
    for mode in ("FileName", "FullPath", "taskform", "settings"):
        (found,) = caller.ask(
            "searchProjectFiles", list[wire.Match], params={"q": "A.T", "mode": mode}
        )
        assert found == {"path": "a.txt", "is_file": True, "match_type": "FileName"}
    assert caller.refused("searchProjectFiles", 200, params={"q": " "})["message"]
    opened = {"editor_type": "CURSOR"}
    assert "open" in caller.refused("openProjectInEditor", 500, json=opened)["message"]


def tasks(caller):
    project = caller.ids["project"]
    body = {"project_id": project, "title": "T", "description": "D"}
    for spelling in (0, 1):
        made = caller.ask("createTask", wire.Task, spelling, json=body)
        assert (made["status"], made["parent_task_attempt"]) == ("todo", None)
        caller.ids["task"] = made["id"]
        assert caller.ask("getTask", wire.Task, spelling) == made
        change = {"title": "T2", "description": "", "status": "cancelled"}
        changed = caller.ask("updateTask", wire.Task, spelling, json=change)
        assert (changed["title"], changed["description"]) == ("T2", None)
        assert changed["status"] == "cancelled"
        hidden = caller.ask("updateTask", wire.Task, spelling, json={"status": "agent"})
        assert hidden["status"] == "agent"
        listed = caller.ask(
            "listTasks", list[wire.TaskWithStatus], spelling, params={"project_id": project}
        )
        assert made["id"] not in [one["id"] for one in listed]
        caller.ask("deleteTask", NONE, spelling, status=202)
    for spelling in (0, 1):
        begin = {
            "task": {"project_id": project, "title": script({"edit": "b", "content": "x\n"})},
            "executor_profile_id": {"executor": "SCRIPTED", "variant": "NO_SUCH", "model": "m"},
            "base_branch": "main",
        }
        begun = caller.ask("createAndStartTask", wire.Started, spelling, json=begin)
        assert begun["has_in_progress_attempt"] is True
        assert begun["executor"] == "SCRIPTED:DEFAULT"
        attempt = begun["attempts"][0]
        assert begun["task_attempt"] == attempt
        assert attempt["branch"].startswith(f"forge/{attempt['id'][:4]}")
        caller.ids |= {"task": begun["id"], "attempt": attempt["id"]}
        caller.forge.settled(attempt["id"])
    listed = caller.ask("listTasks", list[wire.TaskWithStatus])
    assert next(one["id"] for one in listed) == caller.ids["task"]  # newest first


def attempts(caller):
    forge, key = caller.forge, caller.ids["attempt"]
    body = {
        "task_id": caller.ids["task"],
        "executor_profile_id": {"executor": "SCRIPTED"},
        "base_branch": "main",
    }
    other = caller.ask("createTaskAttempt", wire.WholeAttempt, json=body)["id"]
    forge.settled(other)
    for asked in (caller.ids["task"], caller.ids["project"]):
        found = caller.ask("listTaskAttempts", list[wire.Attempt], params={"task_id": asked})
        assert [one["id"] for one in found][:2] == [other, key]
    assert len(caller.ask("listTaskAttempts", list[wire.Attempt])) == 3
    assert caller.ask("getTaskAttempt", wire.WholeAttempt)["status"] == "completed"
    of_task = caller.ask("getTaskAttempt", wire.WholeAttempt, ids={"attempt": caller.ids["task"]})
    assert of_task["id"] == other  # of a task, the newest
    for field in ("prompt", "follow_up_prompt"):
        said = script({"say": field})
        process = caller.ask("followUpTaskAttempt", wire.Process, json={field: said})
        typ = process["executor_action"]["typ"]
        assert (typ["type"], typ["prompt"]) == ("CodingAgentFollowUpRequest", said)
        assert typ["session_id"]
        forge.settled(key)
    listed = {"task_attempt_id": key, "show_soft_deleted": "false"}
    before = caller.ask("listExecutionProcesses", list[wire.ProcessWithOutput], params=listed)
    assert [one["output"] for one in before][1:] == ["prompt", "follow_up_prompt"]
    for one in before:
        assert (
            caller.ask("getExecutionProcess", wire.ProcessWithOutput, ids={"process": one["id"]})
            == one
        )
    caller.ids["process"] = before[0]["id"]
    replace = {"process_id": before[1]["id"], "prompt": script({"say": "instead"})}
    replaced = caller.ask("replaceTaskAttemptProcess", wire.Replaced, json=replace)
    assert replaced["deleted_count"] == 2
    forge.settled(key)
    shown = caller.ask("listExecutionProcesses", list[wire.ProcessWithOutput], params=listed)
    assert [one["id"] for one in shown] == [before[0]["id"], replaced["new_execution_id"]]
    every = caller.ask(
        "listExecutionProcesses",
        list[wire.ProcessWithOutput],
        params={**listed, "show_soft_deleted": "true"},
    )
    assert [one["dropped"] for one in every] == [False, True, True, False]
    retry = {"prompt": script({"say": "once more"}), "retry_process_id": shown[1]["id"]}
    caller.ask("followUpTaskAttempt", wire.Process, json=retry)
    forge.settled(key)
    (_, last) = forge.processes(key)
    assert "once more" in last["output"]  # in what a new session is told of the old one
    caller.ask("startDevServer", NONE)
    (serving,) = (p for p in forge.processes(key) if p["run_reason"] == "devserver")
    assert serving["status"] == "running"
    (task,) = (
        one
        for one in caller.ask("listTasks", list[wire.TaskWithStatus])
        if one["id"] == caller.ids["task"]
    )
    assert (task["dev_server_id"], task["has_in_progress_attempt"]) == (serving["id"], False)
    assert caller.ask("getTaskAttempt", wire.WholeAttempt)["status"] == "completed"
    assert caller.ask("getTask", wire.Task)["dev_server_id"] == serving["id"]
    caller.ask("stopExecutionProcess", NONE, ids={"process": serving["id"]})
    assert forge.processes(key)[-1]["status"] == "killed"
    caller.refused("stopExecutionProcess", 500)
    caller.ask("stopTaskAttemptExecution", NONE)


def streams(caller):
    forge, project = caller.forge, caller.ids["project"]
    first = {
        ("getTasksStreamUrl", 0): (f"?project_id={project}", "/tasks"),
        ("getTasksStreamUrl", 1): ("", "/tasks"),
        ("getExecutionProcessesStreamUrl", 0): (
            f"?task_attempt_id={caller.ids['attempt']}",
            "/execution_processes",
        ),
        ("getDraftsStreamUrl", 0): (f"?project_id={project}", "/drafts"),
    }
    for (name, spelling), (query, root) in first.items():
        _, path = caller.request(name, spelling)
        with forge.socket(path + query) as socket:
            (op,) = json.loads(socket.recv(30))["JsonPatch"]
        assert (op["op"], op["path"]) == ("replace", root)
        shape = {"/tasks": wire.TaskWithStatus, "/execution_processes": wire.Process}
        wire.read(op["value"], dict[str, shape.get(root, dict)])
    for name in ("getRawLogsStreamUrl", "getNormalizedLogsStreamUrl"):
        assert ops(forge.frames(caller.request(name)[1]))
    with forge.socket(caller.request("getTaskDiffStreamUrl")[1]) as socket:
        (op,) = json.loads(socket.recv(30))["JsonPatch"]
        assert op["value"]["content"]["newContent"] == "x\n"
    method, path = caller.request("subscribeToEvents")
    with forge.client.stream(method, f"/api{path}") as stream:
        assert "event: json_patch" in stream.iter_lines()


def drafts(caller):
    forge, key = caller.forge, caller.ids["attempt"]
    kind, version = {"type": "follow_up"}, 0
    empty = caller.ask("getDraft", wire.Draft, params=kind)
    assert (empty["prompt"], empty["version"], empty["queued"]) == ("", 0, False)
    with forge.socket(f"/drafts/stream/ws?project_id={caller.ids['project']}") as socket:
        assert json.loads(socket.recv(30))["JsonPatch"][0]["value"] == {}
        for spelling in (0, 1):
            body = {"prompt": script({"say": str(spelling)}), "version": version}
            saved = caller.ask("saveDraft", wire.Draft, spelling, params=kind, json=body)
            version = saved["version"]
            assert caller.ask("getDraft", wire.Draft, params=kind) == saved
            told = json.loads(socket.recv(30))["JsonPatch"]
            path = f"/drafts/{key}"
            assert [op["path"] for op in told if op["op"] == "add"] == [path] * (not spelling)
            assert (told[-1]["op"], told[-1]["path"]) == ("replace", f"{path}/follow_up")
            assert told[-1]["value"]["prompt"] == body["prompt"]
    caller.refused("saveDraft", 409, params=kind, json={"prompt": "x", "version": version + 5})
    wrong = {"queued": True, "expected_version": version + 5}
    caller.refused("queueDraftExecution", 409, params=kind, json=wrong)
    right = {"queued": True, "expected_queued": False, "expected_version": version}
    caller.ask("queueDraftExecution", wire.Draft, params=kind, json=right)
    forge.settled(key)
    assert forge.processes(key)[-1]["output"] == "1"
    retry = {"prompt": "again", "retry_process_id": forge.processes(key)[0]["id"]}
    saved = caller.ask("saveDraft", wire.Draft, params={"type": "retry"}, json=retry)
    assert saved["retry_process_id"] == retry["retry_process_id"]
    for one in ("retry", "follow_up"):
        caller.ask("deleteDraft", NONE, params={"type": one})
    answer = forge.client.get(f"/api/task-attempts/{key}/draft", params={"type": "other"})
    assert answer.status_code == 400


def in_git(caller):
    repository, key = caller.forge.repository, caller.ids["attempt"]
    head = git(repository, "rev-parse", "HEAD")
    status = caller.ask("getTaskAttemptBranchStatus", wire.BranchStatus)
    assert (status["commits_ahead"], status["target_branch_name"]) == (1, "main")
    info = caller.ask("getCommitInfo", wire.CommitInfo, params={"sha": head})
    assert info == {"sha": head, "subject": "first"}
    compared = caller.ask("compareCommitToHead", wire.Comparison, params={"sha": head})
    assert (compared["ahead_from_head"], compared["is_linear"]) == (1, True)
    child = {"project_id": caller.ids["project"], "title": "child", "parent_task_attempt": key}
    child = caller.ask("createTask", wire.Task, json=child)
    found = caller.ask("getTaskAttemptChildren", wire.Children)
    assert (found["parent_task"], found["children"]) == (None, [child])
    git(repository, "branch", "other")
    for field in ("target_branch", "new_target_branch"):
        told = caller.ask("changeTaskAttemptTargetBranch", wire.Target, json={field: "other"})
        assert told == {"new_target_branch": "other", "status": [1, 0]}
    unknown = {"new_target_branch": "nowhere"}
    told = caller.refused("changeTaskAttemptTargetBranch", 200, json=unknown)
    assert told["message"] == "Branch 'nowhere' does not exist in the repository"
    (repository / "a.txt").write_text("theirs\n")
    git(repository, "commit", "-qam", "theirs")
    for body in ({"base_branch": "main"}, {"new_base_branch": "main", "old_base_branch": "other"}):
        caller.ask("rebaseTaskAttempt", NONE, json=body)
    worktree = Path(caller.ask("getTaskAttempt", wire.WholeAttempt)["container_ref"])
    assert (worktree / "a.txt").read_text() == "theirs\n"
    caller.ask("abortTaskAttemptConflicts", NONE)
    (worktree / "c").write_text("c")
    caller.ask("deleteTaskAttemptFile", NONE, params={"file_path": "c"})
    assert not (worktree / "c").exists()
    caller.refused("deleteTaskAttemptFile", 400, params={"file_path": "../../outside"})
    assert "GitHubServiceError" in caller.refused("pushTaskAttemptBranch", 500)["message"]
    told = caller.refused("createTaskAttemptPullRequest", 200, json={"title": "PR"})
    assert "Failed to create PR" in told["message"]
    caller.refused("attachExistingPullRequest", 200, json={"pr_number": 1})
    opened = {"editor_type": "CURSOR", "file_path": "b"}
    assert "open" in caller.refused("openTaskAttemptInEditor", 500, json=opened)["message"]
    caller.ask("mergeTaskAttempt", NONE)
    (merged,) = caller.ask("getTaskAttemptBranchStatus", wire.BranchStatus)["merges"]
    assert merged["type"] == "direct"
    assert merged["merge_commit"] == git(repository, "rev-parse", "main")
    assert caller.ask("getTask", wire.Task)["status"] == "done"
    assert git(repository, "show", "main:b") == "x"


def library(caller):
    project = caller.ids["project"]
    body = {"project_id": project, "title": "T", "description": "D", "template_name": "N"}
    template = caller.ask("createTaskTemplate", wire.Template, json=body)
    caller.ids["template"] = template["id"]
    for params, count in (
        ({}, 1),
        ({"global": "true"}, 0),
        ({"project_id": project}, 1),
        ({"projectId": "other"}, 0),
    ):
        found = caller.ask("listTaskTemplates", list[wire.Template], params=params)
        assert found == [template] * count
    assert caller.ask("getTaskTemplate", wire.Template) == template
    changed = caller.ask("updateTaskTemplate", wire.Template, json={"title": "T2"})
    assert (changed["title"], changed["description"]) == ("T2", "D")
    caller.ask("deleteTaskTemplate", NONE)
    tag = caller.ask("createTaskTemplate", wire.Tag, 1, json={"tag_name": "n", "content": "c"})
    caller.ids["tag"] = tag["id"]
    assert caller.ask("listTaskTemplates", list[wire.Tag], 1) == [tag]
    assert caller.ask("getTaskTemplate", wire.Tag, 1) == tag
    assert caller.ask("updateTaskTemplate", wire.Tag, 1, json={"content": "d"})["content"] == "d"
    caller.ask("deleteTaskTemplate", NONE, 1)
    for field in ("file", "image"):
        files = {field: ("dot.png", PNG, "image/png")}
        image = caller.ask("uploadImage", wire.Image, files=files)
        assert (image["original_name"], image["size_bytes"]) == ("dot.png", len(PNG))
    of_task = caller.ask("uploadTaskImage", wire.Image, files=files)
    assert caller.ask("getTaskImages", list[wire.Image]) == [of_task]
    method, path = caller.request("getImageFile", image=image["id"])
    answer = caller.forge.client.request(method, f"/api{path}")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    caller.ask("deleteImage", NONE, ids={"image": image["id"]})
    caller.refused("uploadImage", 404, files={"other": ("x", b"")})
    caller.refused("uploadImage", 400, files={"file": ("x.png", b"nothing")})
    for size in (21, 23):
        large = caller.refused(
            "uploadImage", 413, files={"file": ("x.png", PNG + bytes(size << 20))}
        )
        assert large["message"]


def approvals(caller):
    asked = {"tool_name": "Bash", "tool_input": {"command": "ls"}, "session_id": "none"}
    answers = (
        ({"approved": True}, {"status": "approved"}),
        ({"approved": False, "comment": "no"}, {"status": "denied", "reason": "no"}),
        (
            {"execution_process_id": "", "status": {"status": "denied", "reason": "no"}},
            {"status": "denied", "reason": "no"},
        ),
    )
    for answer, status in answers:
        one = caller.ask("createApprovalRequest", wire.Asked, json=asked)
        caller.ids["approval"] = one["id"]
        (pending,) = caller.ask("getPendingApprovals", list[wire.Pending])
        assert (pending["approval_id"], pending["tool_name"]) == (one["id"], "Bash")
        assert caller.ask("getApprovalStatus", dict) == {"status": "pending"}
        assert caller.ask("respondToApprovalRequest", dict, json=answer) == status
        assert caller.ask("getApprovalStatus", dict) == status
        caller.refused("respondToApprovalRequest", 409, json=answer)


def surroundings(caller):
    forge, repository = caller.forge, caller.forge.repository
    attempt = caller.ask("getTaskAttempt", wire.WholeAttempt)
    ref = {"ref": attempt["container_ref"]}
    found = caller.ask("getContainerInfo", wire.Container, params=ref)
    assert list(found.values()) == [attempt["id"], caller.ids["task"], caller.ids["project"]]
    listing = caller.ask("listDirectory", wire.Listing, params={"path": str(repository)})
    assert [one["name"] for one in listing["entries"]] == ["a.txt", "b"]
    default = caller.ask("listDirectory", wire.Listing)
    assert [one["name"] for one in default["entries"] if one["is_git_repo"]] == [
        "fresh",
        "repository",
    ]
    missing = caller.refused("listDirectory", 200, params={"path": "missing"})
    assert missing["message"] == "Directory does not exist"
    for outside in ("/", "/etc/passwd", "../.."):
        caller.refused("listDirectory", 403, params={"path": outside})
        caller.refused("listGitRepositories", 403, params={"path": outside})
    for params in ({}, {"path": str(repository.parent)}):
        found = caller.ask("listGitRepositories", list[wire.Entry], params=params)
        assert {one["name"] for one in found} == {"fresh", "repository"}
    agent = {"project_id": caller.ids["project"], "agent_type": "wish"}
    made = caller.ask("createForgeAgent", wire.ForgeAgent, json=agent)
    assert caller.ask("createForgeAgent", wire.ForgeAgent, json=agent) == made
    assert caller.ask("getForgeAgents", list[wire.ForgeAgent], params=agent) == [made]
    other = {**agent, "agent_type": "other"}
    assert caller.ask("getForgeAgents", list[wire.ForgeAgent], params=other) == []
    assert forge.ask("GET", f"/tasks/{made['task_id']}")["status"] == "agent"


def removals(caller):
    caller.ask("deleteProject", NONE, ids={"project": caller.ids["fresh"]})
    caller.ask("deleteProject", NONE)
    assert caller.ask("listProjects", list[wire.Project]) == []
    caller.refused("getTaskAttempt", 404)


def test_health_is_told_without_an_envelope(common):
    told = common.client.get("/health").json()
    assert (told["status"], set(told)) == ("ok", {"status", "service", "version", "message"})
    assert common.ask("GET", "/health") == "OK"


def test_settings_are_kept_and_their_secrets_are_not_told(forge):
    default = wire.read(forge.ask("GET", "/config"), wire.Config)
    changed = {**default, "theme": "DARK", "git_branch_prefix": "mine"}
    changed["github"] = {**default["github"], "pat": "secret"}
    told = wire.read(forge.ask("PUT", "/config", json=changed), wire.Config)
    assert told["github"]["pat"] == "********"
    assert forge.ask("PUT", "/config", json={**told, "theme": "LIGHT"})["theme"] == "LIGHT"
    forge.server.kill()
    forge.server.start()
    forge.client.base_url = forge.server.url
    assert forge.ask("GET", "/config") == {**told, "theme": "LIGHT"}
    assert forge.ask("GET", "/info")["config"]["theme"] == "LIGHT"
    assert forge.begin({"say": "x"})["attempts"][0]["branch"].startswith("mine/")
    forge.refused("PUT", "/config", 200, json={**told, "git_branch_prefix": "-x"})
    assert "secret" not in forge.server.log
    answer = forge.client.put("/api/config", json={**told, "config_version": "v1"})
    assert answer.status_code == 422


def test_profiles_that_are_put_take_effect(serve_forge):
    forge = serve_forge
    info = wire.read(forge.ask("GET", "/info"), wire.Info)
    assert info["capabilities"]["CODEX"] == ["SESSION_FORK"]
    told = wire.read(forge.ask("GET", "/profiles"), wire.Profiles)
    assert json.loads(told["content"]) == {"executors": info["executors"]}
    wrong = {"executors": {"CODEX": {"DEFAULT": {"CODEX": {"no_such_setting": 1}}}}}
    assert "no_such_setting" in forge.refused("PUT", "/profiles", 400, json=wrong)["message"]
    broken = forge.client.put("/api/profiles", json={"profiles": "{"})
    assert (broken.status_code, "as JSON" in broken.text) == (400, True)
    mine = {"driver": "command", "base_command_override": "sh -c 'cat; echo overridden'"}
    for body in (
        {"executors": {"MINE": {"DEFAULT": {"MINE": mine}}}},
        {"profiles": {"executors": {"MINE": {"DEFAULT": {"MINE": mine}}}}},
    ):
        forge.ask("PUT", "/profiles", json=body)
    project = forge.project()["id"]
    begin = {
        "task": {"project_id": project, "title": "hello"},
        "executor_profile_id": {"executor": "MINE"},
        "base_branch": "main",
    }
    begun = forge.ask("POST", "/tasks/create-and-start", json=begin)
    attempt = begun["attempts"][0]["id"]
    forge.settled(attempt)
    assert "overridden" in forge.processes(attempt)[0]["output"]


def test_mcp_servers_of_an_agent(serve_forge):
    forge = serve_forge
    codex = {"executor": "CODEX"}
    found = wire.read(forge.ask("GET", "/mcp-config", params=codex), wire.Mcp)
    assert (found["mcp_config"]["servers"], found["mcp_config"]["is_toml_config"]) == ({}, True)
    servers = {"servers": {"one": {"command": "x"}}}
    told = forge.ask("POST", "/mcp-config", params=codex, json=servers)
    assert told == "Added 1 MCP server(s)"
    found = forge.ask("GET", "/mcp-config", params=codex)
    assert found["mcp_config"]["servers"] == servers["servers"]
    assert Path(found["config_path"]).is_file()
    for method in ("GET", "POST"):
        options = {"params": {"executor": "SCRIPTED"}, "json": {"servers": {}}}
        assert "support" in forge.refused(method, "/mcp-config", 200, **options)["message"]


def test_sounds_are_waves(common):
    import io
    import wave

    names = ("ABSTRACT_SOUND1", "GENIE_NOTIFY1", "ROOSTER")
    answers = [common.client.get(f"/api/sounds/{name}") for name in names]
    for answer in answers:
        assert answer.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(answer.content)) as sound:
            assert sound.getnframes() > 1000
    assert len({answer.content for answer in answers}) == 3
    assert common.client.get("/api/sounds/SILENCE").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("GET", "/api/nothing", 404, "application/json"),
        ("GET", "/api", 404, "application/json"),
        ("PATCH", "/api/projects", 405, "application/json"),
        ("GET", "/api/projects/none", 404, "application/json"),
        ("GET", "/api/execution-processes/none", 404, "application/json"),
        ("GET", "/api/execution-processes", 400, "text/plain"),
        ("GET", "/api/tasks", 400, "text/plain"),
        ("POST", "/api/tasks", 422, "text/plain"),
        ("POST", "/api/tasks/create-and-start", 422, "text/plain"),
    ],
)
def test_what_is_wrong_is_told_in_the_form_of_the_contract(
    common, method, path, status, media_type
):
    body = {"content": b'{"project_id": 1}', "headers": {"Content-Type": "application/json"}}
    answer = common.client.request(method, path, **(body if method == "POST" else {}))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == media_type
    if media_type == "application/json":
        told = answer.json()
        assert set(told) == {"success", "data", "error_data", "message"}
        assert told["success"] is False
        assert told["message"]


def test_what_fails_leaves_nothing(common):
    project = common.project()["id"]
    before = git(common.repository, "branch", "--list")
    tasks = common.ask("GET", f"/projects/{project}/tasks")
    body = {
        "task": {"project_id": project, "title": "T"},
        "executor_profile_id": {"executor": "SCRIPTED"},
        "base_branch": "nowhere",
    }
    common.refused("POST", "/tasks/create-and-start", 500, json=body)
    body["executor_profile_id"]["executor"] = "NOBODY"
    common.refused("POST", "/tasks/create-and-start", 400, json={**body, "base_branch": "main"})
    assert common.ask("GET", f"/projects/{project}/tasks") == tasks
    assert git(common.repository, "branch", "--list") == before


def test_a_conflict_is_told_by_name_and_aborted(forge):
    attempt = forge.begin({"edit": "a.txt", "content": "ours\n"})["attempts"][0]["id"]
    forge.settled(attempt)
    (forge.repository / "a.txt").write_text("theirs\n")
    git(forge.repository, "commit", "-qam", "theirs")
    assert "behind" in forge.refused("POST", f"/task-attempts/{attempt}/merge", 500)["message"]
    path = f"/task-attempts/{attempt}"
    told = forge.refused("POST", f"{path}/rebase", 200, json={"base_branch": "main"})["error_data"]
    assert (told["type"], told["op"]) == ("merge_conflicts", "rebase")
    status = forge.ask("GET", f"{path}/branch-status")
    assert (status["is_rebase_in_progress"], status["conflict_op"]) == (True, "rebase")
    assert status["conflicted_files"] == ["a.txt"]
    forge.ask("POST", f"{path}/conflicts/abort")
    assert forge.ask("GET", f"{path}/branch-status")["conflict_op"] is None


def test_a_token_is_sent_as_the_client_sends_it(serve, tmp_path):
    server = serve()
    token = server.stoker("serve", "token", "create", "--scope", "run", "--name", "n").stdout
    with server.client(headers={"Authorization": f"Bearer {token.strip()}"}) as client:
        assert client.get("/api/projects").json()["success"] is True
        forbidden = client.put("/api/config", json={})
        assert (forbidden.status_code, forbidden.json()["success"]) == (403, False)
    with server.client() as client:
        answer = client.get("/api/projects")
        assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_the_shapes_refuse_what_is_not_theirs():
    with pytest.raises(msgspec.ValidationError):
        wire.read({"executor": "X", "variant": None, "more": 1}, wire.ProfileId)
    with pytest.raises(msgspec.ValidationError):
        wire.read({"sha": "x", "subject": None}, wire.CommitInfo)
