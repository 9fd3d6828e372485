#!/bin/sh
# E3: the large backbones against timm's numbers, and fifty losses against PyTorch's, which CI leaves to this.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
# `all WHAT NAME OPTION...`: a figure for the tests that passed; a failed one ends this script.
all() {
  what=$1
  shift
  log=$(tests "$@")
  echo "$log"
  passed=$(echo "$log" | sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p')
  verdict=ok
  test "$passed" -gt 0 || verdict=UNDER
  printf 'FIGURE E3\t%s\t%s\tall\t%s\n' "$what" "$passed" "$verdict"
}
all "features and gradients of large backbones that agree with timm's" golden large_backbones_are_timms --ignored
export WARMSTART_LOSS_STEPS=50
all "tests of fifty losses that agree with PyTorch's" losses
