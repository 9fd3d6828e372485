//! What the dashboard knows and where the user is in it. Only `update` changes it; screens read it.

pub mod available;
mod charts;
mod comparison;
mod dataset;
mod difference;
mod editor;
mod entry;
mod extension;
mod listing;
pub mod log;
mod palette;
mod popup;
mod selection;
mod system;
pub mod told;

use std::path::PathBuf;

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use tui_input::{Input, InputRequest};
use warmstart_runs::run::RunId;

pub use self::charts::{
    ChartKind, ChartView, Drawn, Line, Others, Role, Smoothing, Times, XAxis, stage_of,
};
pub use self::comparison::{CompareView, Curves, Shown};
pub use self::dataset::{DatasetPane, DatasetView, Grid, Opened};
pub use self::difference::{Difference, DifferenceRow};
pub use self::editor::{Destination, Draft, Editor, Focus, Source, ValueEntry};
pub use self::entry::{Entry, Kind, Place};
pub use self::extension::Extension;
pub use self::listing::{Line as ListLine, Listing};
pub use self::palette::{Candidate, Palette, Purpose, Target};
pub use self::popup::{Inquiry, Popup, Prediction, Seen};
pub use self::selection::Selection;
pub use self::system::SystemView;
pub use self::told::Told;
use super::effect::Undo;
use super::keys::{Context, Keymap};
use super::message::{Activity, Catalogue, Report};
use super::theme::Look;
use crate::config::{Config, Loaded};
use warmstart_report::query::{Mistake, Query, Subject};
use warmstart_runs::pasted::FolderOptions;
use warmstart_runs::store::{Run, Runs};

/// Epochs that a run's log goes back.
pub const LOGGED_EPOCHS: usize = 1000;

/// All of it.
#[derive(Debug)]
pub struct Model {
    pub runs: Runs,
    /// Whether the first look at the run folders has been taken.
    pub runs_read: bool,
    /// The experiment files, once they have been read.
    pub catalogue: Option<Catalogue>,
    /// Of each file its group.
    pub groups: Vec<String>,
    /// Grows with every catalogue.
    pub catalogue_revision: u64,
    pub open: Screen,
    /// The screens that `back` returns to.
    pub below: Vec<Screen>,
    pub popup: Option<Popup>,
    /// What `undo` takes back, the newest last.
    pub undo: Vec<Undo>,
    /// What happened last, in words.
    pub report: Option<Report>,
    pub told: Told,
    /// What takes its time, apart from runs.
    pub doing: Option<Activity>,
    pub worker_log: Option<(RunId, Vec<String>)>,
    pub queue_watch: QueueWatch,
    /// An experiment file that was written and is selected once it is in the list.
    pub awaited: Option<PathBuf>,
    /// Whether a reading of the machine is on its way.
    pub reads_machine: bool,
    /// Of what was asked of a worker: an answer to an older question is void.
    pub tickets: u64,
    /// Seconds since the Unix epoch, as of the newest message that tells.
    pub now: f64,
    pub look: Look,
    /// The terminal's, in characters.
    pub size: Size,
    /// How charts are smoothed until something else is chosen.
    pub detail: Smoothing,
    pub keys: Keymap,
    pub config: Config,
    pub zone: TimeZone,
    pub experiments: PathBuf,
    /// What would end runs together with this session, in words; told with the first launch.
    pub hazard: Option<String>,
    /// What a command needs that is shown to be pasted.
    pub folders: FolderOptions,
}

/// Whether the queue moves. A worker that ends starts the next run itself; one that was killed cannot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QueueWatch {
    /// Nothing has run since the dashboard opened: opening it starts nothing.
    Unseen,
    /// Something runs, or nothing waits.
    Moves,
    /// Since this time runs wait and nothing runs.
    StuckSince(f64),
}

/// The open screen and its state.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as are open, a handful"
)]
pub enum Screen {
    Experiments(Listing),
    Run(RunView),
    Compare(CompareView),
    System(SystemView),
    Dataset(DatasetView),
}

