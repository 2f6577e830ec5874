"""The benchmark's measure: a small filter for Grafana's webhook in Python, as one would write it. What is not a
DatasourceError is published to SNS."""

import os

import boto3

TOPIC_ARN = os.environ["SNS_TOPIC_ARN"]
SNS = boto3.client("sns")


def handle(event, context):
    for alert in event["detail"]["alerts"]:
        name = alert["labels"]["alertname"]
        if name == "DatasourceError":
            continue
        value = alert.get("valueString") or "none"
        SNS.publish(
            TopicArn=TOPIC_ARN,
            Subject=name[:99],
            Message=f"Alert Name : {name}\nAlert Time : {alert['startsAt']}\nAlert Value : {value}\n",
        )
