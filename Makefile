# `make help` says what there is. Everything that is installed goes into target/.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := target/venv
PYTHON := $(VENV)/bin/python

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

.PHONY: run
run: cargo ## Run both functions on the sandbox and show what Slack gets; no AWS account needed
	@cargo build --quiet --workspace --bins
	@target/debug/alertctl demo

.PHONY: test
test: cargo venv ## Run every test, also against published emulators
	cargo build --workspace --all-targets
	cargo test --workspace
	$(PYTHON) crates/alert-core/tests/slack_sdk.py fixtures
	infra/tests/run.sh
	ALERT_RELAY_VENV=$(CURDIR)/$(VENV) cargo test -p alertctl --test moto -- --ignored

.PHONY: check
check: cargo python ## Formatting, lints, documentation, the core's purity, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
	python3 .ci/dependencies.py
	@if command -v cargo-audit >/dev/null; then cargo audit; \
	else echo "advisories: not checked, because cargo-audit is not installed (cargo install cargo-audit)"; fi

.PHONY: bless
bless: cargo ## Rewrite the golden files; read the difference before you commit it
	BLESS=1 cargo test --quiet -p alert-core --test fixtures
	@git --no-pager diff --stat -- fixtures

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target

# What must be there already, each named with the command that installs it.
.PHONY: cargo python
cargo:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing. Install it: sudo apt-get install gcc   (or: sudo dnf install gcc, xcode-select --install)" >&2; exit 1; }

python:
	@command -v python3 >/dev/null || { echo "Python 3 is missing. Install it: sudo apt-get install python3 python3-venv   (or: sudo dnf install python3, brew install python)" >&2; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; }

.PHONY: venv
venv: python
	@infra/tests/run.sh --install
