#!/usr/bin/env python3
"""The crates that warmstart is built from, checked by cargo-deny with deny.toml; and what the programs link and leave behind.

    scripts/soak.d/60-supply.py

cargo-deny downloads the RustSec database. Without a network, WARMSTART_ADVISORIES can name a git clone of it. Standard library
only.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATABASE = "https://github.com/RustSec/advisory-db"


def figure(what, value, target, good):
    print(f"FIGURE D8\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)
    return good


def deny(*checks, env=None):
    """Runs checks of cargo-deny; returns whether they passed, and its messages."""
    said = subprocess.run(["cargo-deny", "check", "--hide-inclusion-graph", *checks], cwd=ROOT, text=True, capture_output=True,
                          env={**os.environ, **(env or {})})
    print(said.stdout + said.stderr, end="", flush=True)
    return said.returncode == 0, said.stderr


def unread(said):
    """What cargo-deny says that it could not read; None if it read everything. A missing index is only a warning for it."""
    if re.search(r"failed to (fetch|clone|load) advisory database", said):
        return "the database could not be reached"
    if re.search(r"\[index-(cache-load-)?failure\]", said):
        return "the registry's index could not be read, so that yanked versions are unknown"
    return None


def advisories():
    """Reports whether a crate has an advisory or was yanked, with the date of the advisories."""
    env, date = {}, "today's"
    if clone := os.environ.get("WARMSTART_ADVISORIES"):
        env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{pathlib.Path(clone).resolve()}.insteadOf",
               "GIT_CONFIG_VALUE_0": DATABASE}
        date = subprocess.run(["git", "-C", clone, "log", "-1", "--format=%cs"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    good, said = deny("advisories", env=env)
    if why := unread(said):
        return figure("advisories and yanked crates", why, "0", False)
    crates = (ROOT / "Cargo.lock").read_text().count("[[package]]")
    return figure(f"advisories ({date}) and yanked versions among {crates} crates", "0" if good else "some, see above", "0", good)


def main():
    good = True
    if shutil.which("cargo-deny"):
        good &= advisories()
        well, _ = deny("bans", "licenses", "sources")
        good &= figure("crates of another source or licence than deny.toml allows", "0" if well else "some, see above", "0", well)
    else:
        good = figure("advisories and yanked crates", "cargo-deny is not here; get it with: cargo install cargo-deny", "0", False)
    release = [] if os.environ.get("WARMSTART_PROFILE") == "debug" else ["--release"]
    tests = subprocess.run(["cargo", "test", *release, "--quiet", "--workspace", "--test", "cli", "--", "--nocapture", "install::"], cwd=ROOT)
    return good and tests.returncode == 0


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
