//! Text with a start and an end: a control string, or a paste.

use std::time::Instant;

use crossterm::event::Event;

use super::{LATE_SEQUENCE, LONG_STRING};

/// Ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";
/// Bytes to keep of a paste; no input field takes as many.
pub(super) const MAX_PASTE: usize = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Text {
    kind: Kind,
    began: Instant,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A control string; its content is dropped.
    String {
        /// An `ESC` arrived: it starts either the string's end or another sequence.
        escape: Option<Instant>,
        /// The first byte of a character, and how many of its bytes are missing.
        character: (u8, usize),
    },
    Paste {
        /// The text without the bytes that may be the end.
        bytes: Vec<u8>,
        /// How many bytes of the end have arrived.
        matched: usize,
    },
}

/// The effect of a byte on a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Within,
    /// It is a key all the same.
    Typed,
    /// It ends the string.
    Ended,
    /// The string is over: an `ESC` arrived at this time, and this byte belongs to it.
    Escaped(Instant),
    /// The string is over, and this byte is not part of it.
    Left,
    /// The string is over: this byte is another control function.
    EightBit,
}

impl Text {
    /// OSC, DCS, APC, PM or SOS.
    pub(super) fn string(now: Instant) -> Self {
        Self {
            kind: Kind::String {
                escape: None,
                character: (0, 0),
            },
            began: now,
        }
    }

    pub(super) fn paste(now: Instant) -> Self {
        Self {
            kind: Kind::Paste {
                bytes: Vec::new(),
                matched: 0,
            },
            began: now,
        }
    }

    /// Whether it takes longer than a string should. A paste may.
    pub(super) fn takes_long(&self, now: Instant) -> bool {
        matches!(self.kind, Kind::String { .. })
            && now.saturating_duration_since(self.began) >= LONG_STRING
    }

    pub(super) fn push(&mut self, byte: u8, now: Instant) -> Step {
        match &mut self.kind {
            Kind::String { escape, character } => match escape.take() {
                Some(_) if byte == b'\\' => Step::Ended,
                Some(since) if now.saturating_duration_since(since) < LATE_SEQUENCE => {
                    Step::Escaped(since)
                }
                // The user pressed Esc, and the string is over.
                Some(_) => Step::Left,
                None => string(byte, escape, character, now),
            },
            Kind::Paste { bytes, matched } => {
                if byte == PASTE_END[*matched] {
                    *matched += 1;
                    return if *matched < PASTE_END.len() {
                        Step::Within
                    } else {
                        Step::Ended
                    };
                }
                // What looked like the end is pasted text.
                bytes.extend_from_slice(&PASTE_END[..*matched]);
                // `ESC` is only the first byte of the end: the end starts here, or not at all.
                *matched = usize::from(byte == PASTE_END[0]);
                if *matched == 0 {
                    bytes.push(byte);
                }
                bytes.truncate(MAX_PASTE);
                Step::Within
            }
        }
    }

    /// Whether this byte may be a key after a long gap. It is part of the text once the end has
    /// started. An `ESC` needs no doubt in a control string, which it ends anyway.
    pub(super) fn can_doubt(&self, byte: u8) -> bool {
        match &self.kind {
            Kind::String { escape, .. } => escape.is_none() && byte != 0x1b,
            Kind::Paste { matched, .. } => *matched == 0,
        }
    }

    /// Whether its end is in these bytes.
    pub(super) fn ends_within(mut self, bytes: &[u8], now: Instant) -> bool {
        bytes
            .iter()
            .any(|byte| self.push(*byte, now) == Step::Ended)
    }

    pub(super) fn has_pasted(&self) -> bool {
        matches!(&self.kind, Kind::Paste { bytes, matched: 0 } if !bytes.is_empty())
    }

    /// The text pasted so far, as an event.
    pub(super) fn pasted(&mut self) -> Option<Event> {
        let Kind::Paste { bytes, .. } = &mut self.kind else {
            return None;
        };
        Some(Event::Paste(
            String::from_utf8_lossy(&std::mem::take(bytes)).into_owned(),
        ))
    }
}

fn string(
    byte: u8,
    escape: &mut Option<Instant>,
    character: &mut (u8, usize),
    now: Instant,
) -> Step {
    let (first, left) = *character;
    if left > 0 && (0x80..=0xbf).contains(&byte) {
        *character = (first, left - 1);
        // A control function encoded in UTF-8.
        return match (first, byte) {
            (0xc2, 0x9c) => Step::Ended,
            (0xc2, 0x80..=0x9f) => Step::EightBit,
            _ => Step::Within,
        };
    }
    *character = (byte, length(byte).saturating_sub(1));
    match byte {
        // BEL, CAN, SUB, and 8-bit ST.
        0x07 | 0x18 | 0x1a | 0x9c => Step::Ended,
        // No string contains ctrl-C. A user whose keyboard seems dead presses it.
        0x03 => Step::Typed,
        0x1b => {
            *escape = Some(now);
            Step::Within
        }
        0x80..=0x9f => Step::EightBit,
        _ => Step::Within,
    }
}

/// The length of a UTF-8 character in bytes, by its first byte; 0 if none starts with it.
pub(super) fn length(first: u8) -> usize {
    match first {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 0,
    }
}
