"""The values for the charts: YAML without doubled keys, known keys alone, and what the alerts need of them."""

import pathlib
import re

import pytest
import yaml

HERE = pathlib.Path(__file__).parent
EKS = HERE.parent / "eks"
CHARTS = yaml.safe_load((HERE / "charts.yaml").read_text())


class Strict(yaml.SafeLoader):
    """YAML takes a doubled key silently, and the later one wins."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"doubled key in line {node.start_mark.line + 1}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(name):
    return yaml.load((EKS / f"{name}.yaml").read_text(), Strict)  # noqa: S506, it is a safe loader


def paths(values, prefix=()):
    for key, value in values.items():
        yield (*prefix, str(key))
        if isinstance(value, dict):
            yield from paths(value, (*prefix, str(key)))


def known(path, chart):
    def fits(pattern):
        # `grafana.ini` is one key with a dot in it.
        parts = [part.replace("\0", ".") for part in pattern.replace("grafana.ini", "grafana\0ini").split(".")]
        if parts[-1] == "*" and len(path) > len(parts):
            parts += ["*"] * (len(path) - len(parts))
        return all(part in ("*", key) for part, key in zip(parts, path, strict=False))

    return any(fits(pattern) for pattern in CHARTS[chart])


def test_every_file_is_of_a_chart():
    assert {path.stem for path in EKS.glob("*.yaml")} == set(CHARTS)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_key_is_one_of_the_charts(chart):
    assert [".".join(path) for path in paths(load(chart)) if not known(path, chart)] == []


@pytest.mark.parametrize("chart", CHARTS)
def test_readme_installs_it_with_these_values(chart):
    readme = (EKS / "README.md").read_text()
    assert re.search(rf"helm upgrade --install {chart} \S+ (\\\n\s+)?--namespace monitoring --values infra/eks/{chart}\.yaml", readme)


def test_grafana_is_behind_tls_of_today():
    service = load("grafana")["service"]
    prefix = "service.beta.kubernetes.io/aws-load-balancer-"
    annotations = {key.removeprefix(prefix): value for key, value in service["annotations"].items()}
    assert service["type"] == "LoadBalancer" and service["port"] == 443
    assert annotations["ssl-negotiation-policy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert annotations["ssl-cert"] and annotations["subnets"] and annotations["ssl-ports"] == "443"
    # Kubernetes takes annotations that are strings alone.
    assert all(isinstance(value, str) for value in annotations.values())


def test_the_contact_point_shows_a_credential_that_is_in_no_file():
    values = load("grafana")
    receiver, = values["alerting"]["contactpoints.yaml"]["contactPoints"][0]["receivers"]
    assert receiver["settings"]["url"].endswith("/live/grafana")
    assert receiver["settings"]["authorization_credentials"] == "$GRAFANA_ALERTS_CREDENTIAL"
    assert values["envFromSecret"] == "grafana-alerts"
    assert receiver["disableResolveMessage"] is False


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)([smhd])", duration).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def test_what_persists_is_repeated_before_younger_than_is_over():
    policy, = load("grafana")["alerting"]["policies.yaml"]["policies"]
    route, = policy["routes"]
    assert route["object_matchers"] == [["alertname", "=~", "DatasourceError|DatasourceNoData"]]
    example = yaml.safe_load((HERE.parent / "alerts.example.yaml").read_text())
    younger_than = next(rule["younger_than"] for rule in example["drop"] if "younger_than" in rule)
    assert seconds(route["repeat_interval"]) <= seconds(younger_than) < seconds(policy["repeat_interval"])


def test_no_drop_rule_hides_a_dead_datasource_for_good():
    values = load("grafana")
    rule, = values["alerting"]["rules.yaml"]["groups"][0]["rules"]
    assert (rule["execErrState"], rule["noDataState"]) == ("Alerting", "Alerting")
    assert rule["title"] not in ("DatasourceError", "DatasourceNoData")
    source, = values["datasources"]["datasources.yaml"]["datasources"]
    assert rule["data"][0]["datasourceUid"] == source["uid"]


def test_the_sidecars_are_found_and_nothing_compacts_twice():
    stack, thanos = load("kube-prometheus-stack"), load("thanos")
    assert stack["prometheus"]["prometheusSpec"]["disableCompaction"] is True
    assert stack["prometheus"]["thanosService"]["enabled"] is True
    assert thanos["query"]["dnsDiscovery"]["sidecarsService"] == "kube-prometheus-stack-thanos-discovery"
    secret = stack["prometheus"]["prometheusSpec"]["thanos"]["objectStorageConfig"]["existingSecret"]
    assert secret == {"name": thanos["existingObjstoreSecret"], "key": "objstore.yml"}
    assert stack["prometheus"]["prometheusSpec"]["replicaExternalLabelName"] in thanos["query"]["replicaLabel"]
    assert yaml.safe_load((EKS / "objstore.example.yml").read_text())["type"] == "S3"


def test_prometheus_is_the_server_and_two_exporters():
    values = load("prometheus")
    enabled = {name for name in ("alertmanager", "prometheus-pushgateway", "prometheus-node-exporter", "kube-state-metrics")
               if values[name]["enabled"]}
    assert enabled == {"prometheus-node-exporter", "kube-state-metrics"}
    assert values["server"]["service"]["type"] in ("NodePort", "LoadBalancer")
