//! Keys of a run's screen.

use crossterm::event::KeyCode;

use super::everywhere::{
    BACK, COMPARE, DATASET, ENDS, EXPORT, FIRST, LAST, LAUNCH, MACHINE, MOVES, OF_A_FILE, OF_A_RUN,
};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
use crate::message::{ChartCommand, Command};

pub const BINDINGS: &[&[Binding]] = &[
    &[LAUNCH],
    OF_A_RUN,
    &[bind("log", &[key('l')], "l", Command::Log, "log", "the whole log"), EXPORT, COMPARE, MACHINE, BACK],
    CHARTS,
    OF_A_FILE,
    ENDS,
    &[
        DATASET,
        bind("predict", &[key('p')], "p", Command::Predict, "", "what the run sees in a picture, from its file"),
    ],
];

/// Its log is a list of lines.
pub const LOG: &[&[Binding]] = &[&[BACK], SEARCH, MOVES, &[FIRST, LAST], ENDS];

const SEARCH: &[Binding] = &[
    bind("search", &[key('/')], "/", Command::Find, "search", "search the log, from its end upwards"),
    bind("older-match", &[key('n')], "n", Command::FindBefore, "older", "the line before that has it"),
    bind("newer-match", &[key('N')], "N", Command::FindAfter, "", "the line after that has it"),
    bind("save-log", &[key('w')], "w", Command::SaveLog, "save", "write the whole log into a file here"),
];

const CHARTS: &[Binding] = &[
    bind(
        "cursor-left",
        &[code(KeyCode::Left)],
        "←→",
        Command::Chart(ChartCommand::Cursor(-1)),
        "cursor",
        "the cursor: every chart tells the figures under it",
    ),
    bind(
        "cursor-right",
        &[code(KeyCode::Right)],
        "→",
        Command::Chart(ChartCommand::Cursor(1)),
        "",
        "the cursor on; past the newest figure it follows the run",
    ),
    bind(
        "cursor-back-10",
        &[key('['), code(KeyCode::PageUp)],
        "[ pgup",
        Command::Chart(ChartCommand::Cursor(-10)),
        "",
        "the cursor back by ten",
    ),
    bind(
        "cursor-on-10",
        &[key(']'), code(KeyCode::PageDown)],
        "] pgdn",
        Command::Chart(ChartCommand::Cursor(10)),
        "",
        "the cursor on by ten",
    ),
    bind(
        "cursor-first",
        &[code(KeyCode::Home)],
        "home",
        Command::Chart(ChartCommand::ToFirst),
        "",
        "the cursor to the first figure",
    ),
    bind(
        "cursor-newest",
        &[code(KeyCode::End)],
        "end",
        Command::Chart(ChartCommand::ToNewest),
        "",
        "no cursor: the newest figures",
    ),
    bind(
        "zoom-in",
        &[key('+'), key('=')],
        "+-",
        Command::Chart(ChartCommand::ZoomIn),
        "zoom",
        "zoom in around the cursor",
    ),
    bind("zoom-out", &[key('-'), key('_')], "-", Command::Chart(ChartCommand::ZoomOut), "", "zoom out"),
    bind("pan-left", &[key('<'), key(',')], "<", Command::Chart(ChartCommand::PanLeft), "", "what is further left"),
    bind("pan-right", &[key('>'), key('.')], ">", Command::Chart(ChartCommand::PanRight), "", "what is further right"),
    bind(
        "half-height",
        &[code(KeyCode::Up)],
        "↑",
        Command::Chart(ChartCommand::HalfHeight),
        "",
        "half the height, around the figure under the cursor",
    ),
    bind(
        "double-height",
        &[code(KeyCode::Down)],
        "↓",
        Command::Chart(ChartCommand::DoubleHeight),
        "",
        "twice the height again",
    ),
    bind("whole", &[key('0')], "0", Command::Chart(ChartCommand::Whole), "", "all of both axes again"),
    bind(
        "smooth",
        &[key('m')],
        "m",
        Command::Chart(ChartCommand::Smooth),
        "smooth",
        "by epoch, every point, or smoothed over faint points",
    ),
    bind(
        "axis",
        &[key('x')],
        "x",
        Command::Chart(ChartCommand::Along),
        "axis",
        "by epoch, step, time, or training time",
    ),
    bind("log-y", &[key('g')], "g", Command::Chart(ChartCommand::LogY), "log y", "logarithmic height, or linear"),
    bind("log-x", &[key('G')], "G", Command::Chart(ChartCommand::LogX), "", "logarithmic axis, or linear"),
    bind(
        "others",
        &[key('o')],
        "o",
        Command::Chart(ChartCommand::Others),
        "others",
        "with the stage before, or all runs of the experiment",
    ),
    bind(
        "next-chart",
        &[code(KeyCode::Tab)],
        "tab",
        Command::Chart(ChartCommand::Next),
        "charts",
        "the next chart alone; after the last all",
    ),
    bind(
        "previous-chart",
        &[code(KeyCode::BackTab)],
        "shift-tab",
        Command::Chart(ChartCommand::Previous),
        "",
        "the chart before alone",
    ),
    bind(
        "save-charts",
        &[key('P')],
        "P",
        Command::Chart(ChartCommand::Save),
        "",
        "write the charts that are shown as SVG and PNG",
    ),
    bind("chart-1", &[key('1')], "1", Command::Chart(ChartCommand::Alone(1)), "", "accuracy alone; again: all"),
    bind("chart-2", &[key('2')], "2", Command::Chart(ChartCommand::Alone(2)), "", "loss"),
    bind("chart-3", &[key('3')], "3", Command::Chart(ChartCommand::Alone(3)), "", "learning rate"),
    bind("chart-4", &[key('4')], "4", Command::Chart(ChartCommand::Alone(4)), "", "images a second"),
    bind("chart-5", &[key('5')], "5", Command::Chart(ChartCommand::Alone(5)), "", "gradient norm"),
    bind(
        "chart-6",
        &[key('6')],
        "6",
        Command::Chart(ChartCommand::Alone(6)),
        "",
        "use of GPU and processor, and waiting for data",
    ),
    bind("chart-7", &[key('7')], "7", Command::Chart(ChartCommand::Alone(7)), "", "memory"),
];
