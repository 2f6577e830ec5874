"""The app's manifest, held against Slack's own types (npm, @slack/web-api), and its README."""

import copy
import json
import pathlib
import re
import subprocess

import pytest
import yaml

import stack

INFRA = pathlib.Path(__file__).resolve().parent.parent
MANIFEST = INFRA / "slack" / "manifest.yaml"
README = INFRA / "slack" / "README.md"
TYPES = INFRA.parent / "target" / "slack-types"
SCOPES = ["chat:write", "chat:write.public", "channels:history", "groups:history", "usergroups:read", "reactions:read"]


@pytest.fixture(scope="module")
def manifest():
    return yaml.safe_load(MANIFEST.read_text())


@pytest.fixture(scope="module")
def with_buttons():
    """The manifest with the lines for the buttons, as somebody writes them after the deployment."""
    lines = re.search(r"^  # interactivity:\n(?:  #   .*\n)+", MANIFEST.read_text(), re.MULTILINE)[0]
    return yaml.safe_load(MANIFEST.read_text().replace(lines, lines.replace("  # ", "  ")))


def complaints(folder, manifests):
    """What TypeScript's compiler says of each, as a literal of Slack's type."""
    module = json.dumps(str(TYPES / "node_modules" / "@slack" / "web-api" / "dist" / "types" / "request" / "manifest"))
    for name, manifest in manifests.items():
        text = f"import type {{ Manifest }} from {module};\nexport const manifest: Manifest = {json.dumps(manifest, indent=2)};\n"
        (folder / f"{name}.ts").write_text(text)
    assert (TYPES / "installed").exists(), f"{TYPES} is missing: infra/tests/run.sh installs it"
    compiler = [TYPES / "node", TYPES / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--pretty", "false"]
    files = [f"{name}.ts" for name in manifests]
    result = subprocess.run([*compiler, *files], cwd=folder, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    found = {name: re.findall(rf"^{name}\.ts.*error .*$", said, re.MULTILINE) for name in manifests}
    assert (result.returncode == 0) == (not any(found.values())), said
    return found


def changed(manifest, path, value):
    """A manifest with another value at `a.b.c`."""
    manifest = copy.deepcopy(manifest)
    *folders, last = path.split(".")
    place = manifest
    for folder in folders:
        place = place[folder]
    place[last] = value
    return manifest


def test_slacks_types_take_the_manifest_and_nothing_that_is_wrong(manifest, with_buttons, tmp_path):
    wrong = {
        "scope": changed(manifest, "oauth_config.scopes.bot", ["chat:writes"]),
        "list": changed(manifest, "oauth_config.scopes.bot_optionals", []),
        "setting": changed(manifest, "settings.socket_mode", False),
        "kind": changed(manifest, "features.bot_user.always_online", "false"),
        "name": changed(manifest, "display_information.name", None),
        "switch": changed(with_buttons, "settings.interactivity.is_enabled", "true"),
        "address": changed(with_buttons, "settings.interactivity.request_urls", "https://example.com"),
    }
    found = complaints(tmp_path, {"ours": manifest, "buttons": with_buttons, **wrong})
    assert found["ours"] == found["buttons"] == []
    assert [name for name in wrong if not found[name]] == [], found


def test_it_is_within_slacks_limits(manifest):
    # Source: docs.slack.dev/reference/app-manifest, and slackapi/manifest-schema.
    shown = manifest["display_information"]
    assert 1 <= len(shown["name"]) <= 35 and 1 <= len(shown["description"]) <= 140
    assert re.fullmatch("#[0-9a-f]{6}", shown["background_color"])
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", manifest["features"]["bot_user"]["display_name"])


def test_it_asks_for_these_rights_and_no_others(manifest):
    assert manifest["oauth_config"] == {"scopes": {"bot": SCOPES, "bot_optional": SCOPES[2:]}}
    # As it is pasted, Slack calls nobody: an address that is not yet there would be somebody else's. No token ends by itself.
    switches = ["org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled"]
    assert manifest["settings"] == dict.fromkeys(switches, False)
    assert list(manifest["features"]) == ["bot_user"]


def test_the_address_of_the_buttons_is_the_stacks(manifest, with_buttons):
    interactivity = with_buttons["settings"].pop("interactivity")
    assert with_buttons == manifest
    assert interactivity == {"is_enabled": True, "request_url": "https://API.execute-api.REGION.amazonaws.com/live/slack/actions"}
    output = stack.source()["Outputs"]["SlackActionsUrl"]["Value"]["Fn::Sub"]
    named = {"${SlackApi}": "API", "${AWS::Region}": "REGION", "${AWS::URLSuffix}": "amazonaws.com"}
    for placeholder, name in named.items():
        output = output.replace(placeholder, name)
    assert output == interactivity["request_url"]


def test_each_right_says_what_it_is_for(manifest):
    text, readme = MANIFEST.read_text(), README.read_text()
    for scope in SCOPES:
        assert re.search(rf"^ +# .*\n +- {re.escape(scope)}$", text, re.MULTILINE), f"{scope} has no comment in the manifest"
        assert f"\n| `{scope}` | " in readme, f"{scope} has no line in the README"
    assert f"/invite @{manifest['features']['bot_user']['display_name']}" in readme