/// A list with a filter.
#[derive(Debug)]
pub struct ListView<K> {
    pub selection: Selection<K>,
    pub filter: Filter,
}

impl<K> Default for ListView<K> {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            filter: Filter::default(),
        }
    }
}

/// One run's screen.
#[derive(Debug)]
pub struct RunView {
    pub id: RunId,
    pub charts: ChartView,
    pub pane: Pane,
    /// What the log is searched for.
    pub searched: Option<String>,
}

/// What a run's screen shows below its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    Charts,
    /// The log, scrolled up by so many lines from its end.
    Log {
        up: usize,
    },
}

/// What rows must be like.
#[derive(Debug, Default)]
pub enum Filter {
    #[default]
    Off,
    Typing(Typing),
    Set(Query),
}

/// A filter on its way.
#[derive(Debug, Default)]
pub struct Typing {
    pub input: Input,
    /// What was last understood of it, which rows are held to meanwhile.
    pub understood: Query,
    /// What is wrong with it now.
    pub mistake: Option<Mistake>,
}

impl Typing {
    pub fn new(query: &Query) -> Self {
        Self {
            input: Input::new(query.source().to_owned()),
            understood: query.clone(),
            mistake: None,
        }
    }

    /// Takes in a key; what can be understood takes effect at once.
    pub fn handle(&mut self, request: InputRequest) {
        self.input.handle(request);
        self.mistake = match Query::parse(self.input.value()) {
            Ok(query) => {
                self.understood = query;
                None
            }
            Err(mistake) => Some(mistake),
        };
    }
}

impl Filter {
    pub fn query(&self) -> Option<&Query> {
        match self {
            Self::Off => None,
            Self::Typing(typing) => Some(&typing.understood),
            Self::Set(query) => Some(query),
        }
    }

    /// The query as it was written.
    pub fn text(&self) -> &str {
        self.query().map_or("", Query::source)
    }

    pub fn matches(&self, subject: &Subject) -> bool {
        self.query().is_none_or(|query| query.matches(subject))
    }
}

/// A text that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Tags,
    Note,
}

impl Model {
    pub fn new(experiments: PathBuf, look: Look, zone: TimeZone) -> Self {
        Self {
            runs: Runs::default(),
            runs_read: false,
            catalogue: None,
            groups: Vec::new(),
            catalogue_revision: 0,
            undo: Vec::new(),
            open: Screen::Experiments(Listing::default()),
            below: Vec::new(),
            popup: None,
            report: None,
            told: Told::default(),
            doing: None,
            worker_log: None,
            queue_watch: QueueWatch::Unseen,
            awaited: None,
            reads_machine: false,
            tickets: 0,
            now: 0.0,
            look,
            size: Size::new(80, 24),
            detail: Smoothing::default(),
            keys: Keymap::default(),
            config: Config::default(),
            zone,
            experiments,
            folders: FolderOptions::default(),
            hazard: None,
        }
    }

    /// As somebody chose it; what is wrong with the choice is told, and the defaults hold.
    pub fn with_config(mut self, loaded: Loaded) -> Self {
        let Loaded {
            config, problems, ..
        } = loaded;
        // A configuration was read with these keys checked.
        self.keys = Keymap::rebound(&config.keys).unwrap_or_default();
        if let Screen::Experiments(list) = &mut self.open {
            list.choose(config.columns.as_deref(), config.sort.as_deref());
        }
        self.config = config;
        for problem in &problems {
            let whole = crate::format::problem(problem);
            self.told.keep(Report {
                good: false,
                text: format!("{whole}; this setting is left out"),
            });
        }
        if let Some(first) = problems.first() {
            let text = told::setting_left_out(first, problems.len() - 1);
            self.report = Some(Report { good: false, text });
        }
        self
    }

