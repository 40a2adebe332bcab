"""Code hosts for tests: their REST APIs as documented, and git's own smart HTTP behind them.

A forge has one repository, `acme/widgets`, bare at `root/acme/widgets.git`. What it is to answer
before its own answers is put into `first`.
"""

import base64
import json
import subprocess
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import git_server

TOKEN = "s3cret-t0ken"
TIME = "2026-03-{:02}T10:00:00Z"


class Stop(Exception):
    """An answer that is not the usual one."""

    def __init__(self, status, body=None, headers=()):
        self.answer = (status, body, dict(headers))


class Forge:
    """What all of them have in common; a subclass says how its API looks."""

    prefix = ""
    scheme = "Bearer"

    def __init__(self, root):
        self.root = root
        self.bare = root / "acme" / "widgets.git"
        self.pulls = []
        self.issues = []
        self.written = []
        self.writers = {"rev"}
        self.people = {"rev": 7, "dev": 8, "stranger": 9}
        self.reviewers = {}
        self.page = 100
        self.may_write = True
        self.first = deque()
        self.requests = []
        self.released = threading.Event()

    # What happens there.

    def comment(self, author, body, *, kind="issue", path=None, line=None, **more):
        """Somebody writes: kind is issue, line or review."""
        self.written.append(
            {
                "id": 100 + len(self.written),
                "kind": kind,
                "author": author,
                "body": body,
                "path": path,
                "line": line,
                "at": TIME.format(1 + len(self.written)),
                **more,
            }
        )

    def merge(self, number):
        """As if somebody had pressed the button."""
        pull = self.pulls[number - 1]
        commit = self.git("rev-parse", pull["source"])
        self.git("update-ref", f"refs/heads/{pull['target']}", commit)
        pull |= {"state": "merged", "merged_at": TIME.format(9), "commit": commit}

    def close(self, number):
        self.pulls[number - 1]["state"] = "closed"

    def git(self, *args):
        done = subprocess.run(
            ["git", "-C", self.bare, *args], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    # Requests.

    def api(self, method, path, query, body, headers):
        """An answer: status, JSON, headers."""
        if self.first:
            answer = self.first.popleft()
            if answer == "slow":
                self.released.wait(60)
                answer = (200, {}, {})
            return answer
        if headers.get("Authorization") != f"{self.scheme} {TOKEN}":
            raise Stop(*self.refusals["token"])
        if method != "GET" and not self.may_write:
            raise Stop(*self.refusals["permission"])
        if path == "/user":
            return 200, self.user("dev"), {}
        return self.resource(method, path, query, body)

    def missing(self):
        return Stop(*self.refusals["repository"])

    def pages(self, items, query, size):
        """One page, and the header that names the next."""
        page, size = int(query.get("page", 1)), min(int(query.get(size, 30)), self.page)
        part = items[(page - 1) * size : page * size]
        more = page * size < len(items)
        following = urlencode({**query, "page": page + 1})
        link = f'<{self.url}/next?{following}>; rel="next", <{self.url}/x?page=9>; rel="last"'
        return 200, part, {"Link": link} if more else {}

    def new_pull(self, title, body, source, target):
        for branch in (source, target):
            try:
                self.git("rev-parse", "--verify", f"refs/heads/{branch}")
            except subprocess.CalledProcessError:
                raise Stop(*self.refusals["branch"]) from None
        for pull in self.pulls:
            if pull["source"] == source and pull["state"] == "open":
                raise Stop(*self.refusals["exists"])
        self.pulls.append(
            {
                "number": len(self.pulls) + 1,
                "title": title,
                "body": body,
                "source": source,
                "target": target,
                "state": "open",
                "merged_at": None,
                "commit": None,
                "fork": False,
            }
        )
        return self.pulls[-1]

    def find(self, number):
        if not 1 <= int(number) <= len(self.pulls):
            raise self.missing()
        return self.pulls[int(number) - 1]

    def new_issue(self, title, body):
        self.issues.append({"number": len(self.issues) + 51, "title": title, "body": body})
        return self.issues[-1]


class GitHubForge(Forge):
    prefix = "/api/v3"
    provider = "github"
    refusals: ClassVar = {
        "token": (401, {"message": "Bad credentials", "status": "401"}),
        "permission": (403, {"message": "Resource not accessible by personal access token"}),
        "repository": (404, {"message": "Not Found", "status": "404"}),
        "exists": (
            422,
            {
                "message": "Validation Failed",
                "errors": [
                    {
                        "resource": "PullRequest",
                        "code": "custom",
                        "message": "A pull request already exists for acme:task.",
                    }
                ],
            },
        ),
        "branch": (
            422,
            {
                "message": "Validation Failed",
                "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}],
            },
        ),
    }
    not_a_reviewer = "Reviews may only be requested from collaborators."
    page_size = "per_page"

    def user(self, name):
        return {"login": name, "id": self.people.get(name, 1), "type": "User"}

    def pull(self, pull):
        sha = self.git("rev-parse", pull["source"])
        return {
            "id": 1000 + pull["number"],
            "number": pull["number"],
            "html_url": f"{self.url}/acme/widgets/pull/{pull['number']}",
            "title": pull["title"],
            "body": pull["body"],
            "state": "open" if pull["state"] == "open" else "closed",
            "draft": pull.get("draft", False),
            "head": {"label": f"acme:{pull['source']}", "ref": pull["source"], "sha": sha},
            "base": {"label": f"acme:{pull['target']}", "ref": pull["target"]},
            "merged_at": pull["merged_at"],
            # Before the merge it is the commit of a trial.
            "merge_commit_sha": pull["commit"] or "f" * 40,
        }

    def remark(self, one):
        at = "submitted_at" if one["kind"] == "review" else "created_at"
        told = {
            "id": one["id"],
            "html_url": f"{self.url}/acme/widgets/pull/1#{one['id']}",
            "user": self.user(one["author"]),
            "body": one["body"],
            "author_association": "MEMBER" if one["author"] in self.writers else "NONE",
            at: one["at"],
        }
        if one["kind"] == "line":
            told |= {"path": one["path"], "line": one["line"], "position": 1}
        if one["kind"] == "review":
            told["state"] = one.get("state", "COMMENTED")
        return told

    def listed(self, kind, query):
        found = [self.remark(one) for one in self.written if one["kind"] == kind]
        return self.pages(found, query, self.page_size)

    def resource(self, method, path, query, body):
        at = "/repos/acme/widgets"
        if not path.startswith(at):
            raise self.missing()
        match (method, *path.removeprefix(at).strip("/").split("/")):
            case ("POST", "pulls"):
                made = self.new_pull(body["title"], body["body"], body["head"], body["base"])
                made["draft"] = body["draft"]
                return 201, self.pull(made), {}
            case ("GET", "pulls"):
                return self.search(query)
            case ("GET", "pulls", number):
                return 200, self.pull(self.find(number)), {}
            case ("POST", "pulls", number, "requested_reviewers"):
                if set(body["reviewers"]) - set(self.people):
                    raise Stop(422, {"message": self.not_a_reviewer})
                self.reviewers[int(number)] = body["reviewers"] + body["team_reviewers"]
                return 201, self.pull(self.find(number)), {}
            case ("GET", "pulls", number, "comments"):
                return self.listed("line", query)
            case ("GET", "pulls", number, "reviews"):
                return self.listed("review", query)
            case ("GET", "issues", number, "comments"):
                return self.listed("issue", query)
            case ("POST", "issues"):
                made = self.new_issue(body["title"], body["body"])
                return 201, self.issue(made), {}
            case ("GET", "issues"):
                pulls = [self.pull(one) | {"pull_request": {}} for one in self.pulls]
                return self.pages([*pulls, *map(self.issue, self.issues)], query, self.page_size)
        raise self.missing()

    def issue(self, one):
        url = f"{self.url}/acme/widgets/issues/{one['number']}"
        return {"number": one["number"], "html_url": url, "body": one["body"]}

    def search(self, query):
        # A fork's branch is another owner's.
        mine = [one for one in self.pulls if f"acme:{one['source']}" == query["head"]]
        mine = [self.pull(one) for one in reversed(mine) if not one["fork"]]
        return self.pages(mine, query, "per_page")


class GiteaForge(GitHubForge):
    prefix = "/api/v1"
    scheme = "token"
    provider = "gitea"
    refusals: ClassVar = {
        "token": (401, {"message": "invalid username, password or token", "url": "x"}),
        "permission": (403, {"message": "token does not have at least one of required scope(s)"}),
        "repository": (404, {"message": "The target couldn't be found.", "errors": []}),
        "exists": (
            409,
            {"message": "pull request already exists for these targets [id: 1, issue_id: 1]"},
        ),
        "branch": (422, {"message": "Invalid PullRequest: base and head must be branches"}),
    }
    page_size = "limit"

    def pull(self, pull):
        told = super().pull(pull)
        del told["draft"]
        head = {"label": pull["source"], "ref": f"refs/pull/{pull['number']}/head"}
        head["repo_id"] = 4 if pull["fork"] else 3
        base = {"label": pull["target"], "ref": pull["target"], "repo_id": 3}
        merged = pull["state"] == "merged"
        return told | {
            "head": head,
            "base": base,
            "merged": merged,
            "merge_commit_sha": pull["commit"],
        }

    def remark(self, one):
        told = super().remark(one)
        del told["author_association"]
        if one["kind"] == "line":
            del told["line"]
            told |= {"position": one["line"], "original_position": 0}
        if one["kind"] == "review":
            inline = [other for other in self.written if other.get("review") == one["id"]]
            told |= {"state": one.get("state", "COMMENT"), "comments_count": len(inline)}
        return told

    def resource(self, method, path, query, body):
        if method == "POST" and path.endswith("/pulls"):
            body = {**body, "draft": body["title"].startswith("WIP: ")}
        match (method, *path.removeprefix("/repos/acme/widgets").strip("/").split("/")):
            case ("GET", "assignees"):
                return 200, [self.user(name) for name in sorted(self.writers)], {}
            case ("GET", "pulls", _, "reviews", review, "comments"):
                inline = [one for one in self.written if one.get("review") == int(review)]
                return 200, [self.remark(one) for one in inline], {}
            case ("GET", "issues", _, "comments"):
                general = [one for one in self.written if one["kind"] == "issue"]
                return 200, [self.remark(one) for one in general], {}  # never in pages
        return super().resource(method, path, query, body)

    def search(self, query):
        wanted = query["state"] == "open"
        mine = [one for one in reversed(self.pulls) if (one["state"] == "open") == wanted]
        return self.pages([self.pull(one) for one in mine], query, "limit")

    def comment(self, author, body, **more):
        if more.get("kind") == "line":  # there it is a part of a review
            super().comment(author, "", kind="review")
            more["review"] = self.written[-1]["id"]
        super().comment(author, body, **more)


class GitLabForge(Forge):
    prefix = "/api/v4"
    provider = "gitlab"
    refusals: ClassVar = {
        "token": (401, {"message": "401 Unauthorized"}),
        "permission": (
            403,
            {"error": "insufficient_scope", "error_description": "requires higher privileges"},
        ),
        "repository": (404, {"message": "404 Project Not Found"}),
        "exists": (
            409,
            {"message": ["Another open merge request already exists for this source branch: !1"]},
        ),
        "branch": (422, {"message": {"source_branch": ["does not exist"]}}),
    }

    def user(self, name):
        return {"id": self.people.get(name, 1), "username": name, "state": "active"}

    def pull(self, pull):
        number = pull["number"]
        return {
            "id": 1000 + number,
            "iid": number,
            "web_url": f"{self.url}/acme/widgets/-/merge_requests/{number}",
            "title": pull["title"],
            "description": pull["body"],
            "state": {"open": "opened"}.get(pull["state"], pull["state"]),
            "source_branch": pull["source"],
            "target_branch": pull["target"],
            "source_project_id": 6 if pull["fork"] else 5,
            "target_project_id": 5,
            "draft": pull["title"].startswith("Draft: "),
            "merged_at": pull["merged_at"],
            "merge_commit_sha": pull["commit"],
            "squash_commit_sha": None,
            "sha": "e" * 40,
        }

    def issue(self, one):
        url = f"{self.url}/acme/widgets/-/issues/{one['number']}"
        return {"iid": one["number"], "web_url": url, "description": one["body"]}

    def note(self, one):
        told = {
            "id": one["id"],
            "type": "DiffNote" if one["path"] else None,
            "body": one["body"],
            "author": self.user(one["author"]),
            "created_at": one["at"],
            "system": one.get("system", False),
            "noteable_iid": 1,
            "resolvable": bool(one["path"]),
        }
        if one["path"]:
            told["position"] = {"new_path": one["path"], "new_line": one["line"], "old_line": None}
        return told

    def resource(self, method, path, query, body):
        if path == "/users":
            name = query["username"]
            return 200, [self.user(name)] if name in self.people else [], {}
        at = "/projects/acme%2Fwidgets"
        if not path.startswith(at):
            raise self.missing()
        match (method, *path.removeprefix(at).strip("/").split("/")):
            case ("POST", "merge_requests"):
                source, target = body["source_branch"], body["target_branch"]
                made = self.new_pull(body["title"], body["description"], source, target)
                return 201, self.pull(made), {}
            case ("GET", "merge_requests"):
                mine = [one for one in self.pulls if one["source"] == query["source_branch"]]
                return self.pages([self.pull(one) for one in reversed(mine)], query, "per_page")
            case ("GET", "merge_requests", number):
                return 200, self.pull(self.find(number)), {}
            case ("PUT", "merge_requests", number):
                names = {id_: name for name, id_ in self.people.items()}
                self.reviewers[int(number)] = [names[id_] for id_ in body["reviewer_ids"]]
                return 200, self.pull(self.find(number)), {}
            case ("GET", "merge_requests", number, "notes"):
                return self.pages([self.note(one) for one in self.written], query, "per_page")
            case ("GET", "members", "all"):
                names = {id_: name for name, id_ in self.people.items()}
                name = names[int(query["user_ids"])]
                level = 30 if name in self.writers else 10
                return self.pages([{**self.user(name), "access_level": level}], query, "per_page")
            case ("POST", "issues"):
                return 201, self.issue(self.new_issue(body["title"], body["description"])), {}
            case ("GET", "issues"):
                return self.pages(list(map(self.issue, self.issues)), query, "per_page")
        raise self.missing()


FORGES = {forge.provider: forge for forge in (GitHubForge, GitLabForge, GiteaForge)}


class Handler(BaseHTTPRequestHandler):
    """Hands what comes to the forge, or to git."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        forge = self.server.forge
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if not parts.path.startswith(forge.prefix + "/"):
            self.by_git(forge, body)
            return
        content = json.loads(body) if body else None
        forge.requests.append((self.command, self.path, dict(self.headers), content))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(forge.prefix)
        try:
            status, answer, headers = forge.api(self.command, path, query, content, self.headers)
        except Stop as stop:
            status, answer, headers = stop.answer
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answer(status, {"Content-Type": "application/json", **headers}, text)

    do_POST = do_PUT = do_GET

    def by_git(self, forge, body):
        expected = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.answer(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
            return
        if not forge.may_write and "receive-pack" in self.path:
            self.answer(403, {}, b"")
            return
        self.answer(*git_server.by_git(forge.root, self, body))

    def answer(self, status, headers, content):
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except BrokenPipeError:
            pass  # whoever asked waits no more

    def log_message(self, *args):
        pass


class Serving:
    """A forge on a port of its own, for as long as the `with`."""

    def __init__(self, provider, root):
        self.forge = FORGES[provider](root)

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.forge = self.forge
        self.forge.host = f"127.0.0.1:{self.server.server_port}"
        self.forge.url = f"http://{self.forge.host}"
        self.forge.remote = f"{self.forge.url}/acme/widgets.git"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self.forge

    def __exit__(self, *error):
        self.forge.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
