#!/bin/sh
# The large backbones against timm's numbers, which CI leaves to this.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
tests golden large_backbones_are_timms --ignored
