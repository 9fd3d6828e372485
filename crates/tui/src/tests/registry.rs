//! Every screen and popup with every kind of data at every size. A new variant does not compile without a line here.

use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use warmstart_schema::look::Split;
use warmstart_schema::prediction::{ClassProbability, Predicted, Predictions};

use super::dataset::{DatasetSource, answering, picture};
use super::drawn;
use super::fixtures::{DONE, empty, id, typical};
use super::hostile::{NASTY, hostile};
use crate::effect::Effect;
use crate::message::Message;
use crate::model::{
    Curves, DatasetPane, Filter, InputPrompt, Model, Opened, Pane, PathPurpose, Popup, Prediction,
    RunView, Screen, Seen,
};
use crate::update::update;

/// How to reach a screen or popup: keys from the first screen, and a worker's responses.
type Way = fn(&mut Model, &DatasetSource);

/// Lists every variant of a type and how to reach it. Defines the list, and a function that returns a variant's name.
macro_rules! places {
    ($all:ident, $name_of:ident, $type:ty, { $($name:literal: $pattern:pat $(if $guard:expr)? => $way:expr,)* }) => {
        pub(crate) const $all: &[(&str, Way)] = &[$(($name, $way)),*];

        pub(crate) fn $name_of(value: &$type) -> &'static str {
            match value {
                $($pattern $(if $guard)? => $name,)*
            }
        }
    };
}

places!(SCREENS, screen, Screen, {
    "experiments, a filter being typed": Screen::Experiments(list) if matches!(list.filter, Filter::Typing(_)) =>
        |model, source| answering(model, "/status:done x", source),
    "experiments, filtered": Screen::Experiments(list) if matches!(list.filter, Filter::Set(_)) =>
        |model, source| answering(model, "/-nothing<enter>", source),
    "experiments": Screen::Experiments(_) => |model, source| answering(model, "j<tab>v oo", source),
    "a run": Screen::Run(RunView { pane: Pane::Charts, .. }) =>
        |model, source| answering(model, "jjjj<enter>mm<left>o", source),
    "a run's log": Screen::Run(RunView { pane: Pane::Log { .. }, .. }) =>
        |model, source| answering(model, "jjjjj<enter>lk", source),
    "comparison, transposed": Screen::Compare(view) if view.options.transposed =>
        |model, source| answering(model, "ct<right>", source),
    "comparison, with a chart": Screen::Compare(view) if view.curves != Curves::Hidden =>
        |model, source| answering(model, "cg]]jj", source),
    "comparison": Screen::Compare(_) => |model, source| answering(model, "cdvvvv", source),
    "machine": Screen::Machine(_) => |model, source| answering(model, "Mj", source),
    "dataset, a picture": Screen::Dataset(view) if view.pane == DatasetPane::One && view.state != Opened::NotYet =>
        |model, source| answering(model, "jjdaa<right>", source),
    "dataset, being read": Screen::Dataset(view) if view.state == Opened::NotYet =>
        |model, _| drop(super::press(model, "jjd")),
    "dataset, a page": Screen::Dataset(view) if view.pane == DatasetPane::Page =>
        |model, source| answering(model, "jjd<tab><right>", source),
    "dataset, its classes": Screen::Dataset(_) => |model, source| answering(model, "jjd<tab><tab>oj", source),
});

places!(POPUPS, popup, Popup, {
    "tags": Popup::Prompt { .. } => |model, source| answering(model, "jjt+a -b", source),
    "columns": Popup::Columns { .. } => |model, source| answering(model, "|jj", source),
    "a question": Popup::Question { .. } => |model, source| answering(model, "a", source),
    "export": Popup::Export { .. } => |model, source| answering(model, "Ejj", source),
    "help": Popup::Help { .. } => |model, source| answering(model, "?jjj", source),
    "a text": Popup::Text { .. } => |model, source| answering(model, "G<enter>j", source),
    "a number": Popup::Input(InputPrompt::Number { .. }) => |model, source| answering(model, "jjd12", source),
    "a folder": Popup::Input(InputPrompt::Path { purpose: PathPurpose::NewExperiment, .. }) =>
        |model, source| answering(model, "Npictures", source),
    "a path": Popup::Input(InputPrompt::Path { .. }) => |model, source| {
        answering(model, "jj<enter>pa", source);
        let candidates = NASTY.map(str::to_owned).to_vec();
        update(model, Message::Completed { typed: "a".to_owned(), longer: "ab".to_owned(), candidates });
    },
    "a search": Popup::Input(InputPrompt::Search { .. }) => |model, source| answering(model, "jjjjj<enter>l/loss", source),
    "more epochs": Popup::Input(InputPrompt::Extension(_)) => |model, source| answering(model, "ju20", source),
    "palette": Popup::Palette(_) => |model, source| answering(model, ":st<down>", source),
    "editor": Popup::Editor(_) => |model, source| answering(model, "jjjjClearning_rate<enter>5", source),
    "difference": Popup::Difference(_) => |model, source| answering(model, "jjjjyfine-tune<enter>d", source),
    "a prediction awaited": Popup::Prediction(Prediction { seen: Seen::NotYet, .. }) =>
        |model, source| answering(model, "jjdp", source),
    "a prediction": Popup::Prediction(Prediction { seen: Seen::Classes { .. }, .. }) =>
        |model, source| predict(model, source, None),
    "no prediction": Popup::Prediction(Prediction { seen: Seen::Nothing(_), .. }) =>
        |model, source| predict(model, source, Some(NASTY[1].repeat(30))),
});

/// Requests a prediction, and answers it.
fn predict(model: &mut Model, source: &DatasetSource, error: Option<String>) {
    answering(model, "jjd", source);
    let Some(Effect::Predict { ticket, .. }) = super::press(model, "p").pop() else {
        return;
    };
    let class = |name: &&str| ClassProbability {
        name: (*name).to_owned(),
        probability: f64::NAN,
        label: None,
    };
    let pixels = picture(Split::Train, 0, None).pixels;
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

/// Charts in special states: zoomed, logarithmic, over time, alone, with other runs.
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

/// Data to show: its name, the model, and the worker's dataset.
type Data = (&'static str, fn() -> Model, fn() -> DatasetSource);

const DATA: [Data; 3] = [
    ("typical", typical, DatasetSource::typical),
    ("hostile", hostile, DatasetSource::hostile),
    ("no", empty, DatasetSource::hostile),
];

/// All screens and popups with all data. If the keys open nothing, an older view is used instead: a run or experiment may
/// disappear while it is shown.
fn all() -> Vec<(String, Model)> {
    let mut places = Vec::new();
    for (data, make, source) in DATA {
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
            way(&mut model, &source());
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
            answering(&mut model, keys, &source());
            places.push((format!("{keys} with {data} data"), model));
        }
    }
    places
}

/// Draws the screen at a size, and checks every cell.
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

/// Draws every screen and popup at its sizes, in parallel; returns the number of frames.
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

/// Every small size, and every third larger one.
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
fn every_place_at_a_sample_of_all_sizes() {
    /// Each screen is drawn at every 23rd size. Together the screens use all sizes.
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
