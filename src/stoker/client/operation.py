"""One description of a request for both clients.

An operation is written down once, as an attribute of a group: method and path as in the OpenAPI
document, the struct that its body (of a GET or DELETE: its query) is made of, and the type of its
answer.
On a group of a `Client` it is called and awaited, on one of a `SyncClient` it is called; what it
takes are the parts of the path in their order, then the fields of the struct by name.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)
from urllib.parse import quote

from msgspec import Struct, to_builtins

from stoker.wire.runs import Output

if TYPE_CHECKING:
    from stoker.client.client import Client, SyncClient

P = ParamSpec("P")
T = TypeVar("T")

_PART = re.compile(r"\{(\w+)\}")


class Request(Struct, frozen=True, kw_only=True):
    """What is to be sent, and what is expected."""

    method: str
    path: str
    query: dict[str, Any]
    body: Struct | None
    answer: Any
    """Type of the answer; `bytes`: as it comes."""
    keyed: bool
    """Sent with an idempotency key."""

    @property
    def repeatable(self) -> bool:
        """Whether it ends in the same state however often it is sent."""
        return self.keyed or self.method != "POST"


class Caller(Protocol):
    """A client, as its groups need it."""

    def call(self, request: Request) -> Any: ...

    def stream(self, request: Request) -> Any: ...


C = TypeVar("C", bound=Caller)


class Group(Generic[C]):
    """Operations on one kind of thing, of one client."""

    def __init__(self, client: C) -> None:
        self._client = client

    def caller(self) -> C:
        return self._client


class _Described(Generic[P, T]):
    def __init__(
        self,
        method: str,
        path: str,
        takes: Callable[..., Struct | None],
        answer: type[T],
        keyed: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.takes = takes
        self.answer = answer
        self.keyed = keyed
        self.name = ""

    def __set_name__(self, group: type, name: str) -> None:
        self.name = name

    @property
    def places(self) -> list[str]:
        """The names of the parts of the path that a request has to say."""
        return _PART.findall(self.path)

    def request(self, *places: str | int, **fields: Any) -> Request:
        """The request for these parts of the path and these fields."""
        if len(places) != len(self.places):
            raise TypeError(f"{self.method} {self.path}: expected a value for each part in braces")
        rest = iter(places)
        given = self.takes(**fields)
        asks = self.method in ("GET", "DELETE")
        query = to_builtins(given) if asks and given is not None else {}
        return Request(
            method=self.method,
            path=_PART.sub(lambda _: quote(str(next(rest)), safe=""), self.path),
            query={name: value for name, value in query.items() if value is not None},
            body=None if asks else given,
            answer=self.answer,
            keyed=self.keyed,
        )


class Operation(_Described[P, T]):
    """A request that is answered at once."""

    @overload
    def __get__(self, group: None, owner: object) -> Self: ...
    @overload
    def __get__(
        self, group: Group[Client], owner: object
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, group: Group[SyncClient], owner: object) -> Callable[P, T]: ...
    def __get__(self, group: Group[Any] | None, owner: object) -> Any:
        return self if group is None else partial(self._call, group.caller())

    def _call(self, client: Caller, *places: Any, **fields: Any) -> Any:
        return client.call(self.request(*places, **fields))


class Feed(_Described[P, T]):
    """A request that is answered bit by bit, as things happen."""

    @overload
    def __get__(self, group: Group[Client], owner: object) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, group: Group[SyncClient], owner: object) -> Callable[P, Iterator[T]]: ...
    def __get__(self, group: Group[Any], owner: object) -> Callable[P, Any]:
        return partial(self._open, group.caller())

    def _open(self, client: Caller, *places: Any, **fields: Any) -> Any:
        return client.stream(self.request(*places, **fields))


def nothing() -> None:
    """What a request takes that has neither body nor query."""


# How many parts a path has, and which are numbers, is for type checkers to know: hence a function
# for each shape.

Takes = Callable[P, Struct | None]


def on_all(
    method: str, path: str, takes: Takes[P], answer: type[T], *, keyed: bool = False
) -> Operation[P, T]:
    """A request whose path has no parts; `keyed`: it is sent with an idempotency key."""
    return Operation(method, path, takes, answer, keyed)


def on_one(
    method: str, path: str, takes: Takes[P], answer: type[T], *, keyed: bool = False
) -> Operation[Concatenate[str, P], T]:
    """On the thing of an id."""
    return Operation(method, path, takes, answer, keyed)


def on_part(
    method: str, path: str, takes: Takes[P], answer: type[T]
) -> Operation[Concatenate[str, str, P], T]:
    """On a part, such as a step, of the thing of an id."""
    return Operation(method, path, takes, answer)


def on_turn(
    method: str, path: str, takes: Takes[P], answer: type[T]
) -> Operation[Concatenate[str, int, P], T]:
    """On a turn of an attempt."""
    return Operation(method, path, takes, answer)


def on_approval(
    method: str, path: str, takes: Takes[P], answer: type[T]
) -> Operation[Concatenate[str, int, str, P], T]:
    """On what an agent has asked in a turn of an attempt."""
    return Operation(method, path, takes, answer)


def on_log(path: str, takes: Takes[P]) -> Operation[Concatenate[str, str, int, Output, P], bytes]:
    """On what an attempt of a step of a run wrote."""
    return Operation("GET", path, takes, bytes)


def feed(path: str, takes: Takes[P], each: type[T]) -> Feed[P, T]:
    """A stream whose path has no parts."""
    return Feed("GET", path, takes, each)


def feed_of_one(path: str, takes: Takes[P], each: type[T]) -> Feed[Concatenate[str, P], T]:
    """A stream of the thing of an id."""
    return Feed("GET", path, takes, each)


def feed_of_turn(path: str, takes: Takes[P], each: type[T]) -> Feed[Concatenate[str, int, P], T]:
    """A stream of a turn of an attempt."""
    return Feed("GET", path, takes, each)


def feed_of_log(
    path: str, takes: Takes[P], each: type[T]
) -> Feed[Concatenate[str, str, int, Output, P], T]:
    """A stream of what an attempt of a step of a run writes."""
    return Feed("GET", path, takes, each)
