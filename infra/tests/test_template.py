"""The template: well-formed, deployable, and without a place where an event could die unseen."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import stack
from conftest import pretty, slack_tokens

BIN = pathlib.Path(sys.executable).parent


def run(*command):
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": stack.REGION}
    result = subprocess.run(
        [BIN / command[0], *command[1:]], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_cfn_lint_has_nothing_to_say():
    run("cfn-lint", stack.TEMPLATE)


def test_the_template_of_a_release_is_plain_and_has_everything(template, tmp_path):
    released = tmp_path / "alert-relay.template.json"
    stack.package.main(["template", str(released)])
    # Warnings are for what people write.
    run("cfn-lint", "--ignore-checks", "W", "--template", released)
    # Source: CloudFormation's quotas, a template in S3. What is given inline may have 51,200 bytes, which this is beyond.
    assert len(released.read_bytes()) < 1_000_000
    assert "Transform" not in template and not [r for r in template["Resources"].values() if "Serverless" in r["Type"]]
    source = stack.source()
    assert set(template["Parameters"]) == {*source["Parameters"], "CodeBucket", "CodePrefix"}
    assert template["Outputs"] == json.loads(json.dumps(source["Outputs"]))
    # A parameter's default is nowhere in its place.
    for parameter in ("Architecture", "LogLevel", "BatchSize"):
        assert json.dumps({"Ref": parameter}) in json.dumps(template["Resources"]), parameter


def test_every_parameter_is_described():
    assert [name for name, parameter in stack.source()["Parameters"].items() if "Description" not in parameter] == []


def test_every_parameter_has_one_place_in_the_console():
    groups = stack.source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    placed = [name for group in groups for name in group["Parameters"]]
    assert sorted(placed) == sorted(stack.source()["Parameters"])


def test_no_secret_can_be_pasted_into_a_parameter():
    secrets = ["https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com/services/T0/B0/x", "grafana:password"]
    secrets += [f"{beginning}1-2-x" for beginning in slack_tokens()]
    ciphertext, channels = "AQICAHg+/abc==", ("C0123456789", "#alerts", "@somebody", "#온콜", "#xo-xob", "#foxapp-alerts")
    for name, good in {
        "KmsEncryptedHookUrl": [ciphertext],
        "KmsEncryptedBotToken": [ciphertext],
        "KmsEncryptedCredential": [ciphertext],
        "KmsEncryptedSigningSecret": [ciphertext],
        "SlackChannel": channels,
    }.items():
        pattern = stack.source()["Parameters"][name]["AllowedPattern"]
        assert all(re.fullmatch(pattern, value) for value in ["", *good]), name
        for secret in secrets:
            assert not re.fullmatch(pattern, secret), (name, secret)
    # Nothing but its length tells a signing secret from a ciphertext.
    pattern = stack.source()["Parameters"]["KmsEncryptedSigningSecret"]["AllowedPattern"]
    for secret in ("0123456789abcdef" * 2, "0123456789ABCDEF" * 2):
        assert not re.fullmatch(pattern, secret) and re.fullmatch(pattern, secret + "AA=="), secret


@pytest.mark.parametrize("hook, token, channel, follows, broken", [
    ("", "", "", "no", ["KmsEncryptedHookUrl", "KmsEncryptedBotToken", "SlackSecretFollows=yes", "infra/deploy.sh"]),
    ("", "", "#alerts", "no", ["Nothing leads to Slack"]),
    ("", "QUJD", "", "no", ["SlackChannel"]),
    ("QUJD", "QUJD", "", "no", None),
    ("", "QUJD", "", "yes", ["SlackChannel"]),
    ("", "", "", "yes", None),
    ("QUJD", "", "", "no", None),
    ("QUJD", "", "#alerts", "no", None),
    ("", "QUJD", "#alerts", "no", None),
    ("QUJD", "QUJD", "C0123456789", "no", None),
])
def test_a_stack_that_leads_nowhere_is_refused_before_it_is_made(hook, token, channel, follows, broken):
    parameters = {
        "KmsEncryptedHookUrl": hook, "KmsEncryptedBotToken": token, "SlackChannel": channel, "SlackSecretFollows": follows
    }
    told = stack.Stack(stack.source(), {**stack.PARAMETERS, **parameters}).broken_rules()
    assert len(told) == (0 if broken is None else 1), told
    assert all(word in told[0] for word in broken or []), told


@pytest.mark.parametrize("token, hook, table, broken", [
    ("QUJD", "", "auto", []),
    ("QUJD", "QUJD", "enabled", []),
    ("", "QUJD", "enabled", ["KmsEncryptedBotToken"]),
    ("QUJD", "", "disabled", ["--no-buttons"]),
    ("", "QUJD", "disabled", ["KmsEncryptedBotToken", "AlertTable"]),
])
def test_buttons_without_an_app_or_a_table_are_refused_before_anything_is_made(token, hook, table, broken):
    parameters = {
        "KmsEncryptedSigningSecret": "QUJE", "KmsEncryptedBotToken": token, "KmsEncryptedHookUrl": hook,
        "SlackChannel": "#alerts", "AlertTable": table, "SlackSecretFollows": "no",
    }
    told = stack.Stack(stack.source(), {**stack.PARAMETERS, **parameters}).broken_rules()
    assert len(told) == len(broken) and all(word in text for word, text in zip(broken, told)), told
    # The same without buttons is nobody's business.
    assert stack.Stack(stack.source(), {**stack.PARAMETERS, **parameters, "KmsEncryptedSigningSecret": ""}).broken_rules() == []


def test_the_functions_get_the_way_that_is_set(template):
    def relay(**parameters):
        resources = stack.Stack(template, {**stack.PARAMETERS, **parameters}).resources()
        return resources["Relay"].get("Environment", {}).get("Variables", {})

    assert relay() == {}
    assert relay(KmsEncryptedHookUrl="QUJD") == {"kmsEncryptedHookUrl": "QUJD"}
    app = {"KmsEncryptedBotToken": "QUJD", "SlackChannel": "#alerts", "AlertTable": "disabled"}
    assert relay(**app) == {"kmsEncryptedBotToken": "QUJD", "slackChannel": "#alerts"}
    gov = {**app, "SlackApiUrl": "https://slack-gov.com/api/"}
    assert relay(**gov)["SLACK_API_URL"] == "https://slack-gov.com/api/"


@pytest.mark.parametrize("choice, hook, token, follows, has_table", [
    # What follows may be a webhook.
    ("auto", "", "", "yes", False),
    ("auto", "QUJD", "", "no", False),
    ("auto", "", "QUJD", "no", True),
    ("auto", "QUJD", "QUJD", "no", True),
    ("enabled", "", "", "yes", True),
    ("enabled", "QUJD", "", "no", True),
    ("disabled", "QUJD", "QUJD", "no", False),
])
def test_the_table_comes_with_an_app_or_on_wish(template, choice, hook, token, follows, has_table):
    parameters = {
        "AlertTable": choice, "KmsEncryptedHookUrl": hook, "KmsEncryptedBotToken": token, "SlackSecretFollows": follows
    }
    made = stack.Stack(template, {**stack.PARAMETERS, **parameters})
    resources = made.resources()
    # The table, what leads to it and what watches it, or nothing of it.
    assert ("RelayTable" in resources) == has_table
    assert ("TableUnavailable" in resources) == has_table
    assert resources["Relay"].get("Environment", {}).get("Variables", {}).get("ALERT_TABLE") == ("RelayTable" if has_table else None)
    assert ("dynamodb:UpdateItem" in str(resources["RelayRole"])) == has_table
    assert made.holds(template["Outputs"]["AlertTableName"]["Condition"]) == has_table
    # The watch comes with it, as soon as something leads to Slack.
    assert ("Watch" in resources) == (has_table and bool(hook or token))
    # The filter writes down there which of Grafana's rules cannot be evaluated.
    assert resources["Filter"]["Environment"]["Variables"].get("ALERT_TABLE") == ("RelayTable" if has_table else None)
    others = {name: resource for name, resource in resources.items() if not name.startswith(("Relay", "Watch", "Filter"))}
    assert "RelayTable" not in str(others) and "dynamodb" not in str(others)


def test_the_table_is_the_one_that_the_relay_asks_for_and_stays(template):
    table = template["Resources"]["RelayTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    # A table with a name of its own that was kept would be in the way of another.
    assert "TableName" not in properties
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    code = (stack.TEMPLATE.parent.parent / "crates" / "alert-io" / "src" / "dynamodb.rs").read_text()
    key, = properties["KeySchema"]
    assert f'.key("{key["AttributeName"]}", key)' in code and key["KeyType"] == "HASH"
    index, = properties["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "due" and index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert [(part["AttributeName"], part["KeyType"]) for part in index["KeySchema"]] == [("due", "HASH"), ("due_at", "RANGE")]
    kinds = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in properties["AttributeDefinitions"]}
    assert kinds == {key["AttributeName"]: "S", "due": "S", "due_at": "N"}
    ends = properties["TimeToLiveSpecification"]
    assert f"SET {ends['AttributeName']} = " in code and ends["Enabled"] is True


# ------------------------------------------------------------------------------------------------------------ nothing is lost


def dead_letter_queues(resolved):
    """Every queue but those that are emptied by themselves."""
    return {name for name in resolved.resources("AWS::SQS::Queue") if name not in ("BufferQueue", "WaitingQueue")}


def arn(resolved, queue):
    return resolved.value({"Fn::GetAtt": [queue, "Arn"]})


def test_every_subscription_to_a_service_has_a_dead_letter_queue(resolved):
    for name, subscription in resolved.resources("AWS::SNS::Subscription").items():
        if subscription["Protocol"] != "email":
            assert subscription["RedrivePolicy"]["deadLetterTargetArn"] == arn(resolved, "SubscriptionDeadLetterQueue"), name


def test_every_asynchronous_function_has_a_destination_for_failures(resolved):
    configs = resolved.resources("AWS::Lambda::EventInvokeConfig")
    # What the watch has not done stays due in the table, and the next minute tries it again.
    watch, = (configs.pop(name) for name, c in list(configs.items()) if c["FunctionName"] == "alerts-alert-watch")
    assert not watch.get("DestinationConfig") and (watch["MaximumRetryAttempts"], watch["MaximumEventAgeInSeconds"]) == (0, 60)
    destinations = {c["FunctionName"]: c["DestinationConfig"]["OnFailure"]["Destination"] for c in configs.values()}
    assert destinations == {
        "alerts-cloudwatch-to-slack": arn(resolved, "RelayFailureQueue"),
        "alerts-grafana-filter-to-sns": arn(resolved, "FilterFailureQueue"),
    }


def test_every_target_of_a_rule_has_a_dead_letter_queue(resolved):
    for rule in resolved.resources("AWS::Events::Rule").values():
        for target in rule["Targets"]:
            assert target["DeadLetterConfig"]["Arn"] == arn(resolved, "GrafanaRuleDeadLetterQueue")


def test_every_dead_letter_queue_keeps_for_14_days_and_has_an_alarm(resolved):
    alarms = [a for a in resolved.resources("AWS::CloudWatch::Alarm").values() if a.get("Namespace") == "AWS/SQS"]
    watched = {a["Dimensions"][0]["Value"]: a for a in alarms if a["MetricName"] == "ApproximateNumberOfMessagesVisible"}
    queues = resolved.resources("AWS::SQS::Queue")
    for name in dead_letter_queues(resolved):
        assert queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600, name
        alarm = watched.pop(queues[name]["QueueName"])
        assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Maximum")
    assert not watched


def test_the_buffer_is_as_lambda_wants_it(resolved):
    resources = resolved.resources()
    buffer, waiting, timeout = resources["BufferQueue"], resources["WaitingQueue"], resources["Relay"]["Timeout"]
    assert buffer["VisibilityTimeout"] == 180 == 6 * timeout
    assert buffer["RedrivePolicy"] == {"deadLetterTargetArn": arn(resolved, "WaitingQueue"), "maxReceiveCount": 20}
    assert waiting["RedrivePolicy"] == {"deadLetterTargetArn": arn(resolved, "BufferDeadLetterQueue"), "maxReceiveCount": 192}
    # An hour with short pauses, and then four days with long ones: a long weekend. The age counts from the first queue.
    tried = 20 * 180 + 192 * waiting["VisibilityTimeout"]
    assert 4 * 24 * 3600 <= tried < waiting["MessageRetentionPeriod"] == buffer["MessageRetentionPeriod"] == 14 * 24 * 3600
    for name in ("RelayFromBuffer", "RelayFromWaiting"):
        mapping = resources[name]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (10, 0)
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_ways_exclude_each_other_and_neither_takes_a_queue_away(resolved):
    is_buffered = resolved.holds("IsBuffered")
    names = set(resolved.resources())
    assert ("BufferSubscription" in names) == is_buffered
    assert ({"RelaySubscription", "RelayPermission"} <= names) != is_buffered
    # Whoever changes the way must not lose what waits, nor what died.
    kept = {"BufferQueue", "WaitingQueue", "BufferDeadLetterQueue", "RelayFromBuffer", "RelayFromWaiting", "BufferDeadLetters", "BufferWaiting"}
    assert kept <= names


def test_an_outage_is_seen_though_sqs_forgets_the_age_of_what_it_handed_out_three_times(resolved):
    alarm = resolved.resources()["BufferWaiting"]
    total, *queries = alarm["Metrics"]
    assert total["Expression"] == " + ".join(f"FILL({query['Id']}, 0)" for query in queries) and alarm["Threshold"] == 0
    watched = {
        (query["MetricStat"]["Metric"]["Dimensions"][0]["Value"], query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Stat"])
        for query in queries
    }
    states = ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible")
    assert watched == {(f"alerts-{queue}", state, "Minimum") for queue in ("buffer", "waiting") for state in states}


TOPIC = "arn:aws:sns:us-east-1:999999999999:theirs"


def test_an_existing_topic_takes_the_place_of_ours(template):
    made = stack.Stack(template, {**stack.PARAMETERS, "ExistingTopicArn": TOPIC, "Way": "buffered"})
    resources = made.resources()
    assert not {"AlarmsTopic", "AlarmsTopicPolicy", "TopicKey", "TopicKeyAlias"} & set(resources)
    assert resources["BufferSubscription"]["TopicArn"] == TOPIC
    assert resources["Filter"]["Environment"]["Variables"]["SNS_TOPIC_ARN"] == TOPIC
    assert resources["TestAlarm"]["AlarmActions"] == [TOPIC]
    assert made.value(template["Outputs"]["AlarmsTopicArn"]["Value"]) == TOPIC
    assert resources["SubscriptionEventsLost"]["Dimensions"] == [{"Name": "TopicName", "Value": "theirs"}]
    publishes = [s for s in resources["FilterRole"]["Policies"][0]["PolicyDocument"]["Statement"] if s["Action"] == "sns:Publish"]
    assert [s["Resource"] for s in publishes] == [TOPIC] and "TopicKey" not in str(resources)
    told = stack.Stack(stack.source(), {**stack.PARAMETERS, "ExistingTopicArn": TOPIC, "SecondWayTopicArn": TOPIC}).broken_rules()
    assert len(told) == 1 and "would come back" in told[0]


@pytest.mark.parametrize("parameters, sid, service, condition", [
    ({"ExtraPublishers": "budgets.amazonaws.com,ses.amazonaws.com"}, "OtherServices", ["budgets.amazonaws.com", "ses.amazonaws.com"],
     {"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}),
    ({"AllowedAccounts": "111122223333, 444455556666"}, "AlarmsOfOtherAccounts", "cloudwatch.amazonaws.com",
     {"StringEquals": {"aws:SourceAccount": ["111122223333", "444455556666"]}}),
    ({"OrgId": "o-0123456789"}, "AlarmsOfTheOrganization", "cloudwatch.amazonaws.com", {"StringEquals": {"aws:SourceOrgID": "o-0123456789"}}),
])
def test_others_may_publish_where_a_parameter_says_so_alone(template, parameters, sid, service, condition):
    def statements(**more):
        resources = stack.Stack(template, {**stack.PARAMETERS, **more}).resources()
        topic = resources["AlarmsTopicPolicy"]["PolicyDocument"]["Statement"]
        return [[s for s in statements if s["Sid"] == sid] for statements in (topic, resources["TopicKey"]["KeyPolicy"]["Statement"])]

    assert statements() == [[], []]
    (topic,), (key,) = statements(**parameters)
    assert topic["Principal"] == key["Principal"] == {"Service": service} and topic["Condition"] == condition
    # Who may publish may use the key, for this topic alone.
    (operator, keys), = condition.items()
    assert key["Condition"][operator] == keys and ":alerts-alarms" in str(key["Condition"]["ArnLike"])


def test_every_role_has_the_boundary_that_the_account_demands(template):
    def boundaries(**more):
        roles = stack.Stack(template, {**stack.PARAMETERS, **BUTTONS, **more}).resources("AWS::IAM::Role")
        return {role.get("PermissionsBoundary") for role in roles.values()}

    boundary = "arn:aws:iam::123456789012:policy/boundary"
    assert boundaries() == {None} and boundaries(PermissionsBoundaryArn=boundary) == {boundary}


def test_the_way_in_takes_tls_1_2_and_on_wish_some_addresses_alone(template):
    made = stack.Stack(template, {**stack.PARAMETERS, **BUTTONS}).resources("AWS::ApiGateway::RestApi")
    for api in made.values():
        assert api["Body"]["x-amazon-apigateway-security-policy"].startswith("SecurityPolicy_TLS13_1_2_")
        # An enhanced policy demands it.
        assert api["Body"]["x-amazon-apigateway-endpoint-access-mode"] == "STRICT"
    assert "x-amazon-apigateway-policy" not in made["Ingress"]["Body"]
    some = stack.Stack(template, {**stack.PARAMETERS, "IngressAllowedCidrs": "203.0.113.7/32,198.51.100.0/24"})
    statement, = some.resources()["Ingress"]["Body"]["x-amazon-apigateway-policy"]["Statement"]
    assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": ["203.0.113.7/32", "198.51.100.0/24"]}}
    scheme = made["Ingress"]["Body"]["components"]["securitySchemes"]["credential"]
    pattern = scheme["x-amazon-apigateway-authorizer"]["identityValidationExpression"]
    assert re.match(pattern, "Basic Z3Jh") and re.match(pattern, "Bearer abc") and not re.match(pattern, "x")


def test_operators_hear_of_trouble_by_another_way(resolved):
    operators = resolved.value({"Ref": "OperatorsTopic"})
    alarms_topic = resolved.value({"Ref": "AlarmsTopic"})
    through = {"TestAlarm", "CanaryAlarm", "WatchedInstanceCpu"}
    for name, alarm in resolved.resources("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == [alarms_topic if name in through else operators], name
        # Operators' topic lets only this stack's alarms publish.
        assert alarm["AlarmName"].startswith("alerts-"), name
        assert alarm["AlarmDescription"], name


def test_what_the_issue_wants_watched_is_watched(resolved):
    alarms = resolved.resources("AWS::CloudWatch::Alarm").values()
    metrics = {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms if "MetricName" in alarm}
    metrics |= {
        (query["MetricStat"]["Metric"]["Namespace"], query["MetricStat"]["Metric"]["MetricName"])
        for alarm in alarms
        for query in alarm.get("Metrics", [])
        if "MetricStat" in query
    }
    wanted = {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"),
        ("AlertRelay", "delivery_failed"),
        ("AlertRelay", "config_invalid"),
        ("AlertRelay", "table_unavailable"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Duration"),
        ("AWS/ApiGateway", "4XXError"),
        ("AWS/ApiGateway", "5XXError"),
    }
    assert wanted <= metrics


def test_own_metrics_are_those_that_the_functions_count(resolved):
    """Name, namespace and dimension of an alarm must be the code's own, or it would wait for ever."""
    code = (stack.TEMPLATE.parent.parent / "crates" / "alert-io" / "src" / "metrics.rs").read_text()
    functions = {resolved.value({"Ref": name}) for name in ("Relay", "Filter")}
    counted = []
    for alarm in resolved.resources("AWS::CloudWatch::Alarm").values():
        queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        metrics = [metric for metric in queries if metric["Namespace"] == "AlertRelay"]
        metrics += [alarm] if alarm.get("Namespace") == "AlertRelay" else []
        for metric in metrics:
            namespace, name, [dimension] = metric["Namespace"], metric["MetricName"], metric["Dimensions"]
            dimension_name = dimension["Name"]
            assert f'NAMESPACE: &str = "{namespace}"' in code
            assert f'&str = "{name}"' in code
            assert f'FUNCTION_NAME: &str = "{dimension_name}"' in code
            assert dimension["Value"] in functions
            counted.append(name)
    assert sorted(counted) == ["config_invalid"] * 2 + ["delivery_failed"] * 2 + ["table_unavailable"]


