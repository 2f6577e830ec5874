"""The shell blocks of all pages: run in the emulator, as a reader types them, or listed here with the reason why not.

The walkthrough is one session of bash, with the real AWS CLI. What it builds for minutes, asks of Slack or waits for has a stand-in (`PRELUDE`).
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest

from stack import package

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WALKTHROUGH = "infra/walkthrough/README.md"
URL = "https://hooks.slack.com/services/T0/B0/secretpart"
TOKEN = "xoxb-1-2-secretpart"
INSTALLS = "installs packages of the system and Rust"
DEPLOYS = "deploys into an account: test_release.py and test_scripts.py run deploy.sh"
EKS = "wants a cluster: test_eks.py holds each command against the charts and the template"
# Blocks that nothing here runs, by their page and how they begin, with the reason.
NOT_RUN = {
    ("README.md", "sudo apt-get install"): INSTALLS,
    ("README.md", "git clone"): DEPLOYS,
    ("README.ko.md", "sudo apt-get install"): INSTALLS,
    ("README.ko.md", "git clone"): DEPLOYS,
    ("infra/README.md", "cd release-"): DEPLOYS,
    ("infra/README.md", "git clone"): DEPLOYS,
    ("infra/README.md", "pass show"): DEPLOYS,
    ("infra/cdk/README.md", "aws s3 cp"): "installs packages of npm; test_cdk.py takes in the same template with the pinned ones",
    ("infra/cdk/README.md", "cdk deploy"): "wants an account; the KMS call is that of the walkthrough",
    ("infra/eks/README.md", "export AWS_REGION"): EKS,
    ("infra/eks/README.md", "eksctl utils"): EKS,
    ("infra/eks/README.md", "curl -fsSo"): EKS,
    ("infra/eks/README.md", "eksctl create"): EKS,
    ("infra/eks/README.md", "for service in"): EKS,
    ("infra/eks/README.md", "ISSUER="): EKS,
    ("infra/eks/README.md", "make deploy"): EKS,
    ("infra/eks/README.md", "helm upgrade"): EKS,
    ("infra/eks/README.md", "cp infra/eks"): EKS,
    ("infra/eks/README.md", "read -rs CREDENTIAL"): EKS,
    ("infra/eks/README.md", "check_tls()"): "wants Grafana's address; test_eks.py runs the function against a server of its own",
    (WALKTHROUGH, "python3 -m venv"): "builds a zip for minutes: `make package` does, and runs it; here a zip is there already",
}
# They end what the session made, so that they come last, in this order.
LAST = ["aws apigatewayv2 delete-api", "aws cloudwatch delete-alarms"]
# Calls that the emulator does not have.
GAPS = ["ec2:monitor-instances"]
# What has to be there before a block, because it is about something that happens: by how the block begins.
BEFORE = {
    "aws lambda list-event-source-mappings": """
aws sqs create-queue --queue-name mapped
UUID=$(aws lambda create-event-source-mapping --function-name "$NAME" --query UUID --output text \\
  --event-source-arn "arn:aws:sqs:$REGION:$ACCOUNT:mapped")
""",
    "aws sqs receive-message": """
aws lambda delete-event-source-mapping --uuid "$UUID"
aws sqs delete-queue --queue-url "$(aws sqs get-queue-url --queue-name mapped --query QueueUrl --output text)"
aws sqs send-message --queue-url "$QUEUE_URL" --message-body \\
  '{"requestContext": {"functionArn": "'"$FUNCTION_ARN"'"}, "responsePayload": {"errorMessage": "slack_unavailable"}}'
