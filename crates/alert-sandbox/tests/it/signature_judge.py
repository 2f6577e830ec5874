#!/usr/bin/env python3
"""Holds the sandbox's signatures against Slack's own SDK.

    python signature_judge.py '{"signing_secret": …, "requests": [{"body": …, "headers": …, "valid": true}, …]}'

Exits with 1 and says which request the SDK takes for something else than it is said to be, and when there is none.
"""

import json
import sys

from slack_sdk.signature import SignatureVerifier


def main(setting):
    verifier = SignatureVerifier(setting["signing_secret"])
    wrong = [
        f"request {number}: valid is {request['valid']}, and the SDK says {not request['valid']}"
        for number, request in enumerate(setting["requests"])
        if verifier.is_valid_request(request["body"], request["headers"]) != request["valid"]
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong or not setting["requests"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(json.loads(sys.argv[1])))
