"""The pinned packages: whether every Python that the README names can install them.

What a package asks for stands in its own metadata, which is installed here and read for every Python. Whether there is a wheel, where
each is made for one Python alone, only the registry knows: it is asked for the oldest and the newest.
"""

import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHONS = [line.split()[0] for line in (pathlib.Path(__file__).parent / "pythons.txt").read_text().splitlines() if not line.startswith("#")]
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
INSTALLED = {"infra/requirements-test.txt": "target/venv", "infra/requirements-checkov.txt": "target/venv-checkov"}
NOT_INSTALLED = [".ci/requirements.txt", "infra/requirements-package.txt", "crates/alertctl/src/bench/python/requirements.txt"]


def pins(requirements):
    lines = (ROOT / requirements).read_text().splitlines()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if not line.startswith("#"))}


def distributions(requirements):
    """What is installed of a list: all of it."""
    folders = [str(path) for path in (ROOT / INSTALLED[requirements]).glob("lib/python*/site-packages")]
    found = {canonicalize_name(distribution.name): distribution for distribution in importlib.metadata.distributions(path=folders)}
    pinned = pins(requirements)
    assert {name: found[name].version for name in pinned} == pinned
    return {name: found[name] for name in pinned}


def names_one_python(distribution):
    """Whether a wheel is for one Python alone: `cp311-cp311-…`, and neither `py3-…` (also what was built from plain sources) nor
    `cp38-abi3-…`."""
    tags = [line.removeprefix("Tag: ") for line in distribution.read_text("WHEEL").splitlines() if line.startswith("Tag: ")]
    return not any(tag.startswith(("py3", "py2.py3")) or "-abi3-" in tag for tag in tags)


def refused(python, wanted):
    """What the registry says against installing these with a Python, without installing anything."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--ignore-installed", "--target", "nowhere", "--python-version", python, "--only-binary", ":all:", *wanted]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else ""


def test_the_readme_names_the_oldest_and_the_newest():
    oldest, newest = (".".join(python.split(".")[:2]) for python in (OLDEST, NEWEST))
    assert f"Python {oldest} to {newest}" in (ROOT / "README.md").read_text()
    assert sorted(PYTHONS, key=lambda python: [int(part) for part in python.split(".")]) == PYTHONS


@pytest.mark.parametrize("requirements", [*INSTALLED, *NOT_INSTALLED])
def test_every_version_is_pinned(requirements):
    for line in (ROOT / requirements).read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][^\s;*,]*", line), line


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirements", INSTALLED)
def test_every_pin_is_for_this_python(requirements, python):
    for name, distribution in distributions(requirements).items():
        wanted = distribution.metadata["Requires-Python"] or ""
        assert SpecifierSet(wanted).contains(python), f"{name} {distribution.version} wants Python {wanted}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirements", INSTALLED)
def test_the_pins_are_all_that_this_python_needs(requirements, python):
    environment = {**default_environment(), "python_version": python.rpartition(".")[0], "python_full_version": python, "extra": ""}
    pinned = pins(requirements)
    for name, distribution in distributions(requirements).items():
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                version = pinned.get(canonicalize_name(requirement.name))
                assert version and requirement.specifier.contains(version), f"{name} wants {requirement}, pinned is {version}"


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
@pytest.mark.parametrize("requirements", INSTALLED)
def test_there_is_a_wheel_for_this_python(requirements, python):
    if tuple(map(int, python.split(".")[:2])) == sys.version_info[:2]:
        return  # It runs this test, out of what it has installed.
    installed = distributions(requirements).values()
    wanted = [f"{distribution.name}=={distribution.version}" for distribution in installed if names_one_python(distribution)]
    assert wanted
    assert refused(python, wanted) == ""


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
@pytest.mark.parametrize("requirements", NOT_INSTALLED)
def test_what_others_install_is_for_this_python(requirements, python):
    assert refused(python, ["--requirement", str(ROOT / requirements)]) == ""
