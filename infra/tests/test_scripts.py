"""The scripts: clean, and without a way for a secret to be seen."""

import functools
import hashlib
import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys
import tempfile
import termios
import time

import pytest

import stack
from conftest import slack_tokens
from stack import package

INFRA = pathlib.Path(__file__).resolve().parent.parent
SHELLCHECK = pathlib.Path(sys.executable).parent / "shellcheck"
URL = "https://hooks.slack.com/services/T0/B0/secretpart"
TOKEN = "xoxb-1-2-secretpart"
SIGNING = "0123456789abcdef" * 2
FUNCTIONS = list(package.FUNCTIONS.values())
ACTIONS_URL = "https://api1.execute-api.eu-west-1.amazonaws.com/live/slack/actions"


def test_shellcheck_has_nothing_to_say():
    ci = INFRA.parent / ".ci"
    scripts = [INFRA / "deploy.sh", INFRA / "release.sh", INFRA / "tests" / "run.sh", ci / "run", ci / "foreign", ci / "in-root", ci / "npm"]
    result = subprocess.run([SHELLCHECK, "--enable", "check-unassigned-uppercase", *scripts], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


# ------------------------------------------------------------------------------------------------------------------ deploy.sh


class Deployment:
    """A copy of deploy.sh in a folder of its own; every tool there is deploy_tool.py."""

    def __init__(self, folder):
        self.folder = folder
        tool = folder / "tool"
        tool.write_text(f"#!{sys.executable}\n{(INFRA / 'tests' / 'deploy_tool.py').read_text()}")
        tool.chmod(0o755)
        for path in ["bin/cargo", "bin/aws", "target/debug/alertctl"]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(tool)
        (folder / "infra" / "packaging").mkdir(parents=True)
        for file in ["deploy.sh", "packaging/package.py"]:
            (folder / "infra" / file).write_text((INFRA / file).read_text())
        # What it builds is the template for real, and zips that say for what they were built.
        template = template_file()
        release = folder / "infra" / "release.sh"
        release.write_text(f"""#!/usr/bin/env bash
            set -eu
            [[ $1 == --for ]] || exit 0
            mkdir -p "$3"
            cp {template} "$3/alert-relay.template.json"
            for function in {" ".join(FUNCTIONS)}; do printf %s "$function for $2" >"$3/$function-$2.zip"; done
            """)
        release.chmod(0o755)

    def release(self):
        """A folder with a release, as `make release` makes it."""
        folder = self.folder / "release"
        for architecture in ("x86_64", "arm64"):
            subprocess.run(["bash", self.folder / "infra" / "release.sh", "--for", architecture, folder], check=True)
            (folder / f"alertctl-linux-{architecture}").symlink_to(self.folder / "tool")
        (folder / "deploy.sh").write_text((INFRA / "deploy.sh").read_text())
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
        (folder / "SHA256SUMS").write_text("".join(sums))
        return folder

    def start(self, *arguments, stdin, script="infra/deploy.sh", path=None, **environment):
        path = os.environ["PATH"] if path is None else path
        return subprocess.Popen(
            ["bash", self.folder / script, "--region", "eu-west-1", "--no-test", *arguments],
            env={"PATH": f"{self.folder}/bin:{path}", "HOME": str(self.folder), **environment},
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments, given="", **options):
        """The exit status, and everything that was said."""
        process = self.start("--email", "operators@example.com", *arguments, stdin=subprocess.PIPE, **options)
        said, _ = process.communicate(given, timeout=120)
        self.assert_nothing_told(said)
        return process.returncode, said

    def notes(self, file):
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def states(self):
        """The stack's parameters after each change, none of which CloudFormation refuses. Where the code is, is told apart."""
        states = self.notes("states.jsonl")
        for state in states:
            assert stack.Stack(stack.source(), state).broken_rules() == [], state
            self.code = (state.pop("CodeBucket", None), state.pop("CodePrefix", None))
        return states

    def uploads(self):
        """What was copied into the bucket, by its address, at each call."""
        calls = [call["arguments"] for call in self.notes("calls.jsonl") if call["arguments"][:2] == ["s3", "cp"]]
        return [arguments[-1] for arguments in calls]

    def assert_nothing_told(self, said):
        for secret in ("secretpart", SIGNING):
            assert secret not in said
            for call in self.notes("calls.jsonl"):
                assert secret not in json.dumps([call["arguments"], call["environment"]]), call
            for path in self.folder.rglob("*"):
                if path.is_file() and not path.is_symlink() and path.name != "calls.jsonl":
                    assert secret not in path.read_text(), path


@functools.cache
def template_file():
    folder = pathlib.Path(tempfile.mkdtemp())
    package.main(["template", str(folder / "template.json")])
    return folder / "template.json"


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


def test_a_webhook_is_encrypted_after_the_stack_is_made(deployment):
    status, said = deployment.run(given=URL + "\n")
    assert status == 0, said
    first, last = deployment.states()
    assert first["SlackSecretFollows"] == "yes" and first["KmsEncryptedHookUrl"] == ""
    assert last == {**first, "KmsEncryptedHookUrl": "QUJD==", "SlackSecretFollows": "no"}
    assert [call["secret"] for call in deployment.notes("calls.jsonl") if call["secret"] is not None] == [URL]


def test_a_bot_token_will_do_as_well_and_wants_a_channel(deployment):
    status, said = deployment.run("SlackChannel=#alerts", given=TOKEN + "\n")
    assert status == 0, said
    first, last = deployment.states()
    assert first["SlackChannel"] == "#alerts"
    assert last == {**first, "KmsEncryptedBotToken": "QUJD==", "SlackSecretFollows": "no"}


def test_a_bot_token_without_a_channel_is_not_stored(deployment):
    status, said = deployment.run(given=TOKEN + "\n")
    assert status == 1 and "SlackChannel=C0123456789" in said, said
    state, = deployment.states()
    assert state["KmsEncryptedBotToken"] == "" and state["SlackSecretFollows"] == "yes"
    # The next run asks again.
    status, said = deployment.run("SlackChannel=C0123456789", given=TOKEN + "\n")
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedBotToken"] == "QUJD=="


def test_what_is_neither_leaves_the_stack_waiting(deployment):
    status, said = deployment.run(given="secretpart\n")
    assert status == 1 and "alertctl: what was entered is neither" in said and "Run this again" in said, said
    assert len(deployment.states()) == 1


@pytest.mark.parametrize("option", ["--new-secret", "--new-webhook"])
def test_what_is_set_stays_until_a_new_one_is_asked_for(deployment, option):
    assert deployment.run(given=URL + "\n")[0] == 0
    status, said = deployment.run("SlackChannel=#alerts", given=TOKEN + "\n")
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedBotToken"] == "", "nobody asked for it"
    status, said = deployment.run(option, given=TOKEN + "\n")
    assert status == 0, said
    last = deployment.states()[-1]
    # The webhook stays as the second way.
    assert (last["KmsEncryptedBotToken"], last["KmsEncryptedHookUrl"]) == ("QUJD==", "QUJD==")


def test_an_app_has_a_table_from_its_token_on(deployment):
    def has_table(state):
        return stack.Stack(stack.source(), state).holds("HasTable")

    status, said = deployment.run("SlackChannel=#alerts", given=TOKEN + "\n")
    assert status == 0, said
    assert [has_table(state) for state in deployment.states()] == [False, True]
    # Once decided, it stays so.
    assert deployment.run("AlertTable=disabled")[0] == 0
    assert deployment.run("SlackChannel=#ops")[0] == 0
    assert [has_table(state) for state in deployment.states()[2:]] == [False, False]
    assert deployment.run("AlertTable=auto")[0] == 0
    assert has_table(deployment.states()[-1])


def older(deployment, **parameters):
    """A stack that is there already, made by a template from before there were tables."""
    state = {**dict.fromkeys(["KmsEncryptedHookUrl", "KmsEncryptedBotToken", "KmsEncryptedCredential"], ""), "SlackChannel": "#alerts"}
    (deployment.folder / "states.jsonl").write_text(json.dumps({**state, "SlackSecretFollows": "no", **parameters}) + "\n")


def test_an_app_has_buttons_when_its_signing_secret_is_given(deployment):
    status, said = deployment.run("SlackChannel=#alerts", given=f"{TOKEN}\n{SIGNING}\n")
    assert status == 0, said
    first, app, last = deployment.states()
    assert app == {**first, "KmsEncryptedBotToken": "QUJD==", "SlackSecretFollows": "no"}
    assert last == {**app, "KmsEncryptedSigningSecret": "QUJD=="}
    assert [call["secret"].strip() for call in deployment.notes("calls.jsonl") if call["secret"] is not None] == [TOKEN, SIGNING]
    # All of Slack's secrets are encrypted for the relay's name.
    names = {call["arguments"][call["arguments"].index("--function-name") + 1] for call in deployment.notes("calls.jsonl") if call["secret"] is not None}
    assert names == {"alerts-cloudwatch-to-slack"}
    assert ACTIONS_URL in said and "Request URL" in said, said
    # Whatever comes next asks nothing.
    status, said = deployment.run("SlackChannel=#ops")
    assert status == 0 and "Signing secret" not in said and "Request URL" not in said, said
    assert deployment.states()[-1] == {**last, "SlackChannel": "#ops", "OperatorEmail": "operators@example.com", "Architecture": "x86_64"}


@pytest.mark.parametrize("given", [f"{TOKEN}\n", f"{TOKEN}\n\n"])
def test_an_app_without_a_signing_secret_has_no_buttons(deployment, given):
    status, said = deployment.run("SlackChannel=#alerts", given=given)
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == "" and "Request URL" not in said


@pytest.mark.parametrize("arguments, given", [
    (["SlackChannel=#alerts", "AlertTable=disabled"], f"{TOKEN}\n{SIGNING}\n"),
    (["SlackChannel=#alerts", "--no-buttons"], f"{TOKEN}\n{SIGNING}\n"),
    ([], f"{URL}\n{SIGNING}\n"),
])
def test_where_no_buttons_can_be_nobody_asks_for_them(deployment, arguments, given):
    status, said = deployment.run(*arguments, given=given)
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == "" and "Buttons" not in said, said


def test_an_app_that_is_there_gets_buttons_on_wish_and_loses_them_on_wish(deployment):
    assert deployment.run("SlackChannel=#alerts", given=TOKEN + "\n")[0] == 0
    assert deployment.run(given=SIGNING + "\n")[0] == 0
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == "", "nobody asked for it"
    status, said = deployment.run("--new-signing-secret", given=SIGNING + "\n")
    assert status == 0 and ACTIONS_URL in said, said
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == "QUJD=="
    # A token of the same app: its signing secret stays.
    assert deployment.run("--new-secret", given=TOKEN + "\n")[0] == 0
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == "QUJD=="
    status, said = deployment.run("--no-buttons")
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == ""
    status, said = deployment.run("--no-buttons", "--new-signing-secret", given=SIGNING + "\n")
    assert status == 1 and "Give one of them" in said, said


def test_a_signing_secret_alone_is_not_taken_for_grafana_s_credential(deployment):
    older(deployment, KmsEncryptedBotToken="QUJD==", AlertTable="auto", GrafanaIngress="enabled")
    status, said = deployment.run("--new-signing-secret", given=SIGNING + "\n")
    assert status == 0 and "The ingress lets nobody in" in said, said
    last = deployment.states()[-1]
    assert (last["KmsEncryptedSigningSecret"], last["KmsEncryptedCredential"]) == ("QUJD==", "")


@pytest.mark.parametrize("parameters, arguments, told", [
    ({"KmsEncryptedHookUrl": "QUJD=="}, [], "infra/deploy.sh --new-secret"),
    ({"KmsEncryptedBotToken": "QUJD=="}, [], "--new-signing-secret AlertTable=auto"),
    ({"KmsEncryptedBotToken": "QUJD==", "AlertTable": "disabled"}, [], "--new-signing-secret AlertTable=auto"),
    ({"KmsEncryptedBotToken": "QUJD==", "AlertTable": "auto"}, ["AlertTable=disabled"], "--new-signing-secret AlertTable=auto"),
])
def test_buttons_that_cannot_be_are_refused_before_anything_is_built(deployment, parameters, arguments, told):
    older(deployment, **parameters)
    status, said = deployment.run("--new-signing-secret", *arguments, given=SIGNING + "\n")
    assert status == 1 and told in said, said
    assert len(deployment.notes("states.jsonl")) == 1
    assert not [call for call in deployment.notes("calls.jsonl") if "deploy" in call["arguments"]]


@pytest.mark.parametrize("given, told", [
    (f"{TOKEN}\n{URL}\n", "another secret than the signing secret"),
    (f"{TOKEN}\nsecretpart\n", "was not encrypted"),
])
def test_what_is_no_signing_secret_is_not_stored(deployment, given, told):
    status, said = deployment.run("SlackChannel=#alerts", given=given)
    assert status == 1 and told in said and "--new-signing-secret" in said, said
    last = deployment.states()[-1]
    assert (last["KmsEncryptedBotToken"], last["KmsEncryptedSigningSecret"]) == ("QUJD==", "")


def test_a_signing_secret_alone_leads_nowhere(deployment):
    status, said = deployment.run(given=SIGNING + "\n")
    assert status == 1 and "leads nowhere" in said, said
    assert deployment.states()[-1]["KmsEncryptedSigningSecret"] == ""


@pytest.mark.parametrize("secret, arguments, expected", [
    ("KmsEncryptedBotToken", [], "disabled"),
    ("KmsEncryptedBotToken", ["AlertTable=auto"], "auto"),
    ("KmsEncryptedBotToken", ["AlertTable=enabled"], "enabled"),
    # Without an app there is none by itself.
    ("KmsEncryptedHookUrl", [], "auto"),
])
def test_a_stack_from_before_there_were_tables_gets_one_on_wish_alone(deployment, secret, arguments, expected):
    older(deployment, **{secret: "QUJD=="})
    status, said = deployment.run(*arguments)
    assert status == 0, said
    assert deployment.states()[-1]["AlertTable"] == expected
    assert ("infra/deploy.sh AlertTable=auto" in said) == (expected == "disabled"), said


@pytest.mark.parametrize("argument", [
    URL, "https://example.com", f"SlackChannel={TOKEN}", f"SlackChannel={URL}", f"KmsEncryptedBotToken={TOKEN}",
    *[f"{beginning}1-2-secretpart" for beginning in slack_tokens()],
    "KmsEncryptedBotToken=QUJD", "KmsEncryptedHookUrl=QUJD", "KmsEncryptedSigningSecret=QUJD", "SlackSecretFollows=yes",
])
def test_what_the_script_asks_for_is_no_argument(deployment, argument):
    status, said = deployment.run(argument)
    assert status == 1 and deployment.notes("calls.jsonl") == [], said
    assert "Revoke it" in said or "is set by this script" in said, said


def test_what_is_given_comes_to_cloudformation_as_it_was_given(deployment):
    config = """drop: [{name: "a \\"quoted\\" one", matchers: ['b="c"']}]\n# $HOME `id`\n"""
    status, said = deployment.run("AlertConfig=" + config, "IngressAllowedCidrs=10.0.0.0/8,192.0.2.0/24", given=URL + "\n")
    assert status == 0, said
    for state in deployment.states():
        assert (state["AlertConfig"], state["IngressAllowedCidrs"]) == (config, "10.0.0.0/8,192.0.2.0/24")
    # What a second deployment does not give stays.
    assert deployment.run("SlackChannel=#ops")[0] == 0
    assert deployment.states()[-1]["AlertConfig"] == config


def test_a_configuration_is_counted_in_bytes(deployment):
    status, said = deployment.run("AlertConfig=" + "온" * 1001)
    assert status == 1 and "has 3003 bytes" in said and "--config FILE" in said, said
    assert deployment.notes("calls.jsonl") == []


def test_a_parameter_that_is_none_is_no_silence(deployment):
    status, said = deployment.run("SlackChanel=#ops", given=URL + "\n")
    assert status == 1 and "the template has no parameter SlackChanel" in said, said
    # A resource is none either.
    status, said = deployment.run("Relay=x", given=URL + "\n")
    assert status == 1 and "the template has no parameter Relay" in said, said
    assert deployment.states() == []


def built(deployment):
    return [call for call in deployment.notes("calls.jsonl") if call["tool"] == "alertctl" or "deploy" in call["arguments"]]


@pytest.mark.parametrize("state, told", [
    ("UPDATE_IN_PROGRESS", "is being changed right now"),
    ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "is being changed right now"),
    ("CREATE_FAILED", "delete-stack --region eu-west-1 --stack-name alerts"),
    ("ROLLBACK_FAILED", "delete-stack"),
    ("ROLLBACK_COMPLETE", "delete-stack"),
    ("DELETE_FAILED", "could not be deleted"),
    ("UPDATE_FAILED", "continue-update-rollback"),
    ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --region eu-west-1 --stack-name alerts"),
])
def test_a_stack_that_takes_no_change_is_told_before_anything_is_built(deployment, state, told):
    older(deployment, KmsEncryptedHookUrl="QUJD==")
    (deployment.folder / "status").write_text(state)
    status, said = deployment.run()
    assert status == 1 and told in said and state.split("_")[0] in said.upper(), said
    assert built(deployment) == []


