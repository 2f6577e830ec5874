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
        assert "secretpart" not in said
        calls = self.notes("calls.jsonl")
        for call in calls:
            assert "secretpart" not in json.dumps([call["arguments"], call["environment"]]), call
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name != "calls.jsonl":
                assert "secretpart" not in path.read_text(), path


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


@pytest.mark.parametrize("secret, arguments, expected", [
    ("KmsEncryptedBotToken", [], "disabled"),
    ("KmsEncryptedBotToken", ["AlertTable=auto"], "auto"),
    ("KmsEncryptedBotToken", ["AlertTable=enabled"], "enabled"),
    # Without an app there is none by itself.
    ("KmsEncryptedHookUrl", [], "auto"),
])
def test_a_stack_from_before_there_were_tables_gets_one_on_wish_alone(deployment, secret, arguments, expected):
    older = {**dict.fromkeys(["KmsEncryptedHookUrl", "KmsEncryptedBotToken", "KmsEncryptedCredential"], ""), "SlackChannel": "#alerts"}
    older = {**older, secret: "QUJD==", "SlackSecretFollows": "no"}
    (deployment.folder / "states.jsonl").write_text(json.dumps(older) + "\n")
    status, said = deployment.run(*arguments)
    assert status == 0, said
    assert deployment.states()[-1]["AlertTable"] == expected
    assert ("infra/deploy.sh AlertTable=auto" in said) == (expected == "disabled"), said


@pytest.mark.parametrize("argument", [
    URL, "https://example.com", f"SlackChannel={TOKEN}", f"SlackChannel={URL}", f"KmsEncryptedBotToken={TOKEN}",
    *[f"{beginning}1-2-secretpart" for beginning in slack_tokens()],
    "KmsEncryptedBotToken=QUJD", "KmsEncryptedHookUrl=QUJD", "SlackSecretFollows=yes",
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
    ended, said, shown = person.end()
    assert ended == status, said
    assert "operators@example.com" in shown, "the terminal shows what is typed"
    deployment.assert_nothing_told(said + shown)
    last = deployment.states()[-1]
    if status == 0:
        assert (last["KmsEncryptedBotToken"], last["SlackChannel"]) == ("QUJD==", channel)
    else:
        assert "that is no channel" in said and last["KmsEncryptedBotToken"] == "", said
        assert "another" not in json.dumps(deployment.notes("calls.jsonl"))
