"""The Terraform module: the template's parameters and outputs under its own names, and what Terraform makes of it.

Terraform itself is used where it is installed. Its AWS provider comes from a registry that only it can reach, so a stand-in takes the
provider's place: infra/terraform/tests/stand_in.py.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import hcl2
import pytest

import stack

MODULE = pathlib.Path(__file__).resolve().parent.parent / "terraform"
TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(not TERRAFORM, reason="neither terraform nor tofu is installed: the module is read, and not run")
# What the release has beyond template.yaml.
CODE = ["CodeBucket", "CodePrefix"]
OWN = {"create", "name", "release_dir", "template_url", "iam_role_arn", "tags"}
TYPES = {"String": "string", "Number": "number", "CommaDelimitedList": "list(string)"}


def snake(name):
    """`SlackApiUrl` as Terraform's users write it."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plain(node):
    """What hcl2 read, without the quotes of texts and the braces of expressions."""
    match node:
        case dict():
            return {plain(key): plain(value) for key, value in node.items() if key != "__is_block__"}
        case list():
            return [plain(item) for item in node]
        case str():
            return node[2:-1] if node.startswith("${") else node[1:-1] if node.startswith('"') else node
    return node


def blocks(file, kind):
    """The blocks of a kind, in the file's order."""
    with (MODULE / file).open() as text:
        read = plain(hcl2.load(text)).get(kind, [])
    return {name: body for block in read for name, body in block.items()}


@pytest.fixture(scope="module")
def variables():
    return blocks("variables.tf", "variable")


@pytest.fixture(scope="module")
def parameters():
    return stack.source()["Parameters"]


def test_every_parameter_has_one_variable_and_every_variable_a_parameter(variables, parameters):
    wanted = {snake(name) for name in [*parameters, *CODE]}
    assert len(wanted) == len(parameters) + len(CODE)
    assert set(variables) - OWN == wanted
    assert OWN <= set(variables)


def test_a_variable_is_of_its_parameters_kind_and_null_where_that_has_a_default(variables, parameters):
    for name, parameter in parameters.items():
        variable = variables[snake(name)]
        # The one that is empty or a number.
        kind = "number" if name == "ReservedConcurrency" else TYPES[parameter["Type"]]
        assert variable["type"] == kind, name
        assert ("default" in variable) == ("Default" in parameter), name
        assert variable.get("default") is None, name


def test_every_variable_and_every_output_is_described(variables):
    for name, body in {**variables, **blocks("outputs.tf", "output")}.items():
        assert body["description"], name


def test_what_the_template_allows_is_what_the_module_allows(variables, parameters):
    validated = {name for name, variable in variables.items() if "contains(" in str(variable.get("validation"))}
    assert validated == {snake(name) for name, parameter in parameters.items() if "AllowedValues" in parameter}
    for name in validated:
        parameter, = (parameter for key, parameter in parameters.items() if snake(key) == name)
        validation, = variables[name]["validation"]
        allowed, default = json.dumps(parameter["AllowedValues"]), json.dumps(parameter["Default"])
        assert validation["condition"] == f"contains({allowed}, coalesce(var.{name}, {default}))", name
        assert validation["error_message"] == f"Expected one of {', '.join(map(str, parameter['AllowedValues']))}.", name


def test_a_variable_that_may_hold_a_secret_by_mistake_is_validated(variables, parameters):
    for name in [name for name in parameters if name.startswith("KmsEncrypted")] + ["SlackChannel"]:
        validation, = variables[snake(name)]["validation"]
        assert validation["error_message"] == f"Expected {parameters[name]['ConstraintDescription']}.", name


def test_the_configuration_may_be_as_long_as_the_templates(variables, parameters):
    validation, = variables["alert_config"]["validation"]
    limit = parameters["AlertConfig"]["MaxLength"]
    assert validation["condition"].endswith(f"<= {limit // 3 * 4}"), limit
    assert f"{limit:,} bytes" in variables["alert_config"]["description"]


def test_the_stack_gets_every_variable_by_its_parameters_name(parameters):
    text = (MODULE / "locals.tf").read_text()
    given = dict(re.findall(r"^      (\w+) += (.*)$", text, re.MULTILINE))
    wanted = {
        name: f'try(join(",", var.{snake(name)}), null)' if parameter["Type"] == "CommaDelimitedList" else f"var.{snake(name)}"
        for name, parameter in parameters.items()
    }
    assert given == wanted | {"CodeBucket": "var.code_bucket", "CodePrefix": "local.code_prefix"}


def test_the_release_is_taken_as_it_is(parameters):
    text = (MODULE / "locals.tf").read_text()
    assert json.loads(re.search(r"for function in (\[.*\])", text)[1]) == list(stack.package.FUNCTIONS.values())
    assert f'coalesce(var.architecture, "{parameters["Architecture"]["Default"]}")' in text


def test_every_output_of_the_stack_is_one_of_the_module():
    outputs = {name: body["value"] for name, body in blocks("outputs.tf", "output").items()}
    assert outputs.pop("stack_id")
    assert outputs == {snake(name): f"try(local.outputs.{name}, null)" for name in stack.source()["Outputs"]}


def test_the_names_in_the_readmes_commands_are_the_templates(template):
    ours, text = stack.Stack(template, stack.PARAMETERS), (MODULE / "README.md").read_text()
    keys, functions = (set(re.findall(pattern, text)) for pattern in (r"--key-id (\S+)", "LambdaFunctionName=([a-z-]+)"))
    assert keys == {ours.value({"Ref": "WebhookKeyAlias"})}
    assert functions == {ours.value({"Ref": name}) for name in ("Relay", "Authorizer")}


