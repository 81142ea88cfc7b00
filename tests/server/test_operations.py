import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from streamscribe_server.command import serve
from streamscribe_server.metrics import Metrics

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = DOCS / "operations.md"
DASHBOARD = DOCS / "grafana.json"
OURS = re.compile(r"\bstreamscribe_[a-z_]+\b")
OF_THE_PROCESS = re.compile(r"\bprocess_[a-z_]+\b")
NOT_METRICS = {"streamscribe_server", "streamscribe_client"}


def exposed() -> set[str]:
    """Names of all samples of a server in which everything has happened once."""
    metrics = Metrics()
    metrics.serving("0.1.0", ["scripted"])
    lines = metrics.exposition()[0].decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def family(sample: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", sample)


@pytest.mark.parametrize(
    "option",
    [parameter.opts[0] for parameter in serve.params if isinstance(parameter, click.Option)],
)
def test_every_option_of_serve_is_documented(option: str) -> None:
    assert f"| `{option}` |" in OPERATIONS.read_text()


def test_every_metric_is_documented() -> None:
    rows = re.findall(r"^\| `(streamscribe_[a-z_]+)` \|", OPERATIONS.read_text(), re.MULTILINE)
    ours = {family(sample) for sample in exposed() if sample.startswith("streamscribe_")}
    assert sorted(rows) == sorted(ours)


def test_the_documentation_names_no_metric_that_is_not_there() -> None:
    named = set(OURS.findall(OPERATIONS.read_text())) - NOT_METRICS
    known = exposed()
    assert named - known - {family(sample) for sample in known} == set()


def targets() -> list[dict[str, Any]]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_asks_for_metrics_that_are_there_and_for_no_other() -> None:
    asked = {name for t in targets() for name in OURS.findall(t["expr"])}
    assert asked - exposed() == set()
    ours = {family(sample) for sample in exposed() if sample.startswith("streamscribe_")}
    assert ours - {family(name) for name in asked} == {"streamscribe_model_info"}


def test_the_dashboard_knows_the_process_by_names_that_are_there() -> None:
    asked = {name for t in targets() for name in OF_THE_PROCESS.findall(t["expr"])}
    assert asked == {"process_resident_memory_bytes", "process_cpu_seconds_total"}
    assert asked <= exposed()


def test_the_dashboards_panels_are_told_apart_and_do_not_lie_on_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_every_label_that_the_dashboard_and_the_alerts_ask_for_has_such_values() -> None:
    text = "\n".join(t["expr"] for t in targets()) + OPERATIONS.read_text()
    lines = Metrics().exposition()[0].decode()
    asked = set(re.findall(r'\b(kind|state|reason|code|outcome)="([a-z_]+)"', text))
    assert len(asked) >= 6
    for label, value in asked:
        assert f'{label}="{value}"' in lines
