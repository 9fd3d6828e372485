#!/usr/bin/env python3
"""Takes away, one at a time, what keeps checkpoints safe, and expects the tests to notice each.

    scripts/soak.d/10-mutants.py

Works on a copy, in a folder of its own below target/. Standard library only.
"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target/mutants"
CHECKPOINT, STORAGE = "crates/schema/src/checkpoint.rs", "crates/schema/src/storage.rs"

MUTANTS = [
    ("sync of a checkpoint's files", CHECKPOINT, "        file.sync()?;\n", ""),
    ("sync of a checkpoint's folder", CHECKPOINT, "    storage.sync_dir(folder)\n}", "    Ok(())\n}"),
    ("sync of the run's folder", CHECKPOINT, "    storage.sync_dir(run.path()).map_err(failed)?;\n", ""),
    ("sync after the rename", CHECKPOINT, "storage.sync_dir(&folder).map_err(failed).and_then(|()|",
     "Ok(()).and_then(|()|"),
    ("writing aside", CHECKPOINT, 'let aside = folder.join(format!(".step-{step:08}.new"));',
     "let aside = run.checkpoint(step);"),
    ("reading back", CHECKPOINT, "read(storage, &target).map(drop)", "Ok(())"),
    ("the hash", CHECKPOINT, "if found == *expected {", "if found.bytes == expected.bytes {"),
    ("the hash and the length", CHECKPOINT, "if found == *expected {", "if expected.bytes > 0 {"),
    ("undoing an exchange", CHECKPOINT, "if replaces { storage.exchange(&aside, &target) } else { storage.remove_dir",
     "if replaces { Ok(()) } else { storage.remove_dir"),
    ("exchange instead of rename", CHECKPOINT,
     "if replaces { storage.exchange(&aside, &target) } else { storage.rename(&aside, &target) }.map_err(failed)?;",
     "if replaces { storage.remove_dir(&target).map_err(failed)?; }\n        storage.rename(&aside, &target).map_err(failed)?;"),
    ("keeping the one before", CHECKPOINT, "saturating_sub(keep)", "saturating_sub(1)"),
    ("keeping the best of each", CHECKPOINT, "kept.iter().filter_map(best_of).chain(names.best).collect()",
     "names.last.into_iter().collect()"),
    ("sync of a file that is replaced", STORAGE, "        file.sync()?;\n        storage.rename", "        storage.rename"),
    ("sync of the folder of a file that is replaced", STORAGE, "        storage.sync_dir(folder)\n", "        Ok(())\n"),
    ("starting anew when all is damaged", CHECKPOINT, "if reasons.is_empty() { Ok((None, reasons)) }", "if true { Ok((None, reasons)) }"),
]


def copy():
    """The workspace without the engine, which these tests do not need."""
    COPY.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(COPY / "crates", ignore_errors=True)
    shutil.rmtree(COPY / "experiments", ignore_errors=True)
    shutil.copytree(ROOT / "crates/schema", COPY / "crates/schema")
    shutil.copytree(ROOT / "experiments", COPY / "experiments")
    manifest = (ROOT / "Cargo.toml").read_text()
    workspace = manifest[:manifest.index("[package]")].replace('members = ["crates/schema", "crates/engine"]',
                                                               'members = ["crates/schema"]')
    (COPY / "Cargo.toml").write_text(workspace)
    shutil.copy(ROOT / "Cargo.lock", COPY / "Cargo.lock")


def tests_pass():
    """Whether it builds, and whether the tests pass."""
    command = ["cargo", "test", "--quiet", "-p", "warmstart-schema", "--test", "checkpoint"]
    build = subprocess.run(command + ["--no-run"], cwd=COPY, capture_output=True, text=True,
                           env={**os.environ, "RUSTFLAGS": "-A warnings"})
    if build.returncode != 0:
        raise SystemExit(f"error: a mutant does not build:\n{build.stderr[-2000:]}")
    return subprocess.run(command, cwd=COPY, capture_output=True, env={**os.environ, "RUSTFLAGS": "-A warnings"}).returncode == 0


def main():
    copy()
    if not tests_pass():
        raise SystemExit("error: the tests fail before anything is taken away")
    survivors = 0
    for what, file, old, new in MUTANTS:
        path = COPY / file
        source = path.read_text()
        if source.count(old) != 1:
            raise SystemExit(f"error: {file} has {source.count(old)} places like {old!r} (for: {what}); expected one")
        path.write_text(source.replace(old, new))
        survived = tests_pass()
        path.write_text(source)
        survivors += survived
        print(f"  without {what:<50} {'NOT NOTICED' if survived else 'noticed'}", flush=True)
    noticed = f"{len(MUTANTS) - survivors} of {len(MUTANTS)}"
    print(f"FIGURE A5\tguards of checkpoints whose loss the tests notice\t{noticed}\tall\t{'UNDER' if survivors else 'ok'}")
    return survivors == 0


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
