"""What holds for every request: limits, redirects, silence, and what nobody can read."""

import socket
import time
from email.utils import formatdate

import pytest
from asking import ask, refused
from forges import TOKEN, Serving

from stoker.hosting import errors


def who(client):
    return client.account()


def count(forge):
    return len(forge.requests)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "0"}),
        (403, {"Retry-After": "0"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000"}),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "1000"}),
        (503, {"Retry-After": "0"}),
    ],
)
def test_a_limit_is_waited_for(github, status, headers):
    github.first.append((status, {"message": "slower"}, headers))
    assert ask(github, who) == "dev"
    assert count(github) == 2


def test_also_to_send_something(github):
    github.first.append((429, {"message": "slower"}, {"Retry-After": "0"}))
    ask(github, lambda client: client.create_issue("x", ""))
    assert len(github.issues) == 1


def test_a_limit_that_is_too_long_is_told(github):
    github.first.append((429, {"message": "slower"}, {"Retry-After": "3600"}))
    error = refused(github, errors.RateLimited, who)
    assert error.retry_after == 3600
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1800)}
    github.first.append((403, {"message": "API rate limit exceeded"}, reset))
    assert 1700 < refused(github, errors.RateLimited, who).retry_after <= 1800
    secondary = {"message": "You have exceeded a secondary rate limit."}
    github.first.append((403, secondary, {}))
    assert refused(github, errors.RateLimited, who, patience_sec=1).retry_after == 60
    at = formatdate(time.time() + 1800, usegmt=True)
    github.first.append((429, {"message": "slower"}, {"Retry-After": at}))
    told = refused(github, errors.RateLimited, who, patience_sec=1).retry_after
    assert 1700 < told <= 1800
    assert count(github) == 4


def test_a_limit_that_does_not_end(github):
    github.first.extend([(429, {}, {"Retry-After": "0"})] * 3)
    refused(github, errors.RateLimited, who)
    assert count(github) == 3


def test_what_may_have_been_done_is_not_sent_again(github):
    github.first.append((502, {"message": "Server Error"}, {}))
    error = refused(github, errors.Unavailable, lambda client: client.create_issue("x", ""))
    assert error.said == "Server Error"
    assert count(github) == 1


def test_a_question_is_asked_again(github):
    github.first.append((502, b"<html>bad gateway</html>", {}))
    assert ask(github, who) == "dev"


def test_a_renamed_repository(github):
    there = f"{github.url}{github.prefix}/user"
    github.first.append((301, {"message": "Moved Permanently"}, {"Location": there}))
    assert ask(github, who) == "dev"
    github.first.append((307, {}, {"Location": f"{github.prefix}/repos/acme/widgets/issues"}))
    ask(github, lambda client: client.create_issue("x", ""), repository="acme/old")
    assert github.issues[0]["title"] == "x"


def test_the_token_goes_to_no_other_host(github, tmp_path):
    with Serving("github", tmp_path) as other:
        github.first.append((302, {}, {"Location": f"{other.url}{other.prefix}/user"}))
        error = refused(github, errors.Redirected, who)
        assert other.url in error.said
        github.first.append((308, {}, {"Location": f"{other.url}{other.prefix}/user"}))
        refused(github, errors.Redirected)
        # Nor by a page that names another one.
        github.new_pull("x", "", "task", "main")
        link = {"Link": f'<{other.url}/x?page=2&per_page=100>; rel="next"'}
        github.first.append((200, [], link))
        ask(github, lambda client: client.comments(1))
        assert other.requests == []
    assert "page=2" in github.requests[3][1]


def test_moved_for_what_is_sent(github):
    github.first.append((301, {}, {"Location": f"{github.prefix}/user"}))
    refused(github, errors.Redirected)
    github.first.extend([(302, {}, {"Location": f"{github.prefix}/user"})] * 5)
    refused(github, errors.Redirected, who)


def test_nobody_answers(github):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        github.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        github.host = github.url.removeprefix("http://")
        error = refused(github, errors.Unavailable)
    assert "ConnectError" in error.said


def test_a_server_that_does_not_end(github):
    github.first.append("slow")
    error = refused(github, errors.Unavailable, timeout_sec=0.2)
    assert error.said == "none within 0.2 s"


@pytest.mark.parametrize("body", [b"<html>sign in</html>", {"login": 3}, b"[" * 100_000, b"\xff"])
def test_what_is_no_answer(github, body):
    github.first.append((200, body, {}))
    refused(github, errors.Unavailable, who)


def test_words_are_short_and_without_the_token(github):
    echo = f"no such header: Bearer {TOKEN} " + "x" * 5000
    github.first.append((400, {"message": echo}, {}))
    error = refused(github, errors.Rejected)
    assert "Bearer ***" in error.said
    assert len(error.said) < 400


def test_endless_pages(github):
    github.new_pull("x", "", "task", "main")
    for number in range(60):
        github.comment("rev", f"{number}")
        github.written[-1]["at"] = "2026-03-01T10:00:00Z"
    github.page = 1
    error = refused(github, errors.Unavailable, lambda client: client.comments(1))
    assert "pages" in error.said
