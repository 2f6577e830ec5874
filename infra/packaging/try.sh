#!/usr/bin/env bash
# Tries a release that was built: `make release-test`, or infra/packaging/try.sh target/release-VERSION
#
#   the sums are those of the files
#   the functions of this machine's architecture run the demo with the release's own alertctl; those of the other one start, and two of
#   them deliver, by qemu's user mode, where that is installed (Debian: qemu-user-static, and libc6-arm64-cross for arm64's libraries)
#   the chain of a deployed stack runs with the release's functions, and the release is deployed, both in the emulator
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
release=$(cd "${1:?which folder?}" && pwd)
python=${PYTHON3:-python3}
native=$(uname -m)
native=${native/aarch64/arm64}

(cd "$release" && sha256sum --quiet --check SHA256SUMS)

# unpack ARCHITECTURE FOLDER
unpack() {
    local zip
    rm -rf "$2"
    mkdir -p "$2"
    for zip in "$release"/*-"$1".zip; do
        "$python" -m zipfile -e "$zip" "$2/zip"
        install -m 755 "$2/zip/bootstrap" "$2/$(basename "$zip" "-$1.zip")"
        rm -r "$2/zip"
    done
    # The sandbox is this machine's, whosever functions it runs.
    install -m 755 "$release/alertctl-linux-$native" "$2/alertctl"
}

# demo FOLDER [EVENT …]
demo() {
    "$1/alertctl" demo "${@:2}" >"$1/said" || { tail -20 "$1/said" >&2; exit 1; }
    tail -1 "$1/said"
}

functions=$PWD/target/release-functions
unpack "$native" "$functions"
echo "the demo with the functions for $native:"
demo "$functions"

other=arm64 libraries=/usr/aarch64-linux-gnu
[[ $native == x86_64 ]] || other=x86_64 libraries=/usr/x86_64-linux-gnu
emulator=qemu-${other/arm64/aarch64}-static
if command -v "$emulator" >/dev/null && [[ -d $libraries ]]; then
    unpack "$other" "$functions-$other"
    for function in "$functions-$other"/*; do
        [[ $function != */alertctl ]] || continue
        mv "$function" "$function.bin"
        printf '#!/bin/sh\nexec %s -L %s "$0.bin" "$@"\n' "$emulator" "$libraries" >"$function"
        chmod 755 "$function"
    done
    echo "alertctl, each function, and two events, for $other by $emulator:"
    "$emulator" -L "$libraries" "$release/alertctl-linux-$other" --version
    for function in "$functions-$other"/*.bin; do
        # It ends at once, and says that this is not Lambda.
        said=$(env -u AWS_LAMBDA_RUNTIME_API "${function%.bin}" 2>&1 || true)
        [[ $said == *not_on_lambda* ]] || { echo "$function does not start: $said" >&2; exit 1; }
    done
    # The whole demo wants answers of a table within 500 ms, which an emulated processor need not give.
    demo "$functions-$other" fixtures/cloudwatch/walkthrough.sns.json fixtures/grafana/walkthrough.eventbridge.json
else
    echo "not run for $other: $emulator or $libraries is not there"
fi

infra/tests/run.sh --install
cargo build --quiet --workspace --bins
ALERT_RELAY_FUNCTIONS=$functions ALERT_RELAY_VENV=$PWD/target/venv cargo test --quiet --workspace --test stack -- --ignored
ALERT_RELAY_RELEASE=$release infra/tests/run.sh -k test_release
