#!/usr/bin/env bash
# Every check of infra/: makes the two Python environments where they are missing or old, and runs pytest in them; Slack's types
# for the manifest come from npm.
# Arguments go to pytest: `infra/tests/run.sh -k rights`. `--install` makes the environments, and no more.
set -euo pipefail
cd "$(dirname "$0")/../.."

# A stamp beside the environment says which requirements it was made of.
environment() {
    local folder=$1 requirements=$2
    if ! cmp -s "$requirements" "$folder/requirements.txt"; then
        echo "making $folder from $requirements" >&2
        rm -rf "$folder"
        "${PYTHON3:-python3}" -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 --requirement "$requirements"
        cp "$requirements" "$folder/requirements.txt"
    fi
}

mkdir -p target
environment target/venv infra/requirements-test.txt
environment target/venv-checkov infra/requirements-checkov.txt
.ci/npm infra/tests/slack slack-types
[[ ${1-} == --install ]] && exit

# The emulator wants some credentials, and must never meet real ones.
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL
export CHECKOV=$PWD/target/venv-checkov/bin/checkov PYTHONDONTWRITEBYTECODE=1
# A file stays with one worker, because each has its own emulator and folders.
exec target/venv/bin/python -m pytest --quiet -p no:cacheprovider --numprocesses auto --dist loadfile infra/tests "$@"
