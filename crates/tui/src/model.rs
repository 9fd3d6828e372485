//! The state of the dashboard: data, and where the user is in it. Only `update` changes it; screens
//! read it.

mod charts;
mod comparison;
mod dataset;
mod difference;
mod editor;
mod entry;
mod extension;
mod listing;
pub(crate) mod log;
mod machine;
mod palette;
mod popup;
mod selection;
pub(crate) mod status_log;

use std::path::PathBuf;

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use tui_input::{Input, InputRequest};
use warmstart_runs::launcher;
use warmstart_runs::run::RunId;

pub(crate) use self::charts::{
    ChartKind, ChartView, Drawn, Line, Others, Role, Smoothing, Times, XAxis, stage_of,
};
pub(crate) use self::comparison::{CompareView, Curves, Shown, cell_width};
pub(crate) use self::dataset::{DatasetPane, DatasetView, Grid, Opened};
pub(crate) use self::difference::{Difference, DifferenceRow};
pub(crate) use self::editor::{Destination, Draft, Editor, Focus, Source, ValueEntry};
pub(crate) use self::entry::{Entry, Kind, Place};
pub(crate) use self::extension::Extension;
pub(crate) use self::listing::{Line as ListLine, Listing};
pub(crate) use self::machine::MachineView;
pub(crate) use self::palette::{Candidate, Palette, Purpose, Target};
pub(crate) use self::popup::{InputPrompt, PathPurpose, Popup, Prediction, Seen};
pub(crate) use self::selection::Selection;
pub(crate) use self::status_log::StatusLog;
use super::command::{Command, Show, TrainingCommand};
use super::effect::Undo;
use super::keys::{Context, Keymap};
use super::message::{Activity, Catalogue, Report};
use super::theme::Appearance;
use crate::config::{Config, Loaded};
use warmstart_report::diagnostics::{self, Action, Alert};
use warmstart_report::query::{Mistake, Query, Subject};
use warmstart_runs::shell::FolderOptions;
use warmstart_runs::store::{Run, Runs};

/// Epochs of a run that the log shows at most.
pub(crate) const LOGGED_EPOCHS: usize = 1000;

/// All state of the dashboard.
#[derive(Debug)]
pub(crate) struct Model {
    pub runs: Runs,
    /// Whether the run folders were read once.
    pub runs_read: bool,
    /// The experiment files, once they are read.
    pub catalogue: Option<Catalogue>,
    /// The group of each experiment file, by index.
    pub groups: Vec<String>,
    /// Increases with every new catalogue.
    pub catalogue_revision: u64,
    pub open: Screen,
    /// The screens that `back` returns to.
    pub below: Vec<Screen>,
    pub popup: Option<Popup>,
    /// What `undo` can restore, newest last.
    pub undo: Vec<Undo>,
    /// The newest message for the status line.
    pub report: Option<Report>,
    pub status_log: StatusLog,
    /// The long effect in progress; runs do not count.
    pub activity: Option<Activity>,
    pub worker_log: Option<(RunId, Vec<String>)>,
    pub queue_watch: QueueWatch,
    /// A new experiment file, to be selected once the list has it.
    pub awaited: Option<PathBuf>,
    /// Whether a reading of the machine is pending.
    pub reads_machine: bool,
    /// Number of the newest request to a worker. Responses to older requests are dropped.
    pub tickets: u64,
    /// Seconds since the Unix epoch, from the newest message with a time.
    pub now: f64,
    pub appearance: Appearance,
    /// The terminal's size in characters.
    pub size: Size,
    /// The default smoothing of charts.
    pub detail: Smoothing,
    pub keys: Keymap,
    pub config: Config,
    pub zone: TimeZone,
    pub experiments: PathBuf,
    /// A message about what would end runs together with this session; shown at the first launch.
    pub hazard: Option<String>,
    /// Where new runs and resumed ones go.
    pub launcher: launcher::Choice,
    /// Folder options for the commands that users copy and paste.
    pub folders: FolderOptions,
}

/// Whether the queue advances. A worker that ends starts the next run; a killed worker cannot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum QueueWatch {
    /// Nothing ran since the dashboard opened. Opening the dashboard never starts a run.
    Unseen,
    /// No group is to be halved, and either a run is live or none waits.
    Moves,
    /// Since this time runs wait and none is live, or a group is to be halved.
    StuckSince(f64),
}

