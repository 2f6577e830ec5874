"""The benchmark's measure: AWS's blueprint's job in Python, as one would write it. The webhook's URL comes from KMS at the
start, and every alarm of an SNS event becomes one line in Slack."""

import base64
import json
import os
from urllib.request import Request, urlopen

import boto3


def webhook():
    answer = boto3.client("kms").decrypt(
        CiphertextBlob=base64.b64decode(os.environ["kmsEncryptedHookUrl"]),
        EncryptionContext={"LambdaFunctionName": os.environ["AWS_LAMBDA_FUNCTION_NAME"]},
    )
    return answer["Plaintext"].decode()


WEBHOOK = webhook()


def handle(event, context):
    for record in event["Records"]:
        alarm = json.loads(record["Sns"]["Message"])
        text = f"{alarm['AlarmName']} is {alarm['NewStateValue']}: {alarm['NewStateReason']}"
        message = json.dumps({"text": text}).encode()
        request = Request(WEBHOOK, message, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as response:
            response.read()
