#!/usr/bin/env python3
"""Validates every golden Slack payload with the block models of Slack's own Python SDK.

    python slack_sdk.py <fixtures folder>

The SDK's models check the limits of blocks and of their elements, and know every type of block and element. They drop
what they do not know without a word, so that each block must also come out of the model as it went in. What the
models do not check (total length, number of blocks, text of fields) the Rust tests count. Blocks that this release of the
SDK has no model of are counted and named; what stands in them is validated all the same.

Exits with 1, the file and the reason when a payload is refused, and when there is none to validate.
"""

import json
import sys
from pathlib import Path

# This file has the SDK's name, and Python looks beside the script first.
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]

from slack_sdk.errors import SlackObjectFormationError  # noqa: E402
from slack_sdk.models.attachments import BlockAttachment  # noqa: E402
from slack_sdk.models.blocks import Block  # noqa: E402
from slack_sdk.version import __version__  # noqa: E402


# The renderings that each event has a golden file of.
ENDINGS = ("slack", "slack-modern", "slack-plain")
# Blocks of June 2026; a release of the SDK may know them or not.
NEW = {"data_visualization", "container"}
without_model = {}


class Refused(Exception):
    """What a model said, or what it made something else of."""


def validate_blocks(blocks, where):
    """Puts blocks through the SDK's models; returns how many there were."""
    if not isinstance(blocks, list) or not blocks:
        raise Refused(f"{where}: expected a list of blocks, found {blocks!r}")
    for place, (wire, block) in enumerate(zip(blocks, Block.parse_all(blocks), strict=True)):
        if block is None and wire.get("type") in NEW:
            without_model[wire["type"]] = without_model.get(wire["type"], 0) + 1
            if "child_blocks" in wire:
                validate_blocks(wire["child_blocks"], f"{where}[{place}].child_blocks")
            continue
        if block is None:
            raise Refused(f"{where}[{place}]: the SDK knows no block of type {wire.get('type')!r}")
        try:
            block.validate_json()
            # Validates texts and elements, too.
            read = block.to_dict()
        except (SlackObjectFormationError, TypeError, AttributeError) as error:
            raise Refused(f"{where}[{place}]: {error}") from error
        if read != wire:
            raise Refused(f"{where}[{place}]: the SDK reads {json.dumps(read)} out of {json.dumps(wire)}")
    return len(blocks)


def validate_payload(payload):
    """Validates what is posted to a webhook; returns the number of its blocks."""
    text = payload.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refused(f"text: expected a text for clients that show no blocks, found {text!r}")
    count = validate_blocks(payload["blocks"], "blocks") if "blocks" in payload else 0
    for place, attachment in enumerate(payload.get("attachments", [])):
        where = f"attachments[{place}]"
        count += validate_blocks(attachment.get("blocks"), f"{where}.blocks")
        try:
            read = BlockAttachment(**attachment).to_dict()
        except (SlackObjectFormationError, TypeError) as error:
            raise Refused(f"{where}: {error}") from error
        if read != attachment:
            raise Refused(f"{where}: the SDK reads {json.dumps(read)} out of {json.dumps(attachment)}")
    return count


def main(folder):
    """Validates every golden file of the folder; returns the exit code."""
    payloads = blocks = refused = 0
    paths = {ending: sorted(Path(folder).glob(f"*/*.{ending}.json")) for ending in ENDINGS}
    missing = [ending for ending, found in paths.items() if not found]
    if missing:
        print(f"no golden file of {', '.join(missing)} found in {folder}", file=sys.stderr)
        return 1
    for path in sorted(path for found in paths.values() for path in found):
        for place, post in enumerate(json.loads(path.read_text(encoding="utf-8"))["posts"]):
            try:
                blocks += validate_payload(post["message"])
                payloads += 1
            except Refused as reason:
                refused += 1
                print(f"{path}: posts[{place}].message.{reason}", file=sys.stderr)
    for kind, count in sorted(without_model.items()):
        print(f"slack_sdk {__version__} has no model of {kind}: {count} of them not looked into")
    print(f"slack_sdk {__version__}: {payloads} payloads with {blocks} blocks are valid, {refused} are not")
    if payloads + refused == 0:
        print(f"no golden Slack payload found in {folder}", file=sys.stderr)
    return 1 if refused or not payloads or not blocks else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
