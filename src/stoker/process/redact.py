"""Keeps secrets out of text: in one piece, in nested values, and in byte streams where a
secret may be split across writes. Standard library only: keepers use it too.

Beside the secret itself, the forms in which programs print it are replaced: base64 (also
inside a longer encoded text), URL-encoded, escaped as in JSON, Python and shells, and each
long line of a secret of several lines; in text also the beginning that is left of a secret
where a message was cut with `…`. Secrets of fewer than 3 characters are ignored: replacing
them would shred everything and hide nothing.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"
SHORTEST = 3
"""Characters that a secret must have to be replaced."""

_SHORTEST_LINE = 8
_SHORTEST_BASE64 = 8
_SHORTEST_CUT = 4
_NUMERIC = re.compile("[0-9.e+-]+")


class Redactor:
    """Replaces every occurrence of `secrets` by `***`. False if there is nothing to hide."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = tuple(dict.fromkeys(s for s in secrets if len(s.strip()) >= SHORTEST))
        self._forms = sorted({f for s in self.secrets for f in _forms(s)}, key=len, reverse=True)
        if self._forms:
            self._text = re.compile("|".join(map(re.escape, self._forms)))
            heads = {form[:_SHORTEST_CUT] for form in self._forms if len(form) > _SHORTEST_CUT}
            self._numeric = any(_NUMERIC.fullmatch(form) for form in self._forms)
            self._heads = re.compile("|".join(map(re.escape, heads)) or "(?!)")

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if not self._forms:
            return text
        pieces: list[str] = []
        end = 0
        for start, stop in _spans(self._text, text):
            pieces += (text[end:start], MASK)
            end = stop
        text = "".join(pieces) + text[end:] if pieces else text
        return self._uncut(text) if "…" in text and self._heads.search(text) else text

    def _uncut(self, text: str) -> str:
        """Without what is left of secrets where a message was cut: `found 'hunt…'`."""
        *cut, last = text.split("…")
        return "…".join((*map(self._open_end, cut), last))

    def _open_end(self, text: str) -> str:
        bare = text.rstrip("'\"")  # a quote may be closed before the mark
        hidden = max(_beginning(form, bare) for form in self._forms)
        return bare[:-hidden] + MASK + text[len(bare) :] if hidden else text

    def value(self, value: Any) -> Any:
        """A copy of `value` without secrets in any string or number of its dicts, lists and
        tuples; keys count as strings."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            items = [self.value(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if self._numeric and isinstance(value, int | float) and not isinstance(value, bool):
            text = _digits(value)
            hidden = self.text(text)
            return value if hidden == text else hidden
        return value

    def stream(self) -> Stream:
        """A filter for one stream of bytes."""
        return Stream([_encoded(form) for form in self._forms])


class Stream:
    """Redacts bytes as they come. Holds back only what may be the beginning of a secret."""

    def __init__(self, forms: list[bytes]) -> None:
        """`forms`: byte strings to hide."""
        forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, forms)))
        self._longest = len(forms[0]) if forms else 0
        self._by_first: dict[int, list[bytes]] = {}
        for form in forms:
            self._by_first.setdefault(form[0], []).append(form)
        self._held = b""
        self._masked = 0  # Leading bytes of `_held` that a mask already sent stands for.

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now."""
        if not self._longest:
            return data
        data = self._held + data
        return self._emit(data, self._undecided(data))

    def flush(self) -> bytes:
        """What was held back; the stream is over."""
        return self._emit(self._held, len(self._held)) if self._longest else b""

    def _undecided(self, data: bytes) -> int:
        """Where the longest tail of `data` begins that more bytes could make a secret."""
        for at in range(max(0, len(data) - self._longest + 1), len(data)):
            for form in self._by_first.get(data[at], ()):
                if len(form) > len(data) - at and form.startswith(data[at:]):
                    return at
        return len(data)

    def _emit(self, data: bytes, upto: int) -> bytes:
        pieces: list[bytes] = []
        end = self._masked
        for start, stop in _spans(self._pattern, data, self._masked):
            if start >= upto:
                break
            if start >= end:
                pieces += (data[end:start], MASK.encode())
            end = max(end, stop)
        if end < upto:
            pieces.append(data[end:upto])
        self._masked = max(0, end - upto)
        self._held = data[upto:]
        return b"".join(pieces)


def _spans(pattern: re.Pattern[Any], data: Any, masked: int = 0) -> Iterator[tuple[int, int]]:
    """Where secrets are; those that overlap count as one. `[0, masked)` is one from before."""
    start, stop = 0, masked
    at = 0
    while match := pattern.search(data, at):
        at = match.start() + 1
        if match.start() < stop:
            stop = max(stop, match.end())
            continue
        if stop > start:
            yield start, stop
        start, stop = match.span()
    if stop > start:
        yield start, stop


def _beginning(form: str, text: str) -> int:
    """How much of the beginning of `form` the end of `text` is; 0 if little."""
    at = max(0, len(text) - len(form))
    while (at := text.find(form[:_SHORTEST_CUT], at)) >= 0:
        if form.startswith(text[at:]):
            return len(text) - at
        at += 1
    return 0


def _digits(number: float) -> str:
    try:
        return repr(number)
    except ValueError:  # Python writes no more than some thousand digits
        return ""


def _forms(secret: str) -> Iterator[str]:
    """The secret in the forms in which programs print it."""
    import json
    from urllib.parse import quote, quote_plus

    plain = {secret, secret.strip()}
    plain.update(
        line for line in map(str.strip, secret.splitlines()) if len(line) >= _SHORTEST_LINE
    )
    for text in plain:
        raw = _encoded(text)
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield repr(raw)[2:-1]
        yield repr('"' + text)[2:-1]  # in Python's other quotes
        for quote_ in ("'\\''", "'\"'\"'"):  # as `set -x` and shell quoting write it
            yield text.replace("'", quote_)
        # What is left of bytes that are no text, once they are read as text.
        yield raw.decode("utf-8", "replace")
        for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
            yield encoded
            yield re.sub("%..", lambda escape: escape.group().lower(), encoded)
        yield from _base64(raw)


def _encoded(text: str) -> bytes:
    """As programs are given it; halves of characters, which JSON can hold, as they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _base64(secret: bytes) -> Iterator[str]:
    """The characters that any base64 text containing `secret` must contain, for each of the
    three ways it can be aligned; what neighbours would change is cut off."""
    for shift in range(3):
        encoded = b2a_base64(bytes(shift) + secret, newline=False).rstrip(b"=").decode()
        first = (shift * 8 + 5) // 6
        last = (shift + len(secret)) * 8 // 6
        inner = encoded[first:last]
        if len(inner) >= _SHORTEST_BASE64:
            yield inner
            yield inner.translate({43: 45, 47: 95})