    /// Who gets the next key.
    pub fn context(&self) -> Context {
        if !super::layout::fits(self.size) {
            return Context::Small;
        }
        match (&self.popup, &self.open) {
            (Some(Popup::Question { .. }), _) => Context::Question,
            (Some(Popup::Export { .. }), _) => Context::Export,
            (Some(Popup::Prompt { .. }), _) => Context::Prompt,
            (Some(Popup::Columns { .. }), _) => Context::Columns,
            (Some(Popup::Help { .. } | Popup::Text { .. } | Popup::Prediction(_)), _) => {
                Context::Reading
            }
            (Some(Popup::Inquiry(_)), _) => Context::Inquiry,
            (Some(Popup::Palette(_)), _) => Context::Palette,
            (Some(Popup::Editor(_)), _) => Context::Editor,
            (Some(Popup::Difference(_)), _) => Context::Difference,
            (None, Screen::Experiments(list)) if matches!(list.filter, Filter::Typing(_)) => {
                Context::Filter
            }
            (None, Screen::Compare(view)) if matches!(view.list.filter, Filter::Typing(_)) => {
                Context::Filter
            }
            (None, _) => self.context_beneath(),
        }
    }

    /// The open screen's own context, whatever stands in front of it.
    pub fn context_beneath(&self) -> Context {
        match &self.open {
            Screen::Experiments(_) => Context::Experiments,
            Screen::Compare(_) => Context::Compare,
            Screen::System(_) => Context::System,
            Screen::Dataset(_) => Context::Dataset,
            Screen::Run(view) if view.pane == Pane::Charts => Context::Run,
            Screen::Run(_) => Context::Log,
        }
    }

    /// The filter of the open list.
    pub fn filter(&self) -> Option<&Filter> {
        match &self.open {
            Screen::Experiments(list) => Some(&list.filter),
            Screen::Compare(view) => Some(&view.list.filter),
            Screen::Run(_) | Screen::System(_) | Screen::Dataset(_) => None,
        }
    }

    /// The run that keys act on: the open one, or the selected one's newest.
    pub fn run(&self) -> Option<&Run> {
        match &self.open {
            Screen::Experiments(_) => self.selected_entry()?.run,
            Screen::Run(view) => self.runs.get(&view.id),
            Screen::Dataset(view) => self.runs.get(view.run.as_ref()?),
            Screen::Compare(view) => {
                let ids = view.shown.ids();
                self.runs.get(ids.get(view.list.selection.index(ids)?)?)
            }
            Screen::System(view) => {
                let ids = self.working_and_waiting();
                self.runs.get(ids.get(view.selection.index(&ids)?)?)
            }
        }
    }

    /// The runs whose whole logs the open screens draw.
    pub fn opened_runs(&self) -> Vec<RunId> {
        let open = self.below.iter().chain([&self.open]);
        open.filter_map(|screen| {
            if let Screen::Run(view) = screen {
                Some(view.id.clone())
            } else {
                None
            }
        })
        .collect()
    }

    /// Opens a screen over the one that is open.
    pub fn show(&mut self, screen: Screen) {
        let under = std::mem::replace(&mut self.open, screen);
        self.below.push(under);
    }

    /// Lines in the open run's log.
    pub fn log_height(&self) -> usize {
        let height = |run: &Run| {
            run.state.epochs.len().min(LOGGED_EPOCHS)
                + run.state.notes.len()
                + self.worker_lines(run).len()
        };
        self.run().map_or(0, height)
    }

    /// What is known of a worker's own output.
    pub fn worker_lines(&self, run: &Run) -> &[String] {
        self.worker_log
            .as_ref()
            .filter(|(id, _)| *id == run.id)
            .map_or(&[], |(_, lines)| lines)
    }

    /// Runs that a worker has or is about to have, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Run> {
        self.runs.live()
    }

    /// Whether anything moves by itself.
    pub fn is_anything_live(&self) -> bool {
        let tally = self.runs.tally();
        tally.live + tally.queued > 0
    }
}
