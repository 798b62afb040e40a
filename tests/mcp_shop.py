"""A server of the Model Context Protocol for tests: a small stock, over stdio.

    python -m tests.mcp_shop

It is not a test. The rule that must not break: it answers as a server of somebody else's would,
by the SDK alone, and one of its tools dies, one hangs and one tells the environment that it sees.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mcp.server.mcpserver import MCPServer

STOCK = {"杯子": 12, "lamp": 3}


def make_server() -> MCPServer:
    server = MCPServer("stock")

    @server.tool()
    def find_stock(article: str) -> list[dict[str, str | int]]:
        """How many of an article there are."""
        if article not in STOCK:
            return []
        return [{"article": article, "pieces": STOCK[article], "note": "{pieces} <b>**粗**"}]

    @server.tool(structured_output=False)
    def tell_stock(article: str) -> str:
        """The same in words."""
        return f"{article}: {STOCK.get(article, 0)}\n第二行"

    @server.tool()
    def reserve(article: str, key: str) -> dict[str, str]:
        """Put one aside; the same key again is the same."""
        kept = Path(f"reserved-{key}")
        kept.touch()
        return {"number": f"V{len(list(Path().glob('reserved-*')))}", "article": article}

    @server.tool()
    def tell_environment(article: str) -> dict[str, str]:
        """Every name that the process sees."""
        return {"names": ",".join(sorted(os.environ)), "token": os.environ.get("SHOP_TOKEN", "")}

    @server.tool()
    def refuse(article: str) -> str:
        """Fails."""
        raise ValueError(article)

    @server.tool()
    def die(article: str) -> str:
        """The process is gone before it answers."""
        os._exit(3)

    @server.tool()
    async def hang(article: str) -> str:
        """Never answers."""
        await asyncio.Event().wait()
        return article

    return server


if __name__ == "__main__":
    make_server().run("stdio")
