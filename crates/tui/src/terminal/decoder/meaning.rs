//! The meaning of a complete sequence: a key, the mouse, or nothing. Handles the forms of xterm,
//! rxvt, the Linux console and kitty.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};

/// Numbers between semicolons, each with sub-parameters after colons; `None` for an empty one.
type Parameters = Vec<Vec<Option<u32>>>;

/// `ESC O` and a letter; some terminals put a number for the modifiers before the letter.
pub(super) fn ss3(parameters: &[u8], last: u8) -> Option<Event> {
    let parameters = parse_parameters(parameters)?;
    if parameters.is_empty()
        && let Some(code) = arrow(last.to_ascii_uppercase()).filter(|_| last.is_ascii_lowercase())
    {
        // rxvt.
        return Some(pressed(code, KeyModifiers::CONTROL));
    }
    let modified = parameters
        .last()
        .map_or(Some(Modified::NONE), |last| Modified::read(last))?;
    let code = match last {
        b'R' => KeyCode::F(3),
        _ => key_of_letter(last)?,
    };
    Some(modified.press(code))
}

/// `ESC [`, the parameters, and the last letter. Sequences with a private mark are responses, not
/// keys.
pub(super) fn csi(sequence: &[u8], last: u8) -> Option<Event> {
    if let Some(parameters) = sequence.strip_prefix(b"<") {
        return sgr_mouse(&parse_parameters(parameters)?, last);
    }
    let parameters = parse_parameters(sequence)?;
    let first = parameters
        .first()
        .and_then(|parameter| parameter.first().copied().flatten());
    let modified = || {
        parameters
            .get(1)
            .map_or(Some(Modified::NONE), |parameter| Modified::read(parameter))
    };
    match (last, parameters.len()) {
        (b'I', 0) => Some(Event::FocusGained),
        (b'O', 0) => Some(Event::FocusLost),
        (b'M', 3..) => {
            let [button, column, row] = first_three(&parameters)?;
            mouse_event(button.checked_sub(32)?, column, row, false)
        }
        (b'u', 1..) => {
            key_of_codepoint(first?, parameters[0].get(1).copied().flatten(), modified()?)
        }
        // xterm's modifyOtherKeys.
        (b'~', 3) if first == Some(27) => {
            key_of_codepoint(parameters[2].first().copied().flatten()?, None, modified()?)
        }
        (b'~', 1..=3) => Some(modified()?.press(key_of_number(first?)?)),
        // rxvt.
        (b'$', 1) => Some(pressed(key_of_number(first?)?, KeyModifiers::SHIFT)),
        (b'^', 1) => Some(pressed(key_of_number(first?)?, KeyModifiers::CONTROL)),
        (b'@', 1) => Some(pressed(
            key_of_number(first?)?,
            KeyModifiers::CONTROL | KeyModifiers::SHIFT,
        )),
        (b'a'..=b'd', 0) => Some(pressed(
            arrow(last.to_ascii_uppercase())?,
            KeyModifiers::SHIFT,
        )),
        // F3 with modifiers has the form of a report of the cursor's position, so it is no key.
        (b'R', _) => None,
        (b'Z', 0..=2) => {
            let mut modified = modified()?;
            modified.modifiers |= KeyModifiers::SHIFT;
            Some(modified.press(KeyCode::BackTab))
        }
        // An old form has only the modifiers.
        (_, 1) if first.is_some_and(|first| first > 1) => {
            Some(Modified::read(&parameters[0])?.press(key_of_letter(last)?))
        }
        (_, 0..=2) if first.is_none_or(|first| first == 1) => {
            Some(modified()?.press(key_of_letter(last)?))
        }
        _ => None,
    }
}

/// `ESC [ M` and three bytes.
pub(super) fn x10_mouse(button: u8, column: u8, row: u8) -> Option<Event> {
    let [button, column, row] = [button, column, row].map(|byte| u32::from(byte).checked_sub(32));
    mouse_event(button?, column?, row?, false)
}