""",
}
# Words in capitals that the reader puts something for.
PUT = {
    "--uuid UUID": '--uuid "$UUID"',
    "silence expire ID": 'silence expire "$(grep -om1 "[0-9a-f-]\\{36\\}" said)"',
    # A move in the future, as it was when the page was written.
    "2026-09-": "2999-09-",
}
PRELUDE = r"""
set -Eeuo pipefail
trap 'echo "failed in the block that begins: $BLOCK" >&2' ERR
sleep() { :; }                                  # until IAM knows a role
cargo() { [[ "$*" == "build --quiet --workspace --bins" || "$*" == "lambda build --release --x86-64 --output-format zip --bin "* ]]; }
aws() {
    if [[ " $GAPS " == *" $1:$2 "* ]]; then return; fi
    command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"  # version 1 asks the old host of SQS, whatever the variable says
}
curl() { grep -q "^url = \"https\?://" && echo ok; }  # Slack, and API Gateway, which the emulator does not serve
"""


def pages():
    """Each page by its path, with its text."""
    paths = [ROOT / "README.md", ROOT / "README.ko.md", ROOT / "ARCHITECTURE.md"]
    for top in ("crates", "fixtures", "infra"):
        paths += sorted(path for path in (ROOT / top).rglob("README.md") if not {"node_modules", "target"} & set(path.parts))
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def shell_blocks(text):
    """The shell blocks of a page, each without what it is indented by."""
    found = re.findall(r"^( *)```(?:sh|bash)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(f"(?m)^{indent}", "", block) for indent, block in found]


def unlisted(all_pages, run):
    """Blocks that are neither run nor listed, and lines of the list that are of no block."""
    blocks = [(page, block) for page, text in all_pages.items() for block in shell_blocks(text)]
    listed = {key: [block for page, block in blocks if page == key[0] and block.startswith(key[1])] for key in NOT_RUN}
    known = [block for found in listed.values() for block in found] + run
    return [f"{page}: {block.splitlines()[0]}" for page, block in blocks if block not in known] + [str(key) for key, found in listed.items() if not found]


def block(page, beginning):
    """The one block of a page that begins so."""
    found, = (block for block in shell_blocks((ROOT / page).read_text()) if block.startswith(beginning))
    return found


def walkthrough():
    """The walkthrough's blocks in the order in which a reader runs them."""
    text = (ROOT / WALKTHROUGH).read_text()
    blocks = [block for block in shell_blocks(text) if not any(page == WALKTHROUGH and block.startswith(key) for page, key in NOT_RUN)]
    last = [next(block for block in blocks if block.startswith(beginning)) for beginning in LAST]
    # Lines that step 11 wants more, for what is optional.
    more = re.findall(r"`(aws (?:dynamodb delete-table|iam delete-role-policy)[^`]*)`", text)
    assert len(more) == 3, more
    return [block for block in blocks if block not in last] + [last[0], "\n".join(more) + "\n", last[1]]


# In the order in which they can be run: each makes what later ones want.
OTHERS = [
    ("infra/slack/README.md", "read -rsp 'Bot token"),
    ("infra/terraform/README.md", "read -rsp 'Webhook URL"),
    ("crates/slack-actions/README.md", "export ALERT_TABLE"),
    ("infra/README.md", "aws logs filter-log-events"),
    ("infra/README.md", "for queue in"),
]


def test_each_block_is_run_or_listed_with_the_reason():
    run = [block for block in walkthrough()] + [block(*key) for key in OTHERS]
    assert unlisted(pages(), run) == []
    assert unlisted({**pages(), "infra/new.md": "```sh\naws new thing\n```\n"}, run) == ["infra/new.md: aws new thing"]
    assert len(unlisted({}, run)) == len(NOT_RUN), "a line of the list without a block is found"


