//! The decoder returns the keys that the user typed, and drops everything that the terminal sends by itself.
//! `WARMSTART_KEYS` sets the number of random inputs (default 2,000).

use std::time::{Duration, Instant};

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use proptest::prelude::*;

use super::Decoder;
use super::text::MAX_PASTE;

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

/// Reports that terminals send although no key was pressed.
const REPORTS: [&[u8]; 44] = [
    // Modes: DEC's (synchronized output, grapheme clusters) and ANSI's.
    b"\x1b[?2026;2$y",
    b"\x1b[?2027;0$y",
    b"\x1b[20;2$y",
    // Identification: primary, secondary and tertiary attributes, the name.
    b"\x1b[?62;4;22c",
    b"\x1b[?1;2c",
    b"\x1b[>41;388;0c",
    b"\x1bP!|7E565445\x1b\\",
    b"\x1bP>|kitty(0.42.1)\x1b\\",
    b"\x1bP>|XTerm(390)\x07",
    // The status of the terminal, its printer and its locator.
    b"\x1b[0n",
    b"\x1b[?13n",
    b"\x1b[?53n",
    b"\x1b[0&w",
    b"\x1b[1;3;12;40;0&w",
    // The cursor's position; a modified F3 has the same form.
    b"\x1b[12;40R",
    b"\x1b[1;5R",
    b"\x1b[?1;1;1R",
    // Sizes: of the window, of a cell, after every change.
    b"\x1b[8;24;80t",
    b"\x1b[4;600;800t",
    b"\x1b[6;16;8t",
    b"\x1b[48;24;80;384;640t",
    b"\x1b[1t",
    // Keyboard modes of kitty and xterm.
    b"\x1b[?0u",
    b"\x1b[?31u",
    b"\x1b[>4;2m",
    // Dark or light background.
    b"\x1b[?997;1n",
    // Colours, ended by ST, by BEL, and by 8-bit ST.
    b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
    b"\x1b]11;rgb:0000/2b2b/3636\x07",
    b"\x1b]4;12;rgb:1e/90/ff\x07",
    b"\x9d11;rgb:0000/0000/0000\x9c",
    // The clipboard and titles, also with the byte of an ST inside a character.
    b"\x1b]52;c;cnlyUg==\x1b\\",
    b"\x1b]lryS \xe2\x9c\x9c D y\x1b\\",
    b"\x1b]Lruy\x07",
    // Settings and capabilities.
    b"\x1bP1$r0 q\x1b\\",
    b"\x1bP1$r38:2::1:2:3m\x1b\\",
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1bP0+r5463\x07",
    b"\x901+r5463\x9c",
    // Pictures.
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b_Gi=1;ENOENT:ry\x07",
    // Unused kinds of strings.
    b"\x1b^ry D\x1b\\",
    b"\x1bXryS\x1b\\",
    // Unknown sequences, with 8-bit controls raw and as UTF-8.
    b"\x9b?9999;1!y",
    b"\xc2\x9b?2026;2$y",
];

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn character(c: char) -> Event {
    key(KeyCode::Char(c), NONE)
}

fn escape() -> Event {
    key(KeyCode::Esc, NONE)
}

/// A decoder with a clock that tests move.
struct Line {
    decoder: Decoder,
    now: Instant,
    events: Vec<Event>,
}

impl Line {
    fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            now: Instant::now(),
            events: Vec::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.events.extend(self.decoder.feed(bytes, self.now));
        self
    }

    fn wait(&mut self, milliseconds: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(milliseconds);
        while let Some(deadline) = self
            .decoder
            .deadline()
            .filter(|deadline| *deadline <= until)
        {
            self.now = self.now.max(deadline);
            self.events.extend(self.decoder.tick(self.now));
        }
        self.now = until;
        self
    }

    /// The new events, after a pause without bytes.
    fn received(&mut self) -> Vec<Event> {
        self.wait(100);
        std::mem::take(&mut self.events)
    }
}

fn received(bytes: &[u8]) -> Vec<Event> {
    Line::new().send(bytes).received()
}

