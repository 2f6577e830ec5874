"""Makes the stack of template.yaml anywhere that speaks CloudFormation, an emulator above all.

    python stack.py --endpoint http://127.0.0.1:5000 --way direct --set WatchedInstanceId=i-0123456789abcdef0

prints the stack's outputs, and what a test wants to know beyond them, as one JSON object.
"""

import argparse
import io
import json
import pathlib
import sys
import zipfile

import boto3
from botocore.config import Config

from resolve import REGION, Stack

TEMPLATE = pathlib.Path(__file__).resolve().parent.parent / "template.yaml"
sys.path.insert(0, str(TEMPLATE.parent / "packaging"))
import package  # noqa: E402, it lies beside the tests
from package import source  # noqa: E402, F401

# As at a first deployment.
PARAMETERS = {"OperatorEmail": "operators@example.com", "SlackSecretFollows": "yes", "CodeBucket": "code", "CodePrefix": "release"}


def translated():
    """The template as CloudFormation sees it, which is that of a release."""
    return package.template()


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def deploy(endpoint, parameters=None, stack="alerts"):
    """Creates the stack, and returns its outputs by name."""
    parameters = {**PARAMETERS, **(parameters or {})}
    # The emulator asks no rules.
    broken = Stack(source(), parameters).broken_rules()
    if broken:
        raise ValueError("; ".join(broken))
    parameters["CodeBucket"] = f"{stack}-code"
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=parameters["CodeBucket"])
    for name in package.FUNCTIONS.values():
        key = f"{parameters['CodePrefix']}/{name}-{parameters.get('Architecture', 'x86_64')}.zip"
        s3.put_object(Bucket=parameters["CodeBucket"], Key=key, Body=_package())
    template = translated()
    ours = {key: resource for key, resource in template["Resources"].items() if resource["Type"] in FINISH}
    body = {**template, "Resources": {k: v for k, v in template["Resources"].items() if k not in ours}}
    # The outputs are computed below: one of them names a resource that is ours.
    outputs = body.pop("Outputs")
    for resource in body["Resources"].values():
        # An order that only real AWS needs, and that names what is ours.
        resource.pop("DependsOn", None)
    cloudformation = client("cloudformation", endpoint)
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(body, separators=(",", ":")),
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    if description["StackStatus"] != "CREATE_COMPLETE":
        raise RuntimeError(f"{description['StackStatus']}: {description.get('StackStatusReason')}")
    made = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}
    resolved = Stack(template, parameters, stack, ids)
    missing = [k for k, v in body["Resources"].items() if resolved.exists(v) and k not in ids]
    if missing:
        raise RuntimeError(f"the emulator's CloudFormation did not make {missing}")
    for kind, finish in FINISH.items():
        for logical, properties in resolved.resources(kind).items():
            finish(endpoint, properties, resolved, logical)
    return {
        name: resolved.value(output["Value"])
        for name, output in outputs.items()
        if "Condition" not in output or resolved.holds(output["Condition"])
    }


# What moto's CloudFormation does not make is made by the services' own calls, from the same template.


def _topic_policy(endpoint, properties, *_):
    for topic in properties["Topics"]:
        policy = json.dumps(properties["PolicyDocument"])
        client("sns", endpoint).set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


def _queue_policy(endpoint, properties, *_):
    for queue in properties["Queues"]:
        policy = json.dumps(properties["PolicyDocument"])
        client("sqs", endpoint).set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


def _subscription(endpoint, properties, *_):
    attributes = {
        name: json.dumps(properties[name]) for name in ("RawMessageDelivery", "RedrivePolicy") if name in properties
    }
    client("sns", endpoint).subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=attributes,
    )


def _alarm(endpoint, properties, *_):
    client("cloudwatch", endpoint).put_metric_alarm(**properties)


def _event_invoke_config(endpoint, properties, *_):
    # Only in real AWS is `$LATEST` the same as no qualifier.
    properties.pop("Qualifier", None)
    destinations = {key: {"Destination": value["Destination"]} for key, value in properties.get("DestinationConfig", {}).items()}
    client("lambda", endpoint).put_function_event_invoke_config(**{**properties, "DestinationConfig": destinations})


def _stage(endpoint, properties, resolved, *_):
    rest_api = properties["RestApiId"]
    body, = (
        api["Body"] for logical, api in resolved.resources("AWS::ApiGateway::RestApi").items() if resolved.ids[logical] == rest_api
    )
    api = client("apigateway", endpoint)
    api.put_rest_api(restApiId=rest_api, mode="overwrite", body=json.dumps(body).encode())
    api.create_deployment(restApiId=rest_api, stageName=properties["StageName"])


def _schedule(endpoint, properties, *_):
    client("scheduler", endpoint).create_schedule(**properties)


FINISH = {
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Lambda::EventInvokeConfig": _event_invoke_config,
    # An API's body, its deployment and its stage in one go.
    "AWS::ApiGateway::Deployment": lambda *_: None,
    "AWS::ApiGateway::Stage": _stage,
    "AWS::Scheduler::Schedule": _schedule,
}


def _package():
    """A zip that no emulator looks into."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("bootstrap", "#!/bin/sh\n")
    return content.getvalue()


def main():
    parser = argparse.ArgumentParser(description="Deploy template.yaml to an emulator, and print its outputs as JSON.")
    parser.add_argument("--endpoint", required=True, help="where the emulator listens: http://127.0.0.1:5000")
    parser.add_argument("--stack", default="alerts", help="the stack's name")
    parser.add_argument("--way", choices=["buffered", "direct"], default="buffered")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE", help="a parameter of the template")
    arguments = parser.parse_args()
    parameters = {"Way": arguments.way, **dict(setting.split("=", 1) for setting in arguments.set)}
    print(json.dumps(deploy(arguments.endpoint, parameters, arguments.stack), indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
