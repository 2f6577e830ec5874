"""Writes down which keys a Helm chart knows: `<chart>.yaml` beside this file, which test_eks.py compares our values with.

    git clone https://github.com/grafana-community/helm-charts /tmp/charts      # or `helm pull --untar`, which knows no commit
    git -C /tmp/charts checkout grafana-12.11.1
    python infra/tests/charts/refresh.py --source grafana-community/helm-charts /tmp/charts/charts/grafana

A list holds names of keys and nothing else of the chart. They come from the chart's values.yaml, and from its templates, which ask
for keys that values.yaml has only in a comment. What stands below a subchart's name is in the subchart's own list; a subchart that has
none takes only what the chart itself says of it. `looked` is the day of this run: a list is good for six months. A chart that has
not changed since is written again all the same: somebody looked. README.md of infra/eks installs the versions that the lists are of.
"""

import argparse
import datetime
import json
import pathlib
import re
import subprocess
import textwrap

import yaml

HERE = pathlib.Path(__file__).parent
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
HEADER = """\
# The keys of a chart, by the map that they stand in; `*` after a name: what stands below it is not the chart's to say.
# Made by refresh.py, which says more. Not to be edited.
"""


def keys_of_values(values, path="/"):
    """Path of each map → names in it. A map that is empty, or whose keys are no names (`kubernetes.io/os`), is people's own."""
    found = {path: {}}
    for name, value in values.items():
        if isinstance(value, dict) and value and all(NAME.fullmatch(str(key)) for key in value):
            found[path][name] = False
            found |= keys_of_values(value, f"{path.rstrip('/')}/{name}")
        else:
            found[path][name] = value is None or value == [] or isinstance(value, dict)
    return found


def add_keys_of_templates(found, templates):
    for asked in set(re.findall(r"\.Values((?:\.[A-Za-z0-9_]+)+)", templates)):
        path = "/"
        for name in asked.split(".")[1:]:
            names = found.get(path)
            if names is None:
                break
            # Nothing tells what a key holds that only a template has.
            names.setdefault(name, True)
            path = f"{path.rstrip('/')}/{name}"


def quoted(name):
    return name if yaml.safe_load(name) == name else json.dumps(name)


def written(found):
    for path, names in sorted(found.items()):
        listed = ", ".join(quoted(name + "*" * is_open) for name, is_open in sorted(names.items()))
        lines = textwrap.wrap(f"{path}: [{listed}]", 132, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        yield from (f"  {line}\n" for line in lines)


def commit_of(folder):
    git = ["git", "-C", folder, "log", "-1", "--format=%H", "--", "."]
    result = subprocess.run(git, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="the repository that the chart comes from: grafana-community/helm-charts")
    parser.add_argument("--commit", help="the commit there, if the folder is no git checkout")
    parser.add_argument("chart", nargs="+", type=pathlib.Path, help="a folder with Chart.yaml, values.yaml and templates")
    arguments = parser.parse_args()
    for folder in arguments.chart:
        chart = yaml.safe_load((folder / "Chart.yaml").read_text())
        found = keys_of_values(yaml.safe_load((folder / "values.yaml").read_text()) or {})
        files = sorted(path for kind in ("*.yaml", "*.tpl") for path in (folder / "templates").rglob(kind))
        add_keys_of_templates(found, "\n".join(path.read_text() for path in files))
        facts = {
            "chart": chart["name"],
            "version": chart["version"],
            "source": arguments.source,
            "commit": arguments.commit or commit_of(folder),
            "looked": datetime.date.today(),
            "subcharts": {each.get("alias", each["name"]): each["name"] for each in chart.get("dependencies", [])},
        }
        text = HEADER + yaml.safe_dump(facts, sort_keys=False) + "keys:\n" + "".join(written(found))
        (HERE / f"{chart['name']}.yaml").write_text(text)
        print(f"{chart['name']} {chart['version']}: {sum(map(len, found.values()))} keys")


if __name__ == "__main__":
    main()