/// The open screen and its state.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as are open, a handful"
)]
pub(crate) enum Screen {
    Experiments(Listing),
    Run(RunView),
    Compare(CompareView),
    Machine(MachineView),
    Dataset(DatasetView),
}

/// A list with a filter.
#[derive(Debug)]
pub(crate) struct ListView<K> {
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
pub(crate) struct RunView {
    pub id: RunId,
    pub charts: ChartView,
    pub pane: Pane,
    /// The text that the log is searched for.
    pub searched: Option<String>,
    /// The lines of each part of the log when it was last shown: epochs, notes, and the worker's output.
    pub logged: [usize; 3],
}

/// The part of the run screen below its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    Charts,
    /// The log, scrolled up from its end by `up` lines.
    Log {
        up: usize,
    },
}

/// The filter of a list.
#[derive(Debug, Default)]
pub(crate) enum Filter {
    #[default]
    Off,
    Typing(Typing),
    Set(Query),
}

/// A filter while the user types it.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    pub input: Input,
    /// The last valid query; the list uses it meanwhile.
    pub understood: Query,
    /// The mistake in the current text.
    pub mistake: Option<Mistake>,
}

impl Typing {
    pub(crate) fn new(query: &Query) -> Self {
        Self {
            input: Input::new(query.source().to_owned()),
            understood: query.clone(),
            mistake: None,
        }
    }

    /// Applies typed keys, or a pasted text. A valid query takes effect at once.
    pub(crate) fn handle(&mut self, requests: &[InputRequest]) {
        for request in requests {
            self.input.handle(*request);
        }
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
    pub(crate) fn query(&self) -> Option<&Query> {
        match self {
            Self::Off => None,
            Self::Typing(typing) => Some(&typing.understood),
            Self::Set(query) => Some(query),
        }
    }

    /// The query as the user wrote it.
    pub(crate) fn text(&self) -> &str {
        self.query().map_or("", Query::source)
    }

    pub(crate) fn matches(&self, subject: &Subject) -> bool {
        self.query().is_none_or(|query| query.matches(subject))
    }
}

/// A text that the dashboard asks the user for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromptKind {
    Tags,
    Note,
}

