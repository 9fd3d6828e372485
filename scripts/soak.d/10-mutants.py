#!/usr/bin/env python3
"""A5: takes away, one at a time, what keeps runs safe, and expects the tests to notice each.

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
RUN, LOG, PARSE = "crates/schema/src/run.rs", "crates/schema/src/event/log.rs", "crates/schema/src/experiment/parse.rs"
TESTS = ["--test", "checkpoint"]

# What is taken away, in which file, the text that goes and the text that comes, and the tests that must notice where those are others.
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
    ("removing older ones last", CHECKPOINT, "    check_room(storage, &folder, bytes).map_err(failed)?;\n",
     "    check_room(storage, &folder, bytes).map_err(failed)?;\n    let _ = remove_old(storage, run, Names { last: None, best: content.state.best_step }, keep - 1);\n"),
    ("the folder's step in its manifest", CHECKPOINT, "if state.step != manifest.step || folder", "if state.step != manifest.step && folder"),
    ("the format's number", CHECKPOINT, "if manifest.format != FORMAT {", "if manifest.format == 0 {"),
    ("removing what an interrupted save left", CHECKPOINT, 'filter(|name| name.starts_with(".step-"))',
     'filter(|name| name.starts_with(".stop-"))'),
    ("making a run aside", RUN, 'let aside = root.join(format!(".{}.new", info.id));', "let aside = root.join(info.id.as_str());",
     ["--test", "killed"]),
    ("the lock", RUN, "match file.try_lock() {\n                Ok(()) =>", "match file.try_lock() {\n                _ if true => return Ok(Some(RunLock(file))),\n                Ok(()) =>",
     ["--lib", "run::"]),
    ("a run's name that is no path", RUN, "if valid { Ok(Self(name.to_owned())) }", "if valid || true { Ok(Self(name.to_owned())) }",
     ["--lib", "run::"]),
    ("closing a line that a crash tore", LOG, "writer.backlog.push(b'\\n');\n            }\n        }\n        Ok(writer)", "}\n        }\n        Ok(writer)",
     ["--lib", "event::log"]),
    ("keeping a line that a full disk refused", LOG, "Err(error) => return Err(error),\n            }\n        }\n        Ok(())",
     "Err(error) => {\n                    self.backlog.clear();\n                    return Err(error);\n                }\n            }\n        }\n        Ok(())",
     ["--lib", "event::log"]),
    ("the longest experiment", PARSE, "if source.len() > MAX_BYTES {", "if source.len() > usize::MAX / 2 {", ["--test", "experiments", "bombs"]),
]


def copy():
    """The workspace without the engine, which these tests do not need."""
    COPY.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(COPY / "crates", ignore_errors=True)
    shutil.rmtree(COPY / "experiments", ignore_errors=True)
    # As new files: what the last mutant was built from must not pass for what is copied.
    shutil.copytree(ROOT / "crates/schema", COPY / "crates/schema", copy_function=shutil.copy)
    shutil.copytree(ROOT / "experiments", COPY / "experiments")
    manifest = (ROOT / "Cargo.toml").read_text()
    workspace = manifest[:manifest.index("[package]")].replace('members = ["crates/schema", "crates/engine"]',
                                                               'members = ["crates/schema"]')
    (COPY / "Cargo.toml").write_text(workspace)
    shutil.copy(ROOT / "Cargo.lock", COPY / "Cargo.lock")


def tests_pass(tests):
    """Whether it builds, and whether the tests pass."""
    env = {**os.environ, "RUSTFLAGS": "-A warnings", "CARGO_TARGET_DIR": str(COPY / "target")}
    where, names = tests[:2] if tests[0] == "--test" else tests[:1], tests[2:] if tests[0] == "--test" else tests[1:]
    command = ["cargo", "test", "--quiet", "-p", "warmstart-schema", *where]
    build = subprocess.run(command + ["--no-run"], cwd=COPY, capture_output=True, text=True, env=env)
    if build.returncode != 0:
        raise SystemExit(f"error: a mutant does not build:\n{build.stderr[-2000:]}")
    return subprocess.run(command + ["--", *names], cwd=COPY, capture_output=True, env=env).returncode == 0


def main():
    copy()
    for tests in {tuple(mutant[4] if len(mutant) > 4 else TESTS) for mutant in MUTANTS}:
        if not tests_pass(list(tests)):
            raise SystemExit(f"error: the tests ({' '.join(tests)}) fail before anything is taken away")
    survivors = []
    for what, file, old, new, *rest in MUTANTS:
        path = COPY / file
        source = path.read_text()
        if source.count(old) != 1:
            raise SystemExit(f"error: {file} has {source.count(old)} places like {old!r} (for: {what}); expected one")
        path.write_text(source.replace(old, new))
        survived = tests_pass(rest[0] if rest else TESTS)
        path.write_text(source)
        survivors += [what] if survived else []
        print(f"  without {what:<50} {'NOT NOTICED' if survived else 'noticed'}", flush=True)
    noticed = f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)}"
    print(f"FIGURE A5\tguards of runs and checkpoints whose loss the tests notice\t{noticed}\tall\t{'UNDER' if survivors else 'ok'}")
    return not survivors


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