def test_reserved_concurrency_belongs_to_the_direct_way(template):
    def relay(**parameters):
        return stack.Stack(template, {**stack.PARAMETERS, **parameters}).resources()["Relay"]

    assert "ReservedConcurrentExecutions" not in relay(Way="direct")
    assert relay(Way="direct", ReservedConcurrency="2")["ReservedConcurrentExecutions"] == "2"
    assert "ReservedConcurrentExecutions" not in relay(Way="buffered", ReservedConcurrency="2")


# -------------------------------------------------------------------------------------------------------- buttons, the watch

APP = {"KmsEncryptedBotToken": "QUJD", "SlackChannel": "#alerts", "SlackSecretFollows": "no"}
BUTTONS = {**APP, "KmsEncryptedSigningSecret": "QUJE"}


@pytest.mark.parametrize("ingress", ["enabled", "disabled"])
@pytest.mark.parametrize("buttons", [True, False])
def test_each_way_in_is_there_without_the_other(template, ingress, buttons):
    made = stack.Stack(template, {**stack.PARAMETERS, **(BUTTONS if buttons else APP), "GrafanaIngress": ingress})
    resources = made.resources()
    grafana = {name for name in template["Resources"] if name.startswith(("Ingress", "Authorizer"))}
    slack = {name for name in template["Resources"] if name.startswith("Slack")}
    assert {"Ingress", "IngressRole", "Authorizer", "Ingress4XX", "Ingress5XX"} <= grafana
    assert {"SlackApi", "SlackActions", "SlackActionsRole", "SlackActionsLogs", "SlackActionsPermission"} <= slack
    assert {"SlackApi4XX", "SlackApi5XX", "SlackActionsErrors", "SlackActionsDuration"} <= slack
    assert grafana & set(resources) == (grafana if ingress == "enabled" else set())
    assert slack & set(resources) == (slack if buttons else set())
    # An address that is not there is no output.
    shown = {name for name, output in template["Outputs"].items() if made.holds(output.get("Condition", "IsBuffered"))}
    assert ("IngressUrl" in shown, "SlackActionsUrl" in shown) == (ingress == "enabled", buttons)
    paths = {name: list(api["Body"]["paths"]) for name, api in made.resources("AWS::ApiGateway::RestApi").items()}
    expected = {"Ingress": ["/grafana"], "SlackApi": ["/slack/actions"]}
    assert paths == {name: path for name, path in expected.items() if name in resources}


