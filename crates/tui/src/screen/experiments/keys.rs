//! Keys of the list of experiments.

use crossterm::event::KeyCode;

use crate::command::{Command, ListCommand, Show, TrainingCommand};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
use crate::keys::everywhere::{
    BACK, COMPARE, DATASET, ENDS, EXPORT, FILTER, FIRST, LAST, LAUNCH, MACHINE, MOVES, OF_A_FILE,
    OF_A_RUN, REVERSE, SORT,
};
use crate::screen::machine::keys::QUEUE_FROM_AFAR;

pub(crate) const BINDINGS: &[&[Binding]] = &[
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
            Command::Training(TrainingCommand::LaunchAll),
            "all",
            "launch all of this group, one run a device at a time",
        ),
    ],
    OF_A_RUN,
    &[
        bind(
            "new",
            &[key('N')],
            "N",
            Command::List(ListCommand::New),
            "new",
            "write an experiment for a folder of pictures of your own",
        ),
        bind(
            "mark",
            &[key(' ')],
            "space",
            Command::List(ListCommand::Mark),
            "mark",
            "mark the run; s, t, n, A, D and c then act on all marked",
        ),
        bind(
            "mark-all",
            &[key('*')],
            "*",
            Command::List(ListCommand::MarkAll),
            "",
            "mark all runs that are shown, or none",
        ),
        bind(
            "expand",
            &[code(KeyCode::Tab)],
            "tab",
            Command::List(ListCommand::Expand),
            "runs",
            "all runs of the experiment below it, or only the newest",
        ),
        bind(
            "flat",
            &[key('v')],
            "v",
            Command::List(ListCommand::Flat),
            "",
            "all runs in one list, or experiments",
        ),
        bind(
            "tag",
            &[key('t')],
            "t",
            Command::List(ListCommand::Tag),
            "tag",
            "tags: +good -old",
        ),
        bind(
            "note",
            &[key('n')],
            "n",
            Command::List(ListCommand::Note),
            "",
            "a note on the run",
        ),
        bind(
            "archive",
            &[key('A')],
            "A",
            Command::List(ListCommand::Archive),
            "",
            "archive the run, or undo that",
        ),
        bind(
            "archived",
            &[key('.')],
            ".",
            Command::List(ListCommand::Archived),
            "",
            "show archived runs, or hide them",
        ),
        bind(
            "delete",
            &[key('D'), code(KeyCode::Delete)],
            "D",
            Command::List(ListCommand::Delete),
            "",
            "delete the run (asks first; U restores it)",
        ),
        bind(
            "undo",
            &[key('U')],
            "U",
            Command::List(ListCommand::Undo),
            "undo",
            "undo the last deletion, tag, note or archiving",
        ),
        bind(
            "columns",
            &[key('|')],
            "|",
            Command::List(ListCommand::Columns),
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

/// Keys for new users.
pub(crate) const FIRST_IN_FOOTER: &[Command] = &[
    Command::Open,
    Command::Training(TrainingCommand::Launch),
    Command::Training(TrainingCommand::LaunchAll),
    Command::Training(TrainingCommand::Stop),
    Command::Training(TrainingCommand::Resume),
    Command::Show(Show::Comparison),
    Command::Filter,
    Command::Export,
    Command::List(ListCommand::Mark),
];
