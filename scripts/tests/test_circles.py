"""Import circles are found whatever literals and comments a file has."""
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import circles  # noqa: E402


class Circles(unittest.TestCase):
    def found(self, before, imports="use crate::b::B;"):
        """The circles of two modules, one of which has a text before its import and a string after it."""
        with tempfile.TemporaryDirectory() as folder:
            src = pathlib.Path(folder)
            (src / "a.rs").write_text(f'{before}\n{imports}\nconst LAST: &str = "last";\n')
            (src / "b.rs").write_text("use crate::a::A;\n")
            return circles.circles(circles.Crate(src).arrows())

    def test_quotes_and_slashes_within_literals_and_comments_hide_no_import(self):
        for before in ("", 'const A: &str = "https://a.b";', "const A: char = '\"';", "const A: char = '\\'';", 'const A: &str = "\\"";',
                       'const A: &str = r#"one " and //"#;', 'const A: &[u8] = br"\\";', "// an \"inch", "/* an \"inch */",
                       "fn a<'a, 'b>(_: &'a str, _: &'b str) {}"):
            with self.subTest(before):
                self.assertEqual(self.found(before), [[("a",), ("b",)]])

    def test_imports_in_literals_comments_and_tests_do_not_count(self):
        for imports in ('const A: &str = "crate::b::B";', 'const A: &str = r#"crate::b::B"#;', "// crate::b::B", "/* crate::b::B */",
                        "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}"):
            with self.subTest(imports):
                self.assertEqual(self.found("", imports), [])


if __name__ == "__main__":
    unittest.main()