def test_a_change_set_that_was_never_carried_out_is_no_stack(deployment):
    (deployment.folder / "status").write_text("REVIEW_IN_PROGRESS")
    process = deployment.start(stdin=subprocess.PIPE)
    said, _ = process.communicate("", timeout=120)
    assert process.returncode == 1 and "Give --email ADDRESS" in said, said
    deployment.run(given=URL + "\n")
    first = deployment.states()[0]
    assert (first["Architecture"], first["OperatorEmail"], first["SlackSecretFollows"]) == ("x86_64", "operators@example.com", "yes")


def test_what_cargo_builds_elsewhere_is_what_is_deployed(deployment, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("target")
    (elsewhere / "debug").mkdir()
    (elsewhere / "debug" / "alertctl").symlink_to(deployment.folder / "tool")
    (deployment.folder / "target" / "debug" / "alertctl").unlink()
    status, said = deployment.run(given=URL + "\n", CARGO_TARGET_DIR=str(elsewhere))
    assert status == 0, said


def test_help_is_the_scripts_own_head_without_any_sed():
    said = subprocess.run(["bash", INFRA / "deploy.sh", "--help"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}).stdout
    assert said.startswith("Deploys the stack") and "--no-buttons." in said.splitlines()[-1] and "#!" not in said
    assert "set -" not in said


def test_each_function_is_deployed_for_its_architecture_with_the_configuration(deployment):
    (deployment.folder / "alerts.yaml").write_text("timezone: Asia/Seoul")
    status, said = deployment.run("--arm64", "--config", "alerts.yaml", given=URL + "\n")
    assert status == 0, said
    assert deployment.states()[-1]["Architecture"] == "arm64"
    bucket, prefix = deployment.code
    assert bucket == "alert-relay-123456789012-eu-west-1"
    assert deployment.uploads() == [f"s3://{bucket}/{prefix}/{function}-arm64.zip" for function in sorted(FUNCTIONS)]
    packed = [call["arguments"][1].rsplit("/", 1)[1] for call in deployment.notes("calls.jsonl") if call["arguments"][:1] == ["pack"]]
    assert sorted(packed) == [f"{function}-arm64.zip" for function in sorted(FUNCTIONS) if function != "grafana-webhook-authorizer"]
    # The same again is the same place; another configuration is another.
    deployment.run("--config", "alerts.yaml")
    assert deployment.states() and deployment.code == (bucket, prefix)
    (deployment.folder / "alerts.yaml").write_text("timezone: UTC")
    deployment.run("--config", "alerts.yaml")
    assert deployment.states() and deployment.code[1] != prefix


def test_tags_a_role_and_a_boundary_are_given_to_cloudformation(deployment):
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    status, said = deployment.run(
        "--tags", "team=ops,cost=a b", "--role-arn", "arn:aws:iam::123456789012:role/cfn", "--permissions-boundary", boundary,
        "--bucket", "ours", given=URL + "\n",
    )
    assert status == 0, said
    for call in (call["arguments"] for call in deployment.notes("calls.jsonl") if call["arguments"][:2] == ["cloudformation", "deploy"]):
        at = call.index("--tags")
        assert call[at + 1 : at + 3] == ["team=ops", "cost=a b"] and call[call.index("--role-arn") + 1].endswith("role/cfn")
        assert call[call.index("--s3-bucket") + 1] == "ours"
    assert deployment.states()[-1]["PermissionsBoundaryArn"] == boundary
    assert not [call for call in deployment.notes("calls.jsonl") if "create-bucket" in call["arguments"]]
    status, said = deployment.run("--tags", "team")
    assert status == 1 and "team is no tag" in said, said


@pytest.mark.parametrize("is_new", [True, False])
def test_a_plan_shows_the_change_set_and_changes_nothing(deployment, is_new):
    if not is_new:
        older(deployment, KmsEncryptedHookUrl="QUJD==")
    before = deployment.notes("states.jsonl")
    status, said = deployment.run("--plan")
    assert status == 0 and "the change set" in said and "Webhook URL" not in said, said
    assert deployment.notes("states.jsonl") == before and deployment.uploads() == []
    calls = [call["arguments"][:2] for call in deployment.notes("calls.jsonl")]
    assert ["cloudformation", "delete-change-set"] in calls
    assert (["cloudformation", "delete-stack"] in calls) == is_new


def test_addresses_that_change_are_deployed_to_the_api(deployment):
    older(deployment, KmsEncryptedHookUrl="QUJD==", KmsEncryptedCredential="QUJD==", GrafanaIngress="enabled")
    status, said = deployment.run("IngressAllowedCidrs=192.0.2.0/24")
    assert status == 0, said
    call, = (call["arguments"] for call in deployment.notes("calls.jsonl") if call["tool"] == "aws" and call["arguments"][0] == "apigateway")
    assert call[:6] == ["apigateway", "create-deployment", "--rest-api-id", "api2", "--stage-name", "live"]


# ------------------------------------------------------------------------------------------------------------------ a release


def few_tools(folder):
    """What a bare Debian has: no cargo, no Python, no curl; the AWS CLI is beside it."""
    tools = folder / "few"
    tools.mkdir()
    for tool in ["bash", "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "env", "grep", "head", "mkdir", "mktemp", "rm", "sed", "sha256sum", "sleep", "uname", "wc"]:
        (tools / tool).symlink_to(shutil.which(tool))
    return str(tools)


@pytest.mark.parametrize("script", ["infra/deploy.sh", "release/deploy.sh"])
def test_a_release_is_deployed_with_the_aws_cli_alone(deployment, script):
    release = deployment.release()
    for tool in ("bin/cargo", "target/debug/alertctl"):
        (deployment.folder / tool).unlink()
    (deployment.folder / "infra" / "release.sh").unlink()
    arguments = ["--release", "release"] if script == "infra/deploy.sh" else []
    (deployment.folder / "alerts.yaml").write_text("timezone: Asia/Seoul")
    options = {"script": script, "path": few_tools(deployment.folder)}
    status, said = deployment.run(*arguments, given=URL + "\n", **options)
    assert status == 0, said
    assert deployment.states()[-1]["KmsEncryptedHookUrl"] == "QUJD==" and "fine" not in said
    assert len(deployment.uploads()) == 5
    # alerts.yaml of the folder from which it is run.
    assert [call for call in deployment.notes("calls.jsonl") if call["arguments"][:1] == ["pack"]]
    (release / "slack-actions-x86_64.zip").write_text("something else")
    status, said = deployment.run(*arguments, **options)
    assert status == 1 and "slack-actions-x86_64.zip is not what the release's SHA256SUMS says" in said, said


@pytest.mark.parametrize("release, told", [
    ("nowhere", "has no alert-relay.template.json"),
    ("http://example.com/release", "is no release"),
    ("https://example.com/release", "curl: sudo apt-get install curl"),
])
def test_what_is_no_release_is_told(deployment, release, told):
    status, said = deployment.run("--release", release, path=few_tools(deployment.folder))
    assert status == 1 and told in said and deployment.states() == [], said


@pytest.mark.parametrize("lines, expected", [
    ([], "unknown"),
    (['{"timestamp":"t","level":"INFO","alert":"alerts-test","verdict":"deliver","outcome":"delivered"}'], "delivered"),
    (['{"level":"INFO","alert":"alerts-test","verdict":"dropped","rule":"x"}'], "dropped"),
    (['{"level":"ERROR","alert":"alerts-test","outcome":"failed","error_type":"slack_unavailable","why":"it said \\"no\\": 503"}'],
     'failed: slack_unavailable: it said \\"no\\": 503'),
    (['{"level":"ERROR","error_type":"hook_url_missing","message":"set it"}'], "failed: hook_url_missing: set it"),
    (['{"level":"ERROR","error_type":"x","why":"y"}', "START RequestId: 1",
      '{"level":"INFO","alert":"alerts-test","outcome":"delivered"}'], "delivered"),
    (['{"level":"INFO","alert":"another","outcome":"delivered"}'], "unknown"),
])
def test_what_the_log_says_of_the_test_alarm(lines, expected):
    script = (INFRA / "deploy.sh").read_text()
    functions = script[script.index("field() {") : script.index("if [[ $test == yes ]]; then")]
    said = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", functions + 'verdict alerts-test "$1"', "bash", "\n".join(lines)],
        capture_output=True, text=True, check=True,
    ).stdout
    assert said == expected


class Person:
    """Somebody at a terminal, who answers what is asked."""

    def __init__(self, deployment, *arguments):
        self.terminal, theirs = pty.openpty()
        self.process = deployment.start(*arguments, stdin=theirs)
        os.close(theirs)
        self.said = ""

    def answer(self, question, answer, hidden=False):
        while question not in self.said:
            read = self.process.stdout.read(1)
            assert read, f"{question} was not asked: {self.said}"
            self.said += read
        deadline = time.monotonic() + 60
        while hidden and termios.tcgetattr(self.terminal)[3] & termios.ECHO:
            assert time.monotonic() < deadline, f"{question} is asked with echo"
            time.sleep(0.01)
        os.write(self.terminal, answer.encode() + b"\n")

    def end(self):
        """The exit status, what was said, and what the terminal showed of what was typed."""
        said = self.said + self.process.communicate(timeout=120)[0]
        shown = os.read(self.terminal, 65_536).decode()
        os.close(self.terminal)
        return self.process.returncode, said, shown


@pytest.mark.parametrize("channel, status", [("#alerts", 0), ("#foxapp-alerts", 0), ("", 1), ("xoxb-3-4-another", 1)])
def test_at_a_terminal_the_token_is_not_shown_and_the_channel_is_asked_for(deployment, channel, status):
    person = Person(deployment)
    person.answer("E-mail address", "operators@example.com")
    person.answer("Webhook URL or bot token (not shown)", TOKEN, hidden=True)
    person.answer("Channel of the app", channel)
    if status == 0:
        person.answer("Signing secret (not shown)", SIGNING, hidden=True)
    ended, said, shown = person.end()
    assert ended == status, said
    assert "operators@example.com" in shown, "the terminal shows what is typed"
    deployment.assert_nothing_told(said + shown)
    last = deployment.states()[-1]
    if status == 0:
        assert (last["KmsEncryptedBotToken"], last["SlackChannel"]) == ("QUJD==", channel)
        assert last["KmsEncryptedSigningSecret"] == "QUJD=="
    else:
        assert "that is no channel" in said and last["KmsEncryptedBotToken"] == "", said
        assert "another" not in json.dumps(deployment.notes("calls.jsonl"))
