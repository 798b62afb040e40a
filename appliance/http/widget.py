"""The widget's loader and frame: who may show them.

They are files like any other and hold no session. The rule that must not break: the frame is
shown inside the sites of the setting and nowhere else, and any other site gets a page that says
so and can do nothing.
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from appliance.http.pages import Pages
from appliance.http.shield import build_policy

# Else a browser would not give the loader to another site's page.
SHARED = {"Cross-Origin-Resource-Policy": "cross-origin"}


class Widget:
    def __init__(self, pages: Pages, origins: str) -> None:
        self._pages = pages
        self._origins = frozenset(origins.split())

    async def show_loader(self, request: Request) -> Response:
        return await self._pages.show("widget.js", request, SHARED)

    async def show_frame(self, request: Request) -> Response:
        """For the site that the loader names, if it is on the list. One that names another is
        stopped by the browser, which knows whose page it is; without a name it is our own."""
        origin = request.query_params.get("origin", "")
        if origin and origin not in self._origins:
            policy = partial(build_policy, "*")
            return await self._pages.show("widget_refused.html", request, status=403, policy=policy)
        policy = partial(build_policy, f"'self' {origin}".rstrip())
        return await self._pages.show("widget.html", request, policy=policy)
