#!/usr/bin/env python3
"""`compare --format latex` with hostile names, compiled by a real pdfLaTeX with two font encodings and, if they are installed, by
XeLaTeX and LuaLaTeX. Debian: apt-get install texlive-latex-base, and texlive-latex-recommended for booktabs; without booktabs the
table has plain rules. Standard library only."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("WARMSTART_PROFILE", "release") / "warmstart"
NAMES = [
    "[optional", "*star", "[*] both", "]", 'say "hi"', "\\input{x}", "a_b & c % d # e $f$ ^g ~h {i}", "<b> | </b>", "`''` ``q'' ,, --- --",
    "?` !`", "-- ends --", "café Ångström Łódź ß œ ñ ő ș ý đ", "学習率 漢字", "обучение", "Δθ ≤ 0.1 µm ± 2 °C", "🚀 launch", "\\\\[2pt]", "\\midrule [x",
    "e\u0301\u0302\u0303", "%", "#1", "~", "''", "“quoted” ‘x’ … – —", "ｆｕｌｌ", "العربية", "i\u0307 ı", "a\u00a0b", "$", "^^41", "\\end{tabular}",
]
ENCODINGS = {"OT1": "", "T1": "\\usepackage[T1]{fontenc}"}

PLAIN = "\\let\\toprule\\hline\\let\\midrule\\hline\\let\\bottomrule\\hline"
HAS_BOOKTABS = shutil.which("kpsewhich") and subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0
RULES = "\\usepackage{booktabs}" if HAS_BOOKTABS else PLAIN


def runs(folder):
    """A copy of a recorded run for each name."""
    recorded = next(iter(sorted((ROOT / "tests/data/runs").iterdir())))
    for number, name in enumerate(NAMES):
        run = f"20260101-{number:06}-{number:04x}"
        shutil.copytree(recorded, folder / run)
        path = folder / run / "run.json"
        info = json.loads(path.read_text())
        info.update(id=run, experiment=name, stem=f"e{number}")
        path.write_text(json.dumps(info))


def compiles(engine, table, packages, folder):
    document = f"\\documentclass{{article}}\n{packages}\n{RULES}\n\\begin{{document}}\n\\tiny\n{table}\\end{{document}}\n"
    (folder / "t.tex").write_text(document)
    done = subprocess.run([engine, "-halt-on-error", "-interaction=nonstopmode", "t.tex"], cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        print(engine, packages, *[line for line in done.stdout.splitlines() if line.startswith(("!", "l."))], sep="\n")
    return done.returncode == 0


def main():
    engines = [engine for engine in ("pdflatex", "xelatex", "lualatex") if shutil.which(engine)]
    if "pdflatex" not in engines:
        sys.exit("pdflatex is not installed: apt-get install texlive-latex-base")
    tried = done = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        runs(folder / "checkpoints")
        for options in ([], ["--transpose", "--columns", "run,experiment,val_acc"]):
            command = [PROGRAM, "compare", "--all", "--format", "latex", "--checkpoints", folder / "checkpoints", *options]
            table = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=folder).stdout
            for engine in engines:
                for encoding, packages in ENCODINGS.items():
                    if engine == "pdflatex" or encoding == "OT1":
                        tried += 1
                        done += compiles(engine, table, packages, folder)
    ok = "ok" if done == tried else "UNDER"
    print(f"FIGURE D8\t{len(NAMES)} hostile names as LaTeX, compiled ({', '.join(engines)}; {'booktabs' if HAS_BOOKTABS else 'plain rules'})\t{done} of {tried} documents\tall\t{ok}")


main()
