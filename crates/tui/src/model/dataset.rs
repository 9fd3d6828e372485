//! What the dataset screen shows, and what of it still has to be asked for.

use std::collections::BTreeMap;

use ratatui::layout::Size;
use warmstart_runs::run::RunId;
use warmstart_schema::look::{Answer, Ask, Facts, Part, Picture, Wanted};
use warmstart_schema::seed::SplitMix64;

/// Characters that a picture of 32×32 pixels takes on a page with its label, pixel by pixel.
const WHOLE: (u16, u16) = (33, 17);
/// Rows of a terminal that are not the page's.
const AROUND: u16 = 6;
/// Epochs beside each other, the first of them the one chosen.
const EPOCHS: u32 = 3;
/// Pictures that are kept, so that going back shows them at once.
const KEPT: usize = 256;

/// How many pictures are on a page, beside and below each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub columns: u32,
    pub rows: u32,
}

impl Grid {
    /// As many as a terminal shows pixel by pixel, and never fewer than can be told apart on 80×24 characters; never more
    /// than are asked for at once.
    pub fn of(terminal: Size) -> Self {
        let columns = (terminal.width / WHOLE.0).clamp(4, 10);
        let rows = (terminal.height.saturating_sub(AROUND) / WHOLE.1).clamp(2, 6);
        Self {
            columns: columns.into(),
            rows: rows.into(),
        }
    }

    pub fn pictures(self) -> u32 {
        self.columns * self.rows
    }
}

/// The dataset screen.
#[derive(Debug)]
pub struct DatasetView {
    /// Which worker answers; what an earlier one still says is void.
    pub ticket: u64,
    /// The experiment.
    pub label: String,
    /// The run that can be asked what it sees.
    pub run: Option<RunId>,
    pub state: Opened,
    pub part: Part,
    pub pane: DatasetPane,
    pub grid: Grid,
    /// Of the picture, within its part.
    pub position: u32,
    /// Pictures also as training sees them up to this epoch, from 1.
    pub epoch: Option<u32>,
    /// The first class shown, in the order shown.
    pub scrolled: usize,
    /// Classes by their images instead of by their numbers.
    pub by_count: bool,
    /// A number that is looked for.
    sought: Option<u32>,
    pictures: BTreeMap<(Part, Wanted), Picture>,
    /// Whether a question is under way: one at a time, so that whoever holds a key down waits for the last picture alone.
    waits: bool,
    random: SplitMix64,
}

/// What is known of the dataset.
#[derive(Debug, PartialEq)]
pub enum Opened {
    NotYet,
    Yes(Facts),
    /// It cannot be seen: why, and what to do.
    No(String),
}

/// What the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetPane {
    One,
    Page,
    Classes,
}

impl DatasetView {
    /// A view that nothing is known of yet; `seed` decides what is picked at random.
    pub fn new(ticket: u64, label: String, run: Option<RunId>, grid: Grid, seed: u64) -> Self {
        Self {
            ticket,
            label,
            run,
            state: Opened::NotYet,
            part: Part::Train,
            pane: DatasetPane::One,
            grid,
            position: 0,
            epoch: None,
            scrolled: 0,
            by_count: false,
            sought: None,
            pictures: BTreeMap::new(),
            waits: false,
            random: SplitMix64::new(seed),
        }
    }

    pub fn facts(&self) -> Option<&Facts> {
        if let Opened::Yes(facts) = &self.state {
            Some(facts)
        } else {
            None
        }
    }

    /// Images of the part that is shown.
    pub fn images(&self) -> u32 {
        self.facts().map_or(0, |facts| facts.part(self.part).images)
    }

    /// The picture at a position of the part, as it is or as an epoch sees it, once it came.
    pub fn picture(&self, position: u32, epoch: Option<u32>) -> Option<&Picture> {
        self.pictures.get(&(self.part, Wanted { position, epoch }))
    }

    /// The first position of the page that holds the chosen picture.
    pub fn page(&self) -> u32 {
        self.position / self.grid.pictures() * self.grid.pictures()
    }

    /// The epochs that are shown beside the picture; none where it is not augmented.
    pub fn epochs(&self) -> Vec<u32> {
        let epoch = self
            .epoch
            .filter(|_| self.part == Part::Train && self.pane == DatasetPane::One);
        epoch.map_or_else(Vec::new, |epoch| {
            (epoch..epoch.saturating_add(EPOCHS)).collect()
        })
    }

    pub fn step(&mut self, by: i64) {
        let last = i64::from(self.images()) - 1;
        let to = i64::from(self.position)
            .saturating_add(by)
            .clamp(0, last.max(0));
        self.position = u32::try_from(to).unwrap_or(0);
    }

    pub fn pick_at_random(&mut self) {
        self.position = u32::try_from(self.random.below(u64::from(self.images()))).unwrap_or(0);
    }

    pub fn seek(&mut self, number: u32) {
        self.sought = Some(number);
    }

    pub fn next_part(&mut self) {
        let next = Part::ALL
            .iter()
            .position(|part| *part == self.part)
            .map_or(0, |index| (index + 1) % Part::ALL.len());
        self.show_part(Part::ALL[next]);
        self.position = 0;
    }

    fn show_part(&mut self, part: Part) {
        self.part = part;
        self.scrolled = 0;
    }

    /// The next question, if there is something to ask and nobody is being asked.
    pub fn question(&mut self) -> Option<Ask> {
        if self.waits || self.facts().is_none() {
            return None;
        }
        let part = self.part;
        let ask = if let Some(number) = self.sought.take() {
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
        self.waits = true;
        Some(ask)
    }

    /// All that the screen shows.
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

    /// Takes in what the worker says; what it could not answer comes back in words.
    pub fn take(&mut self, answer: Answer) -> Option<String> {
        match answer {
            Answer::Opened(facts) => {
                self.state = Opened::Yes(facts);
                return None;
            }
            Answer::Refused { error, help } => {
                self.state = Opened::No(format!("{error}; {help}"));
                return None;
            }
            _ => self.waits = false,
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

    fn keep(&mut self, part: Part, pictures: Vec<Picture>) {
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

    /// The worker is gone.
    pub fn end(&mut self, why: String) {
        if !matches!(self.state, Opened::No(_)) {
            self.state = Opened::No(why);
        }
    }

    /// Class numbers in the order shown.
    pub fn class_order(&self) -> Vec<usize> {
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
