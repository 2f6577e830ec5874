"""Least privilege: each role allows what the functions do, and beyond that only what rights.yaml gives a reason for."""

import fnmatch
import pathlib
import re

import pytest
import yaml

import stack
from conftest import EVERYTHING
from resolve import ARNS

HERE = pathlib.Path(__file__).parent
RIGHTS = yaml.safe_load((HERE / "rights.yaml").read_text())
ROLES = [name for name in RIGHTS if name.endswith("Role")]


def listed(value):
    return value if isinstance(value, list) else [value]


def arn(resolved, resource):
    if resource.startswith("arn:") or resource == "*":
        return resource
    kind = resolved.template["Resources"][resource]["Type"]
    return resolved.value({"Fn::GetAtt": [resource, "Arn"]} if kind in ARNS else {"Ref": resource})


def statements(resolved, role):
    """The role's statements, one for each action and resource."""
    properties = resolved.resources("AWS::IAM::Role")[role]
    # Nothing beside the policies that are written out.
    assert not properties.get("ManagedPolicyArns")
    for policy in properties["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow" and not {"NotAction", "NotResource"} & set(statement)
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield action, resource, statement.get("Condition", {})


def is_wanted(resolved, entry):
    """Whether a right or a call of the list belongs to a stack with these parameters."""
    return all(
        resolved.parameters[parameter] in entry.get(key, [resolved.parameters[parameter]])
        for key, parameter in {"ways": "Way", "evidence": "Evidence", "silence_with": "SilenceWith", "second_way": "SecondWayTopicArn"}.items()
    )


def expected(resolved, role):
    return [
        (right["action"], arn(resolved, right["resource"]), right.get("condition", {}))
        for right in RIGHTS[role]["rights"]
        if is_wanted(resolved, right)
    ]


def allows(resolved, role, call):
    def fits(action, resource, condition):
        assert set(condition) <= {"StringEquals", "StringLike"}, "this test knows no other operator"
        context = call.get("context", {})
        return (
            fnmatch.fnmatchcase(call["action"].lower(), action.lower())
            and fnmatch.fnmatchcase(arn(resolved, call["resource"]), resource)
            and all(context.get(key) == value for key, value in condition.get("StringEquals", {}).items())
            and all(fnmatch.fnmatchcase(context.get(key, ""), value) for key, value in condition.get("StringLike", {}).items())
        )

    return any(fits(*statement) for statement in statements(resolved, role))


def test_every_role_is_in_the_list(resolved):
    assert set(resolved.resources("AWS::IAM::Role")) == set(ROLES)
    assert not resolved.resources("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_the_rights_of_the_list_and_no_others(resolved, role):
    assert sorted(statements(resolved, role), key=str) == sorted(expected(resolved, role), key=str)
    for right in RIGHTS[role]["rights"]:
        assert right["by"] in ("function", "service") and right["reason"], right


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_the_calls_of_its_function_and_refuses_its_neighbours(resolved, role):
    for call in RIGHTS[role]["calls"]:
        assert allows(resolved, role, call), call
    for call in RIGHTS[role]["refused"]:
        assert not allows(resolved, role, call), call["why"]


@pytest.mark.parametrize("choice", ["none", "chart", "logs", "all"])
def test_evidence_is_read_where_its_parameter_says_so_alone(template, choice):
    parameter = template["Parameters"]["Evidence"]
    assert parameter["Default"] == "none" and choice in parameter["AllowedValues"] and len(parameter["AllowedValues"]) == 4
    made = stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, "Evidence": choice})
    for role in ROLES:
        assert sorted(statements(made, role), key=str) == sorted(expected(made, role), key=str), role
    calls = [call for call in RIGHTS["RelayRole"]["calls"] if "evidence" in call]
    assert {call["action"] for call in calls} == {right["action"] for right in RIGHTS["RelayRole"]["rights"] if "evidence" in right}
    for call in calls:
        assert allows(made, "RelayRole", call) == (choice in call["evidence"]), call
    read = [action for action, _, _ in statements(made, "RelayRole") if re.search(":(Describe|Filter|GetMetric)", action)]
    assert (read == []) == (choice == "none"), read
    # Rights alone: whether anything is asked, the configuration says.
    others = stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, "Evidence": "none"}).resources()
    assert {n: r for n, r in made.resources().items() if n != "RelayRole"} == {n: r for n, r in others.items() if n != "RelayRole"}


@pytest.mark.parametrize("choice", ["table", "cloudwatch"])
def test_alarms_are_muted_where_the_parameter_says_so_alone(template, choice):
    parameter = template["Parameters"]["SilenceWith"]
    assert parameter["Default"] == "table" and parameter["AllowedValues"] == ["table", "cloudwatch"]
    made = stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, "SilenceWith": choice})
    for role in ROLES:
        assert sorted(statements(made, role), key=str) == sorted(expected(made, role), key=str), role
    calls = [call for call in RIGHTS["SlackActionsRole"]["calls"] if "silence_with" in call]
    assert {call["action"] for call in calls} == {"cloudwatch:PutAlarmMuteRule", "cloudwatch:DeleteAlarmMuteRule"}
    for call in calls:
        assert allows(made, "SlackActionsRole", call) == (choice in call["silence_with"]), call
    # Rights alone: whether an alarm is muted, the configuration says.
    others = stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, "SilenceWith": "table"}).resources()
    assert {n: r for n, r in made.resources().items() if n != "SlackActionsRole"} == {n: r for n, r in others.items() if n != "SlackActionsRole"}


