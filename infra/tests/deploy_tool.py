"""Every tool that deploy.sh calls, as one program that goes by their names: it notes how it was called, and answers.

Beside it lie `calls.jsonl`, what was called and with what, and `states.jsonl`, the stack's parameters after each change.
"""

import json
import os
import pathlib
import re
import sys

import jmespath

HERE = pathlib.Path(__file__).resolve().parent
STATES = HERE / "states.jsonl"
SECRETS = ["KmsEncryptedHookUrl", "KmsEncryptedBotToken", "KmsEncryptedSigningSecret", "KmsEncryptedCredential"]
# What a parameter is that the stack does not have yet and nobody gives.
DEFAULTS = {**dict.fromkeys(SECRETS, ""), "SlackChannel": "", "AlertTable": "auto"}
OUTPUTS = {"WebhookKeyAlias": "alias/alerts-webhook", "RelayFunction": "alerts-cloudwatch-to-slack"}
ACTIONS_URL = "https://api1.execute-api.eu-west-1.amazonaws.com/live/slack/actions"


def main():
    name, arguments = pathlib.Path(sys.argv[0]).name.split("-linux-")[0], sys.argv[1:]
    secret = sys.stdin.read() if name == "alertctl" and arguments[0] == "encrypt-secret" else None
    note("calls.jsonl", {"tool": name, "arguments": arguments, "environment": dict(os.environ), "secret": secret})
    states = STATES.read_text().splitlines() if STATES.exists() else []
    stack = json.loads(states[-1]) if states else None
    match [name, *arguments]:
        case ["alertctl", "encrypt-secret", *_]:
            forms = {"KmsEncryptedBotToken": "xoxb-.*", "KmsEncryptedHookUrl": "https://hooks.slack.com/.*", "KmsEncryptedSigningSecret": "[0-9a-f]{32}"}
            parameter = next((name for name, form in forms.items() if re.fullmatch(form, secret.strip())), None)
            if parameter is None:
                sys.exit("alertctl: what was entered is neither")
            print(f"{parameter}=QUJD==" if "--as-parameter" in arguments else "QUJD==")
        case ["alertctl", "pack", package, "--config", config, "--output", output]:
            pathlib.Path(output).write_text(f"{pathlib.Path(package).read_text()} with {pathlib.Path(config).read_text()}")
        case ["cargo", "metadata", *_]:
            print(json.dumps({"target_directory": os.environ.get("CARGO_TARGET_DIR", str(HERE / "target"))}))
        case ["aws", "cloudformation", "deploy", *_]:
            if "--no-execute-changeset" in arguments:
                print("aws cloudformation describe-change-set --change-set-name arn:aws:cloudformation:eu-west-1:123456789012:changeSet/one/2")
                return
            # As the AWS CLI reads them: what is not given stays.
            given = arguments[arguments.index("--parameter-overrides") + 1 :]
            change({**DEFAULTS, **(stack or {})}, dict(setting.split("=", 1) for setting in given))
        case ["aws", "cloudformation", "describe-stacks", *_]:
            status = (HERE / "status").read_text() if (HERE / "status").exists() else "CREATE_COMPLETE"
            # A stack that is being reviewed has neither parameters nor outputs.
            if stack is None and status == "CREATE_COMPLETE":
                sys.exit("An error occurred (ValidationError): Stack with id alerts does not exist")
            show(described(stack or {}, status), arguments[arguments.index("--query") + 1])
        case ["aws", "cloudformation", "describe-change-set", *_]:
            print("the change set")
        case ["aws", "s3api", "head-bucket", *_]:
            sys.exit(0 if (HERE / "bucket").exists() else "Not Found")
        case ["aws", "s3api", "create-bucket", *_]:
            (HERE / "bucket").touch()
        case ["aws", "sts", *_]:
            print("123456789012" if "Account" in arguments else "arn:aws:iam::123456789012:user/operator")


def note(file, value):
    with (HERE / file).open("a") as notes:
        notes.write(json.dumps(value) + "\n")


def change(stack, changes):
    note(STATES.name, {**stack, **changes})


def described(stack, status):
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.items()]
    shown = {**OUTPUTS, "SlackActionsUrl": ACTIONS_URL} if stack.get("KmsEncryptedSigningSecret") else OUTPUTS
    if stack.get("GrafanaIngress") == "enabled":
        shown = {**shown, "AuthorizerFunction": "alerts-authorizer", "IngressUrl": "https://api2.example.com"}
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in shown.items()]
    return {"Stacks": [{"StackStatus": status, "Parameters": parameters, "Outputs": outputs if stack else []}]}


def show(value, query):
    """As `--output text` does."""
    found = jmespath.search(query, value)
    rows = found if isinstance(found, list) else [found]
    print("\t".join(str(cell) for row in rows for cell in (row if isinstance(row, list) else [row])))


main()