def test_the_readme_names_what_there_is(variables):
    text = (MODULE / "README.md").read_text()
    table = text[text.index("## From terraform-aws-notify-slack"):]
    named = set(re.findall(r"`([a-z0-9_]+)`", "".join(row.split("|")[2] for row in table.splitlines() if row.startswith("| `"))))
    assert named and named <= set(variables) | set(blocks("outputs.tf", "output")), named


def test_the_readmes_blocks_are_terraform_and_set_what_there_is(variables):
    read = [plain(hcl2.loads(block)) for block in re.findall(r"```hcl\n(.*?)```", re.sub("(?m)^   ", "", (MODULE / "README.md").read_text()), re.DOTALL)]
    module, = read[0]["module"]
    assert set(module["alert_relay"]) - {"source", "__comments__"} <= set(variables)
    required = {name for name, variable in variables.items() if "default" not in variable}
    assert required <= set(module["alert_relay"]) and len(read) == 2


# What follows runs Terraform.


@pytest.fixture
def module(tmp_path):
    """A copy of the module, two releases beside it, and what Terraform needs to take the stand-in for the provider."""
    shutil.copytree(MODULE, tmp_path / "module")
    for release in ("release-1", "release-2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "alert-relay.template.json").write_text('{"Resources": {}}')
        for name in stack.package.FUNCTIONS.values():
            for architecture in ("x86_64", "arm64"):
                (tmp_path / release / f"{name}-{architecture}.zip").write_text(f"{release} {name} {architecture}")
    plugin = tmp_path / "plugins" / "terraform-provider-aws"
    plugin.parent.mkdir()
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{MODULE}/tests/stand_in.py" "$@"\n')
    plugin.chmod(0o755)
    (tmp_path / "terraform.rc").write_text(f'provider_installation {{\n  dev_overrides {{\n    "hashicorp/aws" = "{plugin.parent}"\n  }}\n}}\n')
    return tmp_path / "module"


def terraform(module, *arguments, fails=False, **environment):
    """What Terraform says; it must fail where that is expected, and only there."""
    folder = module.parent
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "CHECKPOINT_DISABLE": "1",
        "STAND_IN_LOG": str(folder / "log"), "PYTHONDONTWRITEBYTECODE": "1", **environment,
    }
    command = [TERRAFORM, *arguments, "-no-color"]
    result = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert (result.returncode != 0) == fails, said
    return said


@needs_terraform
def test_it_is_formatted(module):
    assert subprocess.run([TERRAFORM, "fmt", "-check", "-recursive", "-diff", module], capture_output=True, text=True, check=False).stdout == ""


@needs_terraform
def test_it_is_valid_and_its_own_tests_pass(module):
    terraform(module, "validate")
    said = terraform(module, "test")
    runs = len(re.findall('^run "', (MODULE / "tests" / "module.tftest.hcl").read_text(), re.MULTILINE))
    assert f"{runs} passed, 0 failed" in said


def apply(module, release, fails=False, **environment):
    """What the provider was told, in its order."""
    log = module.parent / "log"
    log.write_text("")
    variables = {"operator_email": "oncall@example.com", "code_bucket": "releases", "release_dir": f"../{release}", "architecture": "arm64"}
    settings = [f"-var={name}={value}" for name, value in variables.items()]
    terraform(module, "apply", "-auto-approve", "-parallelism=1", *settings, fails=fails, **environment)
    return log.read_text().splitlines()


def stored(module, kind):
    state = json.loads((module / "terraform.tfstate").read_text())
    return [instance["attributes"] for resource in state["resources"] if resource["type"] == kind for instance in resource["instances"]]


@needs_terraform
def test_a_release_is_uploaded_before_the_stack_and_the_one_before_goes_after_it(module):
    first = apply(module, "release-1")
    assert [call.split()[0] for call in first] == ["create"] * 7 and first[-1] == "create alerts"
    the_stack, = stored(module, "aws_cloudformation_stack")
    prefix = the_stack["parameters"]["CodePrefix"]
    assert the_stack["template_url"] == f"https://releases.s3.eu-west-1.amazonaws.com/{prefix}/alert-relay.template.json"
    assert re.fullmatch("alert-relay/alerts/[0-9a-f]{16}", prefix)
    # What is uploaded is what the stack looks for.
    zips = {f"{prefix}/{name}-arm64.zip" for name in stack.package.FUNCTIONS.values()}
    assert {call.split()[1] for call in first[:-1]} == zips | {f"{prefix}/alert-relay.template.json"}

    assert apply(module, "release-1") == []

    second = apply(module, "release-2")
    assert [call.split()[0] for call in second] == ["create"] * 6 + ["update"] + ["delete"] * 6
    assert not any(prefix in call for call in second[:6]) and all(prefix in call for call in second[-6:])


@needs_terraform
def test_a_template_that_alone_has_changed_is_deployed(module):
    apply(module, "release-1")
    (module.parent / "release-1" / "alert-relay.template.json").write_text('{"Resources": {"New": {}}}')
    assert "update alerts" in apply(module, "release-1")


@needs_terraform
def test_what_a_failed_update_is_rolled_back_to_is_still_there(module):
    apply(module, "release-1")
    told = apply(module, "release-2", fails=True, STAND_IN_REFUSES="update alerts")
    assert told[-1] == "update alerts" and not any(call.startswith("delete") for call in told)
    # The next attempt does the rest.
    again = apply(module, "release-2")
    assert again[0] == "update alerts" and [call.split()[0] for call in again[1:]] == ["delete"] * 6


@needs_terraform
def test_a_release_without_its_zips_is_refused_before_anything_is_made(module):
    (module.parent / "release-1" / "slack-actions-arm64.zip").unlink()
    assert apply(module, "release-1", fails=True) == []
