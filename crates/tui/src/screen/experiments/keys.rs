//! Keys of the list of experiments.

use crossterm::event::KeyCode;

use crate::command::{Command, ListCommand, Show, TrainingCommand};
use crate::keys::binding::{Binding, Row, bind, code, key};
use crate::keys::everywhere::{
    BACK, COMPARE, DATASET, ENDS, EXPORT, FILTER, FIRST, LAST, LAUNCH, MACHINE, MOVES, OF_A_FILE,
    OF_A_RUN, REVERSE, SORT,
};
use crate::screen::machine::keys::QUEUE_ON_LIST;

pub(crate) const BINDINGS: &[&[Binding]] = &[
    &[
        bind(Row {
            action: "open",
            keys: &[code(KeyCode::Enter), key('l'), code(KeyCode::Right)],
            label: "enter l →",
            command: Command::Open,
            word: "open",
            help: "open the run, or what is wrong with a file",
        }),
        LAUNCH,
        bind(Row {
            action: "launch-all",
            keys: &[key('a')],
            label: "a",
            command: Command::Training(TrainingCommand::LaunchAll),
            word: "all",
            help: "launch all of this group; each waits for its device",
        }),
    ],
    OF_A_RUN,
    &[
        bind(Row {
            action: "new",
            keys: &[key('N')],
            label: "N",
            command: Command::List(ListCommand::New),
            word: "new",
            help: "write an experiment for a folder of pictures of your own",
        }),
        bind(Row {
            action: "mark",
            keys: &[key(' ')],
            label: "space",
            command: Command::List(ListCommand::Mark),
            word: "mark",
            help: "mark the run, to act on several runs at once",
        }),
        bind(Row {
            action: "mark-all",
            keys: &[key('*')],
            label: "*",
            command: Command::List(ListCommand::MarkAll),
            word: "",
            help: "mark all runs that are shown, or none",
        }),
        bind(Row {
            action: "expand",
            keys: &[code(KeyCode::Tab)],
            label: "tab",
            command: Command::List(ListCommand::Expand),
            word: "runs",
            help: "all runs of the experiment below it, or only the newest",
        }),
        bind(Row {
            action: "flat",
            keys: &[key('v')],
            label: "v",
            command: Command::List(ListCommand::Flat),
            word: "",
            help: "all runs in one list, or experiments",
        }),
        bind(Row {
            action: "tag",
            keys: &[key('t')],
            label: "t",
            command: Command::List(ListCommand::Tag),
            word: "tag",
            help: "tags: +good -old",
        }),
        bind(Row {
            action: "note",
            keys: &[key('n')],
            label: "n",
            command: Command::List(ListCommand::Note),
            word: "",
            help: "a note on the run",
        }),
        bind(Row {
            action: "archive",
            keys: &[key('A')],
            label: "A",
            command: Command::List(ListCommand::Archive),
            word: "",
            help: "archive the run, or undo that",
        }),
        bind(Row {
            action: "archived",
            keys: &[key('.')],
            label: ".",
            command: Command::List(ListCommand::Archived),
            word: "",
            help: "show archived runs, or hide them",
        }),
        bind(Row {
            action: "delete",
            keys: &[key('D'), code(KeyCode::Delete)],
            label: "D",
            command: Command::List(ListCommand::Delete),
            word: "",
            help: "delete the run (asks first; undo restores it)",
        }),
        bind(Row {
            action: "undo",
            keys: &[key('U')],
            label: "U",
            command: Command::List(ListCommand::Undo),
            word: "undo",
            help: "undo the last deletion, tag, note or archiving",
        }),
        bind(Row {
            action: "columns",
            keys: &[key('|')],
            label: "|",
            command: Command::List(ListCommand::Columns),
            word: "",
            help: "choose the columns",
        }),
    ],
    &[SORT, REVERSE, EXPORT, COMPARE, MACHINE, FILTER, BACK],
    MOVES,
    &[FIRST, LAST],
    OF_A_FILE,
    QUEUE_ON_LIST,
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
