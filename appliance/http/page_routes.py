"""What a browser, a supervisor and a scraper get, as lines of the surface: pages, health, figures.

It answers nothing itself. The rule that must not break: what is open to everybody here shows no
conversation and changes nothing.
"""

from __future__ import annotations

from appliance.http.metrics import Metrics
from appliance.http.openapi import Operation, Reply
from appliance.http.ops import Ops, Readiness
from appliance.http.pages import Pages
from appliance.http.policies import Policy
from appliance.http.shapes import Health
from appliance.http.widget import Widget

HTML = "text/html"


def list_ops(ops: Ops, metrics: Metrics) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/healthz",
            ops.show_health,
            "Whether the process lives.",
            (Reply(200, "It does", Health),),
            policy=Policy.OPEN,
        ),
        Operation(
            "GET",
            "/readyz",
            ops.show_readiness,
            "Which rungs can answer, and why others cannot.",
            (Reply(200, "The model answers", Readiness), Reply(503, "It does not", Readiness)),
            policy=Policy.OPEN,
        ),
        Operation(
            "GET",
            "/metrics",
            metrics.show,
            "Every number, in Prometheus's text format.",
            (Reply(200, "Text", None, "text/plain"),),
            policy=Policy.METRICS,
        ),
    ]


def list_pages(pages: Pages) -> list[Operation]:
    html = (Reply(200, "HTML", None, HTML),)
    return [
        Operation("GET", "/", pages.show_index, "The page.", html, policy=Policy.OPEN),
        Operation(
            "GET",
            "/kiosk",
            pages.show_kiosk,
            "The page of a screen at the counter.",
            html,
            policy=Policy.OPEN,
        ),
        Operation(
            "GET",
            "/console",
            pages.show_console,
            "The operators' page; whoever opens it logs in there.",
            html,
            policy=Policy.LOGIN,
        ),
        Operation(
            "GET",
            "/web/{path:path}",
            pages.show_file,
            "A file of the page.",
            (Reply(200, "The file", None, "*/*"),),
            policy=Policy.OPEN,
        ),
    ]


def list_widget(widget: Widget) -> list[Operation]:
    script, html = Reply(200, "JavaScript", None, "text/javascript"), Reply(200, "HTML", None, HTML)
    return [
        Operation(
            "GET",
            "/widget.js",
            widget.show_loader,
            "The widget's loader.",
            (script,),
            policy=Policy.OPEN,
        ),
        Operation(
            "GET",
            "/widget",
            widget.show_frame,
            "The widget's frame, to a site named in ?origin= only if it is on the list.",
            (html, Reply(403, "A page that says that the site is not on the list", None, HTML)),
            policy=Policy.OPEN,
        ),
    ]
