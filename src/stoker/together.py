"""What is done side by side, as if it were one thing: with one error, if any."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


async def both(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """What two come to that run side by side. An error of one ends the other, and is raised."""
    with one_error():
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(one), group.create_task(other)
    return first.result(), second.result()


@contextmanager
def one_error() -> Iterator[None]:
    """Raise the error a group of tasks ended with instead of the group: callers expect it."""
    try:
        yield
    except BaseExceptionGroup as errors:
        raise _innermost(errors) from None


def _innermost(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _innermost(error) if isinstance(error, BaseExceptionGroup) else error
