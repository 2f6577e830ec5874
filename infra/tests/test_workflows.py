"""The workflows: what zizmor finds in them, and what they have to have."""

import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ZIZMOR = pathlib.Path(sys.executable).parent / "zizmor"


def load(path):
    # `on` is a truth value to YAML 1.1.
    return yaml.load(path.read_text(), yaml.BaseLoader)  # noqa: S506, it makes texts alone


def test_zizmor_has_nothing_to_say():
    command = [ZIZMOR, "--offline", "--no-progress", "--pedantic", "--min-severity", "low", *WORKFLOWS]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_named(path):
    workflow = load(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] and job["timeout-minutes"]
    for action in re.findall(r"uses: (.*)", path.read_text()):
        assert re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", action), action


def test_ci_is_what_runs_elsewhere():
    steps = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["check-and-test"]["steps"]
    assert steps[-1]["run"] == ".ci/run"


def test_the_version_is_told_in_the_changes():
    command = [sys.executable, "-B", ROOT / "infra" / "packaging" / "package.py", "version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
