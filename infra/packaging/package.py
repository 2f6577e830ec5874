"""Makes the files of a release out of what was built: the template without a transform, and zips.

    package.py template OUT                   the template of infra/template.yaml as plain CloudFormation, as JSON
    package.py zip OUT FILE=NAME …            a zip with these files under these names
    package.py version                        the version of all that is built, from Cargo.toml
    package.py target-dir                     where cargo builds, read from the output of `cargo metadata` on standard input

The same input gives the same bytes: a zip's files have one fixed time, and all that is in it is written in the order given.
"""

import json
import pathlib
import sys
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUNCTIONS = {
    "Relay": "cloudwatch-to-slack",
    "Filter": "grafana-filter-to-sns",
    "Authorizer": "grafana-webhook-authorizer",
    "SlackActions": "slack-actions",
    "Watch": "alert-watch",
}
# Where the zips are, which SAM's own deployment would fill in.
CODE = {
    "CodeBucket": {
        "Type": "String",
        "Description": "The bucket with the functions' zips, in this region.",
    },
    "CodePrefix": {
        "Type": "String",
        "AllowedPattern": "[^/].*[^/]",
        "ConstraintDescription": "a prefix without a slash at either end",
        "Description": "Where in the bucket they are. Another one for each release, because CloudFormation looks at nothing else.",
    },
}


def source():
    """The template as it is written, with `!Ref` and its kin in their long form."""
    from samtranslator.yaml_helper import yaml_parse

    return yaml_parse((ROOT / "infra" / "template.yaml").read_text())


def template():
    """The template as CloudFormation takes it: SAM's transform is done here."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    sam = source()
    for logical, name in FUNCTIONS.items():
        key = {"Fn::Sub": f"${{CodePrefix}}/{name}-${{Architecture}}.zip"}
        sam["Resources"][logical]["Properties"]["CodeUri"] = {"Bucket": {"Ref": "CodeBucket"}, "Key": key}
    sam["Parameters"] |= CODE
    sam["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].append(
        {"Label": {"default": "Where the code is"}, "Parameters": list(CODE)}
    )
    # Each parameter stays one: without a value for it the translator would put in its default.
    values = {name: {"Ref": name} for name in sam["Parameters"]}
    # The translator asks the session for a region and calls nothing; the template names none of AWS's managed policies.
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return translator.translate(sam, values)


def write_zip(out, files):
    """`files` are pairs of a path and its name in the zip. All may be run, which Lambda wants of `bootstrap`."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path, name in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            entry.create_system = 3  # Unix: the rights count
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, pathlib.Path(path).read_bytes())


def main(arguments):
    match arguments:
        case ["template", out]:
            pathlib.Path(out).write_text(json.dumps(template(), separators=(",", ":"), ensure_ascii=False) + "\n")
        case ["zip", out, *files] if files:
            write_zip(out, [file.rsplit("=", 1) for file in files])
        case ["version"]:
            print(tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"])
        case ["target-dir"]:
            print(json.load(sys.stdin)["target_directory"])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
