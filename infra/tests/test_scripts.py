"""The scripts: clean, and without a way for a secret to be seen."""

import pathlib
import subprocess
import sys

INFRA = pathlib.Path(__file__).resolve().parent.parent
SHELLCHECK = pathlib.Path(sys.executable).parent / "shellcheck"


def test_shellcheck_has_nothing_to_say():
    ci = INFRA.parent / ".ci"
    scripts = [INFRA / "deploy.sh", INFRA / "tests" / "run.sh", ci / "run", ci / "foreign", ci / "in-root"]
    result = subprocess.run([SHELLCHECK, "--enable", "check-unassigned-uppercase", *scripts], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
