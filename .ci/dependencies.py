#!/usr/bin/env python3
"""Checks what we depend on: alert-core's purity, every licence, one TLS library, and no withdrawn version.

Needs nothing but cargo and its lock file.
"""

import json
import subprocess
import sys

# What alert-core may reach, and what these bring. Anything else is to be looked at first: the core has no I/O.
CORE = {
    "base64", "chrono", "chrono-tz", "percent-encoding", "regex-automata", "saphyr-parser", "serde", "serde_json", "serde_path_to_error",
    "strsim", "thiserror",
}
NEVER_IN_CORE = {"tokio", "reqwest", "hyper", "mio", "socket2", "rustls", "ring", "aws-sdk-kms", "aws-sdk-sns", "libc", "rand", "tracing"}
# The functions and their tools have one TLS library and one crypto provider.
NEVER = {"openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys"}
# Allowed without asking anybody: they want their text kept, and nothing of our own code.
LICENCES = {
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD", "Unicode-3.0", "Unlicense", "CC0-1.0",
    "BSL-1.0", "CDLA-Permissive-2.0", "MIT-0", "Apache-2.0 WITH LLVM-exception",
}


def metadata():
    out = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], check=True, capture_output=True)
    return json.loads(out.stdout)


def allowed(expression):
    """Whether an SPDX expression can be met with the licences above; `/` is the old way to write OR."""
    expression = expression.replace("/", " OR ")
    tokens = expression.replace("(", " ( ").replace(")", " ) ").split()

    def parse_or(i):
        value, i = parse_and(i)
        while i < len(tokens) and tokens[i] == "OR":
            right, i = parse_and(i + 1)
            value = value or right
        return value, i

    def parse_and(i):
        value, i = parse_one(i)
        while i < len(tokens) and tokens[i] == "AND":
            right, i = parse_one(i + 1)
            value = value and right
        return value, i

    def parse_one(i):
        if tokens[i] == "(":
            value, i = parse_or(i + 1)
            return value, i + 1
        name, i = tokens[i], i + 1
        if i + 1 < len(tokens) and tokens[i] == "WITH":
            name, i = f"{name} WITH {tokens[i + 1]}", i + 2
        return name in LICENCES, i

    return parse_or(0)[0]


def reach(name):
    """The names of all that a package needs when it is used, on any platform: by the features that it asks for itself, whatever its
    tests and the rest of the workspace turn on."""
    command = ["cargo", "tree", "--locked", "--package", name, "--edges", "normal", "--target", "all", "--prefix", "none"]
    out = subprocess.run([*command, "--format", "{p}"], check=True, capture_output=True, text=True)
    return {line.split()[0] for line in out.stdout.splitlines() if line}


def main():
    meta = metadata()
    packages = {package["id"]: package for package in meta["packages"]}
    members = set(meta["workspace_members"])
    problems = []

    core = next(i for i in members if packages[i]["name"] == "alert-core")
    direct = {dep["name"] for dep in packages[core]["dependencies"] if dep["kind"] is None}
    for name in sorted(direct - CORE):
        problems.append(f"alert-core depends on {name}, which is not among its allowed dependencies (.ci/dependencies.py)")
    for name in sorted(reach("alert-core") & NEVER_IN_CORE):
        problems.append(f"alert-core reaches {name}: the core has no I/O")

    for identity, package in packages.items():
        if package["name"] in NEVER:
            problems.append(f"{package['name']} is in the tree: there is one TLS library, rustls with ring")
        if identity in members:
            continue
        licence = package["license"] or ""
        if not licence or not allowed(licence):
            problems.append(f"{package['name']} {package['version']}: licence {licence or 'unknown'} is not in the list")

    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"dependencies: {len(packages) - len(members)} packages, licences fine, alert-core pure")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
