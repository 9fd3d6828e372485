#!/usr/bin/env python3
"""Turns a terminal's screen into an SVG, for the README.

    tmux capture-pane -e -p -t NAME | scripts/picture.py > docs/dashboard.svg

Reads text with SGR escape sequences (what `capture-pane -e` prints) on standard input. Standard library only.
"""
import html
import re
import sys
import unicodedata

FOREGROUND, BACKGROUND = "#d0d4dc", "#14161b"
PALETTE = ["#3a3f4b", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
           "#6b7280", "#f28b93", "#b5e08f", "#f0d399", "#8ac6ff", "#dd9df0", "#7fd5df", "#ffffff"]
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 12
SGR = re.compile(r"\x1b\[([0-9;:]*)m")


def colour(number):
    """The colour of one of the 256 that terminals number."""
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        level = 8 + 10 * (number - 232)
        return f"#{level:02x}{level:02x}{level:02x}"
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#" + "".join(f"{levels[number // step % 6]:02x}" for step in (36, 6, 1))


class Style:
    """What an SGR sequence has switched on."""

    def __init__(self):
        self.foreground = self.background = None
        self.flags = set()

    def apply(self, codes):
        codes = [int(code) if code else 0 for code in re.split("[;:]", codes)]
        names = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in names:
                self.flags.add(names[code])
            elif code == 22:
                self.flags -= {"bold", "dim"}
            elif code in (23, 24, 27):
                self.flags.discard(names[code - 20])
            elif code in (38, 48):
                if codes.pop(0) == 5:
                    value = colour(codes.pop(0))
                else:
                    value = "#" + "".join(f"{codes.pop(0):02x}" for _ in range(3))
                setattr(self, "foreground" if code == 38 else "background", value)
            elif code in (39, 49):
                setattr(self, "foreground" if code == 39 else "background", None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.foreground = PALETTE[code - 30 if code < 90 else code - 82]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.background = PALETTE[code - 40 if code < 100 else code - 92]

    def colours(self):
        foreground, background = self.foreground or FOREGROUND, self.background or BACKGROUND
        return (background, foreground) if "reverse" in self.flags else (foreground, background)


def runs(line, style):
    """Pieces of a line: column, width in cells, text, attributes, background."""
    column, position = 0, 0
    for match in [*SGR.finditer(line), None]:
        text = line[position:match.start() if match else len(line)]
        if text:
            width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)
            foreground, background = style.colours()
            attributes = f'fill="{foreground}"'
            attributes += ' font-weight="bold"' * ("bold" in style.flags) + ' opacity="0.6"' * ("dim" in style.flags)
            attributes += ' text-decoration="underline"' * ("underline" in style.flags)
            yield column, width, text, attributes, background
            column += width
        if match:
            style.apply(match.group(1))
            position = match.end()


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    style, shapes, texts, columns = Style(), [], [], 80
    for row, line in enumerate(lines):
        y = MARGIN + row * CELL_HEIGHT
        for column, width, text, attributes, background in runs(line, style):
            columns = max(columns, column + width)
            x, span = MARGIN + column * CELL_WIDTH, width * CELL_WIDTH
            if background != BACKGROUND:
                shapes.append(f'<rect x="{x:.1f}" y="{y}" width="{span:.1f}" height="{CELL_HEIGHT}" fill="{background}"/>')
            if text.strip():
                texts.append(f'<text x="{x:.1f}" y="{y + 13}" textLength="{span:.1f}" {attributes}>{html.escape(text)}</text>')
    width, height = 2 * MARGIN + columns * CELL_WIDTH, 2 * MARGIN + len(lines) * CELL_HEIGHT
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">')
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    print('<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">')
    print("\n".join(shapes + texts))
    print("</g></svg>")


if __name__ == "__main__":
    main()
