# Sourced by the others. `tests NAME OPTION...` runs an integration test, built as `make build` builds; WARMSTART_PROFILE=debug takes the
# debug build. One after the other, because several measure what their process takes.
tests() {
  name=$1
  shift
  case ${WARMSTART_PROFILE:-release} in
    debug) cargo test --quiet --workspace --test "$name" -- --nocapture --test-threads=1 "$@" ;;
    *) cargo test --release --quiet --workspace --test "$name" -- --nocapture --test-threads=1 "$@" ;;
  esac
}
