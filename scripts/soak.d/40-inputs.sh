#!/bin/sh
# D1 to D7: a million mutated experiment files and as many malformed weights (WARMSTART_MUTATIONS), bombs, torn logs, hostile names and
# archives, every field with every wrong value, downloads that break, lie and are killed.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
export WARMSTART_MUTATIONS="${WARMSTART_MUTATIONS:-1000000}" WARMSTART_DOWNLOAD_KILLS="${WARMSTART_DOWNLOAD_KILLS:-50}"
tests experiments
tests hostile
tests weights
tests fetch