@pytest.mark.parametrize("parameters, roles", [
    ({"KmsEncryptedSigningSecret": ""}, {"RelayRole", "FilterRole", "AuthorizerRole", "IngressRole", "WatchRole", "WatchScheduleRole"}),
    ({"GrafanaIngress": "disabled"}, {"RelayRole", "FilterRole", "SlackActionsRole", "WatchRole", "WatchScheduleRole"}),
    ({"KmsEncryptedSigningSecret": "", "AlertTable": "disabled"}, {"RelayRole", "FilterRole", "AuthorizerRole", "IngressRole"}),
])
def test_what_is_not_wanted_has_no_role(template, parameters, roles):
    made = stack.Stack(template, {**stack.PARAMETERS, **EVERYTHING, **parameters})
    assert set(made.resources("AWS::IAM::Role")) == roles
    for role in roles - ({"RelayRole", "FilterRole"} if "AlertTable" in parameters else set()):
        assert sorted(statements(made, role), key=str) == sorted(expected(made, role), key=str), role


def test_the_code_calls_nothing_that_the_list_does_not_know():
    sources = stack.TEMPLATE.parent.parent / "crates" / "alert-io" / "src"
    code = "".join(path.read_text() for path in sources.rglob("*.rs"))
    operations = set(re.findall(r"\b(?:kms|sns|client|cloudwatch|logs)\s*\.\s*([a-z_]+)\(\)", code)) - {"clone", "config"}
    assert {"decrypt", "publish_batch", "update_item"} <= operations, "the pattern finds nothing any more"
    assert operations <= set(RIGHTS["operations"])


def test_only_its_own_service_may_take_a_role(resolved):
    for name, role in resolved.resources("AWS::IAM::Role").items():
        statement, = role["AssumeRolePolicyDocument"]["Statement"]
        service = {"IngressRole": "apigateway", "WatchScheduleRole": "scheduler"}.get(name, "lambda")
        # The scheduler comes for whoever made a schedule: with ours alone, for this account.
        ours = {"StringEquals": {"aws:SourceAccount": "123456789012"}} if service == "scheduler" else None
        assert statement.get("Condition") == ours, name
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"} and statement["Action"] == "sts:AssumeRole"


def resource_policies(resolved):
    for name, properties in resolved.resources("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy").items():
        for statement in properties["PolicyDocument"]["Statement"]:
            yield name, statement
    for name, properties in resolved.resources("AWS::KMS::Key").items():
        for statement in properties["KeyPolicy"]["Statement"]:
            yield name, statement


def test_a_service_acts_for_this_account_alone(resolved):
    """A service's principal is everybody's: without a condition, another account's alarm could publish here."""
    for name, statement in resource_policies(resolved):
        if statement["Effect"] == "Deny":
            continue
        assert statement["Principal"] != "*" and statement["Principal"].get("AWS") != "*", name
        if "Service" in statement["Principal"]:
            condition = str(statement["Condition"])
            assert "123456789012" in condition and ("aws:Source" in condition or "aws:sns:topicArn" in condition), (name, statement)
        else:
            assert "123456789012" in str(statement["Principal"]), (name, statement)


def test_eventbridge_has_no_source_condition_in_the_key_policy(resolved):
    """SNS does not support it: events would be lost without a trace."""
    keys = [(n, s) for n, s in resource_policies(resolved) if s["Principal"] == {"Service": "events.amazonaws.com"} and n == "TopicKey"]
    assert len(keys) == 1
    assert "aws:SourceAccount" not in str(keys) and "aws:SourceArn" not in str(keys)


def test_who_may_call_a_function_is_named(resolved):
    for name, permission in resolved.resources("AWS::Lambda::Permission").items():
        assert permission["Principal"].endswith(".amazonaws.com") and permission["SourceArn"], name
        assert permission["Action"] == "lambda:InvokeFunction"


def test_keys_rotate_and_topics_use_ours(resolved):
    keys = resolved.resources("AWS::KMS::Key")
    assert set(keys) == {"WebhookKey", "TopicKey"} and all(key["EnableKeyRotation"] for key in keys.values())
    topics = resolved.resources("AWS::SNS::Topic")
    # What is disabled with a key must not take along the mail that would say so.
    assert {name: topic.get("KmsMasterKeyId") for name, topic in topics.items()} == {
        "AlarmsTopic": resolved.value({"Ref": "TopicKey"}), "OperatorsTopic": None,
    }
    for name, queue in resolved.resources("AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
