#!/bin/sh
# A run killed 1,000 times (WARMSTART_KILLS), a quarter of the times in the middle of a save: every run must end bitwise equal.
set -eu
cd "$(dirname "$0")/../.."
WARMSTART_KILLS="${WARMSTART_KILLS:-1000}" cargo test --release --quiet -p warmstart-engine --test training killed_again -- --nocapture
