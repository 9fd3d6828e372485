#!/usr/bin/env python3
"""Turns a terminal's screen into an SVG.

    tmux capture-pane -e -p -N -t NAME | scripts/picture.py > docs/dashboard.svg
    scripts/picture.py --light < screen.txt > light.svg

Reads text with SGR escape sequences (the output of `capture-pane -e`) from standard input. Standard library only. `make screens`
draws with it, and makes moving pictures from many screens.
"""
import argparse
import html
import re
import sys
import unicodedata

# Text and background of a dark and of a light terminal.
DARK, LIGHT = ("#d0d4dc", "#14161b"), ("#24292f", "#ffffff")
PALETTE = ["#3a3f4b", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
           "#6b7280", "#f28b93", "#b5e08f", "#f0d399", "#8ac6ff", "#dd9df0", "#7fd5df", "#ffffff"]
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 12
BRAILLE = re.compile("[\u2800-\u28ff]")
SGR = re.compile(r"\x1b\[([0-9;:]*)m")


def colour(number):
    """The colour of a number in the 256-colour palette of terminals."""
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        level = 8 + 10 * (number - 232)
        return f"#{level:02x}{level:02x}{level:02x}"
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#" + "".join(f"{levels[number // step % 6]:02x}" for step in (36, 6, 1))


class Style:
    """The attributes that SGR sequences have switched on."""

    def __init__(self, ground):
        self.ground = ground
        self.foreground = self.background = None
        self.flags = set()

    def apply(self, sequence):
        """Applies the codes of a sequence. A code that needs more numbers has them after colons, or as the codes that follow."""
        codes = [[int(number) if number else 0 for number in code.split(":")] for code in sequence.split(";")]
        names = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
        while codes:
            code, *more = codes.pop(0)
            if code == 0:
                self.__init__(self.ground)
            elif code == 4 and more == [0]:
                self.flags.discard("underline")
            elif code in names:
                self.flags.add(names[code])
            elif code == 22:
                self.flags -= {"bold", "dim"}
            elif code in (23, 24, 27):
                self.flags.discard(names[code - 20])
            elif code in (38, 48, 58):
                if not more:
                    count = {5: 2, 2: 4}.get(codes[0][0] if codes else None, 0)
                    more, codes = [number for number, *_ in codes[:count]], codes[count:]
                # With colons, the number of a colour space may be before red, green and blue.
                if more[:1] == [5] and len(more) == 2:
                    value = colour(more[1])
                elif more[:1] == [2] and len(more) >= 4:
                    value = "#" + "".join(f"{number:02x}" for number in (more[2:5] if len(more) > 4 else more[1:4]))
                else:
                    continue
                # The colour of an underline, 58, is not drawn.
                if code != 58:
                    setattr(self, "foreground" if code == 38 else "background", value)
            elif code in (39, 49):
                setattr(self, "foreground" if code == 39 else "background", None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.foreground = PALETTE[code - 30 if code < 90 else code - 82]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.background = PALETTE[code - 40 if code < 100 else code - 92]

    def colours(self):
        foreground, background = self.foreground or self.ground[0], self.background or self.ground[1]
        return (background, foreground) if "reverse" in self.flags else (foreground, background)


def cells(letter):
    """The width of a character in cells."""
    # Accents, variation selectors and invisible characters have none. A soft hyphen has one.
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf") and letter != "\u00ad":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def pieces(line, style):
    """The pieces of a line: column, width in cells, text, attributes, background."""
    column, position = 0, 0
    for match in [*SGR.finditer(line), None]:
        text = line[position:match.start() if match else len(line)]
        if text:
            width = sum(map(cells, text))
            foreground, background = style.colours()
            attributes = f'fill="{foreground}"'
            attributes += ' font-weight="bold"' * ("bold" in style.flags) + ' opacity="0.6"' * ("dim" in style.flags)
            attributes += ' font-style="italic"' * ("italic" in style.flags)
            attributes += ' text-decoration="underline"' * ("underline" in style.flags)
            yield column, width, text, attributes, background
            column += width
        if match:
            style.apply(match.group(1))
            position = match.end()


def dots(text, x, y, attributes):
    """Draws Braille characters as dots, because fonts place them differently."""
    places, cell = [], 0
    for letter in text:
        before, cell = cell, cell + cells(letter)
        if not BRAILLE.match(letter):
            continue
        bits = ord(letter) - 0x2800
        for bit, (column, row) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]):
            if bits >> bit & 1:
                dot_x = x + (before + 0.25 + column / 2) * CELL_WIDTH
                places.append(f"M{dot_x:.1f} {y + (row + 0.5) * CELL_HEIGHT / 4:.1f}h0")
    if not places:
        return []
    stroke = attributes.replace("fill=", "stroke=")
    return [f'<path {stroke} stroke-width="2.2" stroke-linecap="round" d="{"".join(places)}"/>']


