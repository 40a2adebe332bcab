"""The text of an expression, cut into tokens."""

from __future__ import annotations

import math
import re
from typing import Any, Final, Literal

from msgspec import Struct

MAX_LENGTH: Final = 4_096
"""Characters an expression may have."""

INTEGERS: Final = range(-(2**63), 2**63)
"""Whole numbers that can be written, as in CEL."""


class ExpressionError(Exception):
    """An expression or template that cannot be read.

    `column` is where, in characters from the start of the text, the first one being 1.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message, column)
        self.message = message
        self.column = column

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}"


class Token(Struct, frozen=True):
    """One word of an expression. `value` is a literal's value, a member's or name's text, or
    an operator in the one spelling the parser knows (`and` is `&&`)."""

    kind: Literal["literal", "name", "member", "operator", "end"]
    value: Any
    source: str
    column: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{shortened(self.source)}'"


# No arithmetic exists, so '-' can only begin a number or join the parts of a member's name.
# Possessive quantifiers keep the time linear whatever the text.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]++)
    | (?P<number>-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)
    | (?P<string>'(?:[^'\\\r\n]|\\.)*+'|"(?:[^"\\\r\n]|\\.)*+")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | \.[ \t\r\n]*+(?P<member>[A-Za-z_][A-Za-z0-9_]*+(?:-++[A-Za-z0-9_]++)*+)
    | (?P<operator>&&|\|\||[=!<>]=|[<>!?:()\[\],])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED = {
    "\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"
}  # fmt: skip
_CONSTANTS: dict[str, bool | None] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None
}  # fmt: skip
_WORD_OPERATORS = {"and": "&&", "or": "||", "not": "not", "in": "in"}
_HINTS = {
    **dict.fromkeys("+-*/%", "expressions have no arithmetic"),
    **dict.fromkeys("'\"", "the string is not closed"),
    "=": "'==' compares",
    "&": "expected '&&' or 'and'",
    "|": "expected '||' or 'or'",
    ".": "expected a name after the dot; any other key is written ['key']",
    "$": "an expression is written here without '${{ }}'",
    "{": "expressions have no map literals",
}


def shortened(text: str, limit: int = 60) -> str:
    """`text`, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tokenize(text: str) -> list[Token]:
    """Cut `text` into tokens; the last one is of kind `end`. Raises `ExpressionError`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text)} characters, at most {MAX_LENGTH} are allowed", 1
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            hint = _HINTS.get(text[at])
            raise ExpressionError(
                f"unexpected {text[at]!a}" + (f": {hint}" if hint else ""), at + 1
            )
        at = match.end()
        if match.lastgroup != "space":
            tokens.append(_token(match))
    tokens.append(Token("end", None, "", len(text) + 1))
    return tokens


def _token(match: re.Match[str]) -> Token:
    source, column = match[0], match.start() + 1
    match match.lastgroup:
        case "number":
            return Token("literal", _number(source, column), source, column)
        case "string":
            return Token("literal", _string(source, column), source, column)
        case "member":
            return Token("member", match["member"], source, column)
        case "word" if source in _CONSTANTS:
            return Token("literal", _CONSTANTS[source], source, column)
        case "word" if source not in _WORD_OPERATORS:
            return Token("name", source, source, column)
        case _:
            return Token("operator", _WORD_OPERATORS.get(source, source), source, column)


def _number(source: str, column: int) -> int | float:
    if source.lstrip("-").isdigit():
        # 20 characters hold every allowed number; int() of more digits takes quadratic time.
        if len(source) <= 20 and (value := int(source)) in INTEGERS:
            return value
        raise ExpressionError("the number does not fit in 64 bits", column)
    if math.isinf(number := float(source)):
        raise ExpressionError("the number is too large", column)
    return number


def _string(source: str, column: int) -> str:
    def unescape(match: re.Match[str]) -> str:
        byte, short, long, letter = match.groups()
        if letter is None:
            code = int(byte or short or long, 16)
            if code <= 0x10FFFF:
                return chr(code)
        elif letter in _ESCAPED:
            return _ESCAPED[letter]
        raise ExpressionError(
            f"unknown escape {match[0]}; known are \\\\ \\' \\\" \\n \\r \\t \\b \\f \\xHH "
            "\\uHHHH \\UHHHHHHHH",
            column + 1 + match.start(),
        )

    value = _ESCAPE.sub(unescape, source[1:-1]) if "\\" in source else source[1:-1]
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ExpressionError("the string holds half a surrogate pair", column)
    return value
