//! Every screen and everything that stands in front of one, with every kind of data, at every size. A new variant does not
//! compile before it has a line here.

use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use warmstart_schema::look::Part;
use warmstart_schema::prediction::{ClassProbability, Predicted, Predictions};

use super::dataset::{DatasetSource, answering, picture};
use super::drawn;
use super::fixtures::{DONE, empty, id, typical};
use super::hostile::{NASTY, hostile};
use crate::effect::Effect;
use crate::message::Message;
use crate::model::{
    Curves, DatasetPane, Filter, Inquiry, Model, Opened, Pane, Popup, Prediction, RunView, Screen,
    Seen,
};
use crate::update::update;

/// How a place is reached: keys from the first screen on, and what a worker answers to them.
type Way = fn(&mut Model, &DatasetSource);

/// Names every variant of a type and the way to it: all of them as a list, and which of them a value is.
macro_rules! places {
    ($all:ident, $name_of:ident, $type:ty, { $($name:literal: $pattern:pat $(if $guard:expr)? => $way:expr,)* }) => {
        pub const $all: &[(&str, Way)] = &[$(($name, $way)),*];

        pub fn $name_of(value: &$type) -> &'static str {
            match value {
                $($pattern $(if $guard)? => $name,)*
            }
        }
    };
}

places!(SCREENS, screen, Screen, {
    "experiments, a filter being typed": Screen::Experiments(list) if matches!(list.filter, Filter::Typing(_)) =>
        |model, album| answering(model, "/status:done x", album),
    "experiments, filtered": Screen::Experiments(list) if matches!(list.filter, Filter::Set(_)) =>
        |model, album| answering(model, "/-nothing<enter>", album),
    "experiments": Screen::Experiments(_) => |model, album| answering(model, "j<tab>v oo", album),
    "a run": Screen::Run(RunView { pane: Pane::Charts, .. }) =>
        |model, album| answering(model, "jjjj<enter>mm<left>o", album),
    "a run's log": Screen::Run(RunView { pane: Pane::Log { .. }, .. }) =>
        |model, album| answering(model, "jjjjj<enter>lk", album),
    "comparison, transposed": Screen::Compare(view) if view.options.transposed =>
        |model, album| answering(model, "ct<right>", album),
    "comparison, with a chart": Screen::Compare(view) if view.curves != Curves::Hidden =>
        |model, album| answering(model, "cg]]jj", album),
    "comparison": Screen::Compare(_) => |model, album| answering(model, "cdvvvv", album),
    "machine": Screen::System(_) => |model, album| answering(model, "Mj", album),
    "dataset, a picture": Screen::Dataset(view) if view.pane == DatasetPane::One && view.state != Opened::NotYet =>
        |model, album| answering(model, "jjdaa<right>", album),
    "dataset, being read": Screen::Dataset(view) if view.state == Opened::NotYet =>
        |model, _| drop(super::press(model, "jjd")),
    "dataset, a page": Screen::Dataset(view) if view.pane == DatasetPane::Page =>
        |model, album| answering(model, "jjd<tab><right>", album),
    "dataset, its classes": Screen::Dataset(_) => |model, album| answering(model, "jjd<tab><tab>oj", album),
});

places!(POPUPS, popup, Popup, {
    "tags": Popup::Prompt { .. } => |model, album| answering(model, "jjt+a -b", album),
    "columns": Popup::Columns { .. } => |model, album| answering(model, "|jj", album),
    "a question": Popup::Question { .. } => |model, album| answering(model, "a", album),
    "export": Popup::Export { .. } => |model, album| answering(model, "Ejj", album),
    "help": Popup::Help { .. } => |model, album| answering(model, "?jjj", album),
    "a text": Popup::Text { .. } => |model, album| answering(model, "G<enter>j", album),
    "a number": Popup::Inquiry(Inquiry::Number { .. }) => |model, album| answering(model, "jjd12", album),
    "a path": Popup::Inquiry(Inquiry::File { .. }) => |model, album| {
        answering(model, "jj<enter>pa", album);
        let candidates = NASTY.map(str::to_owned).to_vec();
        update(model, Message::Completed { typed: "a".to_owned(), longer: "ab".to_owned(), candidates });
    },
    "a search": Popup::Inquiry(Inquiry::Search { .. }) => |model, album| answering(model, "jjjjj<enter>l/loss", album),
    "more epochs": Popup::Inquiry(Inquiry::Extension(_)) => |model, album| answering(model, "ju20", album),
    "palette": Popup::Palette(_) => |model, album| answering(model, ":st<down>", album),
    "editor": Popup::Editor(_) => |model, album| answering(model, "jjjjClearning_rate<enter>5", album),
    "difference": Popup::Difference(_) => |model, album| answering(model, "jjjjyfine-tune<enter>d", album),
    "a prediction awaited": Popup::Prediction(Prediction { seen: Seen::NotYet, .. }) =>
        |model, album| answering(model, "jjdp", album),
    "a prediction": Popup::Prediction(Prediction { seen: Seen::Classes { .. }, .. }) =>
        |model, album| foretell(model, album, None),
    "no prediction": Popup::Prediction(Prediction { seen: Seen::Nothing(_), .. }) =>
        |model, album| foretell(model, album, Some(NASTY[1].repeat(30))),
});

