//! The mouse acts on what is drawn under it.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::fixtures::typical;
use super::{drawn, press, text};
use crate::effect::Effect;
use crate::model::{Model, Screen};
use crate::mouse::HitMap;
use crate::screen;
use crate::update::update;

const SIZE: (u16, u16) = (120, 40);

fn hit_map(model: &Model) -> HitMap {
    let mut hit_map = HitMap::default();
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
    terminal
        .draw(|frame| hit_map = screen::draw_with_hit_map(frame, model))
        .unwrap();
    hit_map
}

fn point(model: &mut Model, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    hit_map(model)
        .message(event)
        .map_or_else(Vec::new, |message| update(model, message))
}

fn click(model: &mut Model, at: (u16, u16)) -> Vec<Effect> {
    point(model, MouseEventKind::Down(MouseButton::Left), at)
}

/// The position of a text in the first row that contains it.
fn place(model: &Model, wanted: &str) -> (u16, u16) {
    let picture = text(&drawn(model, SIZE.0, SIZE.1));
    let found = picture.lines().enumerate().skip(1).find_map(|(row, line)| {
        let at = line.find(wanted)?;
        Some((
            u16::try_from(line[..at].chars().count()).unwrap(),
            u16::try_from(row).unwrap(),
        ))
    });
    found.unwrap_or_else(|| panic!("no {wanted} in\n{picture}"))
}

#[test]
fn click_selects_row_and_second_click_opens_it() {
    let mut model = typical();
    let at = place(&model, "Lite0, freeze");
    click(&mut model, at);
    assert_eq!(
        model.run().map(warmstart_runs::store::Run::label),
        Some("Lite0, freeze")
    );
    assert!(matches!(model.open, Screen::Experiments(_)));
    click(&mut model, at);
    assert!(matches!(model.open, Screen::Run(_)));
}

#[test]
fn click_on_title_sorts_and_second_click_reverses() {
    let mut model = typical();
    let title = place(&model, "val acc");
    click(&mut model, title);
    let arrow = |model: &Model| {
        let picture = text(&drawn(model, SIZE.0, SIZE.1));
        picture
            .lines()
            .nth(2)
            .unwrap()
            .chars()
            .find(|c| "▲▼".contains(*c))
    };
    assert_eq!(arrow(&model), Some('▼'));
    click(&mut model, title);
    assert_eq!(arrow(&model), Some('▲'));
    press(&mut model, "c");
    let Screen::Compare(view) = &model.open else {
        panic!("no comparison")
    };
    assert_eq!(view.options.sort, None);
    let title = place(&model, " loss");
    click(&mut model, (title.0 + 2, title.1));
    let Screen::Compare(view) = &model.open else {
        panic!("no comparison")
    };
    assert!(
        view.options
            .sort
            .as_ref()
            .is_some_and(|column| column.title().contains("loss")),
        "{:?}",
        view.options.sort
    );
}

#[test]
fn click_on_footer_key_presses_it() {
    let mut model = typical();
    let foot = SIZE.1 - 1;
    let at = (place(&model, " c compare").0 + 1, foot);
    click(&mut model, at);
    assert!(matches!(model.open, Screen::Compare(_)));
    let at = (place(&model, " ? help").0 + 3, foot);
    click(&mut model, at);
    assert!(model.popup.is_some());
}

#[test]
fn click_in_chart_sets_cursor_and_wheel_zooms() {
    let mut model = typical();
    press(&mut model, "jjjj<enter>2");
    let picture = text(&drawn(&model, SIZE.0, SIZE.1));
    let foot = picture.lines().position(|line| line.contains('└')).unwrap();
    let left = picture
        .lines()
        .nth(foot)
        .unwrap()
        .chars()
        .position(|c| c == '└')
        .unwrap();
    let at = (
        u16::try_from(left + 1).unwrap(),
        u16::try_from(foot - 2).unwrap(),
    );
    click(&mut model, at);
    let Screen::Run(view) = &model.open else {
        panic!("no run")
    };
    // The left edge is the first epoch.
    assert_eq!(view.charts.cursor, Some(1.0));
    assert!(text(&drawn(&model, SIZE.0, SIZE.1)).contains("at epoch 1"));
    point(&mut model, MouseEventKind::ScrollUp, at);
    let Screen::Run(view) = &model.open else {
        panic!("no run")
    };
    let (low, high) = view.charts.window.expect("zoomed");
    assert!((low - 1.0).abs() < 1e-9 && high < 12.0, "{low} {high}");
    point(&mut model, MouseEventKind::ScrollDown, at);
    let Screen::Run(view) = &model.open else {
        panic!("no run")
    };
    assert_eq!(view.charts.window, None);
}

#[test]
fn wheel_scrolls_lists_but_not_behind_popups() {
    let mut model = typical();
    let before = model.run().map(|run| run.id.clone());
    point(&mut model, MouseEventKind::ScrollDown, (50, 6));
    let after = model.run().map(|run| run.id.clone());
    assert_ne!(before, after);
    press(&mut model, "?");
    let at = place(&typical(), "Lite0, freeze");
    click(&mut model, at);
    assert_eq!(model.run().map(|run| run.id.clone()), after);
    point(&mut model, MouseEventKind::ScrollDown, at);
    assert!(matches!(
        model.popup,
        Some(crate::model::Popup::Help { down: 3 })
    ));
}

#[test]
fn mouse_movements_and_other_buttons_are_ignored() {
    let mut model = typical();
    let at = place(&model, "Lite0, freeze");
    for kind in [
        MouseEventKind::Moved,
        MouseEventKind::Down(MouseButton::Right),
        MouseEventKind::Up(MouseButton::Left),
    ] {
        // With the colours: the selection is no text.
        let before = drawn(&model, SIZE.0, SIZE.1);
        assert!(point(&mut model, kind, at).is_empty());
        assert_eq!(drawn(&model, SIZE.0, SIZE.1), before);
    }
}
