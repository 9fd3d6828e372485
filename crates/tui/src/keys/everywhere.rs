//! Keys that several screens share.

use crossterm::event::KeyCode;

use crate::command::{Command, ExperimentCommand, Movement, Show, TrainingCommand};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, control, key};

pub(crate) const LAUNCH: Binding = bind(
    "launch",
    &[key('r')],
    "r",
    Command::Training(TrainingCommand::Launch),
    "run",
    "launch the experiment: a new run",
);

/// Keys that act on an existing run.
pub(crate) const OF_A_RUN: &[Binding] = &[
    bind(
        "stop",
        &[key('s')],
        "s",
        Command::Training(TrainingCommand::Stop),
        "stop",
        "stop the run and keep what it has learnt (asks)",
    ),
    bind(
        "stop-now",
        &[key('S')],
        "S",
        Command::Training(TrainingCommand::StopNow),
        "",
        "stop the run without saving (asks)",
    ),
    bind(
        "resume",
        &[key('u')],
        "u",
        Command::Training(TrainingCommand::Resume),
        "resume",
        "resume a run; give a finished one more epochs",
    ),
];

pub(crate) const SORT: Binding = bind(
    "sort",
    &[key('o')],
    "o",
    Command::Sort,
    "sort",
    "sort by the next column",
);
pub(crate) const REVERSE: Binding = bind(
    "reverse",
    &[key('O')],
    "O",
    Command::Reverse,
    "",
    "sort the other way round",
);
pub(crate) const EXPORT: Binding = bind(
    "export",
    &[key('E')],
    "E",
    Command::Export,
    "export",
    "export the comparison: CSV, TSV, Markdown, LaTeX, JSON, HTML, text",
);
pub(crate) const COMPARE: Binding = bind(
    "compare",
    &[key('c')],
    "c",
    Command::Show(Show::Comparison),
    "compare",
    "compare the runs that are marked, or shown by a filter, or all",
);
pub(crate) const MACHINE: Binding = bind(
    "machine",
    &[key('M')],
    "M",
    Command::Show(Show::Machine),
    "machine",
    "the machine: GPUs, processor, memory, disk, what each run uses, and the queue",
);
pub(crate) const FILTER: Binding = bind(
    "filter",
    &[key('/')],
    "/",
    Command::Filter,
    "filter",
    "show only what fits: words, field:value, figure>0.6, -not",
);
/// Keys that act on an experiment file.
pub(crate) const OF_A_FILE: &[Binding] = &[
    bind(
        "duplicate",
        &[key('C')],
        "C",
        Command::Experiment(ExperimentCommand::Change),
        "duplicate",
        "duplicate the experiment with one field changed, or change the file itself",
    ),
    bind(
        "edit",
        &[key('e')],
        "e",
        Command::Experiment(ExperimentCommand::Edit),
        "edit",
        "open the experiment's file in $VISUAL or $EDITOR",
    ),
    bind(
        "difference",
        &[key('y')],
        "y",
        Command::Experiment(ExperimentCommand::Difference),
        "",
        "its experiment side by side with another; with two marked runs theirs",
    ),
];
pub(crate) const DATASET: Binding = bind(
    "dataset",
    &[key('d')],
    "d",
    Command::Show(Show::Dataset),
    "",
    "look at the pictures that it learns from",
);
pub(crate) const BACK: Binding = bind(
    "back",
    &[code(KeyCode::Esc), key('h'), code(KeyCode::Backspace)],
    "esc h",
    Command::Back,
    "back",
    "back; clears a filter first",
);

pub(crate) const OPEN_RUN: Binding = bind(
    "open",
    &[code(KeyCode::Enter), key('l')],
    "enter l",
    Command::Open,
    "open",
    "open the run",
);

/// Keys that move in a list.
pub(crate) const MOVES: &[Binding] = &[
    bind(
        "up",
        &[code(KeyCode::Up), key('k')],
        "↑ k",
        Command::Move(Movement::Up),
        "",
        "up",
    ),
    bind(
        "down",
        &[code(KeyCode::Down), key('j')],
        "↓ j",
        Command::Move(Movement::Down),
        "",
        "down",
    ),
    bind(
        "page-up",
        &[code(KeyCode::PageUp), control('b')],
        "pgup",
        Command::Move(Movement::PageUp),
        "",
        "a page up",
    ),
    bind(
        "page-down",
        &[code(KeyCode::PageDown), control('f')],
        "pgdn",
        Command::Move(Movement::PageDown),
        "",
        "a page down",
    ),
];
pub(crate) const FIRST: Binding = bind(
    "first",
    &[code(KeyCode::Home), key('g')],
    "home g",
    Command::Move(Movement::First),
    "",
    "to the first",
);
pub(crate) const LAST: Binding = bind(
    "last",
    &[code(KeyCode::End), key('G')],
    "end G",
    Command::Move(Movement::Last),
    "",
    "to the last",
);
pub(crate) const REDRAW: Binding = bind(
    "redraw",
    &[control('l')],
    "ctrl-l",
    Command::Redraw,
    "",
    "redraw the screen",
);
pub(crate) const SUSPEND: Binding = bind(
    "suspend",
    &[control('z')],
    "ctrl-z",
    Command::Suspend,
    "",
    "back to the shell; `fg` returns",
);

/// The last keys of every screen.
pub(crate) const ENDS: &[Binding] = &[
    bind(
        "palette",
        &[key(':'), control('p')],
        ":",
        Command::Palette,
        "find",
        "search every action of this screen, every experiment and every run",
    ),
    bind(
        "messages",
        &[key('!')],
        "!",
        Command::Messages,
        "",
        "the messages so far, the newest first",
    ),
    bind(
        "help",
        &[key('?'), code(KeyCode::F(1))],
        "?",
        Command::Help,
        "help",
        "all keys",
    ),
    bind(
        "quit",
        &[key('q'), control('c')],
        "q",
        Command::Quit,
        "quit",
        "leave; runs continue, and warmstart shows them live when you open it again",
    ),
    REDRAW,
    SUSPEND,
];
