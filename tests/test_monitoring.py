"""What is shipped for Prometheus and Grafana, against the figures that `/metrics` really has.

No Prometheus is started. The rule that must not break: a panel or an alert names no figure and no
label that does not exist, and the page of the operation describes every one that does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from appliance.engine.figures import GAP_BOUNDS_S, TTFT_BOUNDS_S, WAIT_BOUNDS_S
from tests.test_http_metrics import FIGURES, scrape

# A house that asks servers too, so that every figure has its labels.
WHOLE = replace(FIGURES, engine=replace(FIGURES.engine, remote_servers={"ready": 1}))

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "deploy" / "monitoring"
FIGURE = re.compile(r"\bappliance_[a-z_]+\b")
# A figure with its matchers: `appliance_x{a="1", b=~"2"}`.
MATCHED = re.compile(r"\b(appliance_[a-z_]+)\{([^}]*)\}")
# What every scraped sample has besides its own labels.
OF_PROMETHEUS = {"instance", "job"}
LABELS = {
    "category",
    "code",
    "how",
    "le",
    "place",
    "reason",
    "source",
    "state",
    "status",
    "version",
}


def list_figures() -> dict[str, tuple[str, set[str], str]]:
    """Each family of `/metrics` by its name there: its kind, its labels, its HELP."""
    figures = {}
    for family in text_string_to_metric_families(scrape(lambda: WHOLE)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        figures[name] = (family.type, labels, family.documentation)
    return figures


def list_samples() -> dict[str, set[str]]:
    """Each name that a query may use, with its labels."""
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape(lambda: WHOLE)):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def list_panels() -> list[dict[str, Any]]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def list_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def list_queries() -> Iterator[str]:
    for panel in list_panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in list_rules())


def test_every_figure_that_a_panel_or_an_alert_names_exists() -> None:
    samples = list_samples()
    named = {name for query in list_queries() for name in FIGURE.findall(query)}
    assert len(named) > 30
    assert named <= set(samples)


def test_every_label_that_a_query_asks_for_is_there() -> None:
    samples = list_samples()
    faults = []
    for query in list_queries():
        for name, matchers in MATCHED.findall(query):
            asked = set(re.findall(r"(\w+)\s*=", matchers)) - OF_PROMETHEUS
            faults += [f"{name}: {label}" for label in asked - samples[name]]
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", query))))
        known = set().union(*(samples[name] for name in FIGURE.findall(query)), OF_PROMETHEUS)
        faults += [f"{query}: {label}" for label in grouped - known]
    assert not faults


def test_a_legend_shows_only_labels_that_are_there() -> None:
    samples = list_samples()
    faults = [
        f"{panel['title']}: {label}"
        for panel in list_panels()
        for target in panel["targets"]
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        if not any(label in samples[name] for name in FIGURE.findall(target["expr"]))
    ]
    assert not faults


def test_every_figure_stands_on_the_dashboard() -> None:
    shown = {name for panel in list_panels() for name in FIGURE.findall(str(panel["targets"]))}
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert set(list_figures()) <= plain


def test_panels_do_not_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in list_panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells


def test_every_alert_says_what_to_do() -> None:
    rules = list_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["advice"].endswith(".")


def test_a_panel_that_an_alert_names_is_there() -> None:
    titles = {panel["title"] for panel in list_panels()}
    named = re.findall(r"panel `([^`]+)`", str(list_rules()))
    assert named and set(named) <= titles


def test_prometheus_reads_the_rules_beside_its_configuration() -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    assert all((MONITORING / name).exists() for name in config["rule_files"])
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert f'job="{job["job_name"]}"' in str([rule["expr"] for rule in list_rules()])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_finds_nothing_wrong_with_the_rules() -> None:
    command = ["promtool", "check", "rules", str(MONITORING / "alerts.yml")]
    looked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert looked.returncode == 0, looked.stdout + looked.stderr


def test_the_page_of_the_operation_describes_every_figure() -> None:
    rows = {}
    for line in (ROOT / "docs" / "operation.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if re.fullmatch(r"`appliance_[a-z_]+`", cells[0]):
            rows[cells[0].strip("`")] = tuple(cells[1:])
    assert rows == {
        name: (kind, ", ".join(f"`{label}`" for label in sorted(labels - {"le"})) or "-", told)
        for name, (kind, labels, told) in list_figures().items()
    }


def test_a_label_is_one_of_few_words_and_no_id() -> None:
    assert {label for _, labels, _ in list_figures().values() for label in labels} == LABELS


@pytest.mark.parametrize(
    ("bounds", "quick_s", "slow_s"),
    [
        # From 50 tokens a second to 2, from a word at once to a long document on a small board.
        (GAP_BOUNDS_S, 1 / 50, 1 / 2),
        (TTFT_BOUNDS_S, 0.1, 30.0),
        (WAIT_BOUNDS_S, 0.05, 30.0),
    ],
)
def test_buckets_tell_speeds_of_a_processor_apart(
    bounds: tuple[float, ...], quick_s: float, slow_s: float
) -> None:
    assert bounds[0] <= quick_s and bounds[-1] >= slow_s
    steps = [wide / narrow for narrow, wide in pairwise(bounds) if quick_s <= narrow < slow_s]
    assert len(steps) >= 6 and max(steps) <= 2.5
