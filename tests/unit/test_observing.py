"""One naming scheme for metrics; dashboards and rules name metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose_check import check, example
from docs.metrics_page import PAGE, Family, families, page, parts
from schemas.settings import Settings

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
COMPOSE = check(
    (ROOT / "docker-compose.yml").read_text(), example((ROOT / ".env.example").read_text())
)
SCRAPED: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())[
    "scrape_configs"
]
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"][0][
    "rules"
]
DASHBOARDS = sorted(GRAFANA.glob("dashboards/*.json"))
NO_FLOWS = {"train", "mlflow", "kafka", "redis", "postgres", "prometheus", "grafana"}
GAUGES = (
    *("timestamp_seconds", "seconds", "bytes", "ratio", "nats", "money", "value"),
    *("up", "active", "info", "records", "facts", "requests", "games", "clients"),
)
SCRAPES_BY_ITSELF = {"up"}


@pytest.fixture(scope="module")
def known() -> dict[str, list[Family]]:
    return {part.name: families(part.registry) for part in parts()}


def test_every_name_follows_the_scheme(known: dict[str, list[Family]]) -> None:
    for part, some in known.items():
        for one in some:
            assert re.fullmatch(rf"steamline_{part}(_[a-z]+)+", one.name), one
            assert one.help.endswith("."), one
            assert len(one.help) > 4, one
            assert all(re.fullmatch(r"[a-z]+", label) for label in one.labels), one
            if one.kind == "counter":
                assert re.search(r"s_total$", one.name), f"{one.name}: it counts what?"
            else:
                assert one.name.endswith(tuple(f"_{unit}" for unit in GAUGES)), one


def test_every_registry_of_the_code_is_on_the_page(known: dict[str, list[Family]]) -> None:
    makers = {
        path.stem.removesuffix("_metrics")
        for path in (ROOT / "flows").rglob("*.py")
        if "CollectorRegistry()" in path.read_text()
    }
    assert makers == {"metrics", "archive", "curate", "ingest", "monitor", "watch", "ledger"} | {
        "webhook"
    }
    named = {one.name.removesuffix("_total") for some in known.values() for one in some}
    for path in [*(ROOT / "flows").rglob("*.py"), *(ROOT / "api").rglob("*.py")]:
        text = path.read_text()
        if "prometheus_client" in text:
            for name in re.findall(r'"(steamline_[a-z_]+)"', text):
                assert name in named, f"{path.name}: {name}"


def test_the_page_is_current_and_every_part_can_be_served() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
    for part in parts():
        _, section, *rest = part.port.lower().split("_")
        assert hasattr(getattr(Settings.model_construct(), section), "_".join(rest)), part.port


def expressions() -> list[tuple[str, str]]:
    """(where, expression)"""
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", one["expr"]) for one in panel["targets"]]
    return found


def test_dashboards_and_rules_name_metrics_that_there_are(
    known: dict[str, list[Family]],
) -> None:
    shown = set()
    for some in known.values():
        for one in some:
            suffixes = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
            shown |= {one.name + suffix for suffix in suffixes}
    assert len(expressions()) > 40
    for where, text in expressions():
        for parted in re.findall(r'__name__=~"([^"]+)"', text):
            matching = {name for name in shown if re.fullmatch(parted, name)}
            alternatives = re.search(r"\((.*)\)", parted)
            assert alternatives
            assert len(matching) == len(alternatives[1].split("|")), f"{where}: {parted}"
        plain = re.sub(r"\{[^}]*\}", "", text)
        assert plain.count("(") == plain.count(")"), where
        for name in re.findall(r"steamline_\w+", plain):
            assert name in shown, f"{where}: {name}"
        labels = {label for by in re.findall(r"by \(([^)]*)\)", plain) for label in by.split(", ")}
        allowed = {label for some in known.values() for one in some for label in one.labels}
        assert labels <= allowed | {"le", "job"}, where


def test_every_flow_of_compose_is_scraped_where_it_serves() -> None:
    jobs = {one["job_name"]: one["dns_sd_configs"][0] for one in SCRAPED}
    assert set(jobs) == set(COMPOSE) - NO_FLOWS
    ports = {part.name: part.port for part in parts()}
    for name, found in jobs.items():
        assert found["names"] == [name]
        environment = COMPOSE[name]["environment"]
        key = "STEAMLINE_API_PORT" if name == "api" else ports[name]
        assert str(found["port"]) == environment[key]
        assert environment[key.replace("PORT", "HOST")] == "0.0.0.0"


def test_a_rule_says_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_grafana_finds_its_files() -> None:
    [provider] = yaml.safe_load(
        (GRAFANA / "provisioning" / "dashboards" / "steamline.yml").read_text()
    )["providers"]
    [source] = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    mounts = [str(one) for one in COMPOSE["grafana"]["volumes"]]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
        places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels]
        assert len(set(places)) == len(places)
