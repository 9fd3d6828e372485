# GNU make 3.81 or newer. `make` alone lists what there is.

PYTHON ?= python3
CARGO ?= cargo
PREFIX ?= $(HOME)/.local
TARGET = $(or $(CARGO_TARGET_DIR),target)
# The build that packages are made of: release, or dev to try the packaging with what tests built.
PROFILE ?= release
BUILT = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
ARGS ?=

# The release of torch to build with, of scripts/torch_releases.py.
WARMSTART_TORCH ?= 2.13

.DEFAULT_GOAL := help
.PHONY: help run setup libtorch weights build test check docs bench soak screens quickstart install uninstall wheel dist release packaged gpu-kit clean clean-all need-python need-cargo

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

ifneq ($(if $(WARMSTART_TORCH_TREE),,$(filter-out 2.13,$(WARMSTART_TORCH))),)
# Another release than the newest is built in a copy of the tree, with these same targets.
build test check wheel dist packaged soak:
	@$(PYTHON) scripts/torch_tree.py $(WARMSTART_TORCH) $@ ARGS="$(ARGS)" PROFILE="$(PROFILE)"

# Without a rule, make says that there is nothing to do, and succeeds.
run setup docs bench screens quickstart install uninstall release gpu-kit:
	@echo "error: make $@ works with the newest torch alone. Run it without WARMSTART_TORCH=$(WARMSTART_TORCH)" >&2; exit 1
else

run: setup need-cargo ## set up, build, open the dashboard (ARGS="list" passes arguments on)
	$(CARGO) build --workspace
	@$(TARGET)/debug/warmstart $(ARGS)

setup: libtorch weights ## bring libtorch and the quickstart weights into this folder (WARMSTART_CUDA=1 or 0 chooses)

build: libtorch need-cargo ## release build of the dashboard and the worker
	$(CARGO) build --release --workspace

test: setup need-cargo ## all tests, set-up included
	env -u WARMSTART_TORCH $(PYTHON) -m unittest discover -s scripts/tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; \
	then echo "$(CARGO) nextest run --workspace"; $(CARGO) nextest run --workspace; \
	else echo "$(CARGO) test --workspace --lib --bins --tests"; $(CARGO) test --workspace --lib --bins --tests; fi
	@$(PYTHON) scripts/gpu_kit.py --programs "$(TARGET)/debug" --release "$(WARMSTART_TORCH)" --link --out target/gpu-kit-here
	@$(PYTHON) target/gpu-kit-here/check.py --device cpu --small --checks device,optimizer,resume --torch own --out target/gpu-kit-here/results

check: setup need-cargo ## what CI runs: formatting, lints, links of the documentation, all tests
	@for part in fmt clippy; do $(CARGO) $$part --version >/dev/null 2>&1 || \
	  { echo "error: cargo $$part is missing. Get it with: rustup component add rustfmt clippy" >&2; exit 1; }; done
	$(CARGO) fmt --all --check
	$(PYTHON) scripts/circles.py
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --no-deps --workspace --document-private-items
	@$(MAKE) --no-print-directory test

docs: need-python need-cargo ## the book, its generated pages and its links: target/book/index.html
	$(CARGO) run --quiet --bin warmstart -- docs --book docs/book/src
	@$(PYTHON) scripts/docs.py build

bench: build weights ## measure speed: the Rust benchmarks and scripts/bench.d/*; run nothing else meanwhile
	@missed=; $(CARGO) bench --workspace --bench '*' || missed=1; \
	for script in scripts/bench.d/*.py; do echo "$$script"; "$$script" || missed=1; done; \
	test -z "$$missed"

soak: build weights ## long runs: scripts/soak.d/* (ARGS="kills" chooses, ARGS="--write docs/book/src/reliability.md" keeps the figures)
	@$(PYTHON) scripts/soak.py $(ARGS)

screens: build ## every screen of the dashboard as a picture, from recorded runs (ARGS="--only run dark-80x24" chooses)
	@$(PYTHON) scripts/screens.py --program "$(TARGET)/release/warmstart" $(ARGS)

quickstart: build weights ## measure the quickstart; write its figures into README, book and experiments
	@$(PYTHON) scripts/quickstart.py measure --program "$(TARGET)/release/warmstart"

install: build weights ## install below PREFIX=~/.local (DESTDIR is respected)
	@$(PYTHON) scripts/install.py install --prefix "$(PREFIX)" --destdir "$(DESTDIR)" --target "$(TARGET)"

uninstall: need-python ## remove what `make install` put below PREFIX
	@$(PYTHON) scripts/install.py uninstall --prefix "$(PREFIX)" --destdir "$(DESTDIR)"

wheel: packaged ## a wheel for pip, without libtorch: target/dist/*.whl
	@$(PYTHON) scripts/package.py wheel --target "$(TARGET)" --profile "$(BUILT)"

dist: packaged ## an archive with libtorch, for machines without a network: target/dist/*.tar.gz
	@$(PYTHON) scripts/package.py dist --target "$(TARGET)" --profile "$(BUILT)"

release: packaged ## wheel, archive, notes, checksums and a tag of the committed version; publishes nothing
	@$(PYTHON) scripts/package.py release --target "$(TARGET)" --profile "$(BUILT)"

packaged: weights libtorch need-cargo
	$(CARGO) build --profile $(PROFILE) --workspace

gpu-kit: weights need-cargo ## a folder to check a GPU machine that has PyTorch 2.11: target/gpu-kit
	@$(PYTHON) scripts/torch_tree.py 2.11 packaged PROFILE="$(PROFILE)"
	@$(PYTHON) scripts/gpu_kit.py --programs "target/torch-2.11/tree/target/$(BUILT)" --release 2.11

endif

clean: need-cargo ## remove what cargo built
	$(CARGO) clean

clean-all: ## remove what cargo built, libtorch and the weights; checkpoints stay
	rm -rf "$(TARGET)" .venv .libtorch .weights

libtorch: need-python
	@$(PYTHON) scripts/setup_libtorch.py

# After libtorch, so that two progress lines do not mix under `make -j`.
weights: need-python | libtorch
	@$(PYTHON) scripts/fetch_weights.py

need-python:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing. Get it with: sudo apt-get install python3 (dnf install python3; brew install python)" >&2; exit 1; }

need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "error: $(CARGO) is missing. Get Rust 1.95 or newer from https://rustup.rs" >&2; exit 1; }
