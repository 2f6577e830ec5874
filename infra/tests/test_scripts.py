"""The scripts: clean, and without a way for a secret to be seen."""

import json
import os
import pathlib
import pty
import subprocess
import sys
import termios
import time

import pytest

import stack
from conftest import slack_tokens

INFRA = pathlib.Path(__file__).resolve().parent.parent
SHELLCHECK = pathlib.Path(sys.executable).parent / "shellcheck"
URL = "https://hooks.slack.com/services/T0/B0/secretpart"
TOKEN = "xoxb-1-2-secretpart"
SIGNING = "0123456789abcdef" * 2
ACTIONS_URL = "https://api1.execute-api.eu-west-1.amazonaws.com/live/slack/actions"


def test_shellcheck_has_nothing_to_say():
    ci = INFRA.parent / ".ci"
    scripts = [INFRA / "deploy.sh", INFRA / "tests" / "run.sh", ci / "run", ci / "foreign", ci / "in-root", ci / "npm"]
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
        for path in ["bin/cargo", "bin/cargo-lambda", "bin/sam", "bin/aws", "target/debug/alertctl"]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(tool)
        (folder / "infra").mkdir()
        (folder / "infra" / "deploy.sh").write_text((INFRA / "deploy.sh").read_text())

    def start(self, *arguments, stdin):
        return subprocess.Popen(
            ["bash", self.folder / "infra" / "deploy.sh", "--region", "eu-west-1", "--no-test", *arguments],
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments, given=""):
        """The exit status, and everything that was said."""
        process = self.start("--email", "operators@example.com", *arguments, stdin=subprocess.PIPE)
        said, _ = process.communicate(given, timeout=120)
        self.assert_nothing_told(said)
        return process.returncode, said

    def notes(self, file):
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def states(self):
        """The stack's parameters after each change, none of which CloudFormation refuses."""
        states = self.notes("states.jsonl")
        for state in states:
            assert stack.Stack(stack.source(), state).broken_rules() == [], state
        return states

    def assert_nothing_told(self, said):
        for secret in ("secretpart", SIGNING):
            assert secret not in said
            for call in self.notes("calls.jsonl"):
                assert secret not in json.dumps([call["arguments"], call["environment"]]), call
            for path in self.folder.rglob("*"):
                if path.is_file() and not path.is_symlink() and path.name != "calls.jsonl":
                    assert secret not in path.read_text(), path


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
    assert not [call for call in deployment.notes("calls.jsonl") if call["tool"] == "sam" or "lambda" in call["arguments"]]


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
