#!/bin/sh
# Prints a Python that has timm, for scripts that lay warmstart beside it: WARMSTART_PYTHON, or one that is brought into target/timm.
set -eu
cd "$(dirname "$0")/.."
python="${WARMSTART_PYTHON:-$PWD/target/timm/bin/python}"
if ! "$python" -c 'import timm, safetensors, sklearn' 2>/dev/null; then
  [ -z "${WARMSTART_PYTHON:-}" ] || { echo "error: $python lacks timm, safetensors or scikit-learn; unset WARMSTART_PYTHON, or install them there" >&2; exit 1; }
  echo "bringing torch 2.13.0 and timm 1.0.31 from PyPI into target/timm (5 GB on Linux, once)" >&2
  python3 -m venv target/timm
  target/timm/bin/pip install --quiet torch==2.13.0 timm==1.0.31 numpy safetensors scikit-learn==1.9.1 >&2
fi
echo "$python"
