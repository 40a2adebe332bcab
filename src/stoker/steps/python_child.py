"""The child's side of a `python` step with a `callable`; run by path, imports nothing of ours.

Standard input starts with the request: its length in 16 characters, then JSON
`[callable, args, kwargs]`. What follows is the callable's to read.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def request() -> bytes:
    """Read no byte further than the request, so that `sys.stdin` begins after it."""
    content, left = b"", int(os.read(0, 16))
    while left > 0:
        part = os.read(0, left)
        if not part:
            raise SystemExit("stoker: the request ended early")
        content, left = content + part, left - len(part)
    return content


def _own(error: BaseException) -> "TracebackType | None":
    """The part of an error's traceback that is about the code called, not about this file."""
    found = at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == __file__:
            found = at.tb_next
        at = at.tb_next
    return found


def main() -> None:
    """Call the callable; its result goes to the file named by `$STOKER_OUTPUT`."""
    # The directory of this file has modules named like some of the standard library.
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - start-up time
    sys.path[:] = [os.getcwd(), *(p for p in sys.path if os.path.abspath(p) != here)]  # noqa: PTH100, PTH109

    import functools
    import importlib
    import json
    from typing import Any

    name, args, kwargs = json.loads(request())
    module, _, path = name.partition(":")
    try:
        function: Any = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # one that the module imports
            raise
        raise SystemExit(f"stoker: {name}: {error}") from None
    except AttributeError as error:
        if _own(error) is not None:  # from the module's code
            raise
        raise SystemExit(f"stoker: {name}: {error}") from None
    if not callable(function):
        raise SystemExit(f"stoker: {name}: expected a callable, found {function!r:.60}")
    try:
        result = function(*args, **kwargs)
        if hasattr(result, "__await__"):
            import asyncio

            async def wait() -> object:
                return await result

            result = asyncio.run(wait())
    except Exception as error:
        import traceback

        traceback.print_exception(error.with_traceback(_own(error)))
        raise SystemExit(1) from None
    if result is not None:
        output = os.environ["STOKER_OUTPUT"]
        if os.path.exists(output) and os.path.getsize(output):  # noqa: PTH110, PTH202
            raise SystemExit(
                f"stoker: {name} returned a value and wrote to $STOKER_OUTPUT: expected one of both"
            )
        outputs = result if isinstance(result, dict) else {"result": result}
        try:
            text = json.dumps(outputs, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise SystemExit(f"stoker: {name} returned what JSON cannot hold: {error}") from error
        with open(output, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)


if __name__ == "__main__":
    main()
