"""The page and its files, from one folder.

It renders nothing and knows no session. The rule that must not break: the files are listed once
when the appliance starts, and no path that a client sends ever reaches the file system.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

INDEX = "index.html"

# A table of our own: the machine's may be missing or differ. A file of another kind is not served.
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


class Pages:
    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.suffix in MEDIA_TYPES and path.is_file()
        }

    async def show_index(self, request: Request) -> Response:
        return await self._show(INDEX, request)

    async def show_file(self, request: Request) -> Response:
        return await self._show(request.path_params["path"], request)

    async def _show(self, name: str, request: Request) -> Response:
        """The file, or 304 where the client has it. `no-cache`: kept, but asked for each time."""
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404)
        try:
            content = await to_thread.run_sync(path.read_bytes)
        except FileNotFoundError:
            raise HTTPException(404) from None
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if etag in _list_tags(request):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=MEDIA_TYPES[path.suffix])


def _list_tags(request: Request) -> list[str]:
    tags = request.headers.get("if-none-match", "").split(",")
    return [tag.strip().removeprefix("W/") for tag in tags]