def drawn(screen, ground, style=None):
    """A screen's shapes and texts, and its size in cells."""
    lines = screen.rstrip("\n").split("\n")
    style, shapes, texts, columns = style or Style(ground), [], [], 0
    for row, line in enumerate(lines):
        y = MARGIN + row * CELL_HEIGHT
        for column, width, text, attributes, background in pieces(line, style):
            columns = max(columns, column + width)
            x, span = MARGIN + column * CELL_WIDTH, width * CELL_WIDTH
            if background != ground[1]:
                shapes.append(f'<rect x="{x:.1f}" y="{y}" width="{span:.1f}" height="{CELL_HEIGHT}" fill="{background}"/>')
            texts += dots(text, x, y, attributes)
            # Leading and trailing spaces are not drawn.
            text = BRAILLE.sub(" ", text)
            kept = text.strip(" ")
            if kept:
                left = x + (len(text) - len(text.lstrip(" "))) * CELL_WIDTH
                span -= (len(text) - len(kept)) * CELL_WIDTH
                texts.append(f'<text x="{left:.1f}" y="{y + 13}" textLength="{span:.1f}" {attributes}>{html.escape(kept)}</text>')
    return shapes + texts, columns, len(lines)


def framed(body, columns, rows, ground, style=""):
    width, height = 2 * MARGIN + columns * CELL_WIDTH, 2 * MARGIN + rows * CELL_HEIGHT
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">',
        *([f"<style>{style}</style>"] if style else []),
        f'<rect width="100%" height="100%" rx="8" fill="{ground[1]}"/>',
        '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
        *body,
        "</g></svg>\n",
    ])


def still(screen, ground=DARK):
    """One screen as SVG."""
    body, columns, rows = drawn(screen, ground)
    return framed(body, max(columns, 80), rows, ground)


def moving(frames, ground=DARK):
    """Shows screens one after the other in a loop, each for its number of seconds. A repeated line is written once."""
    known, shown, sizes = {}, [], [(80, 1)]
    for index, (_, screen) in enumerate(frames):
        uses = []
        for row, (line, columns) in enumerate(lines(screen, ground)):
            sizes.append((columns, row + 1))
            if line:
                name = known.setdefault(line, f"l{len(known)}")
                uses.append(f'<use href="#{name}" y="{row * CELL_HEIGHT}"/>')
        shown.append(f'<g class="f" style="animation-name:f{index}">{"".join(uses)}</g>')
    total = sum(seconds for seconds, _ in frames)
    style, at = [f".f{{visibility:hidden;animation-duration:{total:.2f}s;animation-timing-function:step-end;"
                 "animation-iteration-count:infinite}"], 0
    for index, (seconds, _) in enumerate(frames):
        since, until = 100 * at / total, 100 * (at + seconds) / total
        hidden = "" if index == 0 else "0%{visibility:hidden}"
        style.append(f"@keyframes f{index}{{{hidden}{since:.3f}%{{visibility:visible}}{until:.3f}%{{visibility:hidden}}}}")
        at += seconds
    # With reduced motion, only the last screen is shown.
    style.append("@media (prefers-reduced-motion:reduce){.f{animation:none}.f:last-of-type{visibility:visible}}")
    defined = [f'<g id="{name}">{line}</g>' for line, name in known.items()]
    columns, rows = (max(size[axis] for size in sizes) for axis in (0, 1))
    return framed(["<defs>", *defined, "</defs>", *shown], columns, rows, ground, "".join(style))


def lines(screen, ground):
    """Each line's shapes and texts, placed as if it were the first line, and its number of columns."""
    style = Style(ground)
    for line in screen.rstrip("\n").split("\n"):
        # Attributes that the line before switched on still apply.
        body, columns, _ = drawn(line, ground, style)
        yield "".join(body), columns


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--light", action="store_true", help="a light terminal")
    sys.stdout.write(still(sys.stdin.read(), LIGHT if parser.parse_args().light else DARK))


if __name__ == "__main__":
    main()
