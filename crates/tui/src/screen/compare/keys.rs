//! Keys of the comparison.

use crossterm::event::KeyCode;

use crate::command::{Command, ComparisonCommand, ListCommand, Movement};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
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
        bind(
            "first",
            &[code(KeyCode::Home)],
            "home",
            Command::Move(Movement::First),
            "",
            "to the first",
        ),
        LAST,
    ],
    ENDS,
    // Last: it is in the help only.
    &[bind(
        "predict",
        &[key('P')],
        "P",
        Command::Predict,
        "",
        "predict the class of a picture file",
    )],
];

const TABLE: &[Binding] = &[
    bind(
        "differing",
        &[key('d')],
        "d",
        Command::Comparison(ComparisonCommand::Differing),
        "differences",
        "only columns that differ, the experiments' fields too; again: the standard columns",
    ),
    bind(
        "pin",
        &[key('p')],
        "p",
        Command::Comparison(ComparisonCommand::Pin),
        "pin",
        "differences to the selected run; again: to the published figures",
    ),
    bind(
        "figures",
        &[key('b')],
        "b",
        Command::Comparison(ComparisonCommand::NextFigures),
        "",
        "figures of the best epoch, of the last, or the best of all",
    ),
    bind(
        "seeds",
        &[key('g')],
        "g",
        Command::Comparison(ComparisonCommand::Seeds),
        "seeds",
        "runs that differ only in their seed as one row: mean ± standard deviation (n)",
    ),
    bind(
        "members",
        &[code(KeyCode::Tab)],
        "tab",
        Command::Comparison(ComparisonCommand::Members),
        "",
        "the members of groups below their rows, or only the groups",
    ),
    bind(
        "config",
        &[key('D')],
        "D",
        Command::Comparison(ComparisonCommand::Config),
        "config",
        "the fields in which the experiments differ, side by side",
    ),
    bind(
        "transpose",
        &[key('t')],
        "t",
        Command::Comparison(ComparisonCommand::Transpose),
        "transpose",
        "runs side by side, or one below the other",
    ),
    bind(
        "which",
        &[key('w')],
        "w",
        Command::Comparison(ComparisonCommand::NextSelection),
        "",
        "all runs, or only the newest of each experiment (a finished one, if there is one)",
    ),
    bind(
        "columns",
        &[key('|')],
        "|",
        Command::List(ListCommand::Columns),
        "columns",
        "choose the columns: figures, run, settings",
    ),
    bind(
        "hide",
        &[key('x')],
        "x",
        Command::Comparison(ComparisonCommand::Hide),
        "",
        "hide the column that the table is sorted by",
    ),
    bind(
        "chart",
        &[key('v')],
        "v",
        Command::Comparison(ComparisonCommand::NextChart),
        "chart",
        "another chart: accuracy or loss, of validation or training, or none",
    ),
    bind(
        "epoch-before",
        &[key('[')],
        "[",
        Command::Comparison(ComparisonCommand::EpochBefore),
        "",
        "figures of all runs at the previous epoch",
    ),
    bind(
        "epoch-after",
        &[key(']')],
        "]",
        Command::Comparison(ComparisonCommand::EpochAfter),
        "",
        "figures of all runs at the next epoch",
    ),
    bind(
        "copy",
        &[key('Y')],
        "Y",
        Command::Comparison(ComparisonCommand::Copy),
        "copy",
        "copy the table as Markdown to the clipboard, through SSH too (OSC 52)",
    ),
    bind(
        "left",
        &[code(KeyCode::Left)],
        "←",
        Command::Move(Movement::Left),
        "",
        "columns further left",
    ),
    bind(
        "right",
        &[code(KeyCode::Right)],
        "→",
        Command::Move(Movement::Right),
        "more columns",
        "columns further right",
    ),
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
