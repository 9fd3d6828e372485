//! Keys of the comparison.

use crossterm::event::KeyCode;

use crate::command::{Command, ComparisonCommand, ListCommand, Movement};
use crate::keys::binding::{Binding, Row, bind, code, key};
use crate::keys::everywhere::{
    BACK, ENDS, EXPORT, FILTER, LAST, LAUNCH, MACHINE, MOVES, OF_A_RUN, OPEN_RUN, REVERSE, SORT,
};

pub(crate) const BINDINGS: &[&[Binding]] = &[
    &[OPEN_RUN, LAUNCH],
    OF_A_RUN,
    &[SORT, REVERSE, EXPORT],
    TABLE,
    &[MACHINE, FILTER, BACK],
    MOVES,
    // The seeds use `g`.
    &[
        bind(Row {
            action: "first",
            keys: &[code(KeyCode::Home)],
            label: "home",
            command: Command::Move(Movement::First),
            word: "",
            help: "to the first",
        }),
        LAST,
    ],
    ENDS,
    // Last: it is in the help only.
    &[bind(Row {
        action: "predict",
        keys: &[key('P')],
        label: "P",
        command: Command::Predict,
        word: "",
        help: "predict the class of a picture file",
    })],
];

const TABLE: &[Binding] = &[
    bind(Row {
        action: "differing",
        keys: &[key('d')],
        label: "d",
        command: Command::Comparison(ComparisonCommand::Differing),
        word: "differences",
        help: "only columns that differ, the experiments' fields too; again: the standard columns",
    }),
    bind(Row {
        action: "pin",
        keys: &[key('p')],
        label: "p",
        command: Command::Comparison(ComparisonCommand::Pin),
        word: "pin",
        help: "differences to the selected run; again: to the published figures",
    }),
    bind(Row {
        action: "figures",
        keys: &[key('b')],
        label: "b",
        command: Command::Comparison(ComparisonCommand::NextFigures),
        word: "",
        help: "figures of the best epoch, of the last, or the best of all",
    }),
    bind(Row {
        action: "seeds",
        keys: &[key('g')],
        label: "g",
        command: Command::Comparison(ComparisonCommand::Seeds),
        word: "seeds",
        help: "runs that differ only in their seed as one row: mean ± standard deviation (n)",
    }),
    bind(Row {
        action: "members",
        keys: &[code(KeyCode::Tab)],
        label: "tab",
        command: Command::Comparison(ComparisonCommand::Members),
        word: "",
        help: "the members of groups below their rows, or only the groups",
    }),
    bind(Row {
        action: "config",
        keys: &[key('D')],
        label: "D",
        command: Command::Comparison(ComparisonCommand::Config),
        word: "config",
        help: "the fields in which the experiments differ, side by side",
    }),
    bind(Row {
        action: "transpose",
        keys: &[key('t')],
        label: "t",
        command: Command::Comparison(ComparisonCommand::Transpose),
        word: "transpose",
        help: "runs side by side, or one below the other",
    }),
    bind(Row {
        action: "which",
        keys: &[key('w')],
        label: "w",
        command: Command::Comparison(ComparisonCommand::NextSelection),
        word: "",
        help: "all runs, or only the newest of each experiment (a finished one, if there is one)",
    }),
    bind(Row {
        action: "columns",
        keys: &[key('|')],
        label: "|",
        command: Command::List(ListCommand::Columns),
        word: "columns",
        help: "choose the columns: figures, run, settings",
    }),
    bind(Row {
        action: "hide",
        keys: &[key('x')],
        label: "x",
        command: Command::Comparison(ComparisonCommand::Hide),
        word: "",
        help: "hide the column that the table is sorted by",
    }),
    bind(Row {
        action: "chart",
        keys: &[key('v')],
        label: "v",
        command: Command::Comparison(ComparisonCommand::NextChart),
        word: "chart",
        help: "another chart: accuracy or loss, of validation or training, or none",
    }),
    bind(Row {
        action: "epoch-before",
        keys: &[key('[')],
        label: "[",
        command: Command::Comparison(ComparisonCommand::EpochBefore),
        word: "",
        help: "figures of all runs at the previous epoch",
    }),
    bind(Row {
        action: "epoch-after",
        keys: &[key(']')],
        label: "]",
        command: Command::Comparison(ComparisonCommand::EpochAfter),
        word: "",
        help: "figures of all runs at the next epoch",
    }),
    bind(Row {
        action: "copy",
        keys: &[key('Y')],
        label: "Y",
        command: Command::Comparison(ComparisonCommand::Copy),
        word: "copy",
        help: "copy the table as Markdown to the clipboard, through SSH too (OSC 52)",
    }),
    bind(Row {
        action: "left",
        keys: &[code(KeyCode::Left)],
        label: "←",
        command: Command::Move(Movement::Left),
        word: "",
        help: "columns further left",
    }),
    bind(Row {
        action: "right",
        keys: &[code(KeyCode::Right)],
        label: "→",
        command: Command::Move(Movement::Right),
        word: "more columns",
        help: "columns further right",
    }),
];

pub(crate) const FIRST_IN_FOOTER: &[Command] = &[
    Command::Open,
    Command::Sort,
    Command::Comparison(ComparisonCommand::NextChart),
    Command::Export,
    Command::Filter,
    Command::Comparison(ComparisonCommand::Differing),
    Command::Comparison(ComparisonCommand::Pin),
];
