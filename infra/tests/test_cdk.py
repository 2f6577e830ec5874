"""The CDK's example: what stands in its README is compiled, run, and held against the template that it takes in."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import stack

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
README = ROOT / "infra" / "cdk" / "README.md"
CDK = ROOT / "target" / "cdk"
FIXED = {"OperatorEmail": "oncall@example.com", "CodeBucket": "my-releases", "CodePrefix": "alert-relay/1.0.0"}


@pytest.fixture(scope="module")
def released():
    """The template of a release."""
    template = stack.translated()
    # As JSON has it: the translator leaves numbers as keys, which JSON turns into texts.
    return json.loads(json.dumps(template))


@pytest.fixture(scope="module")
def synthesized(released, tmp_path_factory):
    """What the example of the README makes of it."""
    subprocess.run([ROOT / ".ci" / "npm", "infra/cdk", "cdk"], check=True)
    folder = tmp_path_factory.mktemp("cdk")
    (folder / "release-1.0.0").mkdir()
    (folder / "release-1.0.0" / "alert-relay.template.json").write_text(json.dumps(released))
    (folder / "node_modules").symlink_to(CDK / "node_modules")
    (folder / "alerts.ts").write_text(re.search(r"```ts\n(.*?)```", README.read_text(), re.DOTALL)[1])
    compiler = [CDK / "node", "node_modules/typescript/bin/tsc", "--strict", "--skipLibCheck", "--module", "commonjs", "--target", "es2022"]
    # The app writes what it has made where CDK's command line would want it.
    environment = {"PATH": os.environ["PATH"], "CDK_OUTDIR": str(folder / "out"), "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
    for command in ([*compiler, "alerts.ts"], [CDK / "node", "alerts.js"]):
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
    template = json.loads((folder / "out" / "alerts.template.json").read_text())
    # CDK's own question, whether the account is bootstrapped.
    del template["Parameters"]["BootstrapVersion"], template["Rules"]["CheckBootstrapVersion"]
    return template


def resolved(template, parameters):
    return stack.Stack(template, {**stack.PARAMETERS, **parameters})


def test_the_example_has_at_most_ten_lines():
    lines = re.search(r"```ts\n(.*?)```", README.read_text(), re.DOTALL)[1].splitlines()
    assert len([line for line in lines if line]) <= 10


def test_what_the_example_fixes_is_fixed_and_all_else_can_be_set(released, synthesized):
    assert set(synthesized["Parameters"]) == set(released["Parameters"]) - set(FIXED)


@pytest.mark.parametrize("parameters", [
    {},
    {"KmsEncryptedHookUrl": "QUJD", "SlackSecretFollows": "no", "Way": "direct", "GrafanaIngress": "disabled"},
    {
        "KmsEncryptedBotToken": "QUJD", "SlackChannel": "#alerts", "KmsEncryptedSigningSecret": "QUJE", "Architecture": "arm64",
        "AllowedAccounts": "111111111111,222222222222", "SlackSecretFollows": "no",
    },
])
def test_the_stack_is_the_releases_own(released, synthesized, parameters):
    theirs, ours = resolved(synthesized, parameters), resolved(released, {**FIXED, **parameters})
    assert theirs.resources() == ours.resources()
    assert theirs.broken_rules() == ours.broken_rules() == []
    assert set(synthesized["Outputs"]) == set(released["Outputs"])
    for name, output in released["Outputs"].items():
        assert theirs.value(synthesized["Outputs"][name]["Value"]) == ours.value(output["Value"]), name
        assert synthesized["Outputs"][name].get("Condition") == output.get("Condition"), name


def test_a_stack_that_leads_nowhere_is_refused_here_too(synthesized):
    told, = resolved(synthesized, {"SlackSecretFollows": "no"}).broken_rules()
    assert "Nothing leads to Slack" in told


def test_the_names_in_the_commands_are_the_templates(released):
    ours = resolved(released, FIXED)
    text = README.read_text()
    assert f"--key-id {ours.value({'Ref': 'WebhookKeyAlias'})} " in text
    assert f"LambdaFunctionName={ours.value({'Ref': 'Relay'})} " in text
