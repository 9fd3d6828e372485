//! The state of the dataset screen, and which requests to its worker are open.

use std::collections::BTreeMap;

use ratatui::layout::Size;
use warmstart_runs::run::RunId;
use warmstart_schema::look::{Answer, Ask, Facts, Picture, Split, Wanted};
use warmstart_schema::seed::SplitMix64;

/// Characters that an image of 32×32 pixels with its label needs at one pixel per half cell.
const WHOLE: (u16, u16) = (33, 17);
/// Rows of the terminal outside the page.
const AROUND: u16 = 6;
/// Epochs to show side by side, starting with the chosen one.
const EPOCHS: u32 = 3;
/// Images to cache, so that going back shows them at once.
const KEPT: usize = 256;

/// Columns and rows of images on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub columns: u32,
    pub rows: u32,
}

impl Grid {
    /// As many images as the terminal can show pixel by pixel. At least a readable page on 80×24
    /// characters, at most the limit of one request.
    pub(crate) fn of(terminal: Size) -> Self {
        let columns = (terminal.width / WHOLE.0).clamp(4, 10);
        let rows = (terminal.height.saturating_sub(AROUND) / WHOLE.1).clamp(2, 6);
        Self {
            columns: columns.into(),
            rows: rows.into(),
        }
    }

    pub(crate) fn pictures(self) -> u32 {
        self.columns * self.rows
    }
}

/// The dataset screen.
#[derive(Debug)]
pub(crate) struct DatasetView {
    /// Number of the current worker. Responses to other numbers are dropped.
    pub ticket: u64,
    /// The experiment's label.
    pub label: String,
    /// The run that can predict.
    pub run: Option<RunId>,
    pub state: Opened,
    pub part: Split,
    pub pane: DatasetPane,
    pub grid: Grid,
    /// Index of the image within its split.
    pub position: u32,
    /// Also show the image as training sees it, in this epoch (from 1) and the next ones.
    pub epoch: Option<u32>,
    /// Index of the first class shown, in display order.
    pub scrolled: usize,
    /// Sort classes by their number of images instead of by class number.
    pub by_count: bool,
    /// An image number that the user searches for.
    searched_number: Option<u32>,
    pictures: BTreeMap<(Split, Wanted), Picture>,
    /// The pending request. There is one at a time, so a key that is held down waits only for the
    /// last image.
    pending: Option<Ask>,
    random: SplitMix64,
}

/// Whether the dataset is open.
#[derive(Debug, PartialEq)]
pub(crate) enum Opened {
    NotYet,
    Yes(Facts),
    /// The dataset cannot be shown: the reason, and what to do.
    No(String),
}

/// The pane of the dataset screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatasetPane {
    One,
    Page,
    Classes,
}

impl DatasetView {
    /// A view without data yet; `seed` determines the random choices.
    pub(crate) fn new(
        ticket: u64,
        label: String,
        run: Option<RunId>,
        grid: Grid,
        seed: u64,
    ) -> Self {
        Self {
            ticket,
            label,
            run,
            state: Opened::NotYet,
            part: Split::Train,
            pane: DatasetPane::One,
            grid,
            position: 0,
            epoch: None,
            scrolled: 0,
            by_count: false,
            searched_number: None,
            pictures: BTreeMap::new(),
            pending: None,
            random: SplitMix64::new(seed),
        }
    }

    pub(crate) fn facts(&self) -> Option<&Facts> {
        if let Opened::Yes(facts) = &self.state {
            Some(facts)
        } else {
            None
        }
    }

    /// Number of images in the current split.
    pub(crate) fn images(&self) -> u32 {
        self.facts().map_or(0, |facts| facts.part(self.part).images)
    }

    /// The image at a position of the split, original or as an epoch augments it, once it is
    /// loaded.
    pub(crate) fn picture(&self, position: u32, epoch: Option<u32>) -> Option<&Picture> {
        self.pictures.get(&(self.part, Wanted { position, epoch }))
    }

    /// The first position of the page with the chosen image.
    pub(crate) fn page(&self) -> u32 {
        self.position / self.grid.pictures() * self.grid.pictures()
    }

    /// The epochs to show next to the image; empty without augmentation.
    pub(crate) fn epochs(&self) -> Vec<u32> {
        let epoch = self
            .epoch
            .filter(|_| self.part == Split::Train && self.pane == DatasetPane::One);
        epoch.map_or_else(Vec::new, |epoch| {
            (epoch..epoch.saturating_add(EPOCHS)).collect()
        })
    }

