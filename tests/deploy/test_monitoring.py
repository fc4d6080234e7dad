"""What Prometheus and Grafana are given: alert rules, the dashboard, the autoscaling, and the names they ask for.

A parser says of every expression whether it is one. `promtool` tries the alerts out too; it is of Debian's package `prometheus`, and what
it tests is left out where it is not installed.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from neurocards import exposition, metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "rules" / "neurocards.yml"
BOARD = json.loads((MONITORING / "grafana" / "dashboards" / "neurocards.json").read_text())
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

PROMTOOL = shutil.which("promtool")
with_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

# Names of ours in an expression; those of the exporters beside us are their own.
NAME = re.compile(r"\b(?:neurocards|process)_\w+")


def promtool(*arguments: str | Path, text: str = "") -> None:
    done = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def asked_for(panel: dict[str, Any]) -> list[str]:
    """The panel's expressions, with Grafana's variable in place."""
    return [target["expr"].replace("$__rate_interval", "1m") for target in panel.get("targets", [])]


def expressions() -> Iterator[str]:
    """Whatever asks for a figure: rules, dashboard, autoscaling."""
    yield from (rule["expr"] for rule in ALERTS)
    yield from (expression for panel in BOARD["panels"] for expression in asked_for(panel))
    scaling = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "autoscaling.yaml").read_text())
    yield from (trigger["metadata"]["query"] for trigger in scaling["spec"]["triggers"])


def test_every_expression_is_one():
    """Here and everywhere: promtool is not on every machine."""
    for expression in expressions():
        promql_parser.parse(expression)


def own_labels() -> dict[str, set[str]]:
    """What is counted, with the labels that we give it."""
    found = {}
    for counted in vars(metrics).values():
        if isinstance(counted, metrics.Counter):
            found[f"{counted._name}_total"] = set(counted._labelnames)
        elif isinstance(counted, metrics.Histogram):
            found |= {f"{counted._name}_{part}": set(counted._labelnames) for part in ("count", "sum")}
            found[f"{counted._name}_bucket"] = {*counted._labelnames, "le"}
    return found


def gathered(expression: str) -> Iterator[tuple[str, str, set[str]]]:
    """Of each figure in it: its name, and the innermost of the aggregations that it is in, with its labels."""
    found, inside = [], []

    def enter(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            by = node.modifier.labels if node.modifier else []
            assert node.modifier is None or node.modifier.type == promql_parser.AggModifierType.By, expression
            inside.append((str(node.op), set(by)))
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, *(inside[-1] if inside else ("none", set()))))

    def leave(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr):
            inside.pop()

    promql_parser.walk(promql_parser.parse(expression), enter, leave)
    return iter(found)


def test_what_several_targets_tell_of_one_system_is_counted_once():
    # Given counters, each with labels of ours, and whatever a Prometheus adds to say whom it asked
    labels, seen = own_labels(), set()
    for expression in expressions():
        for name, aggregation, by in gathered(expression):
            if name in labels:
                # Then the highest for each of our labels is taken, and only then may anything be added up
                assert (aggregation, by) == ("max", labels[name]), expression
                seen.add(name)
    assert len(seen) > 12


def exposed() -> set[str]:
    """Every name that `/metrics` can have."""
    found = re.findall(r"^# TYPE (\w+) (\w+)$", exposition.text().decode(), flags=re.MULTILINE)
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + suffix for name, kind in found for suffix in suffixes.get(kind, ("",))}


def test_every_figure_that_is_asked_for_is_there(clean_db):
    names = exposed()
    assert len(names) > 30
    # Given what rules, dashboard and autoscaling ask for
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    # Then /metrics has it
    assert asked - names == set()
    # And there is nothing there that nobody looks at
    counted = {
        name for name in names if not name.endswith(("_sum", "_count", "_bucket")) and name.startswith("neurocards")
    }
    assert counted - asked == {"neurocards_worker_instances"}


def test_every_label_that_is_asked_for_is_there():
    # Given the labels in matchers and groupings
    text = "\n".join(expressions())
    labels = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\"", text))
    labels |= {name for group in re.findall(r"by \(([^)]*)\)", text) for name in re.split(r",\s*", group)}
    # Then they are labels of ours, of Prometheus, or of the exporters
    ours = {
        "template",
        "outcome",
        "category",
        "stage",
        "le",
        "provider",
        "call",
        "status",
        "account",
        "key",
        "state",
        "kind",
        "host",
        "reason",
    }
    assert labels - ours == {"namespace", "job", "instance", "mountpoint", "fstype", "datname"}


def test_every_alert_says_what_it_is_and_what_to_do():
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", OPERATIONS, re.MULTILINE)
    }
    symptoms = set(re.findall(r"^\| (?:… )?\*\*([^*]+)\*\*", OPERATIONS, re.MULTILINE))
    for rule in ALERTS:
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert len(notes["summary"]) < 100
        assert len(notes["description"]) > 80
        # And where it refers to the handbook, there is such a place
        for anchor in re.findall(r"docs/operations\.md#([\w-]+)", notes["description"]):
            assert anchor in headings, rule["alert"]
        for symptom in re.findall(r'wrong, "([^"]+)"', notes["description"]):
            assert symptom in symptoms, rule["alert"]


def test_the_dashboard_is_one_that_grafana_shows():
    # Given its panels
    shown = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    # Then it has the rows that were asked for, and names the provisioned source
    assert rows == ["Queue", "Delivery", "Providers", "Keys", "Bot", "Health"]
    source = yaml.safe_load((MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    uid = source["datasources"][0]["uid"]
    assert {target["datasource"]["uid"] for panel in shown for target in panel["targets"]} == {uid}
    # And no panel covers another, or has another's id
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    cells = [cell for panel in BOARD["panels"] for cell in covered(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def covered(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])]


@with_promtool
def test_promtool_accepts_the_rules_and_every_expression_of_the_dashboard(tmp_path):
    promtool("check", "rules", RULES)
    # Given each expression as a rule of its own
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


@with_promtool
def test_alerts_speak_when_they_should_and_only_then():
    promtool("test", "rules", Path(__file__).parent / "alerts.yml")
    # And every alert is heard in one of the cases
    cases = (Path(__file__).parent / "alerts.yml").read_text()
    assert {rule["alert"] for rule in ALERTS} == set(re.findall(r"Neurocards\w+", cases))


@with_promtool
def test_promtool_accepts_what_metrics_answers(clean_db):
    promtool("check", "metrics", text=exposition.text().decode())


@with_promtool
def test_promtool_accepts_the_configuration(tmp_path):
    # Given the file with the rules where the container has them
    text = (MONITORING / "prometheus.yml").read_text()
    file = tmp_path / "prometheus.yml"
    file.write_text(text.replace("/etc/prometheus/rules", str(RULES.parent)))
    promtool("check", "config", file)
