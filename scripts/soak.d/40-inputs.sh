#!/bin/sh
# A million mutated experiment files (WARMSTART_MUTATIONS), bombs, torn logs, hostile names, every field with every wrong value.
set -eu
cd "$(dirname "$0")/../.."
export WARMSTART_MUTATIONS="${WARMSTART_MUTATIONS:-1000000}"
cargo test --release --quiet -p warmstart-schema --test experiments --test hostile -- --nocapture