    pub(crate) fn step(&mut self, by: i64) {
        let last = i64::from(self.images()) - 1;
        let to = i64::from(self.position)
            .saturating_add(by)
            .clamp(0, last.max(0));
        self.position = u32::try_from(to).unwrap_or(0);
    }

    pub(crate) fn pick_at_random(&mut self) {
        self.position = u32::try_from(self.random.below(u64::from(self.images()))).unwrap_or(0);
    }

    pub(crate) fn seek(&mut self, number: u32) {
        self.searched_number = Some(number);
    }

    pub(crate) fn next_part(&mut self) {
        let next = Split::ALL
            .iter()
            .position(|part| *part == self.part)
            .map_or(0, |index| (index + 1) % Split::ALL.len());
        self.show_part(Split::ALL[next]);
        self.position = 0;
    }

    fn show_part(&mut self, part: Split) {
        self.part = part;
        self.scrolled = 0;
    }

    /// The next request, if the screen needs one and none is pending.
    pub(crate) fn question(&mut self) -> Option<Ask> {
        if self.pending.is_some() || self.facts().is_none() {
            return None;
        }
        let part = self.part;
        let ask = if let Some(number) = self.searched_number.take() {
            Ask::Number { part, number }
        } else {
            let wanted: Vec<Wanted> = self
                .wanted()
                .into_iter()
                .filter(|wanted| !self.pictures.contains_key(&(part, *wanted)))
                .collect();
            if wanted.is_empty() {
                return None;
            }
            Ask::Pictures { part, wanted }
        };
        self.pending = Some(ask.clone());
        Some(ask)
    }

    /// Whether the pending request asks for images.
    pub(crate) fn awaits_pictures(&self) -> bool {
        matches!(self.pending, Some(Ask::Pictures { .. }))
    }

    /// All images that the screen shows.
    fn wanted(&self) -> Vec<Wanted> {
        let as_it_is = |position| Wanted {
            position,
            epoch: None,
        };
        let position = self.position;
        match self.pane {
            DatasetPane::One if self.images() > 0 => {
                let epochs = self.epochs().into_iter().map(|epoch| Wanted {
                    position,
                    epoch: Some(epoch),
                });
                std::iter::once(as_it_is(position)).chain(epochs).collect()
            }
            DatasetPane::Page => {
                let first = self.page();
                (first
                    ..first
                        .saturating_add(self.grid.pictures())
                        .min(self.images()))
                    .map(as_it_is)
                    .collect()
            }
            DatasetPane::One | DatasetPane::Classes => Vec::new(),
        }
    }

    /// Applies a worker's response. Returns the error message if the worker could not answer.
    pub(crate) fn apply(&mut self, answer: Answer) -> Option<String> {
        match answer {
            Answer::Opened(facts) => {
                self.state = Opened::Yes(facts);
                return None;
            }
            Answer::Refused { error, help } => {
                self.state = Opened::No(format!("{error}; {help}"));
                return None;
            }
            _ => self.pending = None,
        }
        match answer {
            Answer::Pictures { part, pictures } => self.keep(part, pictures),
            Answer::Found { part, position } => {
                if part != self.part {
                    self.show_part(part);
                }
                self.position = position;
                self.pane = DatasetPane::One;
            }
            Answer::NotThere { error } => return Some(error),
            Answer::Opened(_) | Answer::Refused { .. } => {}
        }
        None
    }

    fn keep(&mut self, part: Split, pictures: Vec<Picture>) {
        if self.pictures.len() + pictures.len() > KEPT {
            let shown = self.wanted();
            let here = self.part;
            self.pictures
                .retain(|(part, wanted), _| *part == here && shown.contains(wanted));
        }
        self.pictures.extend(
            pictures
                .into_iter()
                .map(|picture| ((part, picture.wanted), picture)),
        );
    }

    /// Records that the worker has ended.
    pub(crate) fn end(&mut self, why: String) {
        if !matches!(self.state, Opened::No(_)) {
            self.state = Opened::No(why);
        }
    }

    /// Class numbers in display order.
    pub(crate) fn class_order(&self) -> Vec<usize> {
        let Some(facts) = self.facts() else {
            return Vec::new();
        };
        let counts = &facts.part(self.part).by_class;
        let mut order: Vec<usize> = (0..facts.classes.len()).collect();
        if self.by_count {
            order.sort_by_key(|&class| std::cmp::Reverse(counts.get(class).copied().unwrap_or(0)));
        }
        order
    }
}
