#!/bin/sh
# A node of a real Slurm loses power under a run. Needs what 45-slurm.py needs.
exec "$(dirname "$0")/45-slurm.py" power