/// Asks what a run sees, and answers.
fn foretell(model: &mut Model, album: &DatasetSource, error: Option<String>) {
    answering(model, "jjd", album);
    let Some(Effect::Predict { ticket, .. }) = super::press(model, "p").pop() else {
        return;
    };
    let class = |name: &&str| ClassProbability {
        name: (*name).to_owned(),
        probability: f64::NAN,
        label: None,
    };
    let pixels = picture(Part::Train, 0, None).pixels;
    let image = Predicted {
        image: NASTY[2].to_owned(),
        classes: NASTY.iter().map(class).collect(),
        error,
        pixels,
    };
    let predictions = Predictions {
        run: id(DONE),
        epoch: u32::MAX,
        step: u64::MAX,
        images: vec![image],
    };
    update(
        model,
        Message::Predicted {
            ticket,
            result: Ok(predictions),
        },
    );
}

/// Charts in states of their own: zoomed, logarithmic, by time, alone, with other runs.
const CHARTS: [&str; 8] = [
    "jjjj<enter>mm<left><left>++>gG",
    "jj<enter>x<left>mmmm<left>+",
    "jjjj<enter>xx1o<up><up><tab>",
    "jjjj<enter>xxx7<pageup>+<",
    "jjjjj<enter>oomxg<home>",
    "jjjj<enter>6mG0",
    "coo<right>DpdD",
    "cjgbv]<down>",
];

/// What there may be to show: the model, and the dataset that a worker shows.
type Data = (&'static str, fn() -> Model, fn() -> DatasetSource);

const DATA: [Data; 3] = [
    ("typical", typical, DatasetSource::typical),
    ("hostile", hostile, DatasetSource::hostile),
    ("no", empty, DatasetSource::hostile),
];

/// All places, with all data. Where keys lead nowhere, for there is nothing to open, stands what was opened when there was:
/// runs and experiments may go while they are looked at.
fn all() -> Vec<(String, Model)> {
    let mut places = Vec::new();
    for (data, make, album) in DATA {
        for (what, way, is_popup) in SCREENS
            .iter()
            .map(|place| (place.0, place.1, false))
            .chain(POPUPS.iter().map(|place| (place.0, place.1, true)))
        {
            let is_there = |model: &Model| {
                let name = if is_popup {
                    model.popup.as_ref().map(popup)
                } else {
                    Some(screen(&model.open))
                };
                name == Some(what)
            };
            let mut model = make();
            way(&mut model, &album());
            if !is_there(&model) {
                let mut before = typical();
                way(&mut before, &DatasetSource::typical());
                assert!(is_there(&before), "these keys do not lead to: {what}");
                model = Model {
                    open: before.open,
                    below: before.below,
                    popup: before.popup,
                    ..make()
                };
                model.refresh_list();
                model.refresh_comparison();
                model.refresh_curves();
            }
            places.push((format!("{what}, {data} data"), model));
        }
        for keys in CHARTS {
            let mut model = make();
            answering(&mut model, keys, &album());
            places.push((format!("{keys} with {data} data"), model));
        }
    }
    places
}

/// Draws a place at a size, and looks at every cell.
fn look(what: &str, model: &Model, width: u16, height: u16) {
    let hides = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    for cell in &drawn(model, width, height).content {
        let symbol = cell.symbol();
        assert!(
            symbol.len() <= 32 && !symbol.chars().any(hides),
            "{symbol:?} at {width}×{height}: {what}"
        );
    }
}

/// Draws all places, on as many threads as there are processors, each at its sizes; how many frames that were.
fn every_place(sizes: impl Fn(usize) -> Vec<(u16, u16)> + Sync) -> usize {
    let (next, drawn) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let places = all();
                while let Some((index, (what, model))) =
                    places.iter().enumerate().nth(next.fetch_add(1, Relaxed))
                {
                    let sizes = sizes(index);
                    for (width, height) in &sizes {
                        look(what, model, *width, *height);
                    }
                    drawn.fetch_add(sizes.len(), Relaxed);
                }
            });
        }
    });
    drawn.into_inner()
}

/// Of a terminal that is small each size, of a larger one every third.
fn sampled() -> Vec<(u16, u16)> {
    let small = (0..=80).flat_map(|width| (0..=24).map(move |height| (width, height)));
    let large = (0..=200)
        .step_by(3)
        .flat_map(|width| (0..=60).step_by(3).map(move |height| (width, height)));
    small
        .chain(large.filter(|(width, height)| *width > 80 || *height > 24))
        .chain([(200, 60)])
        .collect()
}

#[test]
fn every_place_at_a_share_of_all_sizes() {
    /// Each place sees one size of so many, and each size is seen by several places.
    const SHARE: usize = 23;
    let sizes = sampled();
    every_place(|index| {
        sizes
            .iter()
            .skip(index % SHARE)
            .step_by(SHARE)
            .copied()
            .chain([(0, 0), (80, 24)])
            .collect()
    });
}

/// `scripts/soak.d/50-terminal.py` runs this one.
#[test]
#[ignore = "draws every place at every size, which takes minutes"]
fn every_place_at_every_size() {
    let sizes: Vec<(u16, u16)> = (0..=200)
        .flat_map(|width| (0..=60).map(move |height| (width, height)))
        .collect();
    let frames = every_place(|_| sizes.clone());
    let (places, each) = (all().len(), sizes.len());
    assert_eq!(frames, places * each);
    println!(
        "FIGURE C1\tframes of {places} places (all screens and popups, three kinds of data) at {each} sizes, panics\t{frames}, 0\t12,261 sizes each, 0\tok"
    );
}
