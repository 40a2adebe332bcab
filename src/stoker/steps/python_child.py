"""The child's side of a `python` step with a `callable`; run by path, imports nothing of ours.

Standard input starts with the request: its length in 16 characters, then JSON
`[callable, args, kwargs]`. What follows is the callable's to read.
"""

import os
import sys


def request() -> bytes:
    """Read no byte further than the request, so that `sys.stdin` begins after it."""
    content, left = b"", int(os.read(0, 16))
    while left > 0:
        part = os.read(0, left)
        if not part:
            raise SystemExit("stoker: the request ended early")
        content, left = content + part, left - len(part)
    return content


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
    function: Any = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    result = function(*args, **kwargs)
    if hasattr(result, "__await__"):
        import asyncio

        async def wait() -> object:
            return await result

        result = asyncio.run(wait())
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
