"""The pages and their files, from one folder, compressed where the client takes it.

It renders nothing and knows no session; `inlining.py` puts a page together. The rule that must not
break: the files are listed once when the appliance starts, and no path that a client sends ever
reaches the file system.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.http.inlining import inline
from appliance.http.shield import build_policy

INDEX = "index.html"
KIOSK = "kiosk.html"
CONSOLE = "console/index.html"

# No new window, no dialog, no download, whatever a text or a link tries at the counter.
LOCKED_POLICY = build_policy("'none'", "sandbox allow-scripts allow-same-origin allow-forms")
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

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


# What is compressed already would only grow.
COMPRESSED = (".css", ".html", ".js", ".json", ".mjs", ".svg", ".txt", ".webmanifest")


@dataclass(frozen=True, slots=True)
class Copy:
    """A file as it is sent, and the headers that only this one needs."""

    tag: str
    content: bytes
    headers: Mapping[str, str]


class Pages:
    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.suffix in MEDIA_TYPES and path.is_file()
        }
        self._packed: dict[str, tuple[str, bytes]] = {}

    async def show_index(self, request: Request) -> Response:
        return await self.show(INDEX, request)

    async def show_kiosk(self, request: Request) -> Response:
        return await self.show(KIOSK, request, {"Content-Security-Policy": LOCKED_POLICY})

    async def show_console(self, request: Request) -> Response:
        return await self.show(CONSOLE, request)

    async def show_file(self, request: Request) -> Response:
        return await self.show(request.path_params["path"], request)

    async def show(
        self,
        name: str,
        request: Request,
        more: Mapping[str, str] = NO_HEADERS,
        status: int = 200,
    ) -> Response:
        """The file, or 304 where the client has it. `no-cache`: kept, but asked for each time."""
        path = self._files.get(name)
        if path is None:
            raise HTTPException(404)
        is_packed = path.suffix in COMPRESSED and _takes_gzip(request)
        try:
            copy = await to_thread.run_sync(self._read, name, path, is_packed)
        except FileNotFoundError:
            raise HTTPException(404) from None
        tag = f'"{copy.tag}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        headers.update(copy.headers)
        headers.update(more)
        if status == 200 and tag in _list_tags(request):
            return Response(status_code=304, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(copy.content, status, headers, MEDIA_TYPES[path.suffix])

    def _read(self, name: str, path: Path, is_packed: bool) -> Copy:
        """The bytes to send. A file that did not change is packed once."""
        content, headers = path.read_bytes(), NO_HEADERS
        if path.suffix == ".html":
            page = inline(content.decode(), self._read_text)
            content = page.text.encode()
            if page.scripts or page.styles:
                policy = build_policy(scripts=page.scripts, styles=page.styles)
                headers = {"Content-Security-Policy": policy}
        tag = sha256(content).hexdigest()[:32]
        if not is_packed:
            return Copy(tag, content, headers)
        kept, packed = self._packed.get(name, ("", b""))
        if kept != tag:
            packed = gzip.compress(content, mtime=0)
            self._packed[name] = tag, packed
        return Copy(f"{tag}-gzip", packed, headers)

    def _read_text(self, name: str) -> str:
        return self._files[name].read_text("utf-8")


def _list_tags(request: Request) -> list[str]:
    tags = request.headers.get("if-none-match", "").split(",")
    return [tag.strip().removeprefix("W/") for tag in tags]


def _takes_gzip(request: Request) -> bool:
    wishes = request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    return any(
        wish == "gzip" or (wish.startswith("gzip;q=") and wish != "gzip;q=0") for wish in wishes
    )