#[test]
fn whole_report_between_keys_is_dropped() {
    for report in REPORTS {
        let bytes = [b"a", report, b"j", report, report, b"\r"].concat();
        let keys = [character('a'), character('j'), key(KeyCode::Enter, NONE)];
        assert_eq!(received(&bytes), keys, "{}", report.escape_ascii());
    }
}

#[test]
fn report_in_two_pieces_is_dropped() {
    for report in REPORTS {
        for pause in [0, 20, 60, 300, 1000] {
            for cut in 1..report.len() {
                let mut line = Line::new();
                line.send(&report[..cut])
                    .wait(pause)
                    .send(&report[cut..])
                    .wait(20)
                    .send(b"j");
                // A single `ESC` for this long is the Esc key, whatever comes after it.
                let is_escape = report[0] == 0x1b && cut == 1 && pause > 50;
                let expected: Vec<Event> = is_escape
                    .then(escape)
                    .into_iter()
                    .chain([character('j')])
                    .collect();
                assert_eq!(
                    line.received(),
                    expected,
                    "{} cut at {cut} for {pause} ms",
                    report.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn report_byte_by_byte_is_dropped() {
    for report in REPORTS {
        for pause in [1, 20, 60, 200, 300] {
            let mut line = Line::new();
            for byte in report {
                line.send(&[*byte]).wait(pause);
            }
            line.wait(50).send(b"j");
            let is_escape = report[0] == 0x1b && pause > 50;
            let expected: Vec<Event> = is_escape
                .then(escape)
                .into_iter()
                .chain([character('j')])
                .collect();
            assert_eq!(
                line.received(),
                expected,
                "{} with {pause} ms",
                report.escape_ascii()
            );
        }
    }
}

#[test]
fn report_with_early_escape_is_dropped() {
    for report in [
        &b"\x1b[?2026;2$y"[..],
        b"\x1b[>41;388;0c",
        b"\x1b]11;rgb:00/00/00\x07",
        b"\x1bP1$r0 q\x1b\\",
    ] {
        let mut line = Line::new();
        line.send(&report[..1])
            .wait(8000)
            .send(&report[1..])
            .wait(10)
            .send(b"j");
        assert_eq!(
            line.received(),
            [escape(), character('j')],
            "{}",
            report.escape_ascii()
        );
    }
}

#[test]
fn keys_after_escape_are_kept() {
    // Keys typed seconds apart.
    for c in "[]OP_X^qr".chars() {
        let mut line = Line::new();
        line.send(b"\x1b")
            .wait(2000)
            .send(c.to_string().as_bytes())
            .wait(400)
            .send(b"j");
        let shift = if c.is_uppercase() { SHIFT } else { NONE };
        assert_eq!(
            line.received(),
            [escape(), key(KeyCode::Char(c), shift), character('j')],
            "{c}"
        );
    }
    // Soon after Esc, a possible sequence is held back and then delivered.
    for c in ['[', ']', 'O', 'P'] {
        let mut line = Line::new();
        line.send(b"\x1b")
            .wait(400)
            .send(c.to_string().as_bytes())
            .wait(1500)
            .send(b"j");
        let shift = if c.is_uppercase() { SHIFT } else { NONE };
        assert_eq!(
            line.received(),
            [escape(), key(KeyCode::Char(c), shift), character('j')],
            "{c}"
        );
    }
    for keys in ["[[", "]]", "j[", "[\r", "O\x03", "Pj", "qr", "1y"] {
        let mut line = Line::new();
        line.send(b"\x1b").wait(300);
        for c in keys.chars() {
            line.send(c.to_string().as_bytes()).wait(300);
        }
        assert_eq!(line.received().len(), 3, "{keys:?}");
    }
    // The Esc key, held down.
    let mut line = Line::new();
    for _ in 0..4 {
        line.send(b"\x1b").wait(30);
    }
    assert_eq!(line.received(), vec![escape(); 4]);
}

#[test]
fn key_in_two_pieces_is_decoded() {
    for (bytes, expected) in KEYS.iter().filter(|(bytes, _)| bytes.len() > 1) {
        for cut in 1..bytes.len() {
            for pause in [0, 30, 400] {
                // Alt sends `ESC` before the key. After a long gap that is the Esc key and another key.
                if pause > 50 && cut == 1 && bytes[0] == 0x1b {
                    continue;
                }
                let mut line = Line::new();
                line.send(&bytes[..cut]).wait(pause).send(&bytes[cut..]);
                assert_eq!(
                    line.received(),
                    [key(expected.0, expected.1)],
                    "{} at {cut}",
                    bytes.escape_ascii()
                );
            }
        }
    }
}

/// The bytes that xterm, rxvt, the Linux console and kitty send for keys.
const KEYS: [(&[u8], (KeyCode, KeyModifiers)); 100] = [
    (b"a", (KeyCode::Char('a'), NONE)),
    (b"A", (KeyCode::Char('A'), SHIFT)),
    (b" ", (KeyCode::Char(' '), NONE)),
    (b"?", (KeyCode::Char('?'), NONE)),
    (b"~", (KeyCode::Char('~'), NONE)),
    (b"\r", (KeyCode::Enter, NONE)),
    (b"\n", (KeyCode::Char('j'), CONTROL)),
    (b"\t", (KeyCode::Tab, NONE)),
    (b"\x7f", (KeyCode::Backspace, NONE)),
    (b"\x08", (KeyCode::Char('h'), CONTROL)),
    (b"\0", (KeyCode::Char(' '), CONTROL)),
    (b"\x03", (KeyCode::Char('c'), CONTROL)),
    (b"\x18", (KeyCode::Char('x'), CONTROL)),
    (b"\x1a", (KeyCode::Char('z'), CONTROL)),
    (b"\x1c", (KeyCode::Char('4'), CONTROL)),
    (b"\x1f", (KeyCode::Char('7'), CONTROL)),
    ("é".as_bytes(), (KeyCode::Char('é'), NONE)),
    ("Ž".as_bytes(), (KeyCode::Char('Ž'), SHIFT)),
    ("漢".as_bytes(), (KeyCode::Char('漢'), NONE)),
    ("✜".as_bytes(), (KeyCode::Char('✜'), NONE)),
    ("👍".as_bytes(), (KeyCode::Char('👍'), NONE)),
    (b"\x1bb", (KeyCode::Char('b'), ALT)),
    (b"\x1bH", (KeyCode::Char('H'), ALT.union(SHIFT))),
    (b"\x1b\x14", (KeyCode::Char('t'), ALT.union(CONTROL))),
    (b"\x1b\r", (KeyCode::Enter, ALT)),
    (b"\x1b\x7f", (KeyCode::Backspace, ALT)),
    (b"\x1b.", (KeyCode::Char('.'), ALT)),
    ("\x1bé".as_bytes(), (KeyCode::Char('é'), ALT)),
    // Arrows and their neighbours.
    (b"\x1b[A", (KeyCode::Up, NONE)),
    (b"\x1b[B", (KeyCode::Down, NONE)),
    (b"\x1b[C", (KeyCode::Right, NONE)),
    (b"\x1b[D", (KeyCode::Left, NONE)),
    (b"\x1b[H", (KeyCode::Home, NONE)),
    (b"\x1b[F", (KeyCode::End, NONE)),
    (b"\x9bA", (KeyCode::Up, NONE)),
    (b"\xc2\x9bA", (KeyCode::Up, NONE)),
    (b"\x1bOA", (KeyCode::Up, NONE)),
    (b"\x1bOB", (KeyCode::Down, NONE)),
    (b"\x1bOC", (KeyCode::Right, NONE)),
    (b"\x1bOD", (KeyCode::Left, NONE)),
    (b"\x1bOH", (KeyCode::Home, NONE)),
    (b"\x1bOF", (KeyCode::End, NONE)),
    (b"\x8fA", (KeyCode::Up, NONE)),
    (b"\x1b[1~", (KeyCode::Home, NONE)),
    (b"\x1b[2~", (KeyCode::Insert, NONE)),
    (b"\x1b[3~", (KeyCode::Delete, NONE)),
    (b"\x1b[4~", (KeyCode::End, NONE)),
    (b"\x1b[5~", (KeyCode::PageUp, NONE)),
    (b"\x1b[6~", (KeyCode::PageDown, NONE)),
    (b"\x1b[7~", (KeyCode::Home, NONE)),
    (b"\x1b[8~", (KeyCode::End, NONE)),
    (b"\x1b[Z", (KeyCode::BackTab, SHIFT)),
    // With modifiers: in xterm's form, an older form, and rxvt's.
    (b"\x1b[1;5A", (KeyCode::Up, CONTROL)),
    (b"\x1b[1;2D", (KeyCode::Left, SHIFT)),
    (b"\x1b[1;3C", (KeyCode::Right, ALT)),
    (
        b"\x1b[1;8B",
        (KeyCode::Down, SHIFT.union(ALT).union(CONTROL)),
    ),
    (b"\x1b[1;5H", (KeyCode::Home, CONTROL)),
    (b"\x1b[3;5~", (KeyCode::Delete, CONTROL)),
    (b"\x1b[6;2~", (KeyCode::PageDown, SHIFT)),
    (b"\x1b[2D", (KeyCode::Left, SHIFT)),
    (b"\x1bO5A", (KeyCode::Up, CONTROL)),
    (b"\x1bO1;2P", (KeyCode::F(1), SHIFT)),
    (b"\x1b[a", (KeyCode::Up, SHIFT)),
    (b"\x1bOd", (KeyCode::Left, CONTROL)),
    (b"\x1b[7^", (KeyCode::Home, CONTROL)),
    (b"\x1b[7$", (KeyCode::Home, SHIFT)),
    (b"\x1b[3$", (KeyCode::Delete, SHIFT)),
    (b"\x1b[3@", (KeyCode::Delete, CONTROL.union(SHIFT))),
    // Function keys.
    (b"\x1bOP", (KeyCode::F(1), NONE)),
    (b"\x1bOQ", (KeyCode::F(2), NONE)),
    (b"\x1bOR", (KeyCode::F(3), NONE)),
    (b"\x1bOS", (KeyCode::F(4), NONE)),
    (b"\x1b[P", (KeyCode::F(1), NONE)),
    (b"\x1b[[A", (KeyCode::F(1), NONE)),
    (b"\x1b[[E", (KeyCode::F(5), NONE)),
    (b"\x1b[11~", (KeyCode::F(1), NONE)),
    (b"\x1b[13~", (KeyCode::F(3), NONE)),
    (b"\x1b[15~", (KeyCode::F(5), NONE)),
    (b"\x1b[17~", (KeyCode::F(6), NONE)),
    (b"\x1b[21~", (KeyCode::F(10), NONE)),
    (b"\x1b[24~", (KeyCode::F(12), NONE)),
    (b"\x1b[25~", (KeyCode::F(13), NONE)),
    (b"\x1b[34~", (KeyCode::F(20), NONE)),
    (b"\x1b[15;2~", (KeyCode::F(5), SHIFT)),
    (b"\x1b[1;2P", (KeyCode::F(1), SHIFT)),
    // kitty's form, and xterm's with modifyOtherKeys.
    (b"\x1b[27u", (KeyCode::Esc, NONE)),
    (b"\x1b[13u", (KeyCode::Enter, NONE)),
    (b"\x1b[99;5u", (KeyCode::Char('c'), CONTROL)),
    (b"\x1b[97;3u", (KeyCode::Char('a'), ALT)),
    (b"\x1b[97;2u", (KeyCode::Char('A'), SHIFT)),
    (b"\x1b[57:40;4u", (KeyCode::Char('('), ALT)),
    (b"\x1b[9;2u", (KeyCode::BackTab, SHIFT)),
    (b"\x1b[127;5u", (KeyCode::Backspace, CONTROL)),
    (b"\x1b[233u", (KeyCode::Char('é'), NONE)),
    (b"\x1b[97;5;97u", (KeyCode::Char('a'), CONTROL)),
    (b"\x1b[57376u", (KeyCode::F(13), NONE)),
    (b"\x1b[27;5;99~", (KeyCode::Char('c'), CONTROL)),
    (b"\x1b[27;2;13~", (KeyCode::Enter, SHIFT)),
    (b"\x1b[27;6;9~", (KeyCode::BackTab, CONTROL.union(SHIFT))),
    (b"\x1b[1;1:1B", (KeyCode::Down, NONE)),
];

#[test]
fn every_key_is_decoded() {
    for (bytes, (code, modifiers)) in KEYS {
        assert_eq!(
            received(bytes),
            [key(code, modifiers)],
            "{}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(received(b"\x1b"), [escape()]);
}

#[test]
fn repeat_and_release_are_decoded() {
    let kind = |bytes: &[u8]| match received(bytes)[..] {
        [Event::Key(KeyEvent { kind, .. })] => kind,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(kind(b"\x1b[97;1:3u"), KeyEventKind::Release);
    assert_eq!(kind(b"\x1b[97;1:2u"), KeyEventKind::Repeat);
    assert_eq!(kind(b"\x1b[5;1:3~"), KeyEventKind::Release);
    assert_eq!(kind(b"\x1b[;1:3B"), KeyEventKind::Release);
    assert_eq!(
        received(b"\x1b[I\x1b[O"),
        [Event::FocusGained, Event::FocusLost]
    );
}

#[test]
fn every_mouse_encoding_is_decoded() {
    let mouse = |kind, column, row, modifiers| {
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers,
        })
    };
    let left = MouseEventKind::Down(MouseButton::Left);
    for (bytes, expected) in [
        (&b"\x1b[<0;20;10M"[..], mouse(left, 19, 9, NONE)),
        (
            b"\x1b[<0;20;10m",
            mouse(MouseEventKind::Up(MouseButton::Left), 19, 9, NONE),
        ),
        (
            b"\x1b[<2;1;1M",
            mouse(MouseEventKind::Down(MouseButton::Right), 0, 0, NONE),
        ),
        (
            b"\x1b[<64;300;10M",
            mouse(MouseEventKind::ScrollUp, 299, 9, NONE),
        ),
        (
            b"\x1b[<65;1;1M",
            mouse(MouseEventKind::ScrollDown, 0, 0, NONE),
        ),
        (
            b"\x1b[<32;5;5M",
            mouse(MouseEventKind::Drag(MouseButton::Left), 4, 4, NONE),
        ),
        (b"\x1b[<35;5;5M", mouse(MouseEventKind::Moved, 4, 4, NONE)),
        (b"\x1b[<20;5;5M", mouse(left, 4, 4, SHIFT | CONTROL)),
        (b"\x1b[M #+", mouse(left, 2, 10, NONE)),
        (b"\x1b[M0\x60\x70", mouse(left, 63, 79, CONTROL)),
        (b"\x1b[M \x7f\xff", mouse(left, 94, 222, NONE)),
        (b"\x1b[32;30;40;M", mouse(left, 29, 39, NONE)),
        (b"\x1b[32;30;40M", mouse(left, 29, 39, NONE)),
    ] {
        assert_eq!(received(bytes), [expected], "{}", bytes.escape_ascii());
        let mut line = Line::new();
        for byte in bytes {
            line.send(&[*byte]).wait(40);
        }
        assert_eq!(line.received().len(), 1, "{}", bytes.escape_ascii());
    }
    // Invalid sequences.
    for bytes in [
        &b"\x1b[<0;0;0M"[..],
        b"\x1b[<999;1;1M",
        b"\x1b[<0;99999;1M",
        b"\x1b[<0;1M",
        b"\x1b[M\x20\x20\x20",
    ] {
        assert_eq!(received(bytes), [], "{}", bytes.escape_ascii());
    }
}

#[test]
fn truncated_sequence_does_not_block_keys() {
    for cut in [
        &b"\x1b[<0;20"[..],
        b"\x1b[<",
        b"\x1b[",
        b"\x1b[M",
        b"\x1b[M #",
        b"\x1b[?2026;",
        b"\x1bO",
    ] {
        // The next sequence starts in any state, and a control character is a key.
        let mut line = Line::new();
        line.send(cut)
            .send(b"\x1b[B")
            .send(cut)
            .wait(2000)
            .send(b"\x03");
        let expected = [key(KeyCode::Down, NONE), key(KeyCode::Char('c'), CONTROL)];
        assert_eq!(line.received(), expected, "{}", cut.escape_ascii());
        // Letters belong to the sequence while it can continue; for a click, at most three do.
        line.send(b"jjjq");
        assert_eq!(
            line.received().last(),
            Some(&character('q')),
            "{}",
            cut.escape_ascii()
        );
    }
}

#[test]
fn unterminated_string_does_not_block_keys() {
    for begun in [
        &b"\x1b]11;rgb:"[..],
        b"\x1bP1$rr",
        b"\x1b_Gi=",
        b"\x1b^y",
        b"\x1bXD",
        b"\x9d52;c;",
        b"\x1b[200~yD",
    ] {
        let name = begun.escape_ascii();
        let is_paste = begun.ends_with(b"yD");
        let without_paste = |mut events: Vec<Event>| {
            events.retain(|event| !matches!(event, Event::Paste(_)));
            events
        };
        // A single key after a while.
        for wait in [1500, 3000, 9000] {
            let mut line = Line::new();
            line.send(begun).wait(wait).send(b"j").wait(200).send(b"q");
            assert_eq!(
                without_paste(line.received()),
                [character('j'), character('q')],
                "{name} {wait}"
            );
        }
        let mut line = Line::new();
        line.send(begun).wait(1500).send(b"\x1b[B");
        assert_eq!(
            without_paste(line.received()),
            [key(KeyCode::Down, NONE)],
            "{name}"
        );
        // Several keys after a longer while.
        let mut line = Line::new();
        line.send(begun).wait(6000).send(b"jq");
        assert_eq!(
            without_paste(line.received()),
            [character('j'), character('q')],
            "{name}"
        );
        // The rest of the string arrives late.
        let end: &[u8] = if is_paste {
            b"ry\x1b[201~"
        } else {
            b"ry\x1b\\"
        };
        for wait in [200, 2000, 20_000] {
            let mut line = Line::new();
            line.send(begun).wait(wait).send(end).send(b"j");
            assert_eq!(
                without_paste(line.received()),
                [character('j')],
                "{name} {wait}"
            );
        }
        let mut line = Line::new();
        line.send(begun)
            .wait(2000)
            .send(b"ryS D")
            .wait(100)
            .send(end)
            .send(b"j");
        assert_eq!(without_paste(line.received()), [character('j')], "{name}");
        if !is_paste {
            // Ctrl-C at once, CAN and SUB, the Esc key, another sequence.
            assert_eq!(
                received(&[begun, b"ry\x03"].concat()),
                [key(KeyCode::Char('c'), CONTROL)],
                "{name}"
            );
            assert_eq!(
                received(&[begun, b"\x18j"].concat()),
                [character('j')],
                "{name}"
            );
            assert_eq!(
                received(&[begun, b"\x1aj"].concat()),
                [character('j')],
                "{name}"
            );
            assert_eq!(
                received(&[begun, b"\x1b[A\x1b[?1;2cj"].concat()),
                [key(KeyCode::Up, NONE), character('j')]
            );
            let mut line = Line::new();
            line.send(begun)
                .wait(300)
                .send(b"\x1b")
                .wait(1400)
                .send(b"j");
            assert_eq!(line.received(), [character('j')], "{name}");
            // The user keeps typing.
            let mut line = Line::new();
            line.send(begun);
            for _ in 0..60 {
                line.wait(250).send(b"j");
            }
            assert!(line.received().len() > 10, "{name}");
        }
    }
}

#[test]
fn pasted_bytes_are_text() {
    let pasted = |text: &str| Event::Paste(text.to_owned());
    assert_eq!(
        received(b"\x1b[200~on and on\x1b[201~j"),
        [pasted("on and on"), character('j')]
    );
    assert_eq!(received(b"\x1b[200~\x1b[201~"), [pasted("")]);
    assert_eq!(
        received(b"\x1b[200~ry\r\x03\x1b[A\x1b]0;x\x07\x1b[20\x1b[201~j"),
        [pasted("ry\r\x03\x1b[A\x1b]0;x\x07\x1b[20"), character('j')]
    );
    assert_eq!(
        received("\x1b[200~é漢\u{9c}\x1b[201~".as_bytes()),
        [pasted("é漢\u{9c}")]
    );
    assert_eq!(
        received(b"\x1b[200~\xff\xfe\x1b[201~"),
        [pasted("\u{fffd}\u{fffd}")]
    );
    assert_eq!(received(b"\x1b[201~j"), [character('j')]);
    let mut line = Line::new();
    for byte in b"\x1b[200~ryD\x1b[201~j" {
        line.send(&[*byte]).wait(45);
    }
    assert_eq!(line.received(), [pasted("ryD"), character('j')]);
    // A paste that is longer than any input is cut, and its end is found.
    let long = [&b"\x1b[200~"[..], &vec![b'r'; 3 * MAX_PASTE], b"\x1b[201~j"].concat();
    let events = received(&long);
    assert!(
        matches!(&events[..], [Event::Paste(text), last] if text.len() == MAX_PASTE && *last == character('j'))
    );
    // Nothing of the end is text, wherever the cut lies.
    for missing in 1..8 {
        let text = "r".repeat(MAX_PASTE - missing);
        let paste = [&b"\x1b[200~"[..], text.as_bytes(), b"\x1b[201~"].concat();
        assert!(received(&paste) == [pasted(&text)], "{missing}");
    }
    // A paste without an end is delivered.
    assert_eq!(
        Line::new().send(b"\x1b[200~abc").wait(6000).received(),
        [pasted("abc")]
    );
}

#[test]
fn invalid_utf8_is_dropped() {
    for bytes in [
        &b"\xff"[..],
        b"\xc3",
        b"\xe2\x82",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\x80\x85\xa0",
    ] {
        assert_eq!(
            received(&[bytes, b"j"].concat()),
            [character('j')],
            "{}",
            bytes.escape_ascii()
        );
    }
}

/// One thing that the terminal sends.
#[derive(Debug, Clone)]
enum Sent {
    Key(usize),
    Escape,
    Report(Vec<u8>),
}

fn printable() -> impl Strategy<Value = Vec<u8>> {
    let some = prop_oneof![
        8 => (0x20_u8..0x7f).prop_map(|byte| vec![byte]),
        1 => Just("✜".as_bytes().to_vec()),
        1 => Just("é".as_bytes().to_vec()),
    ];
    proptest::collection::vec(some, 0..24).prop_map(|some| some.concat())
}

/// A random report of each class, in a valid form.
fn report() -> impl Strategy<Value = Vec<u8>> {
    let parameters =
        || proptest::collection::vec(prop_oneof![Just(b';'), Just(b':'), b'0'..=b'9'], 0..12);
    let csi = || {
        prop_oneof![
            Just(&b"\x1b["[..]),
            Just(&b"\x9b"[..]),
            Just(&b"\xc2\x9b"[..])
        ]
    };
    let marked = (
        csi(),
        prop_oneof![Just(b'?'), Just(b'>'), Just(b'=')],
        parameters(),
        0x40_u8..0x7f,
    )
        .prop_map(|(csi, mark, parameters, last)| [csi, &[mark], &parameters, &[last]].concat());
    let between = (
        csi(),
        parameters(),
        proptest::collection::vec(0x20_u8..0x30, 1..3),
        0x40_u8..0x7f,
    )
        // A number and `$` are a key of rxvt. Responses of this form have two numbers.
        .prop_filter("a key of rxvt", |(_, parameters, between, _)| {
            between[0] != b'$' || !parameters.iter().all(u8::is_ascii_digit)
        })
        .prop_map(|(csi, parameters, between, last)| {
            [csi, &parameters, &between, &[last]].concat()
        });
    // Some keys of rxvt have the form without parameters.
    let numbers = proptest::collection::vec(prop_oneof![Just(b';'), b'0'..=b'9'], 1..12);
    let plain = (
        csi(),
        numbers,
        proptest::sample::select(&b"cntxywRrqpml"[..]),
    )
        .prop_map(|(csi, parameters, last)| [csi, &parameters, &[last]].concat());
    let single = (
        prop_oneof![Just(&b"\x1bO"[..]), Just(&b"\x8f"[..])],
        proptest::sample::select(&b"MXIjklmnopqrstuvwxyz"[..]),
    )
        .prop_map(|(single, last)| [single, &[last]].concat());
    let begin = proptest::sample::select(vec![
        // Starts like a response: a user may type the other starts after the Esc key.
        &b"\x1b]1"[..],
        b"\x1bP1$r",
        b"\x1bP>|",
        b"\x1bP!",
        b"\x1b_G",
        b"\x1b^a",
        b"\x1bXa",
        b"\x9d",
        b"\x90",
        b"\x9f",
        b"\x9e",
        b"\x98",
    ]);
    let end = proptest::sample::select(vec![&b"\x1b\\"[..], b"\x07", b"\x9c", b"\xc2\x9c"]);
    let string =
        (begin, printable(), end).prop_map(|(begin, text, end)| [begin, &text, end].concat());
    prop_oneof![
        2 => marked,
        1 => between,
        1 => plain,
        1 => single,
        3 => string,
        2 => proptest::sample::select(REPORTS.to_vec()).prop_map(<[u8]>::to_vec),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        6 => (0..KEYS.len()).prop_map(Sent::Key),
        1 => Just(Sent::Escape),
        5 => report().prop_map(Sent::Report),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("WARMSTART_KEYS").map_or(2000, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// With any reports between keys, in any pieces, the decoder returns exactly the keys.
    #[test]
    fn decoder_returns_exactly_the_typed_keys(
        all in proptest::collection::vec((sent(), proptest::collection::vec((0_usize..40, 0_u64..1100), 0..4), 0_u64..200), 1..20)
    ) {
        let mut line = Line::new();
        let mut expected = Vec::new();
        for (sent, cuts, gap) in all {
            match sent {
                Sent::Key(index) => {
                    let (bytes, (code, modifiers)) = KEYS[index];
                    let at = cuts.first().map_or(0, |(at, _)| at % bytes.len());
                    line.send(&bytes[..at]).wait(if at == 0 { 0 } else { 20 }).send(&bytes[at..]);
                    expected.push(key(code, modifiers));
                }
                Sent::Escape => {
                    // Only the Esc key needs time.
                    line.send(b"\x1b").wait(1400);
                    expected.push(escape());
                }
                Sent::Report(bytes) => {
                    let mut cuts: Vec<(usize, u64)> = cuts.iter().map(|(at, pause)| (at % bytes.len(), *pause)).collect();
                    cuts.sort_unstable();
                    cuts.dedup_by_key(|(at, _)| *at);
                    let mut begin = 0;
                    for (at, pause) in cuts.into_iter().filter(|(at, _)| *at > 0) {
                        line.send(&bytes[begin..at]).wait(pause);
                        if at == 1 && bytes[0] == 0x1b && pause >= 50 {
                            expected.push(escape());
                        }
                        begin = at;
                    }
                    line.send(&bytes[begin..]);
                }
            }
            line.wait(gap);
        }
        prop_assert_eq!(line.received(), expected);
    }

    /// Random bytes never crash the decoder, and keys work again after a while.
    #[test]
    fn keys_work_after_arbitrary_bytes(pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..50), 0_u64..3000), 0..20)) {
        let mut line = Line::new();
        for (piece, pause) in pieces {
            line.send(&piece).wait(pause);
        }
        // At most three keys belong to an unfinished sequence.
        for _ in 0..5 {
            line.wait(6000).send(b"j");
        }
        prop_assert_eq!(line.received().pop(), Some(character('j')));
    }
}
