#!/usr/bin/env python3
"""Finds import circles among the modules of each crate: files that import each other in a loop.

A re-exported name counts for the file that defines it. Tests are ignored. Exits with 1 if a circle has more than three files, or
crosses folders.

    python3 scripts/circles.py            # checks
    python3 scripts/circles.py --arrows   # also prints the imports of each circle
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 3


# Comments and literals. A quote or two slashes mean something only outside of the others, so one pattern finds them in order.
SKIPPED = re.compile(r"""//[^\n]*|/\*.*?\*/|\bb?r(#*)".*?"\1|"(?:[^"\\]|\\.)*"|'(?:\\.[^'\n]*|[^'\\\n])'""", re.S)


def code_of(path):
    """The file without comments, literals and test modules."""
    text = SKIPPED.sub(lambda found: " " if found[0].startswith("/") else '""', path.read_text())
    text = re.sub(r"pub\(in [^)]*\)", "pub", text)
    return re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", text)[0]


def flattened(tree):
    """Every path in a `use` tree: `a::{b, c::{d, e}}` gives a::b, a::c::d and a::c::e."""
    tree = tree.strip()
    match = re.match(r"^((?:[\w]+::)*)\{(.*)\}$", tree, re.S)
    if not match:
        return [re.sub(r"\s+as\s+\w+$", "", tree)]
    parts, depth, start = [], 0, 0
    body = match[2]
    for place, char in enumerate(body):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(body[start:place])
            start = place + 1
    parts.append(body[start:])
    return [match[1] + path for part in parts if part.strip() for path in flattened(part)]


class Crate:
    def __init__(self, src):
        self.files = {}
        for path in sorted(src.rglob("*.rs")):
            relative = path.relative_to(src)
            module = relative.with_suffix("").parts
            if module[-1] in ("lib", "main") and len(module) == 1:
                module = ()
            if "tests" not in module and not (module == () and path.name == "main.rs" and (src / "lib.rs").exists()):
                self.files[module] = path
        self.code = {module: code_of(path) for module, path in self.files.items()}
        self.uses = {module: self.imports(module) for module in self.files}
        self.handed_on = {module: self.reexports(module) for module in self.files}

    def absolute(self, module, path):
        """The path from the crate's root, or None if it is in another crate."""
        parts = [part.strip() for part in path.split("::")]
        if parts[0] == "crate":
            return tuple(parts[1:])
        here = list(module)
        if parts[0] == "self":
            return tuple(here + parts[1:])
        if parts[0] == "super":
            while parts and parts[0] == "super":
                here, parts = here[:-1], parts[1:]
            return tuple(here + parts)
        if (*module, parts[0]) in self.files:
            return tuple(here + parts)
        return None

    def imports(self, module):
        paths = []
        code = self.code[module]
        for tree in re.findall(r"^\s*use\s+([^;]+);", code, re.M):
            paths += flattened(tree)
        rest = re.sub(r"\b(?:pub(?:\([^)]*\))?\s+)?use\s+[^;]+;", "", code)
        paths += re.findall(r"\b(?:crate|super|self)(?:::\w+)+", rest)
        paths += re.findall(r"(?<![\w:])[a-z_]\w*(?:::\w+)+", rest)
        return [path for path in (self.absolute(module, path) for path in paths) if path]

    def reexports(self, module):
        names = {}
        for tree in re.findall(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", self.code[module], re.M):
            for path in flattened(tree):
                target = self.absolute(module, path)
                name = path.split("::")[-1]
                renamed = re.search(rf"\b{re.escape(name)}\s+as\s+(\w+)", tree)
                names[renamed[1] if renamed else name] = target
        return names

    def home(self, path, depth=0):
        """The module that defines the item at this path."""
        module = path
        while module not in self.files:
            if not module:
                return ()
            module = module[:-1]
        rest = path[len(module):]
        if rest and depth < 8:
            names = self.handed_on[module]
            if rest[0] in names:
                # None: an item of another crate.
                target = names[rest[0]]
                return target and self.home(target + rest[1:], depth + 1)
        return module

    def arrows(self):
        found = {module: {} for module in self.files}
        for module, paths in self.uses.items():
            for path in paths:
                home = self.home(path)
                if home is not None and home != module:
                    found[module].setdefault(home, set()).add("::".join(path[len(home):]) or home[-1] if home else "::".join(path))
        return found


def circles(arrows):
    """Tarjan's strongly connected components with more than one member."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while True:
                member = stack.pop()
                on.discard(member)
                group.append(member)
                if member == node:
                    break
            if len(group) > 1:
                found.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for node in arrows:
        if node not in index:
            visit(node)
    return found


def main():
    bad = False
    for src in [ROOT / "src", *sorted((ROOT / "crates").glob("*/src"))]:
        crate = Crate(src)
        arrows = crate.arrows()
        for group in circles(arrows):
            folders = {crate.files[module].parent for module in group}
            # A module and the folder of its children count as one folder.
            roots = {crate.files[module].with_suffix("") if crate.files[module].with_suffix("").is_dir() else crate.files[module].parent for module in group}
            wrong = len(group) > MOST or (len(folders) > 1 and len(roots) > 1)
            bad |= wrong
            print(f"{'TOO LARGE' if wrong else 'small'}: {len(group)} files: " + ", ".join(str(crate.files[module].relative_to(ROOT)) for module in group))
            if "--arrows" in sys.argv:
                for module in group:
                    for other, names in sorted(arrows[module].items()):
                        if other in group:
                            print(f"  {crate.files[module].relative_to(ROOT)} -> {crate.files[other].relative_to(ROOT)}: {', '.join(sorted(names))}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