def test_messages_have_buttons_where_a_press_has_somewhere_to_go(template):
    def settings(name, **parameters):
        resources = stack.Stack(template, {**stack.PARAMETERS, **parameters}).resources()
        return resources[name]["Environment"]["Variables"]

    for function in ("Relay", "Watch"):
        assert settings(function, **BUTTONS)["SLACK_BUTTONS"] == "enabled"
        assert "SLACK_BUTTONS" not in settings(function, **APP)
    # A stack that is made by hand past the rules is none with half of the buttons.
    half = stack.Stack(template, {**stack.PARAMETERS, **BUTTONS, "AlertTable": "disabled"})
    assert not half.holds("HasButtons") and "SLACK_BUTTONS" not in half.resources()["Relay"]["Environment"]["Variables"]


def test_what_the_new_functions_get(template):
    everything = {**BUTTONS, "KmsEncryptedHookUrl": "QUJG", "SlackApiUrl": "https://slack-gov.com/api/", "AlertConfig": "drop: []"}
    resources = stack.Stack(template, {**stack.PARAMETERS, **everything}).resources()
    relay = resources["Relay"]["Environment"]["Variables"]
    assert resources["SlackActions"]["Environment"]["Variables"] == {
        "kmsEncryptedSigningSecret": "QUJE", "kmsEncryptedBotToken": "QUJD", "ENCRYPTED_FOR": "alerts-cloudwatch-to-slack",
        "SLACK_API_URL": "https://slack-gov.com/api/", "ALERT_TABLE": "RelayTable", "ALERT_CONFIG": "drop: []",
    }
    # What rings late is what the relay would have said.
    assert resources["Watch"]["Environment"]["Variables"] == {**relay, "ENCRYPTED_FOR": resources["Relay"]["FunctionName"]}
    # Slack waits for 3 s.
    assert resources["SlackActions"]["Timeout"] <= 10
    for name in ("SlackActions", "Watch"):
        assert "ReservedConcurrentExecutions" not in resources[name]


