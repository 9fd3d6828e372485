//! Roles: the purposes of colours. A screen names a role, and the theme selects its colour.

use ratatui::style::{Color, Modifier, Style};
use warmstart_schema::event::Level;
use warmstart_schema::state::Status;

/// The role of an element that is not plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Units, hints, column names, and published figures.
    Quiet,
    /// Lines between areas, and axes of charts.
    Rule,
    /// The accent colour: the selection and the cursor.
    Accent,
    Train,
    Validation,
    Best,
    Good,
    Busy,
    Waiting,
    Warning,
    Error,
    /// The colour of a run, one of five.
    FirstRun,
    SecondRun,
    ThirdRun,
    FourthRun,
    FifthRun,
}

pub(super) const RUN_COLOURS: [Role; 5] = [
    Role::FirstRun,
    Role::SecondRun,
    Role::ThirdRun,
    Role::FourthRun,
    Role::FifthRun,
];

impl Role {
    /// In the order of the variants, because [`Role::of`] finds a role by its number.
    pub const ALL: [Self; 16] = [
        Self::Quiet,
        Self::Rule,
        Self::Accent,
        Self::Train,
        Self::Validation,
        Self::Best,
        Self::Good,
        Self::Busy,
        Self::Waiting,
        Self::Warning,
        Self::Error,
        Self::FirstRun,
        Self::SecondRun,
        Self::ThirdRun,
        Self::FourthRun,
        Self::FifthRun,
    ];

    /// The role as a colour number, which a cell carries until the frame is drawn. Nothing else
    /// uses these numbers.
    pub const fn carried(self) -> Color {
        Color::Indexed(self as u8)
    }

    /// The role that a cell carries.
    pub fn of(colour: Color) -> Option<Self> {
        let Color::Indexed(number) = colour else {
            return None;
        };
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// The styles by which screens draw, each in its role's colour.
#[derive(Debug)]
pub(crate) struct Roles {
    /// The program's name and other headings.
    pub title: Style,
    pub text: Style,
    /// Units, hints, and published figures.
    pub muted: Style,
    pub rule: Style,
    /// Names of columns and fields.
    pub label: Style,
    /// The selection, in the accent colour.
    pub selected: Style,
    pub accent: Style,
    pub key: Style,
    pub best: Style,
    pub train: Style,
    pub validation: Style,
    pub good: Style,
    pub busy: Style,
    pub waiting: Style,
    pub warning: Style,
    pub error: Style,
}

const fn in_role(role: Role) -> Style {
    Style::new().fg(role.carried())
}

pub(crate) const THEME: Roles = Roles {
    title: Style::new().add_modifier(Modifier::BOLD),
    text: Style::new(),
    muted: in_role(Role::Quiet),
    rule: in_role(Role::Rule),
    label: in_role(Role::Quiet),
    // Reversed, so that it is visible without colour too.
    selected: in_role(Role::Accent)
        .bg(Color::Reset)
        .add_modifier(Modifier::REVERSED)
        .remove_modifier(Modifier::DIM.union(Modifier::BOLD)),
    accent: in_role(Role::Accent),
    key: Style::new().add_modifier(Modifier::BOLD),
    best: in_role(Role::Best).add_modifier(Modifier::BOLD),
    train: in_role(Role::Train),
    // Not bold: bold faces often lack Braille.
    validation: in_role(Role::Validation),
    good: in_role(Role::Good),
    busy: in_role(Role::Busy),
    waiting: in_role(Role::Waiting),
    warning: in_role(Role::Warning),
    error: in_role(Role::Error).add_modifier(Modifier::BOLD),
};

impl Roles {
    /// The glyph and style of a status: both shape and colour identify it. `None` is an experiment
    /// without runs.
    pub(crate) fn status(&self, status: Option<Status>) -> (&'static str, Style) {
        match status {
            None => ("○", self.muted),
            Some(Status::Queued(_) | Status::Waiting) => ("◌", self.waiting),
            Some(Status::Starting) => ("◔", self.busy),
            Some(Status::Active(_)) => ("◐", self.busy),
            Some(Status::Stalled | Status::Hung | Status::Suspended) => ("◒", self.warning),
            Some(Status::Stopping) => ("◑", self.warning),
            Some(Status::Stopped | Status::Paused) => ("‖", self.waiting),
            Some(Status::Halved) => ("½", self.muted),
            Some(Status::Finished) => ("●", self.good),
            Some(Status::Failed) => ("✗", self.error),
            Some(Status::Lost) => ("!", self.error),
            Some(Status::Unreadable | Status::Unclear) => ("◇", self.warning),
        }
    }

    /// A run's marker and colour, the same on every screen; `rank` is the number of older runs.
    #[expect(clippy::unused_self, reason = "asked for as every other style is")]
    pub(crate) fn run(&self, rank: usize) -> (&'static str, Style) {
        const MARKERS: [&str; 8] = ["●", "◆", "▲", "■", "▼", "★", "✚", "✖"];
        // Five colours and eight markers: forty runs differ in one or the other.
        let colour = RUN_COLOURS[rank % RUN_COLOURS.len()];
        (
            MARKERS[rank % MARKERS.len()],
            Style::new().fg(colour.carried()),
        )
    }

    pub(crate) fn level(&self, level: Level) -> Style {
        match level {
            Level::Info => self.text,
            Level::Warning => self.warning,
            Level::Error => self.error,
        }
    }
}
