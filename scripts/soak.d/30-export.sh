#!/bin/sh
# What `export` writes, loaded by timm from PyPI with the file's own lines: the logits of emoji98's 774 test images, against ours; and
# pictures of many shapes through timm's transform, made of what the file says of itself.
set -eu
cd "$(dirname "$0")/../.."
. scripts/soak.d/build.sh
WARMSTART_PYTHON="$(scripts/reference_python.sh)"
export WARMSTART_PYTHON
tests exported timm_loads --ignored