fn parse_parameters(parameters: &[u8]) -> Option<Parameters> {
    if parameters.is_empty() {
        return Some(Vec::new());
    }
    let number = |text: &[u8]| match text {
        [] => Some(None),
        _ if text.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(text).ok()?.parse().ok().map(Some)
        }
        // It is not a key.
        _ => None,
    };
    let parameter = |text: &[u8]| text.split(|byte| *byte == b':').map(number).collect();
    parameters
        .split(|byte| *byte == b';')
        .map(parameter)
        .collect()
}

fn first_three(parameters: &Parameters) -> Option<[u32; 3]> {
    let mut numbers = parameters
        .iter()
        .map(|parameter| parameter.first().copied().flatten());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// The modifiers of a key, and whether it was pressed, repeated or released.
#[derive(Debug, Clone, Copy)]
struct Modified {
    modifiers: KeyModifiers,
    kind: KeyEventKind,
    state: KeyEventState,
}

impl Modified {
    const NONE: Self = Self {
        modifiers: KeyModifiers::NONE,
        kind: KeyEventKind::Press,
        state: KeyEventState::NONE,
    };

    /// One more than the sum of the modifiers; after a colon, the kind of event.
    fn read(parameter: &[Option<u32>]) -> Option<Self> {
        const BITS: [(u32, KeyModifiers); 6] = [
            (1, KeyModifiers::SHIFT),
            (2, KeyModifiers::ALT),
            (4, KeyModifiers::CONTROL),
            (8, KeyModifiers::SUPER),
            (16, KeyModifiers::HYPER),
            (32, KeyModifiers::META),
        ];
        let number = parameter.first().copied().flatten().unwrap_or(1);
        let mask = number.saturating_sub(1);
        if mask > 0xff {
            return None;
        }
        let held = BITS
            .into_iter()
            .filter(|(bit, _)| mask & bit != 0)
            .map(|(_, modifier)| modifier);
        let kind = match parameter.get(1).copied().flatten() {
            Some(2) => KeyEventKind::Repeat,
            Some(3) => KeyEventKind::Release,
            _ => KeyEventKind::Press,
        };
        let mut state = KeyEventState::NONE;
        state.set(KeyEventState::CAPS_LOCK, mask & 64 != 0);
        state.set(KeyEventState::NUM_LOCK, mask & 128 != 0);
        Some(Self {
            modifiers: held.collect(),
            kind,
            state,
        })
    }

    fn press(self, code: KeyCode) -> Event {
        Event::Key(KeyEvent::new_with_kind_and_state(
            code,
            self.modifiers,
            self.kind,
            self.state,
        ))
    }
}

fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn arrow(letter: u8) -> Option<KeyCode> {
    match letter {
        b'A' => Some(KeyCode::Up),
        b'B' => Some(KeyCode::Down),
        b'C' => Some(KeyCode::Right),
        b'D' => Some(KeyCode::Left),
        _ => None,
    }
}

fn key_of_letter(letter: u8) -> Option<KeyCode> {
    match letter {
        b'E' => Some(KeyCode::KeypadBegin),
        b'F' => Some(KeyCode::End),
        b'H' => Some(KeyCode::Home),
        b'P' => Some(KeyCode::F(1)),
        b'Q' => Some(KeyCode::F(2)),
        b'S' => Some(KeyCode::F(4)),
        _ => arrow(letter),
    }
}

/// DEC's key numbers, which have gaps between the function keys.
fn key_of_number(number: u32) -> Option<KeyCode> {
    let function = |first: u32, f: u32| u8::try_from(number - first + f).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=26 => function(23, 11),
        28..=29 => function(28, 15),
        31..=34 => function(31, 17),
        _ => None,
    }
}

