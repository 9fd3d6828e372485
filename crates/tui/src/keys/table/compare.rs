//! Keys of the comparison.

use crossterm::event::KeyCode;

use super::everywhere::{
    BACK, ENDS, EXPORT, FILTER, LAST, LAUNCH, MACHINE, MOVES, OF_A_RUN, OPEN_RUN, REVERSE, SORT,
};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
use crate::message::{Command, Comparison};

pub const BINDINGS: &[&[Binding]] = &[
    &[OPEN_RUN, LAUNCH],
    OF_A_RUN,
    &[SORT, REVERSE, EXPORT],
    TABLE,
    &[MACHINE, FILTER, BACK],
    MOVES,
    // `g` is taken by the seeds.
    &[
        bind(
            "first",
            &[code(KeyCode::Home)],
            "home",
            Command::First,
            "",
            "to the first",
        ),
        LAST,
    ],
    ENDS,
    &[bind(
        "predict",
        &[key('P')],
        "P",
        Command::Predict,
        "",
        "what the run sees in a picture, from its file",
    )],
];

const TABLE: &[Binding] = &[
    bind(
        "differing",
        &[key('d')],
        "d",
        Command::Comparison(Comparison::Differing),
        "differences",
        "only columns in which the runs differ, fields of their experiments too; again: all",
    ),
    bind(
        "pin",
        &[key('p')],
        "p",
        Command::Comparison(Comparison::Pin),
        "pin",
        "differences to the selected run; again: to the published figures",
    ),
    bind(
        "figures",
        &[key('b')],
        "b",
        Command::Comparison(Comparison::Figures),
        "",
        "figures of the best epoch, of the last, or the best of all",
    ),
    bind(
        "seeds",
        &[key('g')],
        "g",
        Command::Comparison(Comparison::Seeds),
        "seeds",
        "runs that differ only in their seed as one row: mean ± standard deviation (n)",
    ),
    bind(
        "config",
        &[key('D')],
        "D",
        Command::Comparison(Comparison::Config),
        "config",
        "the fields in which the experiments differ, side by side",
    ),
    bind(
        "transpose",
        &[key('t')],
        "t",
        Command::Comparison(Comparison::Transpose),
        "transpose",
        "runs side by side, or one below the other",
    ),
    bind(
        "which",
        &[key('w')],
        "w",
        Command::Comparison(Comparison::Which),
        "",
        "which runs: all, or of each experiment the newest that is done",
    ),
    bind(
        "columns",
        &[key('|')],
        "|",
        Command::Columns,
        "columns",
        "choose the columns: figures, run, settings",
    ),
    bind(
        "hide",
        &[key('x')],
        "x",
        Command::Comparison(Comparison::Hide),
        "",
        "leave out the column sorted by",
    ),
    bind(
        "chart",
        &[key('v')],
        "v",
        Command::Comparison(Comparison::Curves),
        "chart",
        "another chart: accuracy or loss, of validation or training, or none",
    ),
    bind(
        "epoch-before",
        &[key('[')],
        "[",
        Command::Comparison(Comparison::EpochBefore),
        "",
        "figures of all runs at the epoch before",
    ),
    bind(
        "epoch-after",
        &[key(']')],
        "]",
        Command::Comparison(Comparison::EpochAfter),
        "",
        "figures of all runs at the next epoch",
    ),
    bind(
        "copy",
        &[key('Y')],
        "Y",
        Command::Comparison(Comparison::Copy),
        "copy",
        "copy the table as Markdown to the clipboard, through SSH too (OSC 52)",
    ),
    bind(
        "left",
        &[code(KeyCode::Left)],
        "←",
        Command::Left,
        "",
        "columns further left",
    ),
    bind(
        "right",
        &[code(KeyCode::Right)],
        "→",
        Command::Right,
        "more columns",
        "columns further right",
    ),
];
