//! Keys of the list of experiments.

use crossterm::event::KeyCode;

use super::everywhere::{
    BACK, COMPARE, DATASET, ENDS, EXPORT, FILTER, FIRST, LAST, LAUNCH, MACHINE, MOVES, OF_A_FILE,
    OF_A_RUN, REVERSE, SORT,
};
use super::machine::QUEUE_FROM_AFAR;
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
use crate::message::Command;

pub const BINDINGS: &[&[Binding]] = &[
    &[
        bind(
            "open",
            &[code(KeyCode::Enter), key('l'), code(KeyCode::Right)],
            "enter l →",
            Command::Open,
            "open",
            "open the run, or what is wrong with a file",
        ),
        LAUNCH,
        bind(
            "launch-all",
            &[key('a')],
            "a",
            Command::LaunchAll,
            "all",
            "launch all that are shown, one run a device at a time",
        ),
    ],
    OF_A_RUN,
    &[
        bind(
            "mark",
            &[key(' ')],
            "space",
            Command::Mark,
            "mark",
            "mark the run; s, t, n, A, D and c then act on all marked",
        ),
        bind(
            "mark-all",
            &[key('*')],
            "*",
            Command::MarkAll,
            "",
            "mark all runs that are shown, or none",
        ),
        bind(
            "expand",
            &[code(KeyCode::Tab)],
            "tab",
            Command::Expand,
            "runs",
            "all runs of the experiment below it, or only the newest",
        ),
        bind(
            "flat",
            &[key('v')],
            "v",
            Command::Flat,
            "",
            "all runs in one list, or experiments",
        ),
        bind(
            "tag",
            &[key('t')],
            "t",
            Command::Tag,
            "tag",
            "tags: +good -old",
        ),
        bind(
            "note",
            &[key('n')],
            "n",
            Command::Note,
            "",
            "a note on the run",
        ),
        bind(
            "archive",
            &[key('A')],
            "A",
            Command::Archive,
            "",
            "put the run away, or bring it back from there",
        ),
        bind(
            "archived",
            &[key('.')],
            ".",
            Command::Archived,
            "",
            "show what was put away, or hide it",
        ),
        bind(
            "delete",
            &[key('D'), code(KeyCode::Delete)],
            "D",
            Command::Delete,
            "",
            "delete the run (asks; U brings it back)",
        ),
        bind(
            "undo",
            &[key('U')],
            "U",
            Command::Undo,
            "undo",
            "take back the last deletion, tag, note or archiving",
        ),
        bind(
            "columns",
            &[key('|')],
            "|",
            Command::Columns,
            "",
            "choose the columns",
        ),
    ],
    &[SORT, REVERSE, EXPORT, COMPARE, MACHINE, FILTER, BACK],
    MOVES,
    &[FIRST, LAST],
    OF_A_FILE,
    QUEUE_FROM_AFAR,
    ENDS,
    &[DATASET],
];