impl Model {
    pub(crate) fn new(experiments: PathBuf, appearance: Appearance, zone: TimeZone) -> Self {
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
            status_log: StatusLog::default(),
            activity: None,
            worker_log: None,
            queue_watch: QueueWatch::Unseen,
            awaited: None,
            reads_machine: false,
            tickets: 0,
            now: 0.0,
            appearance,
            size: Size::new(80, 24),
            detail: Smoothing::default(),
            keys: Keymap::default(),
            config: Config::default(),
            zone,
            experiments,
            folders: FolderOptions::default(),
            hazard: None,
            launcher: launcher::Choice::default(),
        }
    }

    /// Applies the user's settings. Wrong settings are reported and replaced by defaults.
    pub(crate) fn with_config(mut self, loaded: Loaded) -> Self {
        let Loaded {
            config, problems, ..
        } = loaded;
        // The keys were checked when the settings were read.
        self.keys = Keymap::rebound(&config.keys).unwrap_or_default();
        if let Screen::Experiments(list) = &mut self.open {
            list.choose(config.columns.as_deref(), config.sort.as_deref());
        }
        self.config = config;
        for problem in &problems {
            let whole = crate::format::problem(problem);
            // A problem of no field is one of the whole file.
            let lost = if problem.field.is_empty() {
                "all settings are left out"
            } else {
                "this setting is left out"
            };
            self.status_log.keep(Report {
                good: false,
                text: format!("{whole}; {lost}"),
            });
        }
        if let Some(first) = problems.first() {
            let all = self.key_hint(Command::Messages, "for all");
            let text = status_log::setting_left_out(first, problems.len() - 1, &all);
            self.report = Some(Report { good: false, text });
        }
        self
    }

    /// The context that gets the next key.
    pub(crate) fn context(&self) -> Context {
        if !super::layout::fits(self.size) {
            return Context::Small;
        }
        match (&self.popup, &self.open) {
            (Some(Popup::Question { .. }), _) => Context::Question,
            (Some(Popup::Export { .. }), _) => Context::Export,
            (Some(Popup::Prompt { .. }), _) => Context::Prompt,
            (Some(Popup::Columns { .. }), _) => Context::Columns,
            (Some(Popup::Help { .. } | Popup::Text { .. } | Popup::Prediction(_)), _) => {
                Context::Text
            }
            (Some(Popup::Input(_)), _) => Context::Input,
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

    /// The context of the open screen, ignoring any popup.
    pub(crate) fn context_beneath(&self) -> Context {
        match &self.open {
            Screen::Experiments(_) => Context::Experiments,
            Screen::Compare(_) => Context::Compare,
            Screen::Machine(_) => Context::Machine,
            Screen::Dataset(_) => Context::Dataset,
            Screen::Run(view) if view.pane == Pane::Charts => Context::Run,
            Screen::Run(_) => Context::Log,
        }
    }

    /// `; u resumes it`, with the user's key for a command, here or else on the experiments screen; empty if there is none.
    pub(crate) fn key_hint(&self, command: Command, what: &str) -> String {
        self.key_sentence(command, what)
            .map_or_else(String::new, |text| format!("; {text}"))
    }

    /// The same without a semicolon; none without a key.
    pub(crate) fn key_sentence(&self, command: Command, what: &str) -> Option<String> {
        let label = [self.context_beneath(), Context::Experiments]
            .into_iter()
            .find_map(|context| self.keys.label(context, command))?;
        // One of several keys is enough.
        let key = label.split(' ').next().unwrap_or(label);
        Some(format!("{key} {what}"))
    }

    /// What is wrong with a run, the worst first, with the user's keys.
    pub(crate) fn alerts(&self, run: &Run) -> Vec<Alert> {
        let hint = |action: Action, what: &str| {
            let command = match action {
                Action::Stop => Command::Training(TrainingCommand::Stop),
                Action::Resume => Command::Training(TrainingCommand::Resume),
                Action::Log => Command::Show(Show::Log),
            };
            self.key_hint(command, what)
        };
        diagnostics::alerts(run, self.now, &hint)
    }

    /// The filter of the open list.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        match &self.open {
            Screen::Experiments(list) => Some(&list.filter),
            Screen::Compare(view) => Some(&view.list.filter),
            Screen::Run(_) | Screen::Machine(_) | Screen::Dataset(_) => None,
        }
    }

    /// The run that keys act on: the open run, or the newest run of the selected row.
    pub(crate) fn run(&self) -> Option<&Run> {
        match &self.open {
            Screen::Experiments(_) => self.selected_entry()?.run,
            Screen::Run(view) => self.runs.get(&view.id),
            Screen::Dataset(view) => self.runs.get(view.run.as_ref()?),
            Screen::Compare(view) => {
                let ids = view.shown.ids();
                self.runs.get(ids.get(view.list.selection.index(ids)?)?)
            }
            Screen::Machine(view) => {
                let ids = self.working_and_waiting();
                self.runs.get(ids.get(view.selection.index(&ids)?)?)
            }
        }
    }

    /// The runs whose whole logs the open screens draw.
    pub(crate) fn opened_runs(&self) -> Vec<RunId> {
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

    /// Opens a screen on top of the open one.
    pub(crate) fn show(&mut self, screen: Screen) {
        let under = std::mem::replace(&mut self.open, screen);
        self.below.push(under);
    }

    /// Lines of the open run's log.
    pub(crate) fn log_height(&self) -> usize {
        let height = |run: &Run| {
            run.state.epochs.len().min(LOGGED_EPOCHS)
                + run.state.notes.len()
                + self.worker_lines(run).len()
        };
        self.run().map_or(0, height)
    }

    /// The worker's own output, as far as it was read.
    pub(crate) fn worker_lines(&self, run: &Run) -> &[String] {
        self.worker_log
            .as_ref()
            .filter(|(id, _)| *id == run.id)
            .map_or(&[], |(_, lines)| lines)
    }

    /// Runs that have a worker or will soon have one, oldest first.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Run> {
        self.runs.live()
    }

    /// Whether anything changes without a key.
    pub(crate) fn is_anything_live(&self) -> bool {
        let tally = self.runs.tally();
        // A group may be due for halving while none of its runs is live.
        tally.live + tally.queued > 0 || matches!(self.queue_watch, QueueWatch::StuckSince(_))
    }
}
