"""checkov's findings, each of them fixed or excused in checkov.yaml."""

import json
import os
import pathlib
import subprocess

import yaml

import stack

HERE = pathlib.Path(__file__).parent
# In an environment of its own: see requirements-checkov.txt.
CHECKOV = pathlib.Path(os.environ.get("CHECKOV", HERE.parent.parent / "target" / "venv-checkov" / "bin" / "checkov"))


def test_every_finding_has_its_reason():
    assert CHECKOV.exists(), f"{CHECKOV} is missing: infra/tests/run.sh installs it"
    templates = [stack.TEMPLATE, stack.TEMPLATE.parent / "eks" / "bucket-and-roles.yaml"]
    command = [CHECKOV, "--file", *templates, "--framework", "cloudformation", "--output", "json", "--skip-download"]
    result = subprocess.run([*command, "--compact", "--quiet"], capture_output=True, text=True, check=False)
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0, result.stdout
    found = {(check["check_id"], check["resource"].rsplit(".", 1)[1]) for check in report["results"]["failed_checks"]}
    excused = yaml.safe_load((HERE / "checkov.yaml").read_text())
    assert all(entry["reason"] for entry in excused.values())
    expected = {(check, resource) for check, entry in excused.items() for resource in entry["resources"]}
    assert found - expected == set(), "new findings"
    assert expected - found == set(), "excuses that nothing needs any more"
