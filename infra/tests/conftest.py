import json
import logging
import re

import pytest
from moto.server import ThreadedMotoServer

import stack

logging.getLogger("werkzeug").setLevel(logging.ERROR)
WAYS = ("buffered", "direct")
EVERYTHING = {
    "WatchedInstanceId": "i-0123456789abcdef0",
    "KmsEncryptedHookUrl": "QUJD",
    "KmsEncryptedBotToken": "QUJE",
    "KmsEncryptedSigningSecret": "QUJF",
    "SlackChannel": "C0123456789",
    "SlackSecretFollows": "no",
    "KmsEncryptedCredential": "QUJD",
    "SilenceWith": "cloudwatch",
    "Evidence": "all",
    "SecondWayTopicArn": "arn:aws:sns:us-east-1:123456789012:on-call",
    "SecondWayKeyArn": "arn:aws:kms:us-east-1:123456789012:key/on-call",
}


@pytest.fixture(scope="session")
def template():
    return stack.translated()


@pytest.fixture(scope="session", params=WAYS)
def resolved(request, template):
    """The stack as it will be: each property with its value."""
    return stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, "Way": request.param})


@pytest.fixture(scope="session")
def moto():
    """The endpoint of an emulator of AWS, which lives as long as the tests do."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session", params=WAYS)
def deployed(request, moto):
    """The stack in the emulator: the endpoint, the way, and the outputs."""
    way = request.param
    parameters = {**EVERYTHING, "Way": way}
    return moto, way, stack.deploy(moto, parameters, stack=f"alerts-{way}")


def slack_tokens():
    """How Slack's tokens begin, as the functions know it."""
    code = (stack.TEMPLATE.parent.parent / "crates" / "alert-core" / "src" / "text.rs").read_text()
    beginnings = re.findall(r'"([^"]+)"', re.search(r"SLACK_TOKENS: .*?=\s*\[(.*?)\];", code, re.DOTALL)[1])
    assert {"xoxb-", "xoxe.", "xapp-"} <= set(beginnings), beginnings
    return beginnings


def pretty(value):
    return json.dumps(value, indent=2, sort_keys=True)
