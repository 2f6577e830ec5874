"""A release, deployed into the emulator by deploy.sh and the real AWS CLI, as far as the emulator goes.

moto gives a stack that came by a change set no outputs, so that deploy.sh ends where it wants the stack's key: the functions are there, and
it says what is left to be done. What comes after that is in test_scripts.py.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import stack
from resolve import REGION
from stack import package

INFRA = pathlib.Path(__file__).resolve().parent.parent
# Takes a secret as the release's own does, and has nothing to encrypt it with.
ALERTCTL = '#!/bin/sh\ncat >/dev/null\necho "alertctl: no key" >&2\nexit 1\n'


@pytest.fixture
def release(tmp_path):
    """A release that was built, where the environment names one; else one with the real template and functions that do nothing."""
    if built := os.environ.get("ALERT_RELAY_RELEASE"):
        shutil.copytree(built, tmp_path, dirs_exist_ok=True)
        return tmp_path
    package.main(["template", str(tmp_path / "alert-relay.template.json")])
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    for name in package.FUNCTIONS.values():
        package.write_zip(tmp_path / f"{name}-x86_64.zip", [(tmp_path / "bootstrap", "bootstrap")])
    (tmp_path / "bootstrap").unlink()
    for architecture in ("x86_64", "arm64"):
        (tmp_path / f"alertctl-linux-{architecture}").write_text(ALERTCTL)
        (tmp_path / f"alertctl-linux-{architecture}").chmod(0o755)
    (tmp_path / "deploy.sh").write_text((INFRA / "deploy.sh").read_text())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(tmp_path.iterdir())]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    return tmp_path


def test_the_real_cli_shows_a_plan_and_makes_the_stack(release, moto):
    # The emulator takes the first part of a name with dots for a bucket, that of an address, too.
    endpoint = moto.replace("127.0.0.1", "localhost")
    environment = {
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(release), "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    }
    run = ["bash", release / "deploy.sh", "--stack", "released", "--region", REGION, "--no-test"]
    # Of the ingress it makes no method, and of a change it takes no resource that is not there.
    run += ["--email", "ops@example.com", "GrafanaIngress=disabled", "Way=direct"]
    for arguments in (["--plan"], ["--tags", "team=ops"]):
        result = subprocess.run([*run, *arguments], env=environment, cwd=release, input="https://hooks.slack.com/services/T0/B0/x\n",
                                capture_output=True, text=True, check=False)
        said = result.stdout + result.stderr
        if arguments[0] == "--plan":
            assert result.returncode == 0 and "AWS::Lambda::Function" in said, said
            assert "released-cloudwatch-to-slack" not in functions(moto)
        else:
            assert "Successfully created/updated stack - released" in said, said
            assert result.returncode == 1 and "Run this again" in said, said
    made = functions(moto)
    for name in ("cloudwatch-to-slack", "grafana-filter-to-sns"):
        assert made[f"released-{name}"] == (release / f"{name}-x86_64.zip").stat().st_size
    description, = stack.client("cloudformation", moto).describe_stacks(StackName="released")["Stacks"]
    parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in description["Parameters"]}
    assert (parameters["Way"], parameters["OperatorEmail"]) == ("direct", "ops@example.com")
    assert description["Tags"] == [{"Key": "team", "Value": "ops"}]


def functions(moto):
    return {function["FunctionName"]: function["CodeSize"] for function in stack.client("lambda", moto).list_functions()["Functions"]}
