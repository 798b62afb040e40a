"""The pages and their files, from one folder, compressed where the client takes it.

It renders nothing and knows no session; `inlining.py` puts a page together and `linking.py` its
script. The rule that must not break: the files are listed once when the appliance starts, and no
path that a client sends ever reaches the file system.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.http.inlining import inline
from appliance.http.linking import Linked, link, name_linked
from appliance.http.shield import DOCUMENT_HEADERS, build_policy

INDEX = "index.html"
KIOSK = "kiosk.html"
CONSOLE = "console/index.html"

# No new window, no dialog, no download, whatever a text or a link tries at the counter.
lock_policy = partial(build_policy, "'none'", "sandbox allow-scripts allow-same-origin allow-forms")
# The first modules of the pages; each is also there in one script with all that it imports.
FIRST_MODULES = ("chat.js", "kiosk.js", "widget_frame.js", "console/console.js")
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
    """A file as it is sent. `scripts` and `styles` are for its policy, where it is a page."""

    tag: str
    content: bytes
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


class Pages:
    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.suffix in MEDIA_TYPES and path.is_file()
        }
        self._firsts = {name_linked(name): name for name in FIRST_MODULES if name in self._files}
        self._files |= {linked: self._files[first] for linked, first in self._firsts.items()}
        self._linked: dict[str, tuple[tuple[int, ...], Linked]] = {}
        self._packed: dict[str, tuple[str, bytes]] = {}

    async def show_index(self, request: Request) -> Response:
        return await self.show(INDEX, request)

    async def show_kiosk(self, request: Request) -> Response:
        return await self.show(KIOSK, request, policy=lock_policy)

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
        policy: Callable[..., str] = build_policy,
    ) -> Response:
        """The file, or 304 where the client has it. `no-cache`: kept, but asked for each time.
        `policy` makes a page's, of the hashes of what stands in it."""
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
        if path.suffix == ".html":
            # On a 304 too: what it says takes the place of what the client kept.
            written = policy(scripts=copy.scripts, styles=copy.styles)
            headers |= DOCUMENT_HEADERS | {"Content-Security-Policy": written}
        headers.update(more)
        if status == 200 and tag in _list_tags(request):
            return Response(status_code=304, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(copy.content, status, headers, MEDIA_TYPES[path.suffix])

    def _read(self, name: str, path: Path, is_packed: bool) -> Copy:
        """The bytes to send. A file that did not change is packed once."""
        copy = self._compose(name, path)
        if not is_packed:
            return copy
        kept, packed = self._packed.get(name, ("", b""))
        if kept != copy.tag:
            packed = gzip.compress(copy.content, mtime=0)
            self._packed[name] = copy.tag, packed
        return replace(copy, tag=f"{copy.tag}-gz", content=packed)

    def _compose(self, name: str, path: Path) -> Copy:
        if name in self._firsts:
            content = self._link(self._firsts[name]).script.encode()
        else:
            content = path.read_bytes()
        if path.suffix != ".html":
            return Copy(_tag(content), content)
        page = inline(content.decode(), self._read_text, self._map_imports)
        content = page.text.encode()
        return Copy(_tag(content), content, page.scripts, page.styles)

    def _link(self, first: str) -> Linked:
        """Anew only where a script was written since: what is linked changes with the files."""
        scripts = (path for path in self._files.values() if path.suffix == ".js")
        written = tuple(path.stat().st_mtime_ns for path in scripts)
        kept, linked = self._linked.get(first, ((), None))
        if linked is None or kept != written:
            linked = link(first, self._read_text)
            self._linked[first] = written, linked
        return linked

    def _map_imports(self, first: str) -> str:
        return self._link(first).import_map

    def _read_text(self, name: str) -> str:
        return self._files[name].read_text("utf-8")


def _tag(content: bytes) -> str:
    """Short, for it goes with every answer; nobody gains by two files of one tag."""
    return sha256(content).hexdigest()[:16]


def _list_tags(request: Request) -> list[str]:
    tags = request.headers.get("if-none-match", "").split(",")
    return [tag.strip().removeprefix("W/") for tag in tags]


def _takes_gzip(request: Request) -> bool:
    wishes = request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    return any(
        wish == "gzip" or (wish.startswith("gzip;q=") and wish != "gzip;q=0") for wish in wishes
    )
