#!/bin/sh
# A2 to A4 and A6 to A10: kills and errors at every call on a run, power losses, damage, the whole matrix, 200 races between workers, 125
# signals, full disks, runs of earlier formats.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
export WARMSTART_SIGNALS="${WARMSTART_SIGNALS:-25}" WARMSTART_CALLS="${WARMSTART_CALLS:-all}" WARMSTART_RACES="${WARMSTART_RACES:-200}" WARMSTART_MATRIX=all
tests checkpoint
tests killed
tests resume --skip kills:: --skip tiny::
tests parallel --include-ignored
