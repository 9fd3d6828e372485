//! Every key there is, in the order in which the foot of the screen and the help show them.

use crossterm::event::KeyCode;

use super::Context::{self, Compare, Experiments, Export, Filter, Log, Question, Reading, Run};
use super::{Binding, Key};
use crate::dashboard::message::{ChartCommand, Command};

const ALL: &[Context] = &[Experiments, Run, Log, Compare, Filter, Question, Export, Reading];
const SCREENS: &[Context] = &[Experiments, Run, Log, Compare];
const LISTS: &[Context] = &[Experiments, Compare, Log, Export, Reading];
const ON_A_RUN: &[Context] = &[Experiments, Run, Compare];

const fn key(c: char) -> Key {
    Key::Plain(KeyCode::Char(c))
}

const fn code(code: KeyCode) -> Key {
    Key::Plain(code)
}

const fn control(c: char) -> Key {
    Key::Control(c)
}

/// Where, which keys, what they are called on screen, what they mean, their word at the foot (none: only in the help),
/// and what the help says.
const fn bind(
    contexts: &'static [Context],
    keys: &'static [Key],
    label: &'static str,
    command: Command,
    word: &'static str,
    help: &'static str,
) -> Binding {
    Binding { contexts, keys, label, command, word, help }
}

pub const BINDINGS: &[Binding] = &[
    bind(&[Question], &[key('y')], "y", Command::Yes, "yes", "yes"),
    bind(&[Question], &[key('n'), code(KeyCode::Esc), key('q')], "n", Command::Back, "no", "no"),
    bind(
        &[Experiments],
        &[code(KeyCode::Enter), key('l'), code(KeyCode::Right)],
        "enter l →",
        Command::Open,
        "open",
        "open the run, or what is wrong with a file",
    ),
    bind(&[Compare], &[code(KeyCode::Enter), key('l')], "enter l", Command::Open, "open", "open the run"),
    bind(&[Export, Filter], &[code(KeyCode::Enter)], "enter", Command::Accept, "accept", "accept"),
    bind(ON_A_RUN, &[key('r')], "r", Command::Launch, "run", "launch the experiment: a new run"),
    bind(
        &[Experiments],
        &[key('a')],
        "a",
        Command::LaunchAll,
        "run all",
        "launch all that are shown, one run a device at a time",
    ),
    bind(ON_A_RUN, &[key('s')], "s", Command::Stop, "stop", "stop the run and keep what it has learnt (asks)"),
    bind(ON_A_RUN, &[key('S')], "S", Command::StopNow, "", "stop the run without saving (asks)"),
    bind(ON_A_RUN, &[key('u')], "u", Command::Resume, "resume", "take a stopped, failed or lost run up again"),
    bind(&[Run], &[key('l')], "l", Command::Log, "log", "the whole log"),
    bind(&[Compare], &[key('o')], "o", Command::Sort, "sort", "sort by the next column"),
    bind(&[Compare], &[key('O')], "O", Command::Reverse, "", "sort the other way round"),
    bind(&[Compare], &[code(KeyCode::Left)], "←", Command::Left, "", "columns further left"),
    bind(&[Compare], &[code(KeyCode::Right)], "→", Command::Right, "more columns", "columns further right"),
    bind(&[Experiments, Run], &[key('c')], "c", Command::Compare, "compare", "compare all runs"),
    bind(
        &[Experiments, Run, Compare],
        &[key('E')],
        "E",
        Command::Export,
        "export",
        "export the table: CSV, Markdown, LaTeX, JSON",
    ),
    bind(
        &[Experiments, Compare],
        &[key('/')],
        "/",
        Command::Filter,
        "filter",
        "show only what fits: words, field:value, figure>0.6, -not",
    ),
    bind(
        SCREENS,
        &[code(KeyCode::Esc), key('h'), code(KeyCode::Backspace)],
        "esc h",
        Command::Back,
        "back",
        "back; clears a filter first",
    ),
    bind(
        &[Run],
        &[code(KeyCode::Left)],
        "←→",
        Command::Chart(ChartCommand::Cursor(-1)),
        "cursor",
        "the cursor: every chart tells the figures under it",
    ),
    bind(
        &[Run],
        &[code(KeyCode::Right)],
        "→",
        Command::Chart(ChartCommand::Cursor(1)),
        "",
        "the cursor on; past the newest figure it follows the run",
    ),
    bind(
        &[Run],
        &[key('['), code(KeyCode::PageUp)],
        "[ pgup",
        Command::Chart(ChartCommand::Cursor(-10)),
        "",
        "the cursor back by ten",
    ),
    bind(
        &[Run],
        &[key(']'), code(KeyCode::PageDown)],
        "] pgdn",
        Command::Chart(ChartCommand::Cursor(10)),
        "",
        "the cursor on by ten",
    ),
    bind(
        &[Run],
        &[code(KeyCode::Home)],
        "home",
        Command::Chart(ChartCommand::ToFirst),
        "",
        "the cursor to the first figure",
    ),
    bind(
        &[Run],
        &[code(KeyCode::End)],
        "end",
        Command::Chart(ChartCommand::ToNewest),
        "",
        "no cursor: the newest figures",
    ),
    bind(
        &[Run],
        &[key('+'), key('=')],
        "+-",
        Command::Chart(ChartCommand::ZoomIn),
        "zoom",
        "zoom in around the cursor",
    ),
    bind(&[Run], &[key('-'), key('_')], "-", Command::Chart(ChartCommand::ZoomOut), "", "zoom out"),
    bind(&[Run], &[key('<'), key(',')], "<", Command::Chart(ChartCommand::PanLeft), "", "what is further left"),
    bind(&[Run], &[key('>'), key('.')], ">", Command::Chart(ChartCommand::PanRight), "", "what is further right"),
    bind(
        &[Run],
        &[code(KeyCode::Up)],
        "↑",
        Command::Chart(ChartCommand::HalfHeight),
        "",
        "half the height, around the figure under the cursor",
    ),
    bind(&[Run], &[code(KeyCode::Down)], "↓", Command::Chart(ChartCommand::DoubleHeight), "", "twice the height again"),
    bind(&[Run], &[key('0')], "0", Command::Chart(ChartCommand::Whole), "", "all of both axes again"),
    bind(
        &[Run],
        &[key('m')],
        "m",
        Command::Chart(ChartCommand::Smooth),
        "smooth",
        "by epoch, every point, or smoothed over faint points",
    ),
    bind(
        &[Run],
        &[key('x')],
        "x",
        Command::Chart(ChartCommand::Along),
        "axis",
        "by epoch, step, time, or training time",
    ),
    bind(&[Run], &[key('g')], "g", Command::Chart(ChartCommand::LogY), "log y", "logarithmic height, or linear"),
    bind(&[Run], &[key('G')], "G", Command::Chart(ChartCommand::LogX), "", "logarithmic axis, or linear"),
    bind(
        &[Run],
        &[key('o')],
        "o",
        Command::Chart(ChartCommand::Others),
        "others",
        "with the stage before, or all runs of the experiment",
    ),
    bind(
        &[Run],
        &[code(KeyCode::Tab)],
        "tab",
        Command::Chart(ChartCommand::Next),
        "charts",
        "the next chart alone; after the last all",
    ),
    bind(
        &[Run],
        &[code(KeyCode::BackTab)],
        "shift-tab",
        Command::Chart(ChartCommand::Previous),
        "",
        "the chart before alone",
    ),
    bind(&[Run], &[key('1')], "1", Command::Chart(ChartCommand::Alone(1)), "", "accuracy alone; again: all"),
    bind(&[Run], &[key('2')], "2", Command::Chart(ChartCommand::Alone(2)), "", "loss"),
    bind(&[Run], &[key('3')], "3", Command::Chart(ChartCommand::Alone(3)), "", "learning rate"),
    bind(&[Run], &[key('4')], "4", Command::Chart(ChartCommand::Alone(4)), "", "images a second"),
    bind(&[Run], &[key('5')], "5", Command::Chart(ChartCommand::Alone(5)), "", "gradient norm"),
    bind(
        &[Run],
        &[key('6')],
        "6",
        Command::Chart(ChartCommand::Alone(6)),
        "",
        "use of GPU and processor, and waiting for data",
    ),
    bind(&[Run], &[key('7')], "7", Command::Chart(ChartCommand::Alone(7)), "", "memory"),
    bind(&[Export, Reading, Filter], &[code(KeyCode::Esc)], "esc", Command::Back, "back", "back"),
    bind(&[Reading, Export], &[key('q'), key('?')], "q", Command::Back, "", "back"),
    bind(LISTS, &[code(KeyCode::Up), key('k')], "↑ k", Command::Up, "", "up"),
    bind(LISTS, &[code(KeyCode::Down), key('j')], "↓ j", Command::Down, "", "down"),
    bind(&[Filter], &[code(KeyCode::Up)], "↑", Command::Up, "", "up"),
    bind(&[Filter], &[code(KeyCode::Down)], "↓", Command::Down, "", "down"),
    bind(LISTS, &[code(KeyCode::PageUp), control('b')], "pgup", Command::PageUp, "", "a page up"),
    bind(LISTS, &[code(KeyCode::PageDown), control('f')], "pgdn", Command::PageDown, "", "a page down"),
    bind(LISTS, &[code(KeyCode::Home), key('g')], "home g", Command::First, "", "to the first"),
    bind(LISTS, &[code(KeyCode::End), key('G')], "end G", Command::Last, "", "to the last"),
    bind(SCREENS, &[key('?'), code(KeyCode::F(1))], "?", Command::Help, "help", "all keys"),
    bind(
        SCREENS,
        &[key('q'), control('c')],
        "q",
        Command::Quit,
        "quit",
        "leave; runs go on, and opening warmstart again shows them live",
    ),
    bind(&[Filter, Question, Export, Reading], &[control('c')], "ctrl-c", Command::Quit, "", "leave"),
    bind(ALL, &[control('l')], "ctrl-l", Command::Redraw, "", "draw the screen anew"),
    bind(ALL, &[control('z')], "ctrl-z", Command::Suspend, "", "back to the shell; `fg` returns"),
];
