//! An invisible item never acts: in a terminal that is too small, and beyond the edge of a small one.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Size;
use rstest::rstest;

use super::fixtures::typical;
use super::{drawn, press, text};
use crate::columns::names;
use crate::command::Command;
use crate::effect::Effect;
use crate::keys::{Context, Key};
use crate::message::Message;
use crate::model::{Model, Popup};
use crate::mouse::{Gesture, HitBox, HitMap, Pointed};
use crate::screen;
use crate::update::update;
use warmstart_report::compare::Format;

/// Sizes below 40×10.
const SMALL: [(u16, u16); 7] = [
    (20, 5),
    (39, 24),
    (80, 9),
    (39, 9),
    (1, 1),
    (200, 1),
    (0, 0),
];
/// Keys that open each screen and popup.
const PLACES: [&str; 22] = [
    "",
    "j",
    "jj",
    "gjjj",
    "jD",
    "jjs",
    "jjS",
    "a",
    "jt",
    "jn",
    "/x",
    "E",
    ":",
    ":launch",
    "?",
    "!",
    "jC",
    "jy",
    "c",
    "jj<enter>",
    "jj<enter>l",
    "M",
];

fn resize(model: &mut Model, (width, height): (u16, u16)) -> Vec<Effect> {
    update(model, Message::Resized(Size::new(width, height)))
}

/// The screen at a normal size.
fn seen(model: &mut Model) -> String {
    resize(model, (120, 40));
    text(&drawn(model, 120, 40))
}

fn event_of(key: Key) -> Event {
    Event::Key(match key {
        Key::Plain(code) => KeyEvent::new(code, KeyModifiers::NONE),
        Key::Control(c) => KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL),
    })
}

#[rstest]
fn only_keys_that_leave_act_in_a_small_terminal(#[values(0, 1, 2, 3, 4, 5, 6)] size: usize) {
    let mut keys: Vec<Key> = Context::ALL
        .into_iter()
        .flat_map(|context| typical().keys.bindings(context).to_vec())
        .flat_map(|binding| binding.keys.to_vec())
        .collect();
    keys.extend("ryYDnq1".chars().map(|c| Key::Plain(KeyCode::Char(c))));
    for place in PLACES {
        let mut untouched = typical();
        press(&mut untouched, place);
        let expected = seen(&mut untouched);
        let mut model = typical();
        press(&mut model, place);
        resize(&mut model, SMALL[size]);
        for key in &keys {
            let event = event_of(*key);
            let message = model.keys.message(model.context(), &event);
            let effects = message.map_or_else(Vec::new, |message| update(&mut model, message));
            let leaves = matches!(key, Key::Plain(KeyCode::Char('q')) | Key::Control('c'));
            let is_right = match &effects[..] {
                [] => !leaves,
                [Effect::Leave] => leaves,
                [Effect::Repaint] => *key == Key::Control('l'),
                [Effect::Suspend] => *key == Key::Control('z'),
                _ => false,
            };
            assert!(is_right, "{key:?} at {place:?}: {effects:?}");
        }
        update(&mut model, Message::Paste("yD\r".to_owned()));
        assert_eq!(seen(&mut model), expected, "{place:?}");
    }
}

#[test]
fn no_command_acts_in_a_small_terminal() {
    let all = Context::ALL
        .into_iter()
        .flat_map(|context| typical().keys.bindings(context).to_vec());
    let commands: Vec<Command> = all.map(|binding| binding.command).collect();
    for place in PLACES {
        let mut model = typical();
        press(&mut model, place);
        resize(&mut model, (20, 5));
        for command in commands.iter().copied() {
            let effects = update(&mut model, Message::Command(command));
            let is_free = matches!(command, Command::Quit | Command::Redraw | Command::Suspend);
            assert_eq!(!effects.is_empty(), is_free, "{command:?} at {place:?}");
        }
    }
}

#[test]
fn mouse_is_ignored_in_a_small_terminal() {
    for place in ["", "c", "jj<enter>", "?"] {
        let mut untouched = typical();
        press(&mut untouched, place);
        let expected = seen(&mut untouched);
        let mut model = typical();
        press(&mut model, place);
        resize(&mut model, (20, 5));
        let mut hit_map = HitMap::default();
        let mut terminal =
            ratatui::Terminal::new(ratatui::backend::TestBackend::new(20, 5)).unwrap();
        terminal
            .draw(|frame| hit_map = screen::draw_with_hit_map(frame, &model))
            .unwrap();
        for (column, row) in (0..20).flat_map(|x| (0..5).map(move |y| (x, y))) {
            let kind = MouseEventKind::Down(MouseButton::Left);
            let event = MouseEvent {
                kind,
                column,
                row,
                modifiers: KeyModifiers::NONE,
            };
            assert!(hit_map.message(event).is_none());
        }
        for hit_box in [HitBox::Row(3), HitBox::Title(2), HitBox::Scroll] {
            for gesture in [Gesture::Click, Gesture::WheelDown, Gesture::Click] {
                let effects = update(
                    &mut model,
                    Message::Pointed(Pointed {
                        gesture,
                        hit_box,
                        share: 0.5,
                    }),
                );
                assert!(effects.is_empty());
            }
        }
        assert_eq!(seen(&mut model), expected, "{place:?}");
    }
}

