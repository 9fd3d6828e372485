#!/bin/sh
# Exact resume at length: the whole matrix, 125 signals, a kill of the whole worker at every call on its run, full disks, races.
set -eu
cd "$(dirname "$0")/../.."
WARMSTART_SIGNALS="${WARMSTART_SIGNALS:-25}" WARMSTART_CALLS="${WARMSTART_CALLS:-all}" \
  cargo test --release --quiet -p warmstart-engine --test resume -- --nocapture --test-threads=1
cargo test --release --quiet -p warmstart-schema --test killed killed_at -- --nocapture
cargo test --release --quiet -p warmstart-schema --test checkpoint -- --nocapture
