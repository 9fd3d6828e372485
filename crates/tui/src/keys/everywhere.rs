//! Keys that several screens share.

use crossterm::event::KeyCode;

use crate::command::{Command, ExperimentCommand, Movement, Show, TrainingCommand};
use crate::keys::binding::{Binding, Row, bind, code, control, key};

pub(crate) const LAUNCH: Binding = bind(Row {
    action: "launch",
    keys: &[key('r')],
    label: "r",
    command: Command::Training(TrainingCommand::Launch),
    word: "run",
    help: "launch the experiment: a new run",
});

/// Keys that act on an existing run.
pub(crate) const OF_A_RUN: &[Binding] = &[
    bind(Row {
        action: "stop",
        keys: &[key('s')],
        label: "s",
        command: Command::Training(TrainingCommand::Stop),
        word: "stop",
        help: "stop the run and keep what it has learnt (asks)",
    }),
    bind(Row {
        action: "stop-now",
        keys: &[key('S')],
        label: "S",
        command: Command::Training(TrainingCommand::StopNow),
        word: "",
        help: "stop the run without saving (asks)",
    }),
    bind(Row {
        action: "resume",
        keys: &[key('u')],
        label: "u",
        command: Command::Training(TrainingCommand::Resume),
        word: "resume",
        help: "resume a run; give a finished one more epochs",
    }),
];

pub(crate) const SORT: Binding = bind(Row {
    action: "sort",
    keys: &[key('o')],
    label: "o",
    command: Command::Sort,
    word: "sort",
    help: "sort by the next column",
});
pub(crate) const REVERSE: Binding = bind(Row {
    action: "reverse",
    keys: &[key('O')],
    label: "O",
    command: Command::Reverse,
    word: "",
    help: "sort the other way round",
});
pub(crate) const EXPORT: Binding = bind(Row {
    action: "export",
    keys: &[key('E')],
    label: "E",
    command: Command::Export,
    word: "export",
    help: "export the comparison: CSV, TSV, Markdown, LaTeX, JSON, HTML, text",
});
pub(crate) const COMPARE: Binding = bind(Row {
    action: "compare",
    keys: &[key('c')],
    label: "c",
    command: Command::Show(Show::Comparison),
    word: "compare",
    help: "compare the runs that are marked, or shown by a filter, or all",
});
pub(crate) const MACHINE: Binding = bind(Row {
    action: "machine",
    keys: &[key('M')],
    label: "M",
    command: Command::Show(Show::Machine),
    word: "machine",
    help: "the machine: GPUs, processor, memory, disk, what each run uses, and the queue",
});
pub(crate) const FILTER: Binding = bind(Row {
    action: "filter",
    keys: &[key('/')],
    label: "/",
    command: Command::Filter,
    word: "filter",
    help: "show only what fits: words, field:value, figure>0.6, -not",
});
/// Keys that act on an experiment file.
pub(crate) const OF_A_FILE: &[Binding] = &[
    bind(Row {
        action: "duplicate",
        keys: &[key('C')],
        label: "C",
        command: Command::Experiment(ExperimentCommand::Change),
        word: "duplicate",
        help: "duplicate the experiment with one field changed, or change the file itself",
    }),
    bind(Row {
        action: "edit",
        keys: &[key('e')],
        label: "e",
        command: Command::Experiment(ExperimentCommand::Edit),
        word: "edit",
        help: "open the experiment's file in $VISUAL or $EDITOR",
    }),
    bind(Row {
        action: "difference",
        keys: &[key('y')],
        label: "y",
        command: Command::Experiment(ExperimentCommand::Difference),
        word: "",
        help: "its experiment side by side with another; with two marked runs theirs",
    }),
];
pub(crate) const DATASET: Binding = bind(Row {
    action: "dataset",
    keys: &[key('d')],
    label: "d",
    command: Command::Show(Show::Dataset),
    word: "",
    help: "look at the pictures that it learns from",
});
pub(crate) const BACK: Binding = bind(Row {
    action: "back",
    keys: &[code(KeyCode::Esc), key('h'), code(KeyCode::Backspace)],
    label: "esc h",
    command: Command::Back,
    word: "back",
    help: "back; clears a filter first",
});

pub(crate) const OPEN_RUN: Binding = bind(Row {
    action: "open",
    keys: &[code(KeyCode::Enter), key('l')],
    label: "enter l",
    command: Command::Open,
    word: "open",
    help: "open the run",
});

/// Keys that move in a list.
pub(crate) const MOVES: &[Binding] = &[
    bind(Row {
        action: "up",
        keys: &[code(KeyCode::Up), key('k')],
        label: "↑ k",
        command: Command::Move(Movement::Up),
        word: "",
        help: "up",
    }),
    bind(Row {
        action: "down",
        keys: &[code(KeyCode::Down), key('j')],
        label: "↓ j",
        command: Command::Move(Movement::Down),
        word: "",
        help: "down",
    }),
    bind(Row {
        action: "page-up",
        keys: &[code(KeyCode::PageUp), control('b')],
        label: "pgup",
        command: Command::Move(Movement::PageUp),
        word: "",
        help: "a page up",
    }),
    bind(Row {
        action: "page-down",
        keys: &[code(KeyCode::PageDown), control('f')],
        label: "pgdn",
        command: Command::Move(Movement::PageDown),
        word: "",
        help: "a page down",
    }),
];
pub(crate) const FIRST: Binding = bind(Row {
    action: "first",
    keys: &[code(KeyCode::Home), key('g')],
    label: "home g",
    command: Command::Move(Movement::First),
    word: "",
    help: "to the first",
});
pub(crate) const LAST: Binding = bind(Row {
    action: "last",
    keys: &[code(KeyCode::End), key('G')],
    label: "end G",
    command: Command::Move(Movement::Last),
    word: "",
    help: "to the last",
});
pub(crate) const REDRAW: Binding = bind(Row {
    action: "redraw",
    keys: &[control('l')],
    label: "ctrl-l",
    command: Command::Redraw,
    word: "",
    help: "redraw the screen",
});
pub(crate) const SUSPEND: Binding = bind(Row {
    action: "suspend",
    keys: &[control('z')],
    label: "ctrl-z",
    command: Command::Suspend,
    word: "",
    help: "back to the shell; `fg` returns",
});

/// The last keys of every screen.
pub(crate) const ENDS: &[Binding] = &[
    bind(Row {
        action: "palette",
        keys: &[key(':'), control('p')],
        label: ":",
        command: Command::Palette,
        word: "find",
        help: "search every action of this screen, every experiment and every run",
    }),
    bind(Row {
        action: "messages",
        keys: &[key('!')],
        label: "!",
        command: Command::Messages,
        word: "",
        help: "the messages so far, the newest first",
    }),
    bind(Row {
        action: "help",
        keys: &[key('?'), code(KeyCode::F(1))],
        label: "?",
        command: Command::Help,
        word: "help",
        help: "all keys",
    }),
    bind(Row {
        action: "quit",
        keys: &[key('q'), control('c')],
        label: "q",
        command: Command::Quit,
        word: "quit",
        help: "leave; runs continue, and warmstart shows them live when you open it again",
    }),
    REDRAW,
    SUSPEND,
];
