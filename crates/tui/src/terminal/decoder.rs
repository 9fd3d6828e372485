//! Turns the terminal's bytes into key events. Terminals also send bytes that nobody typed:
//! responses to another program's query, their size, their colours. All of these follow ECMA-48, so
//! the decoder drops them by their form, known or not.
//!
//! A sequence may arrive in pieces, and its end may never arrive. The bytes alone cannot tell a
//! slow report from keys, so the decision depends on time. Time is an argument, for tests.
//!
//! - `ESC` alone for [`ESCAPE`] is the Esc key. Bytes within [`LATE_SEQUENCE`] that could be the rest of a
//!   sequence are treated as its rest. So a person who types `[` right after Esc sees it only when
//!   nothing more arrives.
//! - A control sequence ends with its last byte, however late. A report that was cut off swallows
//!   one typed key.
//! - A string (OSC, DCS, APC, PM, SOS, a paste) does not end with a byte that a person would type.
//!   After [`DOUBT_AFTER`] without a byte, a single key is a key again and ends the string. Ctrl-C always
//!   is a key, except in a paste.

mod meaning;
#[cfg(test)]
mod tests;
mod text;

use std::mem::take;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use self::text::{Step, Text};

/// How long an `ESC` waits for the rest of a sequence before it is the Esc key.
const ESCAPE: Duration = Duration::from_millis(50);
/// How long after that the rest of the sequence may still arrive.
const LATE_SEQUENCE: Duration = Duration::from_millis(1250);
/// After this time without a byte, an unfinished string may be over.
const DOUBT_AFTER: Duration = Duration::from_millis(1250);
/// After this time without a byte, an unfinished string is over unless its end arrives.
const STRING_TIMEOUT: Duration = Duration::from_secs(5);
/// A string that takes this long may be over too: the user may be typing.
const LONG_STRING: Duration = Duration::from_secs(10);
/// Bytes without such a gap arrive together; nobody types that fast.
const BURST_GAP: Duration = Duration::from_millis(30);
/// A shorter gap is probably not typing.
const TYPING_GAP: Duration = Duration::from_millis(150);
/// Bytes to keep of a control sequence; no key has as many.
const MAX_SEQUENCE: usize = 64;
/// Most bytes that may wait for a decision.
const MAX_HELD: usize = 4096;

/// Turns bytes into events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    events: Vec<Event>,
    /// When the newest bytes arrived.
    last_bytes: Option<Instant>,
}

/// The unfinished sequence, if any.
#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// A character of several bytes.
    Character(Character),
    /// `ESC`, at this time.
    Escape(Instant),
    /// An `ESC` became a key at this time; its sequence may still follow.
    Wary(Instant),
    /// After such an `ESC`, a byte that may continue it, until this time.
    Held(u8, Instant),
    /// `ESC [` and the parameters after it.
    Control(Vec<u8>),
    /// `ESC [ [`: the Linux console's F1 to F5.
    Console,
    /// `ESC [ M`: a click, followed by three bytes of any value.
    Click(Vec<u8>),
    /// `ESC O`.
    Single(Vec<u8>),
    Text(Text),
    /// Bytes after a long gap within a string: either its rest, or keys.
    Doubt(Doubt),
}

#[derive(Debug)]
struct Character {
    bytes: Vec<u8>,
    length: usize,
    alt: bool,
}

#[derive(Debug)]
struct Doubt {
    text: Text,
    held: Vec<u8>,
    silence: Duration,
    until: Instant,
}

