#!/usr/bin/env bash
# A5: changes one thing at a time in the code that keeps runs safe, and expects the tests to notice each. Needs cargo-mutants.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! cargo mutants --version >/dev/null 2>&1; then
  echo "error: cargo mutants is missing. Get it with: cargo install cargo-mutants --locked" >&2
  exit 1
fi
src=crates/runs/src
out=target/mutants
# Exit code 2: some were missed, which the figure says.
cargo mutants --package warmstart-runs --test-tool nextest --output "$out" --no-shuffle --colors never \
  --file "$src/checkpoint.rs" --file "$src/storage.rs" --file "$src/event_log.rs" --file "$src/queue.rs" "$@" || [ $? = 2 ]
caught=$(wc -l <"$out/mutants.out/caught.txt")
missed=$(wc -l <"$out/mutants.out/missed.txt")
cat "$out/mutants.out/missed.txt"
verdict=ok
if ((missed)); then verdict=UNDER; fi
printf 'FIGURE A5\tmutants of checkpoints, storage, log and queue that the tests noticed\t%d of %d\tall\t%s\n' "$caught" $((caught + missed)) "$verdict"
