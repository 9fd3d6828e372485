//! Keys of the machine screen.

use crossterm::event::KeyCode;

use crate::command::{Command, QueueCommand};
use crate::keys::binding::{Binding, Row, bind, code, key};
use crate::keys::everywhere::{BACK, ENDS, FIRST, LAST, LAUNCH, MOVES, OF_A_RUN, OPEN_RUN};

pub(crate) const BINDINGS: &[&[Binding]] = &[
    &[OPEN_RUN, LAUNCH],
    OF_A_RUN,
    QUEUE,
    &[BACK],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];

const QUEUE: &[Binding] = &[
    bind(UP),
    bind(DOWN),
    bind(Row {
        action: "queue-remove",
        keys: &[key('x'), code(KeyCode::Delete)],
        label: "x",
        command: Command::Queue(QueueCommand::Remove),
        word: "",
        help: "take a waiting run out of the queue (asks)",
    }),
    bind(PAUSE),
    bind(Row {
        action: "more-slots",
        keys: &[key('+'), key('=')],
        label: "+",
        command: Command::Queue(QueueCommand::MoreSlots),
        word: "",
        help: "let each device take one more run at a time",
    }),
    bind(Row {
        action: "fewer-slots",
        keys: &[key('-'), key('_')],
        label: "-",
        command: Command::Queue(QueueCommand::FewerSlots),
        word: "",
        help: "let each device take one run fewer at a time",
    }),
];

/// The same keys on the list of experiments, where the footer has no space for them.
pub(crate) const QUEUE_ON_LIST: &[Binding] = &[
    bind(Row { word: "", ..UP }),
    bind(Row { word: "", ..DOWN }),
    bind(Row { word: "", ..PAUSE }),
];

const UP: Row = Row {
    action: "queue-up",
    keys: &[key('K')],
    label: "K",
    command: Command::Queue(QueueCommand::Up),
    word: "up",
    help: "move a waiting run one place up",
};

const DOWN: Row = Row {
    action: "queue-down",
    keys: &[key('J')],
    label: "J",
    command: Command::Queue(QueueCommand::Down),
    word: "down",
    help: "move a waiting run one place down",
};

const PAUSE: Row = Row {
    action: "queue-pause",
    keys: &[key('P')],
    label: "P",
    command: Command::Queue(QueueCommand::Pause),
    word: "pause",
    help: "pause the queue, or resume it",
};