impl Decoder {
    /// Handles bytes that arrived at `now`, and returns the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<Event> {
        self.begin_doubt(bytes, now);
        self.last_bytes = Some(now);
        for (index, byte) in bytes.iter().enumerate() {
            self.byte(*byte, &bytes[index + 1..], now);
        }
        self.settle_doubt();
        take(&mut self.events)
    }

    /// When to call [`Decoder::tick`] if no bytes arrive before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Escape(since) => Some(*since + ESCAPE),
            State::Held(_, until) => Some(*until),
            State::Doubt(doubt) => Some(doubt.until),
            State::Text(text) if text.has_pasted() => self
                .last_bytes
                .map(|last_bytes| last_bytes + STRING_TIMEOUT),
            _ => None,
        }
    }

    /// Makes the decisions that depend on time. Read all available bytes first: later is too late.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Event> {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            match take(&mut self.state) {
                State::Escape(_) => {
                    self.press(KeyCode::Esc, KeyModifiers::NONE);
                    self.state = State::Wary(now);
                }
                State::Held(byte, _) => self.character(char::from(byte), false),
                State::Doubt(doubt) => self.decide(doubt, now),
                State::Text(mut text) => {
                    self.events.extend(text.pasted());
                    self.state = State::Text(text);
                }
                other => self.state = other,
            }
        }
        take(&mut self.events)
    }

    fn byte(&mut self, byte: u8, rest: &[u8], now: Instant) {
        match take(&mut self.state) {
            State::Ground => self.ground(byte, now),
            State::Character(character) => self.continue_character(character, byte, now),
            State::Escape(since) => self.escaped(byte, since, now),
            State::Wary(since) => {
                let is_soon = now.saturating_duration_since(since) < LATE_SEQUENCE
                    && begun(byte, now).is_some();
                if is_soon && rest.is_empty() {
                    self.state = State::Held(byte, now + LATE_SEQUENCE);
                } else if is_soon || is_rest(byte, rest) {
                    self.escaped(byte, now, now);
                } else {
                    self.ground(byte, now);
                }
            }
            State::Held(first, until) => {
                let is_quick = until.saturating_duration_since(now) + TYPING_GAP > LATE_SEQUENCE;
                if continues(first, byte, is_quick) {
                    self.escaped(first, now, now);
                    self.byte(byte, rest, now);
                } else {
                    self.character(char::from(first), false);
                    self.ground(byte, now);
                }
            }
            State::Control(sequence) => self.control(sequence, byte, now),
            State::Console => match byte {
                b'A'..=b'E' => self.press(KeyCode::F(byte - b'A' + 1), KeyModifiers::NONE),
                0x20..=0x7e => {}
                _ => self.interrupted(State::Console, byte, now),
            },
            State::Click(mut bytes) => match byte {
                0x20.. => {
                    bytes.push(byte);
                    if let [button, column, row] = bytes[..] {
                        self.events.extend(meaning::x10_mouse(button, column, row));
                    } else {
                        self.state = State::Click(bytes);
                    }
                }
                _ => self.interrupted(State::Click(bytes), byte, now),
            },
            State::Single(mut sequence) => match byte {
                b'0'..=b'?' => {
                    keep(&mut sequence, byte);
                    self.state = State::Single(sequence);
                }
                0x20..=0x7e => self.events.extend(meaning::ss3(&sequence, byte)),
                _ => self.interrupted(State::Single(sequence), byte, now),
            },
            State::Text(text) => self.text(text, byte, now),
            State::Doubt(mut doubt) => {
                doubt.held.push(byte);
                doubt.until = now + BURST_GAP;
                self.state = State::Doubt(doubt);
            }
        }
    }

    /// A byte outside any sequence.
    fn ground(&mut self, byte: u8, now: Instant) {
        match byte {
            0x1b => self.state = State::Escape(now),
            0x00..=0x7f => self.typed(byte, false),
            0x80..=0x9f => self.eight_bit(byte, now),
            _ => self.begin_character(byte, false),
        }
    }

    fn begin_character(&mut self, first: u8, alt: bool) {
        let length = text::length(first);
        if length > 1 {
            self.state = State::Character(Character {
                bytes: vec![first],
                length,
                alt,
            });
        }
    }

    fn continue_character(&mut self, mut character: Character, byte: u8, now: Instant) {
        if !(0x80..=0xbf).contains(&byte) {
            // The unfinished bytes are not a character.
            return self.ground(byte, now);
        }
        character.bytes.push(byte);
        if character.bytes.len() < character.length {
            self.state = State::Character(character);
            return;
        }
        match std::str::from_utf8(&character.bytes)
            .ok()
            .and_then(|text| text.chars().next())
        {
            // The same control functions, encoded in UTF-8.
            Some('\u{80}'..='\u{9f}') => self.eight_bit(byte, now),
            Some(c) => self.character(c, character.alt),
            None => {}
        }
    }

    /// A control function of one byte, 0x80 to 0x9f. It starts the same sequence as `ESC` and the byte 0x40 lower.
    fn eight_bit(&mut self, byte: u8, now: Instant) {
        if let Some(state) = begun(byte - 0x40, now) {
            self.state = state;
        }
    }

    /// A byte after an `ESC`.
    fn escaped(&mut self, byte: u8, since: Instant, now: Instant) {
        match byte {
            // Esc was pressed twice: no report starts with two.
            0x1b => {
                self.press(KeyCode::Esc, KeyModifiers::NONE);
                self.state = State::Escape(now);
            }
            // The end of a string that is already over.
            b'\\' => {}
            0x00..=0x7f => match begun(byte, since) {
                Some(state) => self.state = state,
                None => self.typed(byte, true),
            },
            0x80..=0x9f => {
                self.press(KeyCode::Esc, KeyModifiers::NONE);
                self.eight_bit(byte, now);
            }
            _ => self.begin_character(byte, true),
        }
    }

    fn control(&mut self, mut sequence: Vec<u8>, byte: u8, now: Instant) {
        match byte {
            // rxvt's keys with shift end with what begins the end of a response. Those have more than digits before it.
            b'$' if !sequence.is_empty() && sequence.iter().all(u8::is_ascii_digit) => {
                self.events.extend(meaning::csi(&sequence, byte));
            }
            0x20..=0x3f => {
                keep(&mut sequence, byte);
                self.state = State::Control(sequence);
            }
            b'[' if sequence.is_empty() => self.state = State::Console,
            b'M' if sequence.is_empty() => self.state = State::Click(Vec::new()),
            b'~' if sequence == b"200" => self.state = State::Text(Text::paste(now)),
            0x40..=0x7e if sequence.len() > MAX_SEQUENCE => {}
            0x40..=0x7e => self.events.extend(meaning::csi(&sequence, byte)),
            _ => self.interrupted(State::Control(sequence), byte, now),
        }
    }

    /// A byte that cannot be part of the current sequence.
    fn interrupted(&mut self, sequence: State, byte: u8, now: Instant) {
        match byte {
            // CAN and SUB end any sequence.
            0x18 | 0x1a => {}
            0x1b | 0x80.. => self.ground(byte, now),
            // The user typed it in the meantime.
            _ => {
                self.typed(byte, false);
                self.state = sequence;
            }
        }
    }

    fn text(&mut self, mut text: Text, byte: u8, now: Instant) {
        match text.push(byte, now) {
            Step::Within => self.state = State::Text(text),
            Step::Typed => {
                self.typed(byte, false);
                self.state = State::Text(text);
            }
            Step::Ended => self.events.extend(text.pasted()),
            Step::Escaped(since) => self.escaped(byte, since, now),
            Step::Left => self.ground(byte, now),
            Step::EightBit => self.eight_bit(byte, now),
        }
    }

    /// After a long gap within a string, holds the next bytes back until it is clear whether they are keys.
    fn begin_doubt(&mut self, bytes: &[u8], now: Instant) {
        let (State::Text(text), Some(last_bytes), Some(first)) =
            (&self.state, self.last_bytes, bytes.first())
        else {
            return;
        };
        let silence = now.saturating_duration_since(last_bytes);
        let is_long = text.takes_long(now) && silence >= BURST_GAP;
        if (silence >= DOUBT_AFTER || is_long) && text.can_doubt(*first) {
            let State::Text(text) = take(&mut self.state) else {
                return;
            };
            let until = now + BURST_GAP;
            self.state = State::Doubt(Doubt {
                text,
                held: Vec::new(),
                silence,
                until,
            });
        }
    }

    /// Ends the doubt if the held bytes contain the string's end, or are more than anybody types: they are part of the string.
    fn settle_doubt(&mut self) {
        let is_clear = |doubt: &Doubt| {
            doubt.held.len() > MAX_HELD || doubt.text.clone().ends_within(&doubt.held, doubt.until)
        };
        if matches!(&self.state, State::Doubt(doubt) if is_clear(doubt))
            && let State::Doubt(doubt) = take(&mut self.state)
        {
            self.resume(doubt);
        }
    }

    /// Ends the doubt when no more bytes arrive. The held bytes are keys if they are a single key, or after [`STRING_TIMEOUT`].
    fn decide(&mut self, mut doubt: Doubt, now: Instant) {
        let mut alone = Self::default();
        let mut events = alone.feed(&doubt.held, now);
        events.extend(alone.tick(now + ESCAPE));
        let is_one_key = matches!(events[..], [Event::Key(_)])
            && matches!(alone.state, State::Ground | State::Wary(_));
        if is_one_key || doubt.silence >= STRING_TIMEOUT {
            self.events.extend(doubt.text.pasted());
            self.events.append(&mut events);
            self.state = alone.state;
        } else {
            self.resume(doubt);
        }
    }

    /// The held bytes are part of the string.
    fn resume(&mut self, doubt: Doubt) {
        self.state = State::Text(doubt.text);
        for (index, byte) in doubt.held.iter().enumerate() {
            self.byte(*byte, &doubt.held[index + 1..], doubt.until);
        }
    }

    /// A character or a control character, with `alt` if an `ESC` was before it.
    fn typed(&mut self, byte: u8, alt: bool) {
        let (code, modifiers) = match byte {
            b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
            b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
            0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
            0x00 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
            0x01..=0x1a => (
                KeyCode::Char(char::from(byte - 1 + b'a')),
                KeyModifiers::CONTROL,
            ),
            0x1c..=0x1f => (
                KeyCode::Char(char::from(byte - 0x1c + b'4')),
                KeyModifiers::CONTROL,
            ),
            _ => return self.character(char::from(byte), alt),
        };
        self.press(code, modifiers | alt_modifier(alt));
    }

    fn character(&mut self, c: char, alt: bool) {
        let shift = if c.is_uppercase() {
            KeyModifiers::SHIFT
        } else {
            KeyModifiers::NONE
        };
        self.press(KeyCode::Char(c), shift | alt_modifier(alt));
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.events.push(Event::Key(KeyEvent::new(code, modifiers)));
    }
}