#[test]
fn small_terminal_says_size_and_how_to_leave() {
    let mut model = typical();
    resize(&mut model, (20, 6));
    let shown = text(&drawn(&model, 20, 6)).replace('\n', " ");
    assert!(
        shown.contains("needs 40×10") && shown.contains("20×6") && shown.contains("q quits"),
        "{shown}"
    );
}

#[test]
fn events_are_applied_in_a_small_terminal() {
    let mut model = typical();
    resize(&mut model, (20, 5));
    let now = model.now + 60.0;
    update(&mut model, Message::Clock(now));
    assert!((model.now - now).abs() < 1e-9);
    assert!(matches!(
        update(&mut model, Message::Leave)[..],
        [Effect::Leave]
    ));
}

/// Whether the screen shows each of these lines, wrapped or not.
fn shows(model: &Model, (width, height): (u16, u16), wanted: &[String]) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let picture = text(&drawn(model, width, height));
    let rows: Vec<Vec<char>> = picture.lines().map(|line| line.chars().collect()).collect();
    let corner = |c: char| {
        rows.iter()
            .position(|row| row.contains(&c))
            .zip(rows.iter().find_map(|row| row.iter().position(|x| *x == c)))
    };
    let (Some((top, left)), Some((bottom, right))) = (corner('┌'), corner('┘')) else {
        return false;
    };
    let inside = rows[top + 1..bottom]
        .iter()
        .map(|row| row[left + 1..right].iter().collect::<String>());
    let shown = words(&inside.collect::<Vec<_>>().join(" "));
    wanted.iter().all(|line| shown.contains(&words(line)))
}

#[test]
fn question_needs_to_be_fully_visible_for_an_answer() {
    let sizes = (40..=100)
        .step_by(3)
        .flat_map(|width| (10..=30).map(move |height| (width, height)));
    let (mut answered, mut refused) = (0, 0);
    for size in sizes {
        for keys in ["jD", "jjs", "jjS", "jjkkr", "a", "r"] {
            let mut model = typical();
            model.hazard = Some(
                "Runs end with this connection: the system kills what is left of it. `loginctl enable-linger` keeps them."
                    .to_owned(),
            );
            resize(&mut model, size);
            press(&mut model, keys);
            let Some(Popup::Question { lines, .. }) = &model.popup else {
                continue;
            };
            let lines = lines.clone();
            let is_shown = shows(&model, size, &lines);
            let effects = press(&mut model, "y");
            if effects.is_empty() {
                refused += 1;
                let shown = text(&drawn(&model, size.0, size.1));
                assert!(
                    !is_shown,
                    "{keys} at {size:?} is shown and refused:\n{shown}"
                );
                assert!(
                    shown.contains("cut off; n goes back"),
                    "{keys} at {size:?}:\n{shown}"
                );
                press(&mut model, "n");
                assert!(model.popup.is_none());
            } else {
                answered += 1;
                assert!(is_shown, "{keys} at {size:?}: {lines:?}");
            }
        }
    }
    assert!(answered > 1000 && refused > 0, "{answered} {refused}");
}

/// The text that the screen must show before the next key acts.
fn chosen(model: &Model) -> String {
    match &model.popup {
        Some(Popup::Export { chosen }) => format!("▸ {}", Format::ALL[*chosen].name()),
        Some(Popup::Columns { chosen }) => format!("] {}", names().nth(*chosen).unwrap()),
        Some(Popup::Palette(palette)) => palette.chosen().unwrap().kind.clone(),
        _ => model.selected_entry().map_or_else(
            || model.run().unwrap().label().to_owned(),
            |entry| entry.label().to_owned(),
        ),
    }
}

#[rstest]
#[case::export("E")]
#[case::columns("|")]
#[case::palette(":")]
#[case::list("")]
#[case::comparison("c")]
fn selection_is_visible_in_the_smallest_terminal(#[case] place: &str) {
    let (width, height) = (40, 10);
    let mut model = typical();
    resize(&mut model, (width, height));
    press(&mut model, place);
    for _ in 0..30 {
        let wanted: String = chosen(&model).chars().take(8).collect();
        let shown = text(&drawn(&model, width, height));
        assert!(shown.contains(&wanted), "{wanted:?} at {place:?}:\n{shown}");
        press(&mut model, "<down>");
    }
}

#[test]
fn a_terminal_without_a_size_gets_pictures_of_the_usual_size() {
    for (said, used) in [
        (None, (80, 24)),
        (Some((0, 0)), (80, 24)),
        (Some((0, 40)), (80, 24)),
        (Some((120, 40)), (120, 40)),
    ] {
        assert_eq!(crate::usable_size(said), used, "{said:?}");
    }
}
