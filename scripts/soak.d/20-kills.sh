#!/bin/sh
# A1: runs killed 1,000 times (WARMSTART_KILLS), a third of the times in the middle of a save: every run must end bitwise equal.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
export WARMSTART_KILLS="${WARMSTART_KILLS:-1000}"
tests resume kills::
