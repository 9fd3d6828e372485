//! Keys of popups and text inputs.

use crossterm::event::KeyCode;

use crate::command::{Command, ComparisonCommand, ExperimentCommand, Movement};
use crate::keys::binding::{Binding, Row, bind, code, control, key};
use crate::keys::everywhere::{FIRST, LAST, MOVES, REDRAW, SUSPEND};

const ACCEPT: Binding = bind(Row {
    action: "accept",
    keys: &[code(KeyCode::Enter)],
    label: "enter",
    command: Command::Accept,
    word: "accept",
    help: "accept",
});
const BACK: Binding = bind(Row {
    action: "back",
    keys: &[code(KeyCode::Esc)],
    label: "esc",
    command: Command::Back,
    word: "back",
    help: "back",
});
/// Only where no text is typed.
const BACK_BY_LETTER: Binding = bind(Row {
    action: "back",
    keys: &[key('q'), key('?')],
    label: "q",
    command: Command::Back,
    word: "",
    help: "back",
});

/// The last keys of every popup.
const ENDS: &[Binding] = &[
    bind(Row {
        action: "quit",
        keys: &[control('c')],
        label: "ctrl-c",
        command: Command::Quit,
        word: "",
        help: "quit",
    }),
    REDRAW,
    SUSPEND,
];

/// A question that is answered by a key.
pub(crate) const QUESTION: &[&[Binding]] = &[
    &[
        bind(Row {
            action: "yes",
            keys: &[key('y')],
            label: "y",
            command: Command::Yes,
            word: "yes",
            help: "yes",
        }),
        bind(Row {
            action: "back",
            keys: &[key('n'), code(KeyCode::Esc), key('q')],
            label: "n",
            command: Command::Back,
            word: "no",
            help: "no",
        }),
    ],
    ENDS,
];
/// The filter of a list, while it is typed; arrows still move in the list.
pub(crate) const FILTER: &[&[Binding]] = &[
    &[
        ACCEPT,
        BACK,
        bind(Row {
            action: "up",
            keys: &[code(KeyCode::Up)],
            label: "↑",
            command: Command::Move(Movement::Up),
            word: "",
            help: "up",
        }),
        bind(Row {
            action: "down",
            keys: &[code(KeyCode::Down)],
            label: "↓",
            command: Command::Move(Movement::Down),
            word: "",
            help: "down",
        }),
    ],
    ENDS,
];
/// Tags or a note.
pub(crate) const PROMPT: &[&[Binding]] = &[&[ACCEPT, BACK], ENDS];
/// A number, a path or a search.
pub(crate) const INPUT: &[&[Binding]] = &[
    &[
        ACCEPT,
        BACK,
        bind(Row {
            action: "complete",
            keys: &[code(KeyCode::Tab)],
            label: "tab",
            command: Command::Complete,
            word: "complete",
            help: "complete a path",
        }),
    ],
    ENDS,
];
/// The choice of columns.
pub(crate) const COLUMNS: &[&[Binding]] = &[
    &[
        bind(Row {
            action: "accept",
            keys: &[key(' '), code(KeyCode::Enter)],
            label: "space",
            command: Command::Accept,
            word: "show or hide",
            help: "show or hide the column",
        }),
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
        bind(Row {
            action: "copy",
            keys: &[key('y'), key('Y')],
            label: "y",
            command: Command::Comparison(ComparisonCommand::Copy),
            word: "copy",
            help: "copy to the clipboard instead",
        }),
        bind(Row {
            action: "copy-command",
            keys: &[key('c')],
            label: "c",
            command: Command::Comparison(ComparisonCommand::CopyCommand),
            word: "copy command",
            help: "copy the command that prints the same",
        }),
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
        bind(Row {
            action: "accept",
            keys: &[code(KeyCode::Enter)],
            label: "enter",
            command: Command::Accept,
            word: "choose",
            help: "do it, or go there",
        }),
        BACK,
        bind(Row {
            action: "up",
            keys: &[code(KeyCode::Up), control('p'), control('k')],
            label: "↑",
            command: Command::Move(Movement::Up),
            word: "",
            help: "up",
        }),
        bind(Row {
            action: "down",
            keys: &[code(KeyCode::Down), control('n'), control('j')],
            label: "↓",
            command: Command::Move(Movement::Down),
            word: "",
            help: "down",
        }),
        bind(Row {
            action: "page-up",
            keys: &[code(KeyCode::PageUp)],
            label: "pgup",
            command: Command::Move(Movement::PageUp),
            word: "",
            help: "a page up",
        }),
        bind(Row {
            action: "page-down",
            keys: &[code(KeyCode::PageDown)],
            label: "pgdn",
            command: Command::Move(Movement::PageDown),
            word: "",
            help: "a page down",
        }),
    ],
    ENDS,
];
/// The editor of one field of an experiment.
pub(crate) const EDITOR: &[&[Binding]] = &[
    &[
        bind(Row {
            action: "accept",
            keys: &[code(KeyCode::Enter)],
            label: "enter",
            command: Command::Accept,
            word: "write",
            help: "write what is shown",
        }),
        BACK,
        bind(Row {
            action: "destination",
            keys: &[code(KeyCode::Tab)],
            label: "tab",
            command: Command::Experiment(ExperimentCommand::Destination),
            word: "new file or this one",
            help: "write a new file, or change the file itself; runs keep the experiment that they began with",
        }),
        bind(Row {
            action: "file-name",
            keys: &[code(KeyCode::Up), code(KeyCode::Down)],
            label: "↑↓",
            command: Command::Experiment(ExperimentCommand::OtherText),
            word: "file name",
            help: "to the new file's name, and back to the value",
        }),
    ],
    ENDS,
];
/// The differences between two experiments.
pub(crate) const DIFFERENCE: &[&[Binding]] = &[
    &[
        bind(Row {
            action: "differing",
            keys: &[key('d')],
            label: "d",
            command: Command::Experiment(ExperimentCommand::AllFields),
            word: "all fields",
            help: "all fields, or those that differ",
        }),
        BACK,
        BACK_BY_LETTER,
    ],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];
/// The screen is hidden, so only keys that affect nothing hidden work.
pub(crate) const SMALL: &[&[Binding]] = &[&[
    bind(Row {
        action: "quit",
        keys: &[key('q'), control('c')],
        label: "q",
        command: Command::Quit,
        word: "quit",
        help: "quit",
    }),
    REDRAW,
    SUSPEND,
]];
/// A text to read, such as the help.
pub(crate) const TEXT: &[&[Binding]] = &[&[BACK, BACK_BY_LETTER], MOVES, &[FIRST, LAST], ENDS];