@pytest.fixture
def session(tmp_path):
    """A folder like the repository's top one, and a way to run bash in it against an emulator of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = pathlib.Path(sys.executable).parent
    server = subprocess.Popen([programs / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                # Functions answer, and are not run: that would take Docker.
                request = urllib.request.Request(f"{endpoint}/moto-api/config", b'{"lambda": {"use_docker": false}}', method="POST")
                urllib.request.urlopen(request, timeout=10)
                break
            except OSError:
                time.sleep(0.1)
        (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
        (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
        for name in ("cloudwatch-to-slack", "grafana-filter-to-sns"):
            folder = tmp_path / "target" / "lambda" / name
            folder.mkdir(parents=True)
            package.write_zip(folder / "bootstrap.zip", [(tmp_path / "bootstrap", "bootstrap")])
        (tmp_path / "target" / "debug").symlink_to(ROOT / "target" / "debug")
        environment = {
            "PATH": f"{programs}:{ROOT / 'target' / 'debug'}:{os.environ['PATH']}", "HOME": str(tmp_path), "USER": "ops", "TMPDIR": str(tmp_path),
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1", "AWS_PAGER": "",
        }

        def run(blocks, typed=""):
            blocks = [next((more for begin, more in BEFORE.items() if text.startswith(begin)), "") + text for text in blocks]
            for word, value in PUT.items():
                blocks = [text.replace(word, value) for text in blocks]
            named = [f"BLOCK='{text.strip().splitlines()[0][:60].replace(chr(39), '')}'\n{text}" for text in blocks]
            script = tmp_path / "session.sh"
            script.write_text(f'GAPS="{" ".join(GAPS)}"' + PRELUDE + "\n".join(named))
            return subprocess.run(["bash", script], env=environment, cwd=tmp_path, input=typed, capture_output=True, text=True, check=False, timeout=600)

        def left():
            """What is there that costs something or lets somebody in; a key is, until its days are over."""
            asked = [("lambda", "list_functions", "Functions"), ("sns", "list_topics", "Topics"), ("dynamodb", "list_tables", "TableNames"),
                     ("iam", "list_roles", "Roles"), ("events", "list_rules", "Rules"), ("apigatewayv2", "get_apis", "Items"),
                     ("logs", "describe_log_groups", "logGroups"), ("cloudwatch", "describe_alarms", "MetricAlarms"), ("sqs", "list_queues", "QueueUrls")]
            answers = [(key, getattr(boto3.client(service, endpoint_url=endpoint, region_name="eu-west-1"), call)()) for service, call, key in asked]
            return [thing for key, answer in answers for thing in answer.get(key, [])]

        run.left = left
        yield run
    finally:
        server.terminate()
        server.wait()


@pytest.mark.skipif(not shutil.which("jq"), reason="the walkthrough wants jq")
def test_the_walkthrough_runs_as_it_stands_and_leaves_nothing(session):
    # Nearly each step of cleaning up fails where what it ends is not there, so that nothing passes that made nothing.
    result = session(walkthrough(), f"{URL}\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "secretpart" not in result.stdout + result.stderr
    assert result.stdout.count("arn:aws:sns:eu-west-1:123456789012:cloudwatch-alarms") > 1
    assert session.left() == []


def test_the_other_blocks_run_in_a_stack(session):
    """What the pages say of a stack named `alerts`: its table, queue, key and log, and nothing more, are there."""
    table = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("due", "S"), ("due_at", "N"))],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [{"IndexName": "due", "Projection": {"ProjectionType": "KEYS_ONLY"}, "KeySchema": [
            {"AttributeName": "due", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}]}],
        "DeletionProtectionEnabled": True,
    }
    stack = {
        "Resources": {"RelayTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": table}},
        "Outputs": {"AlertTableName": {"Value": {"Ref": "RelayTable"}}},
    }
    made = f"""
NAME=alerts-cloudwatch-to-slack
KEY=$(aws kms create-key --query KeyMetadata.KeyId --output text)
for alias in alias/alerts-webhook "alias/$NAME"; do aws kms create-alias --alias-name "$alias" --target-key-id "$KEY"; done
aws logs create-log-group --log-group-name "/aws/lambda/$NAME"
aws sqs create-queue --queue-name alerts-buffer
aws cloudformation create-stack --stack-name alerts --template-body '{json.dumps(stack)}'
alertctl() {{ command alertctl "$@" | tee -a said; }}
"""
    result = session([made, *(block(*key) for key in OTHERS)], f"{TOKEN}\n{URL}\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "known, ticket 4711" in result.stdout and "secretpart" not in result.stdout + result.stderr