fn alt_modifier(alt: bool) -> KeyModifiers {
    if alt {
        KeyModifiers::ALT
    } else {
        KeyModifiers::NONE
    }
}

fn keep(sequence: &mut Vec<u8>, byte: u8) {
    // Store one byte more than MAX_SEQUENCE: it marks the sequence as too long.
    if sequence.len() <= MAX_SEQUENCE {
        sequence.push(byte);
    }
}

/// The sequence that `ESC` and this byte start.
fn begun(byte: u8, since: Instant) -> Option<State> {
    match byte {
        b'[' => Some(State::Control(Vec::new())),
        b'O' => Some(State::Single(Vec::new())),
        byte if starts_string(byte) => Some(State::Text(Text::string(since))),
        _ => None,
    }
}

/// Whether `ESC` and this byte start a control string: OSC, DCS, APC, PM or SOS.
fn starts_string(byte: u8) -> bool {
    matches!(byte, b']' | b'P' | b'_' | b'^' | b'X')
}

/// Whether a single byte continues the one before. The same byte twice is a key held down.
fn continues(first: u8, byte: u8, is_quick: bool) -> bool {
    match first {
        b'[' | b'O' => (0x20..=0x7e).contains(&byte) && byte != first,
        // The dashboard uses P as a key, and no response has a letter next.
        b'P' => matches!(byte, 0x20..=0x40) || is_quick && byte >= 0x20,
        _ => matches!(byte, 0x20..=0x7e | 0x80..) && byte != first,
    }
}

/// Whether bytes that arrived together can only be the rest of a report whose `ESC` arrived long
/// before.
fn is_rest(first: u8, rest: &[u8]) -> bool {
    match first {
        b'[' => {
            let end = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte));
            end.is_some_and(|end| {
                (0x40..=0x7e).contains(&rest[end])
                    && rest[..end].iter().any(|byte| matches!(byte, b';'..=b'?'))
            })
        }
        first if starts_string(first) => {
            rest.contains(&0x07) || rest.windows(2).any(|pair| pair == b"\x1b\\")
        }
        _ => false,
    }
}
