"""Secrets do not get out, however they are written."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import shlex
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.process.redact import Redactor
from stoker.process.spec import Exit

PASSWORD = 'pä$$ "w0rd"/+?'
KEY = "-----BEGIN KEY-----\nc29tZSBrZXk\nshort\nbm90IGEgcmVhbCBvbmU\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        urllib.parse.quote(PASSWORD),
        urllib.parse.quote(PASSWORD, safe=""),
        urllib.parse.quote_plus(PASSWORD),
        urllib.parse.quote(PASSWORD).lower(),
        repr(PASSWORD),
        repr(PASSWORD.encode()),
        *(base64.b64encode(b"u" * n + PASSWORD.encode() + b":x").decode() for n in range(4)),
        *(base64.urlsafe_b64encode(b"u" * n + PASSWORD.encode()).decode() for n in range(4)),
    ],
)
def test_forms_of_a_secret(form):
    redacted = Redactor([PASSWORD]).text(f"before {form} after")
    assert "***" in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert form not in redacted
    assert "w0rd" not in redacted


def test_each_long_line_of_a_secret():
    redactor = Redactor([KEY])
    assert redactor.text(f"x{KEY}y") == "x***y"
    assert redactor.text("a bm90IGEgcmVhbCBvbmU b") == "a *** b"
    assert redactor.text(repr(KEY)) == "'***'"
    assert redactor.text("short") == "short"


def test_what_is_too_short_is_no_secret():
    assert not Redactor(["", "ab", "  a\n"])
    assert not Redactor()
    assert Redactor(["abc"])
    text = "untouched"
    assert Redactor().text(text) is text
    assert Redactor().stream().feed(b"ab") == b"ab"
    assert Redactor().stream().flush() == b""


def test_nested_values():
    value = {"token": ["my-token", 1, None], "my-token": ("x my-token",), "n": 2.5}
    assert Redactor(["my-token"]).value(value) == {
        "token": ["***", 1, None],
        "***": ("x ***",),
        "n": 2.5,
    }


def test_overlapping_secrets_leave_no_tail():
    assert Redactor(["xab", "abc"]).text("-xabc-") == "-***-"
    assert Redactor(["abc", "abcdef"]).text("-abcdef-abcde-") == "-***-***de-"


@given(
    st.lists(st.text("ab", min_size=3, max_size=5), min_size=1, max_size=3),
    st.lists(st.text("ab", max_size=4), max_size=8),
)
def test_a_stream_shows_what_the_whole_text_would(secrets, pieces):
    redactor = Redactor(secrets)
    stream = redactor.stream()
    shown = b"".join(stream.feed(piece.encode()) for piece in pieces) + stream.flush()
    assert shown.decode() == redactor.text("".join(pieces))


@given(st.text("ab", min_size=3, max_size=6), st.text("abc", max_size=40))
def test_no_secret_is_left(secret, text):
    assert secret not in Redactor([secret]).text(text)


def test_a_stream_holds_back_no_more_than_it_must():
    stream = Redactor(["secret"]).stream()
    assert stream.feed(b"prompt> ") == b"prompt> "
    assert stream.feed(b"the sec") == b"the "
    assert stream.feed(b"tion") == b"section"
    assert stream.feed(b"sec") == b""
    assert stream.feed(b"ret!") == b"***!"
    assert stream.flush() == b""


SPLIT = """
import os, sys
for part in sys.argv[1:]:
    os.write(1, part.encode())
    os.write(2, b"err " + part.encode() + b"\\n")
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_childs_output_never_holds_a_secret(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    spec = bench.python(SPLIT, "my sec", "ret is se", "cret", "-value\n", "se", cwd=cwd)
    assert bench.run(spec, Redactor(["secret-value", "my secret"])) == Exit(code=0)
    assert bench.out.read_text() == "*** is ***\nse"
    assert bench.err.read_text() == "err my sec\nerr ret is se\nerr cret\nerr -value\n\nerr se\n"
    assert bench.out.stat().st_mode & 0o777 == 0o600


def test_much_redacted_output_is_whole(bench):
    code = "import os\nfor i in range(200): os.write(1, b'secret-'*700); os.write(2, b'e'*5000)"
    both = bench.python(code)
    assert bench.run(both, Redactor(["secret-"])) == Exit(code=0)
    assert bench.out.read_bytes() == b"***" * 140_000
    assert bench.err.stat().st_size == 1_000_000


def test_redacted_outputs_may_share_a_log(bench):
    spec = bench.spec("sh", "-c", "printf sec; printf ret >&2; echo", stderr_path=str(bench.out))
    bench.run(spec, Redactor(["secret"]))
    assert bench.out.read_text() == "***\n"


def test_one_who_holds_the_pipe_open_delays_nothing(bench):
    async def main():
        script = "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 0"
        started = bench.start(bench.spec("sh", "-c", script), Redactor(["secret"]))
        assert await started.ended == Exit(code=0)

    asyncio.run(main())


def test_a_log_that_takes_no_more_breaks_the_pipe(bench):
    spec = bench.spec("sh", "-c", "while echo x; do :; done", stdout_path="/dev/full")
    end = bench.run(spec, Redactor(["secret"]))
    assert end.exit_code not in (0, None)


def test_a_failed_start_closes_the_pipes(bench):
    from stoker.process.spawner import SpawnError

    async def main():
        for spec in (
            bench.spec("/no/such"),
            bench.spec("true", stderr_path="/no/such/log"),
            bench.spec("no-such-tool"),
        ):
            gc.collect()  # what other tests have left is not to be closed in between
            before = os.listdir("/proc/self/fd")
            with pytest.raises(SpawnError):
                bench.start(spec, Redactor(["secret"]))
            assert os.listdir("/proc/self/fd") == before

    asyncio.run(main())


@pytest.mark.parametrize(
    "form",
    [
        repr('it\'s "ours" \\ \n\x1b'),
        repr("it's \"ours\" \\ \n\x1b and 'theirs'"),
        "'it'\\''s \"ours\" \\ \n\x1b'",
        shlex.quote('it\'s "ours" \\ \n\x1b'),
    ],
)
def test_forms_with_quotes(form):
    assert "ours" not in Redactor(['it\'s "ours" \\ \n\x1b']).text(f"found {form}")


def test_python_prefers_double_quotes_around_single_ones():
    assert Redactor(["it's"]).text(repr("it's") + repr("it's \"")) == '"***"\'*** "\''


def test_bytes_that_are_no_text():
    redactor = Redactor(["pass\udcffword", "half\ud83d-secret"])
    stream = redactor.stream()
    assert stream.feed(b"x pass\xffword y") + stream.flush() == b"x *** y"
    assert redactor.text(b"x pass\xffword".decode(errors="replace")) == "x ***"
    assert redactor.text("half\ud83d-secret") == "***"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("found 'correct-horse-b…", "found '***…"),
        ("found 'x correct…' (a string)", "found 'x ***…' (a string)"),
        ("found 'correct'…", "found '***'…"),
        ("a cor… b corr… c…", "a cor… b ***… c…"),
        ("correct and right …", "correct and right …"),
        ("corrcorrect-h…", "corr***…"),
    ],
)
def test_what_is_left_of_a_secret_that_was_cut(text, redacted):
    assert Redactor(["correct-horse-battery"]).text(text) == redacted


def test_numbers_count_as_text():
    redactor = Redactor(["12345", "true"])
    assert redactor.value([12345, 9123456, 1, 2.5, True, None]) == [
        "***",
        "9***6",
        1,
        2.5,
        True,
        None,
    ]
    huge = 10**5000
    assert redactor.value(huge) == huge
