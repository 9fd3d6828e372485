#!/bin/sh
# The large backbones against timm's numbers, and fifty losses against PyTorch's, which CI leaves to this.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
tests golden large_backbones_are_timms --ignored
export WARMSTART_LOSS_STEPS=50
tests losses