def test_a_press_reaches_the_function_and_is_throttled_by_itself(resolved):
    post = resolved.resources()["SlackApi"]["Body"]["paths"]["/slack/actions"]["post"]
    # Slack signs; it shows no credential that an authorizer could see.
    assert "security" not in post
    integration = post["x-amazon-apigateway-integration"]
    assert (integration["type"], integration["httpMethod"]) == ("aws_proxy", "POST")
    assert "function:alerts-slack-actions/invocations" in integration["uri"]
    permission = resolved.resources()["SlackActionsPermission"]
    assert permission["FunctionName"] == "alerts-slack-actions" and permission["SourceArn"].endswith("SlackApi/live/POST/slack/actions")
    stages = {stage["RestApiId"]: stage["MethodSettings"] for stage in resolved.resources("AWS::ApiGateway::Stage").values()}
    assert set(stages) == {"Ingress", "SlackApi"}
    throttles = {api: (s["ThrottlingRateLimit"], s["ThrottlingBurstLimit"]) for api, (s,) in stages.items()}
    assert throttles == {"Ingress": (500, 1000), "SlackApi": (5, 20)}


def test_the_watch_is_woken_each_minute_and_somebody_hears_when_it_is_not(resolved):
    resources = resolved.resources()
    schedule, = resolved.resources("AWS::Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "rate(1 minute)" and schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["Arn"].endswith(":function:alerts-alert-watch") and "State" not in schedule
    assert schedule["Target"]["RoleArn"] == resolved.value({"Fn::GetAtt": ["WatchScheduleRole", "Arn"]})
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    # It ends before the next one begins.
    assert resources["Watch"]["Timeout"] < 60
    errors = resources["WatchErrors"]
    assert (errors["Period"], errors["DatapointsToAlarm"], errors["EvaluationPeriods"]) == (60, 2, 15)
    missing = {name for name, a in resolved.resources("AWS::CloudWatch::Alarm").items() if a["TreatMissingData"] == "breaching"}
    assert missing == {"WatchAsleep"}


def test_nothing_is_null(template):
    # CloudFormation: "'null' values are not allowed in templates". A comma in a text without quotes makes one.
    def nulls(value, path):
        if isinstance(value, dict):
            return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}")]
        if isinstance(value, list):
            return [found for at, inner in enumerate(value) for found in nulls(inner, f"{path}[{at}]")]
        return [path] if value is None else []

    assert nulls(template, "") == []


