"""A host of repositories that speaks smart HTTP, for tests."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def by_git(root, request, body):
    """What git's own program answers to a request: status, headers, body."""
    path, _, query = request.path.partition("?")
    env = os.environ | {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "REMOTE_USER": "x",
    }
    done = subprocess.run(
        ["git", "http-backend"], input=body, env=env, capture_output=True, check=True
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers.pop("Status", "200 OK").split()[0]), headers, content


class _Handler(BaseHTTPRequestHandler):
    """Smart HTTP by git's own program, for those who know the password."""

    def do_GET(self):
        self.server.seen.append(self.headers.get("Authorization"))
        expected = "Basic " + base64.b64encode(b"x-access-token:s3cret").decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, content = by_git(self.server.root, self, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@contextmanager
def serving(root):
    """The repositories in a directory, at `.url`; what was sent as `Authorization` in `.seen`."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.root, made.seen = root, []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_port}"
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
