"""Screens as SVG: text, colours and dots are where a terminal shows them."""
import pathlib
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import picture  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return xml.fromstring(svg)


class StillTest(unittest.TestCase):
    def test_text_is_in_its_cells_and_colours_change_at_their_sequences(self):
        root = parsed(picture.still("ab \x1b[1;38;5;196mcd\x1b[0m & e"))
        texts = root.findall(f".//{SVG}text")
        self.assertEqual([text.text for text in texts], ["ab", "cd", "& e"])
        at = [round((float(text.get("x")) - picture.MARGIN) / picture.CELL_WIDTH) for text in texts]
        self.assertEqual(at, [0, 3, 6])
        self.assertEqual((texts[1].get("fill"), texts[1].get("font-weight")), ("#ff0000", "bold"))
        self.assertIsNone(texts[2].get("font-weight"))

    def test_numbers_after_colons_belong_to_their_code(self):
        root = parsed(picture.still("\x1b[38:2::255:0:128ma\x1b[38:2:255:0:127mb\x1b[38;2;255;0;126mc\x1b[0;4:3;58:5:1md\x1b[4:0me"))
        texts = root.findall(f".//{SVG}text")
        self.assertEqual([text.get("fill") for text in texts], ["#ff0080", "#ff007f", "#ff007e", *[picture.DARK[0]] * 2])
        self.assertEqual([text.get("text-decoration") for text in texts[3:]], ["underline", None])
        self.assertEqual({text.get("font-weight") for text in texts}, {None})

    def test_italic_text_is_drawn_so_until_its_end(self):
        texts = parsed(picture.still("\x1b[3ma\x1b[23mb")).findall(f".//{SVG}text")
        self.assertEqual([text.get("font-style") for text in texts], ["italic", None])

    def test_dots_are_in_the_cell_after_wide_characters(self):
        at = lambda screen: parsed(picture.still(screen)).find(f".//{SVG}path").get("d")
        self.assertEqual(at("\u6f22\u2881"), at("ab\u2881"))

    def test_characters_without_a_width_move_nothing(self):
        place = lambda screen: parsed(picture.still(screen)).findall(f".//{SVG}text")[1].get("x")
        for invisible in ("\u200b", "\u2060", "\ufe0f", "\u0301", "\u20e3"):
            self.assertEqual(place(f"a{invisible}\x1b[1mb"), place("a\x1b[1mb"), ascii(invisible))
        self.assertNotEqual(place("a\u00ad\x1b[1mb"), place("a\x1b[1mb"))

    def test_a_colour_that_is_cut_off_changes_nothing(self):
        root = parsed(picture.still("\x1b[38mx\x1b[48;5my\x1b[38;2;1mz"))
        self.assertEqual({text.get("fill") for text in root.findall(f".//{SVG}text")}, {picture.DARK[0]})

    def test_reversed_cells_have_the_text_colour_as_background_even_if_empty(self):
        root = parsed(picture.still("\x1b[7m  x \x1b[0m"))
        shapes = [shape for shape in root.findall(f".//{SVG}rect") if shape.get("x")]
        self.assertEqual([shape.get("fill") for shape in shapes], [picture.DARK[0]])
        self.assertEqual(round(float(shapes[0].get("width")) / picture.CELL_WIDTH), 4)
        self.assertEqual(root.find(f".//{SVG}text").get("fill"), picture.DARK[1])

    def test_braille_becomes_dots_at_their_unicode_positions(self):
        # Dots 1 and 8: the upper left and the lower right.
        root = parsed(picture.still("\u2881"))
        self.assertEqual(root.findall(f".//{SVG}text"), [])
        places = root.find(f".//{SVG}path").get("d").split("M")[1:]
        points = [tuple(float(part) for part in place.removesuffix("h0").split()) for place in places]
        (left, top), (right, bottom) = points
        self.assertAlmostEqual(right - left, picture.CELL_WIDTH / 2, delta=0.1)
        self.assertAlmostEqual(bottom - top, picture.CELL_HEIGHT * 3 / 4, delta=0.15)


class MovingTest(unittest.TestCase):
    def test_repeated_lines_are_written_once_and_every_screen_has_its_time(self):
        svg = picture.moving([(1.0, "same\nfirst"), (3.0, "same\nsecond")])
        root = parsed(svg)
        self.assertEqual(svg.count(">same<"), 1)
        frames = [group for group in root.iter(f"{SVG}g") if group.get("class") == "f"]
        self.assertEqual([len(frame.findall(f"{SVG}use")) for frame in frames], [2, 2])
        self.assertIn("25.000%{visibility:visible}100.000%{visibility:hidden}", svg)

    def test_attributes_of_a_line_continue_in_the_next(self):
        svg = picture.moving([(1.0, "\x1b[31mone\ntwo\x1b[0m")])
        colours = [text.get("fill") for text in parsed(svg).findall(f".//{SVG}text")]
        self.assertEqual(colours, [picture.PALETTE[1]] * 2)


if __name__ == "__main__":
    unittest.main()