def test_without_the_ingress_nothing_of_it_is_left(template):
    resources = stack.Stack(template, {**stack.PARAMETERS, "GrafanaIngress": "disabled"}).resources()
    assert not [name for name in resources if name.startswith(("Ingress", "Authorizer"))]


# -------------------------------------------------------------------------------------------------------------- the emulator


def test_the_stack_is_made_and_a_message_reaches_the_relays_end_of_the_topic(deployed):
    endpoint, way, outputs = deployed
    sns, sqs = stack.client("sns", endpoint), stack.client("sqs", endpoint)
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=outputs["AlarmsTopicArn"])["Subscriptions"]
    assert [s["Protocol"] for s in subscriptions] == [{"buffered": "sqs", "direct": "lambda"}[way]]
    if way == "buffered":
        sns.publish(TopicArn=outputs["AlarmsTopicArn"], Subject="s", Message="the alarm")
        messages = sqs.receive_message(QueueUrl=outputs["BufferQueueUrl"]).get("Messages", [])
        assert [json.loads(message["Body"])["Message"] for message in messages] == ["the alarm"]
        for message in messages:
            sqs.delete_message(QueueUrl=outputs["BufferQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    topic = sns.get_topic_attributes(TopicArn=outputs["AlarmsTopicArn"])["Attributes"]
    assert topic["KmsMasterKeyId"] and "alias/aws/sns" not in topic["KmsMasterKeyId"]


def test_the_functions_are_made_with_their_settings(deployed):
    endpoint, _, outputs = deployed
    functions = stack.client("lambda", endpoint)
    relay = functions.get_function_configuration(FunctionName=outputs["RelayFunction"])
    assert relay["Environment"]["Variables"] == {
        "kmsEncryptedHookUrl": "QUJD", "kmsEncryptedBotToken": "QUJE", "slackChannel": "C0123456789",
        "ALERT_TABLE": outputs["AlertTableName"], "SLACK_BUTTONS": "enabled", "CANARY_ALARM": outputs["CanaryAlarmName"],
    }
    watch = functions.get_function_configuration(FunctionName=outputs["WatchFunction"])
    assert watch["Environment"]["Variables"] == {**relay["Environment"]["Variables"], "ENCRYPTED_FOR": outputs["RelayFunction"]}
    actions = functions.get_function_configuration(FunctionName=outputs["SlackActionsFunction"])
    assert actions["Environment"]["Variables"] == {
        "kmsEncryptedSigningSecret": "QUJF", "kmsEncryptedBotToken": "QUJE", "ALERT_TABLE": outputs["AlertTableName"],
        "ENCRYPTED_FOR": outputs["RelayFunction"],
    }
    assert (relay["Runtime"], relay["Timeout"], relay["Architectures"]) == ("provided.al2023", 30, ["x86_64"])
    filter_ = functions.get_function_configuration(FunctionName=outputs["FilterFunction"])
    assert filter_["Environment"]["Variables"] == {"SNS_TOPIC_ARN": outputs["AlarmsTopicArn"], "ALERT_TABLE": outputs["AlertTableName"]}
    authorizer = functions.get_function_configuration(FunctionName=outputs["AuthorizerFunction"])
    assert authorizer["Environment"]["Variables"] == {"kmsEncryptedCredential": "QUJD"}


def test_the_table_is_made_and_takes_items_by_its_key(deployed):
    endpoint, _, outputs = deployed
    dynamodb = stack.client("dynamodb", endpoint)
    name = outputs["AlertTableName"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST" and table["DeletionProtectionEnabled"] is True
    update = {"UpdateExpression": "SET expires_at = :at", "ExpressionAttributeValues": {":at": {"N": "1789268400"}}}
    made = dynamodb.update_item(TableName=name, Key={"pk": {"S": "warm-up"}}, ReturnValues="ALL_NEW", **update)
    assert made["Attributes"] == {"pk": {"S": "warm-up"}, "expires_at": {"N": "1789268400"}}
    # Only what is due is in the index, and what is due first comes first.
    for key, due_at in (("later", "1789268400000"), ("sooner", "1789268300000")):
        due = {"UpdateExpression": "SET due = :due, due_at = :at", "ExpressionAttributeValues": {":due": {"S": "watch"}, ":at": {"N": due_at}}}
        dynamodb.update_item(TableName=name, Key={"pk": {"S": key}}, **due)
    asked = {"KeyConditionExpression": "due = :due AND due_at <= :now", "ExpressionAttributeValues": {":due": {"S": "watch"}, ":now": {"N": "1789268400000"}}}
    found = dynamodb.query(TableName=name, IndexName="due", **asked)["Items"]
    assert [item["pk"]["S"] for item in found] == ["sooner", "later"]


def test_an_event_on_the_bus_is_the_filters(deployed):
    endpoint, _, outputs = deployed
    events = stack.client("events", endpoint)
    rules = events.list_rules(EventBusName=outputs["GrafanaBusName"])["Rules"]
    ours = [rule for rule in rules if "filter" in str(events.list_targets_by_rule(
        Rule=rule["Name"], EventBusName=outputs["GrafanaBusName"])["Targets"])]
    assert len(ours) == 1, pretty(rules)
    assert json.loads(ours[0]["EventPattern"]) == {"account": ["123456789012"]}
    archives = [a for a in events.list_archives()["Archives"] if a["EventSourceArn"].endswith(outputs["GrafanaBusName"])]
    assert len(archives) == 1


def test_the_ingress_asks_for_the_credential(deployed):
    endpoint, _, outputs = deployed
    api = stack.client("apigateway", endpoint)
    rest_api = outputs["IngressUrl"].split("//")[1].split(".")[0]
    resources = {r["path"]: r for r in api.get_resources(restApiId=rest_api)["items"]}
    assert "POST" in resources["/grafana"]["resourceMethods"]


def test_slack_has_an_address_of_its_own(deployed):
    endpoint, _, outputs = deployed
    api = stack.client("apigateway", endpoint)
    rest_api = outputs["SlackActionsUrl"].split("//")[1].split(".")[0]
    assert rest_api != outputs["IngressUrl"].split("//")[1].split(".")[0]
    assert outputs["SlackActionsUrl"].endswith("/live/slack/actions")
    resources = {r["path"]: r for r in api.get_resources(restApiId=rest_api)["items"]}
    assert list(resources["/slack/actions"]["resourceMethods"]) == ["POST"] and "/grafana" not in resources


def test_the_scheduler_takes_the_schedule(deployed):
    endpoint, _, outputs = deployed
    schedule = stack.client("scheduler", endpoint).get_schedule(Name=outputs["WatchFunction"])
    assert schedule["State"] == "ENABLED" and schedule["Target"]["Arn"].endswith(outputs["WatchFunction"])


@pytest.mark.parametrize("alarm", ["test", "cpu-i-0123456789abcdef0", "buffer-dead-letters"])
def test_alarms_are_taken_by_cloudwatch(deployed, alarm):
    endpoint, way, _ = deployed
    names = [a["AlarmName"] for a in stack.client("cloudwatch", endpoint).describe_alarms()["MetricAlarms"]]
    assert (f"alerts-{way}-{alarm}" in names) or (way == "direct" and alarm.startswith("buffer"))
