"""The ingress's mapping templates, run by another Velocity engine than API Gateway's."""

import json
import re

import airspeed
import pytest

import stack

INTEGRATION = "x-amazon-apigateway-integration"


@pytest.fixture(scope="module")
def integration(template):
    api = stack.Stack(template, stack.PARAMETERS).resources("AWS::ApiGateway::RestApi")["Ingress"]
    return api["Body"]["paths"]["/grafana"]["post"][INTEGRATION]


class JavaString(str):
    """What API Gateway's strings are: Java's, whose replaceAll takes a regular expression."""

    def replaceAll(self, pattern, replacement):  # noqa: N802
        return JavaString(re.sub(pattern, lambda _: replacement, self))


class JavaList(list):
    """What API Gateway's lists are."""

    def size(self):
        return len(self)


class Util:
    def escapeJavaScript(self, text):  # noqa: N802
        """As Apache Commons Lang does it, apostrophes and slashes included."""
        short = {"\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r"}
        plain = {"'": "\\'", '"': '\\"', "\\": "\\\\", "/": "\\/"}
        return JavaString("".join(
            short.get(c) or plain.get(c) or (c if 32 <= ord(c) < 127 else "".join(
                f"\\u{unit:04X}" for unit in _utf16(c)))
            for c in text
        ))


def _utf16(character):
    encoded = character.encode("utf-16-be")
    return [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]


class Input:
    def __init__(self, body):
        self.body = body

    def json(self, path):
        assert path == "$"
        return json.dumps(json.loads(self.body), ensure_ascii=False)

    def path(self, path):
        value = json.loads(self.body)
        for step in re.findall(r"[A-Za-z]+|\d+", path.removeprefix("$.")):
            try:
                value = value[int(step) if step.isdigit() else step]
            except (KeyError, IndexError, TypeError):
                return None
        return JavaList(value) if isinstance(value, list) else value


class Override(dict):
    def __getattr__(self, name):
        return self[name]


def render(template, body):
    context = {"responseOverride": {"status": None}}
    names = {"util": Util(), "input": Input(body), "context": context}
    return airspeed.Template(template).merge(names), context["responseOverride"]["status"]


@pytest.mark.parametrize("text", [
    "plain", "can't", 'he said "no"', "back\\slash", "\\'", "line\nbreak", "탭\t한글", "😀", "a/b", "<!channel> & co", "$input.body #if",
])
def test_any_text_of_an_alert_reaches_the_bus_as_it_was(integration, text):
    body = {"title": text, "alerts": [{"labels": {"alertname": text}, "values": {"B": -1.5}}]}
    request, _ = render(integration["requestTemplates"]["application/json"], json.dumps(body))
    entry, = json.loads(request)["Entries"]
    assert json.loads(entry["Detail"]) == body
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("grafana", "grafana-alert", "alerts-grafana")


def test_the_request_is_what_eventbridge_takes(integration):
    assert integration["uri"].endswith(":events:action/PutEvents")
    assert integration["passthroughBehavior"] == "never"
    assert integration["requestParameters"] == {
        "integration.request.header.X-Amz-Target": "'AWSEvents.PutEvents'",
        "integration.request.header.Content-Type": "'application/x-amz-json-1.1'",
    }


@pytest.mark.parametrize("answer, status", [
    ({"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}, None),
    ({"FailedEntryCount": 0, "Entries": []}, 502),
    ({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "MalformedDetail", "ErrorMessage": "m"}]}, 502),
    ({"Entries": []}, 502),
    ({}, 502),
    ({"FailedEntryCount": None}, 502),
])
def test_200_is_said_only_when_nothing_failed(integration, answer, status):
    template = integration["responses"]["200"]["responseTemplates"]["application/json"]
    body, override = render(template, json.dumps(answer))
    assert override == status
    assert json.loads(body)
    if status:
        assert "EventBridge did not" in body


def test_every_other_answer_is_502(integration):
    assert integration["responses"]["default"]["statusCode"] == "502"
    assert set(integration["responses"]) == {"200", "default"}
