"""From a cluster to an alert: values of keys that the charts know, the bucket and the roles, and commands in the order of use."""

import datetime
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

import stack
from resolve import ACCOUNT, Stack

HERE = pathlib.Path(__file__).parent
EKS = HERE.parent / "eks"
README = (EKS / "README.md").read_text()
COMMANDS = "\n".join(re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
# What the charts know, as charts/refresh.py wrote it down.
LISTS = {path.stem: yaml.safe_load(path.read_text()) for path in (HERE / "charts").glob("*.yaml")}
CHARTS = ("grafana", "prometheus", "kube-prometheus-stack", "thanos")
# Sections of Grafana's own configuration, of which the chart's values.yaml sets a few.
OPEN = {"grafana": [("grafana.ini",)]}
# In the order of use.
FILES = {
    "storageclass-gp3.yaml": "kubectl apply --filename infra/eks/storageclass-gp3.yaml",
    "bucket-and-roles.yaml": "aws cloudformation deploy --stack-name monitoring-access --template-file infra/eks/bucket-and-roles.yaml",
    "../template.yaml": "make deploy",
    "prometheus.yaml": "helm upgrade --install prometheus ",
    "objstore.example.yml": "cp infra/eks/objstore.example.yml objstore.yml",
    "kube-prometheus-stack.yaml": "helm upgrade --install kube-prometheus-stack ",
    "thanos.yaml": "helm upgrade --install thanos ",
    "grafana.yaml": "helm upgrade --install grafana ",
}


class Strict(yaml.SafeLoader):
    """YAML takes a doubled key silently, and the later one wins."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"doubled key in line {node.start_mark.line + 1}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(name):
    return yaml.load((EKS / f"{name}.yaml").read_text(), Strict)  # noqa: S506, it is a safe loader


def unknown(values, chart, path=()):
    """The keys of the values that the chart does not know, each with its path."""
    listed = LISTS[chart]["keys"].get("/" + "/".join(path), [])
    for key, value in values.items():
        below = (*path, str(key))
        if f"{key}*" in listed or path in OPEN.get(chart, []):
            continue
        subchart = LISTS[chart]["subcharts"].get(key) if not path else None
        if subchart in LISTS and isinstance(value, dict):
            # What a chart says to its subchart need not stand in its own values.
            ours = set(unknown(value, chart, below))
            yield from (name for name in unknown(value, subchart) if f"{key}/{name}" in ours)
        elif key not in listed:
            yield "/".join(below)
        elif isinstance(value, dict):
            yield from unknown(value, chart, below)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_key_is_one_of_the_charts(chart):
    assert list(unknown(load(chart), chart)) == []


@pytest.mark.parametrize("chart, values", [
    ("grafana", {"persistance": {"enabled": True}}),
    ("grafana", {"persistence": {"storageClass": "gp3"}}),
    ("prometheus", {"server": {"retentionsize": "45GB"}}),
    ("prometheus", {"prometheus-node-exporter": {"hostnetwork": False}}),
    ("kube-prometheus-stack", {"kubeProxy": {"enable": False}}),
    ("thanos", {"compactor": {"resource": {}}}),
    # A subchart without a list: what the chart itself says of it, and no more.
    ("thanos", {"minio": {"replicas": 2}}),
])
def test_a_mistyped_key_is_found(chart, values):
    assert len(list(unknown(values, chart))) == 1


@pytest.mark.parametrize("chart, values", [
    ("grafana", {"grafana.ini": {"aws": {"allowed_auth_providers": "default"}}}),
    ("prometheus", {"prometheus-node-exporter": {"hostNetwork": False, "enabled": True}}),
    ("thanos", {"compactor": {"resources": {"limits": {"memory": "4Gi"}}}, "minio": {"enabled": False}}),
])
def test_a_key_of_the_chart_or_of_its_subchart_is_known(chart, values):
    assert list(unknown(values, chart)) == []


def test_the_lists_were_looked_at_in_the_last_six_months():
    """As of the last commit, not of today: what was right when it was released stays green. charts/refresh.py makes them new."""
    git = ["git", "-C", HERE, "log", "-1", "--format=%cd", "--date=short"]
    result = subprocess.run(git, capture_output=True, text=True, check=False) if shutil.which("git") else None
    if not result or result.returncode:
        pytest.skip("not a git checkout: nothing says how old it is")
    of_the_code = datetime.date.fromisoformat(result.stdout.strip())
    old = {name: str(each["looked"]) for name, each in LISTS.items() if of_the_code - each["looked"] > datetime.timedelta(days=183)}
    assert old == {}, "see infra/tests/charts/refresh.py"
    assert all(re.fullmatch(r"[0-9a-f]{40}|unknown", each["commit"]) and each["source"] and each["version"] for each in LISTS.values())


def test_refresh_writes_names_and_no_values(tmp_path):
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{name: small, version: 1.2.3, dependencies: [{name: long-name, alias: short}]}")
    (chart / "values.yaml").write_text("a: {b: secret-value, c: {}, d: null}\nlist: [1]\nlabels: {kubernetes.io/os: linux}\n")
    (chart / "templates" / "x.yaml").write_text("{{ .Values.a.only.here }}{{ .Values.list }}")
    code = (HERE / "charts" / "refresh.py").read_text()
    (tmp_path / "refresh.py").write_text(code)
    command = [sys.executable, tmp_path / "refresh.py", "--source", "owner/name", "--commit", "0" * 40, chart]
    subprocess.run(command, check=True, capture_output=True)
    written = (tmp_path / "small.yaml").read_text()
    assert "secret-value" not in written and "linux" not in written
    made = yaml.safe_load(written)
    assert made["keys"] == {"/": ["a", "labels*", "list"], "/a": ["b", "c*", "d*", "only*"]}
    assert (made["version"], made["subcharts"], made["looked"]) == ("1.2.3", {"short": "long-name"}, datetime.date.today())


def test_each_file_has_its_command_in_the_order_of_use():
    there = {path.name for path in EKS.iterdir()} - {"README.md"}
    assert there == set(FILES) - {"../template.yaml"}
    assert re.findall(r"\]\(([^)#]+\.ya?ml)\)", README.split("```")[0]) == list(FILES), "the table"
    at = [re.sub(" +", " ", COMMANDS).index(command) for command in FILES.values()]
    assert at == sorted(at)
    # Before the storage class its driver, before Grafana's service the controller that makes its NLB.
    for tool in ("aws-ebs-csi-driver", "aws-load-balancer-controller"):
        assert COMMANDS.index(tool) < at[0]


@pytest.mark.parametrize("chart", CHARTS)
def test_readme_installs_the_version_that_the_keys_are_of(chart):
    version = re.escape(LISTS[chart]["version"])
    command = rf"helm upgrade --install {chart} \S+/{chart} --version {version} +--namespace monitoring --values infra/eks/{chart}\.yaml"
    assert re.search(command, re.sub(" +", " ", COMMANDS))


def test_charts_come_from_where_they_are_maintained():
    repositories = dict(re.findall(r"helm repo add (\S+) (\S+)", COMMANDS))
    assert repositories["grafana-community"] == "https://grafana-community.github.io/helm-charts" and "grafana" not in repositories
    used = re.findall(r"helm upgrade --install \S+ ([a-z-]+)/", COMMANDS)
    assert set(used) <= set(repositories)


def test_the_readmes_commands_are_shell():
    script = re.sub(r"<[^>\n]+>", "placeholder", COMMANDS)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


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
    source, _ = values["datasources"]["datasources.yaml"]["datasources"]
    assert (rule["data"][0]["datasourceUid"], source["type"]) == (source["uid"], "prometheus")


def test_grafana_reads_cloudwatch_by_a_role_that_it_assumes():
    values = load("grafana")
    assert values["grafana.ini"]["aws"] == {"allowed_auth_providers": "default", "assume_role_enabled": True}
    _, source = values["datasources"]["datasources.yaml"]["datasources"]
    assert source["type"] == "cloudwatch" and source["jsonData"]["authType"] == "default"
    assert {"assumeRoleArn", "defaultRegion"} <= set(source["jsonData"]) and "secureJsonData" not in source


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


# Without limits of ours the chart takes its preset `nano`.
NANO_MIB = 192
COMPONENTS = ("query", "queryFrontend", "storegateway", "compactor", "bucketweb", "receive", "ruler")


def mebibytes(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_every_component_of_thanos_that_runs_has_room():
    values = load("thanos")
    running = [name for name in COMPONENTS if values[name]["enabled"]]
    assert running == ["query", "storegateway", "compactor"]
    for name in running:
        resources = values[name]["resources"]
        assert resources["requests"]["cpu"]
        asked, limit = (mebibytes(resources[kind]["memory"]) for kind in ("requests", "limits"))
        assert NANO_MIB < asked <= limit and limit >= 1024, name
    # Its index cache, and the pool of its chunks.
    assert mebibytes(values["storegateway"]["resources"]["limits"]["memory"]) > 250 + 2048


def test_nothing_is_asked_that_does_not_answer_on_eks():
    values = load("kube-prometheus-stack")
    for name in ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy"):
        assert values[name] == {"enabled": False}, name


def test_the_storage_class_is_the_one_that_the_values_name():
    storage = load("storageclass-gp3")
    assert (storage["apiVersion"], storage["kind"]) == ("storage.k8s.io/v1", "StorageClass")
    assert storage["provisioner"] == "ebs.csi.aws.com" and storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["allowVolumeExpansion"] is True
    # Parameters are strings alone.
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    texts = "\n".join((EKS / f"{chart}.yaml").read_text() for chart in CHARTS)
    named = re.findall(r"^ +storageClass(?:Name)?: (\S+)$", texts, re.MULTILINE)
    assert len(named) == 5 and set(named) == {storage["metadata"]["name"]}


ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
ACCESS = EKS / "bucket-and-roles.yaml"


def access(**parameters):
    return Stack(yaml_parse(ACCESS.read_text()), {"OidcIssuer": ISSUER, **parameters}, "monitoring-access")


def trust(resolved, role):
    document = resolved.resources("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
    # A string where the issuer is in a key.
    statement, = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return statement


def service_accounts(values):
    """The service accounts of a chart's values: the placeholder of the role, and the name."""
    for key, value in values.items():
        if key == "serviceAccount":
            annotations = value["annotations"]
            # A role is asked for at this region's STS.
            assert annotations["eks.amazonaws.com/sts-regional-endpoints"] == "true" and value["create"] is True
            yield annotations["eks.amazonaws.com/role-arn"], value["name"]
        elif isinstance(value, dict):
            yield from service_accounts(value)


def test_cfn_lint_has_nothing_to_say_of_the_bucket_and_the_roles():
    command = [pathlib.Path(sys.executable).parent / "cfn-lint", ACCESS]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_parameter_of_the_roles_is_described():
    template = yaml_parse(ACCESS.read_text())
    assert [name for name, parameter in template["Parameters"].items() if "Description" not in parameter] == []
    pattern = template["Parameters"]["OidcIssuer"]["AllowedPattern"]
    assert re.fullmatch(pattern, ISSUER) and not re.fullmatch(pattern, f"https://{ISSUER}")
    assert "${ISSUER#https://}" in COMMANDS


@pytest.mark.parametrize("role, placeholder", [("ThanosRole", "thanos"), ("GrafanaRole", "grafana")])
def test_a_role_trusts_the_service_accounts_of_the_values_and_no_others(role, placeholder):
    arn = f"<arn:aws:iam::{ACCOUNT}:role/{placeholder}>"
    ours = {name for chart in CHARTS for given, name in service_accounts(load(chart)) if given == arn}
    assert ours == {"thanos": {"prometheus", "thanos-storegateway", "thanos-compactor"}, "grafana": {"grafana"}}[placeholder]
    statement = trust(access(Namespace="watching"), role)
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity" and statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}
    (test, condition), = statement["Condition"].items()
    subjects = condition.pop(f"{ISSUER}:sub")
    assert (test, condition) == ("StringEquals", {f"{ISSUER}:aud": "sts.amazonaws.com"})
    assert set([subjects] if isinstance(subjects, str) else subjects) == {f"system:serviceaccount:watching:{name}" for name in ours}


def test_grafana_may_take_the_reader_role_and_nothing_else():
    resolved = access()
    assert "Policies" not in resolved.resources("AWS::IAM::Role")["GrafanaRole"]
    policy, = resolved.resources("AWS::IAM::Policy").values()
    statement, = policy["PolicyDocument"]["Statement"]
    reader = resolved.value({"Fn::GetAtt": ["CloudWatchReaderRole", "Arn"]})
    assert (policy["Roles"], statement["Action"], statement["Resource"]) == (["GrafanaRole"], "sts:AssumeRole", reader)
    trusted = trust(resolved, "CloudWatchReaderRole")
    assert trusted["Principal"] == {"AWS": resolved.value({"Fn::GetAtt": ["GrafanaRole", "Arn"]})} and "Condition" not in trusted
    trusted = trust(access(GrafanaExternalId="eks-1"), "CloudWatchReaderRole")
    assert trusted["Condition"] == {"StringEquals": {"sts:ExternalId": "eks-1"}}
    rights = resolved.resources("AWS::IAM::Role")["CloudWatchReaderRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    actions = [action for statement in rights for action in statement["Action"]]
    # It reads; a query of logs is begun and stopped.
    writing = [action for action in actions if not re.match(r"\w+:(Describe|List|Get)", action)]
    assert writing == ["logs:StartQuery", "logs:StopQuery"]


def test_thanos_has_its_bucket_and_no_other():
    resolved = access()
    rights = resolved.resources("AWS::IAM::Role")["ThanosRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    bucket = "arn:aws:s3:::Bucket"
    assert [(right["Action"], right["Resource"]) for right in rights] == [
        ("s3:ListBucket", bucket),
        (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{bucket}/*"),
    ]


def test_the_bucket_is_kept_closed_and_encrypted():
    template = yaml_parse(ACCESS.read_text())
    for name in ("Bucket", "BucketPolicy"):
        assert template["Resources"][name]["DeletionPolicy"] == template["Resources"][name]["UpdateReplacePolicy"] == "Retain"
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4 and all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["BucketEncryption"]
    rule, = bucket["LifecycleConfiguration"]["Rules"]
    # Thanos deletes its blocks by itself, whole ones.
    assert rule.keys() == {"Id", "Status", "AbortIncompleteMultipartUpload"}
    statement, = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_every_role_takes_the_boundary():
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    assert {r["PermissionsBoundary"] for r in access(PermissionsBoundaryArn=boundary).resources("AWS::IAM::Role").values()} == {boundary}
    assert not any("PermissionsBoundary" in role for role in access().resources("AWS::IAM::Role").values())


def test_the_bucket_and_the_roles_are_made(moto):
    template = yaml_parse(ACCESS.read_text())
    # The emulator's CloudFormation does not know it.
    del template["Resources"]["BucketPolicy"]
    cloudformation = stack.client("cloudformation", moto)
    cloudformation.create_stack(
        StackName="monitoring-access",
        TemplateBody=json.dumps(template),
        Parameters=[
            {"ParameterKey": "OidcIssuer", "ParameterValue": ISSUER},
            {"ParameterKey": "GrafanaExternalId", "ParameterValue": "eks-1"},
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    description, = cloudformation.describe_stacks(StackName="monitoring-access")["Stacks"]
    assert description["StackStatus"] == "CREATE_COMPLETE", description.get("StackStatusReason")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
    # Each of them is said in the README.
    assert set(outputs) == set(template["Outputs"]) and all(f"`{name}`" in README for name in outputs)
    role = stack.client("iam", moto).get_role(RoleName=outputs["ThanosRoleArn"].split("/")[-1])["Role"]
    statement, = role["AssumeRolePolicyDocument"]["Statement"]
    assert "system:serviceaccount:monitoring:thanos-compactor" in statement["Condition"]["StringEquals"][f"{ISSUER}:sub"]
    encryption = stack.client("s3", moto).get_bucket_encryption(Bucket=outputs["BucketName"])
    assert encryption["ServerSideEncryptionConfiguration"]["Rules"]


@pytest.fixture
def tls_server(tmp_path):
    """Serves TLS on loopback with some options of `openssl s_server`; tells the port."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    servers = []

    def serve(*options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, "-www", *options]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        servers.append(server)
        # It says so when it listens.
        assert any(line.startswith(b"ACCEPT") for line in server.stdout)
        return port

    yield serve
    for server in servers:
        server.kill()
        server.wait()


def test_the_check_of_tls_tells_an_old_listener_from_a_new_one(tls_server):
    check = re.search(r"^check_tls\(\) \{.*?^\}$", README, re.DOTALL | re.MULTILINE)[0]

    def versions(port, check=check):
        script = check.replace("$1:443", f"$1:{port}") + "\ncheck_tls 127.0.0.1\n"
        result = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True, timeout=60)
        return dict(line.split("  ", 1) for line in result.stdout.splitlines())

    new = versions(tls_server("-min_protocol", "TLSv1.2"))
    assert "alert protocol version" in new["tls1_1"]
    assert (new["tls1_2"], new["tls1_3"]) == ("Protocol version: TLSv1.2", "Protocol version: TLSv1.3")
    port = tls_server("-min_protocol", "TLSv1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert versions(port)["tls1_1"] == "Protocol version: TLSv1.1"
    # Why the check sets the level: the old listener would pass.
    assert "Protocol version" not in versions(port, check.replace("-cipher DEFAULT@SECLEVEL=0 ", ""))["tls1_1"]
