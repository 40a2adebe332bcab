"""Images that go with a prompt."""

from __future__ import annotations


def encoded(path: str) -> tuple[str, str]:
    """Media type of an image and its content in base64. Raises `OSError`."""
    import base64
    import mimetypes
    from pathlib import Path

    media = mimetypes.guess_type(path)[0] or "image/png"
    return media, base64.b64encode(Path(path).read_bytes()).decode()
