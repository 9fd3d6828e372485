//! Keys of popups and text inputs.

use crossterm::event::KeyCode;

use crate::command::{Command, ComparisonCommand, ExperimentCommand, Movement};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, control, key};
use crate::keys::everywhere::{FIRST, LAST, MOVES, REDRAW, SUSPEND};

const ACCEPT: Binding = bind(
    "accept",
    &[code(KeyCode::Enter)],
    "enter",
    Command::Accept,
    "accept",
    "accept",
);
const BACK: Binding = bind(
    "back",
    &[code(KeyCode::Esc)],
    "esc",
    Command::Back,
    "back",
    "back",
);
const BACK_BY_LETTER: Binding = bind(
    "back",
    &[key('q'), key('?')],
    "q",
    Command::Back,
    "",
    "back",
);

/// The last keys of every popup.
const ENDS: &[Binding] = &[
    bind("quit", &[control('c')], "ctrl-c", Command::Quit, "", "quit"),
    REDRAW,
    SUSPEND,
];

/// A question that is answered by a key.
pub(crate) const QUESTION: &[&[Binding]] = &[
    &[
        bind("yes", &[key('y')], "y", Command::Yes, "yes", "yes"),
        bind(
            "back",
            &[key('n'), code(KeyCode::Esc), key('q')],
            "n",
            Command::Back,
            "no",
            "no",
        ),
    ],
    ENDS,
];
/// The filter of a list, while it is typed; arrows still move in the list.
pub(crate) const FILTER: &[&[Binding]] = &[
    &[
        ACCEPT,
        BACK,
        bind(
            "up",
            &[code(KeyCode::Up)],
            "↑",
            Command::Move(Movement::Up),
            "",
            "up",
        ),
        bind(
            "down",
            &[code(KeyCode::Down)],
            "↓",
            Command::Move(Movement::Down),
            "",
            "down",
        ),
    ],
    ENDS,
];
/// A line of text.
pub(crate) const PROMPT: &[&[Binding]] = &[&[ACCEPT, BACK], ENDS];
/// A line of text that may be a path.
pub(crate) const INPUT: &[&[Binding]] = &[
    &[
        ACCEPT,
        BACK,
        bind(
            "complete",
            &[code(KeyCode::Tab)],
            "tab",
            Command::Complete,
            "complete",
            "complete a path",
        ),
    ],
    ENDS,
];
/// The choice of columns.
pub(crate) const COLUMNS: &[&[Binding]] = &[
    &[
        bind(
            "accept",
            &[key(' '), code(KeyCode::Enter)],
            "space",
            Command::Accept,
            "show or hide",
            "show or hide the column",
        ),
        BACK,
        BACK_BY_LETTER,
    ],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];
/// The choice of a format to export.
pub(crate) const EXPORT: &[&[Binding]] = &[
    &[
        ACCEPT,
        bind(
            "copy",
            &[key('y'), key('Y')],
            "y",
            Command::Comparison(ComparisonCommand::Copy),
            "copy",
            "copy to the clipboard instead",
        ),
        bind(
            "copy-command",
            &[key('c')],
            "c",
            Command::Comparison(ComparisonCommand::CopyCommand),
            "copy command",
            "copy the command that prints the same",
        ),
        BACK,
        BACK_BY_LETTER,
    ],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];
/// The command palette, while text is typed.
pub(crate) const PALETTE: &[&[Binding]] = &[
    &[
        bind(
            "accept",
            &[code(KeyCode::Enter)],
            "enter",
            Command::Accept,
            "choose",
            "do it, or go there",
        ),
        BACK,
        bind(
            "up",
            &[code(KeyCode::Up), control('p'), control('k')],
            "↑",
            Command::Move(Movement::Up),
            "",
            "up",
        ),
        bind(
            "down",
            &[code(KeyCode::Down), control('n'), control('j')],
            "↓",
            Command::Move(Movement::Down),
            "",
            "down",
        ),
        bind(
            "page-up",
            &[code(KeyCode::PageUp)],
            "pgup",
            Command::Move(Movement::PageUp),
            "",
            "a page up",
        ),
        bind(
            "page-down",
            &[code(KeyCode::PageDown)],
            "pgdn",
            Command::Move(Movement::PageDown),
            "",
            "a page down",
        ),
    ],
    ENDS,
];
/// The editor of one field of an experiment.
pub(crate) const EDITOR: &[&[Binding]] = &[
    &[
        bind(
            "accept",
            &[code(KeyCode::Enter)],
            "enter",
            Command::Accept,
            "write",
            "write what is shown",
        ),
        BACK,
        bind(
            "destination",
            &[code(KeyCode::Tab)],
            "tab",
            Command::Experiment(ExperimentCommand::Destination),
            "new file or this one",
            "write a new file, or change the file itself; runs keep the experiment that they began with",
        ),
        bind(
            "file-name",
            &[code(KeyCode::Up), code(KeyCode::Down)],
            "↑↓",
            Command::Experiment(ExperimentCommand::OtherText),
            "file name",
            "to the new file's name, and back to the value",
        ),
    ],
    ENDS,
];
/// The differences between two experiments.
pub(crate) const DIFFERENCE: &[&[Binding]] = &[
    &[
        bind(
            "differing",
            &[key('d')],
            "d",
            Command::Experiment(ExperimentCommand::AllFields),
            "all fields",
            "all fields, or those that differ",
        ),
        BACK,
        BACK_BY_LETTER,
    ],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];
/// The screen is hidden, so only keys that affect nothing hidden work.
pub(crate) const SMALL: &[&[Binding]] = &[&[
    bind(
        "quit",
        &[key('q'), control('c')],
        "q",
        Command::Quit,
        "quit",
        "quit",
    ),
    REDRAW,
    SUSPEND,
]];
/// A text to read: help, messages, a log.
pub(crate) const TEXT: &[&[Binding]] = &[&[BACK, BACK_BY_LETTER], MOVES, &[FIRST, LAST], ENDS];