/// A key by its character, as xterm and kitty send it on request.
fn key_of_codepoint(number: u32, shifted: Option<u32>, mut modified: Modified) -> Option<Event> {
    let shift = modified.modifiers.contains(KeyModifiers::SHIFT);
    let code = match number {
        8 | 127 => KeyCode::Backspace,
        9 if shift => KeyCode::BackTab,
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        57344..=63743 => {
            let (code, state) = kitty(number)?;
            modified.state |= state;
            code
        }
        _ => {
            let c = char::from_u32(number).filter(|c| !c.is_control())?;
            match shifted
                .and_then(char::from_u32)
                .filter(|c| shift && !c.is_control())
            {
                Some(shifted) => {
                    modified.modifiers.remove(KeyModifiers::SHIFT);
                    KeyCode::Char(shifted)
                }
                // On any layout, shift makes letters upper case. Some, such as ß, have no single upper case letter.
                None if shift => {
                    let mut upper = c.to_uppercase();
                    let single = upper.next().filter(|_| upper.next().is_none());
                    KeyCode::Char(single.unwrap_or(c))
                }
                None => KeyCode::Char(c),
            }
        }
    };
    Some(modified.press(code))
}

/// kitty's numbers for keys without a character. Keys that cannot be bound are left out: locks,
/// media, modifiers.
fn kitty(number: u32) -> Option<(KeyCode, KeyEventState)> {
    const KEYPAD: [KeyCode; 29] = [
        KeyCode::Char('0'),
        KeyCode::Char('1'),
        KeyCode::Char('2'),
        KeyCode::Char('3'),
        KeyCode::Char('4'),
        KeyCode::Char('5'),
        KeyCode::Char('6'),
        KeyCode::Char('7'),
        KeyCode::Char('8'),
        KeyCode::Char('9'),
        KeyCode::Char('.'),
        KeyCode::Char('/'),
        KeyCode::Char('*'),
        KeyCode::Char('-'),
        KeyCode::Char('+'),
        KeyCode::Enter,
        KeyCode::Char('='),
        KeyCode::Char(','),
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Insert,
        KeyCode::Delete,
        KeyCode::KeypadBegin,
    ];
    match number {
        57376..=57398 => u8::try_from(number - 57376 + 13)
            .ok()
            .map(|f| (KeyCode::F(f), KeyEventState::NONE)),
        57399.. => {
            let index = usize::try_from(number - 57399).ok()?;
            KEYPAD.get(index).map(|code| (*code, KeyEventState::KEYPAD))
        }
        _ => None,
    }
}

/// SGR's form: `M` for a press, `m` for a release.
fn sgr_mouse(parameters: &Parameters, last: u8) -> Option<Event> {
    let [button, column, row] = first_three(parameters)?;
    match last {
        b'M' => mouse_event(button, column, row, false),
        b'm' => mouse_event(button, column, row, true),
        _ => None,
    }
}

/// A mouse event at a position counted from 1. In the button's number, bits 0-1 are the button,
/// bits 2-4 the modifiers, bit 5 a movement, and bits 6-7 the group of buttons.
fn mouse_event(button: u32, column: u32, row: u32, is_up: bool) -> Option<Event> {
    const HELD: [(u32, KeyModifiers); 3] = [
        (0b100, KeyModifiers::SHIFT),
        (0b1000, KeyModifiers::ALT),
        (0b1_0000, KeyModifiers::CONTROL),
    ];
    if button > 0xff {
        return None;
    }
    let (which, moved) = (
        (button & 0b11) | (button & 0b1100_0000) >> 4,
        button & 0b10_0000 != 0,
    );
    let pressed = match which {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let kind = match (which, pressed, moved) {
        (_, Some(pressed), true) => MouseEventKind::Drag(pressed),
        (_, Some(pressed), false) if is_up => MouseEventKind::Up(pressed),
        (_, Some(pressed), false) => MouseEventKind::Down(pressed),
        (3, None, false) => MouseEventKind::Up(MouseButton::Left),
        (3..=5, None, true) => MouseEventKind::Moved,
        (4, None, false) => MouseEventKind::ScrollUp,
        (5, None, false) => MouseEventKind::ScrollDown,
        (6, None, false) => MouseEventKind::ScrollLeft,
        (7, None, false) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let modifiers = HELD
        .into_iter()
        .filter(|(bit, _)| button & bit != 0)
        .map(|(_, modifier)| modifier)
        .collect();
    let place = |number: u32| u16::try_from(number.checked_sub(1)?).ok();
    Some(Event::Mouse(MouseEvent {
        kind,
        column: place(column)?,
        row: place(row)?,
        modifiers,
    }))
}
