#!/usr/bin/env bash
# Builds what is deployed.
#
#   infra/release.sh                         a whole release, into target/release-VERSION/ (`make release`)
#   infra/release.sh --for ARCHITECTURE DIR  only what one deployment from this checkout takes: the functions' zips for x86_64
#                                            or arm64, and the template
#   infra/release.sh --check-tools           only says what is missing
#
# A whole release has for both architectures the functions' zips and alertctl for Linux; the template, deploy.sh, an example of
# a configuration; what all of it is made of, with the licences; and SHA256SUMS. Two runs give the same bytes.
#
# It takes Rust, a C compiler and Python 3; everything else is installed into target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf '\n!!! %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '    %s\n' "$@" >&2
    exit 1
}

functions=(cloudwatch-to-slack grafana-filter-to-sns grafana-webhook-authorizer slack-actions alert-watch)
case ${1-} in
    '') architectures=(x86_64 arm64) out='' ;;
    --for)
        [[ ${2-} =~ ^(x86_64|arm64)$ && -n ${3-} ]] || fail '--for needs x86_64 or arm64, and a folder'
        architectures=("$2") out=$3
        ;;
    --check-tools) architectures=() out='' ;;
    *) fail "I do not know $1" 'See the head of infra/release.sh' ;;
esac

# --- what it takes ---------------------------------------------------------------------------------------------------

python=${PYTHON3:-python3}
missing=()
command -v cargo >/dev/null || missing+=("Rust: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh")
command -v cc >/dev/null || missing+=('a C compiler: sudo apt-get install gcc   (or: sudo dnf install gcc, xcode-select --install)')
"$python" -c 'import ensurepip, venv, tomllib' 2>/dev/null ||
    missing+=('Python 3.11 or newer with venv: sudo apt-get install python3 python3-venv   (or: sudo dnf install python3.13, and PYTHON3=python3.13)')
((${#missing[@]} == 0)) || fail 'these tools are missing:' "${missing[@]}"
[[ ${1-} != --check-tools ]] || exit 0

venv=target/venv-lambda
if ! cmp -s infra/requirements-package.txt "$venv/requirements.txt"; then
    echo "making $venv from infra/requirements-package.txt" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement infra/requirements-package.txt
    cp infra/requirements-package.txt "$venv/requirements.txt"
fi
package() { "$venv/bin/python" -B infra/packaging/package.py "$@"; }
export PATH=$PWD/$venv/bin:$PATH

# A compiler of rustup's builds for the other architecture only with that one's standard library; one of a distribution has its own.
for architecture in "${architectures[@]}"; do
    target=${architecture/arm64/aarch64}-unknown-linux-gnu
    if command -v rustup >/dev/null; then rustup --quiet target add "$target"; fi
done

version=$(package version)
target=$(cargo metadata --locked --no-deps --format-version 1 | package target-dir)
out=${out:-target/release-$version}
rm -rf "$out"
mkdir -p "$out"
# A path that names who built would make the bytes theirs.
export RUSTFLAGS="--remap-path-prefix=$PWD=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"

# --- the functions, and the operator's command ---------------------------------------------------------------------------

for architecture in "${architectures[@]}"; do
    echo "building the functions for $architecture" >&2
    built=$target/lambda-$architecture
    if [[ $architecture == arm64 ]]; then option=--arm64; else option=--x86-64; fi
    for function in "${functions[@]}"; do
        # One by one: what is built together shares its features, and each is to have its own alone.
        cargo lambda build --release --locked "$option" --lambda-dir "$built" --package "$function"
        package zip "$out/$function-$architecture.zip" "$built/$function/bootstrap=bootstrap"
    done
    [[ ${1-} == --for ]] && continue
    echo "building alertctl for $architecture" >&2
    cargo lambda build --release --locked "$option" --lambda-dir "$built" --package alertctl --bin alertctl
    install -m 755 "$built/alertctl/bootstrap" "$out/alertctl-linux-$architecture"
done
package template "$out/alert-relay.template.json"
[[ ${1-} != --for ]] || exit 0

# --- what comes with it ----------------------------------------------------------------------------------------------------

install -m 755 infra/deploy.sh "$out/deploy.sh"
install -m 644 infra/alerts.example.yaml infra/alerts.test.yaml LICENSE CHANGELOG.md "$out/"
unset RUSTFLAGS
cargo install --quiet --locked --root target/tools cargo-cyclonedx@0.5.9
cargo install --quiet --locked --root target/tools --features cli cargo-about@0.9.3
export PATH=$PWD/target/tools/bin:$PATH
# The time is the last commit's, so that it is the same in the next run.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)
export SOURCE_DATE_EPOCH
# It writes beside each crate of the workspace, and names the folder in which that lies.
cargo cyclonedx --quiet --format json --spec-version 1.5 --target x86_64-unknown-linux-gnu
for program in "${functions[@]}" alertctl; do
    sed "s#file://$PWD#file:///src#g" "crates/$program/$program.cdx.json" >"$out/$program.cdx.json"
done
find crates -name '*.cdx.json' -delete
cargo about generate --locked --offline --config infra/packaging/about.toml --output-file "$out/LICENSES.txt" infra/packaging/licenses.hbs
(cd "$out" && LC_ALL=C sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)
echo "$out:" >&2
find "$out" -type f -exec wc -c {} + >&2
