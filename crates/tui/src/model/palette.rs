//! The palette: fuzzy search over all actions, experiments and runs.

use std::path::PathBuf;

use tui_input::{Input, InputRequest};
use warmstart_runs::run::RunId;

use super::{Model, Source};
use crate::command::Command;
use crate::fuzzy::{Hit, search};
use crate::keys::Key;
use warmstart_runs::store::Run;

/// A list to search.
#[derive(Debug)]
pub(crate) struct Palette {
    pub purpose: Purpose,
    pub input: Input,
    /// Index of the selected hit.
    pub chosen: usize,
    candidates: Vec<Candidate>,
    hits: Vec<Hit>,
}

/// What `enter` does with the selected candidate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Purpose {
    /// Runs the action, or goes to the experiment or run.
    Run,
    /// Compares its experiment with this one.
    CompareWith(Target),
    /// Edits a field of this experiment.
    Field(Box<Source>),
}

/// An entry of the palette.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The action's name, `experiment`, `run`, or a field's path.
    pub kind: String,
    pub text: String,
    /// The keys of the action. Typing exactly one of them puts the action first.
    keys: Vec<String>,
    /// Text at the right.
    pub aside: String,
    pub target: Target,
    /// The searched text: kind and text.
    haystack: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Action(Command),
    Experiment(PathBuf),
    Run(RunId),
    /// A field's path.
    Field(String),
}

impl Candidate {
    /// Characters between the kind and the text in the searched text.
    pub(crate) const GAP: usize = 1;

    pub(crate) fn new(kind: impl Into<String>, text: String, target: Target) -> Self {
        let kind = kind.into();
        let haystack = format!("{kind} {text}");
        Self {
            kind,
            text,
            keys: Vec::new(),
            aside: String::new(),
            target,
            haystack,
        }
    }

    pub(crate) fn with_keys(self, keys: Vec<String>) -> Self {
        Self { keys, ..self }
    }

    pub(crate) fn with_aside(self, aside: String) -> Self {
        Self { aside, ..self }
    }
}

impl Palette {
    pub(crate) fn new(purpose: Purpose, candidates: Vec<Candidate>) -> Self {
        let mut palette = Self {
            purpose,
            input: Input::default(),
            chosen: 0,
            candidates,
            hits: Vec::new(),
        };
        palette.search();
        palette
    }

    /// Applies typed keys, or a pasted text.
    pub(crate) fn handle(&mut self, requests: &[InputRequest]) {
        for request in requests {
            self.input.handle(*request);
        }
        self.chosen = 0;
        self.search();
    }

    /// An exact key name comes first, with case: `d` is not `D`.
    fn search(&mut self) {
        let query = self.input.value();
        let mut hits = search(query, |index| {
            self.candidates
                .get(index)
                .map(|candidate| candidate.haystack.as_str())
        });
        let words = query.trim().to_lowercase();
        // Order: exact name, then a match in the name, then a match in the description. Cached,
        // because thousands of runs may match each letter typed.
        hits.sort_by_cached_key(|hit| {
            let kind = self.candidates[hit.index].kind.to_lowercase();
            let is_called = kind.rsplit('.').next() == Some(&*words);
            if words.is_empty() || is_called {
                0
            } else {
                1 + u8::from(!kind.contains(&words))
            }
        });
        let is_key = |index: usize| self.candidates[index].keys.iter().any(|key| key == query);
        let with_key = (0..self.candidates.len()).filter(|index| is_key(*index));
        let first: Vec<Hit> = with_key
            .map(|index| Hit {
                index,
                letters: Vec::new(),
            })
            .collect();
        hits.retain(|hit| !is_key(hit.index));
        self.hits = first.into_iter().chain(hits).collect();
    }

    pub(crate) fn step(&mut self, by: isize) {
        self.chosen = self
            .chosen
            .saturating_add_signed(by)
            .min(self.hits.len().saturating_sub(1));
    }

    /// The matching candidates, best first, with the positions of the matched letters.
    pub(crate) fn hits(&self) -> impl ExactSizeIterator<Item = (&Candidate, &[u32])> {
        self.hits
            .iter()
            .map(|hit| (&self.candidates[hit.index], &*hit.letters))
    }

    pub(crate) fn chosen(&self) -> Option<&Candidate> {
        self.hits().nth(self.chosen).map(|(candidate, _)| candidate)
    }

    /// The number of candidates.
    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }
}

impl Model {
    /// Every action of the open screen, every experiment, and every run, newest first.
    pub(crate) fn palette(&self) -> Palette {
        let bindings = self.keys.bindings(self.context_beneath()).iter();
        let actions = bindings
            .filter(|binding| binding.command != Command::Palette)
            .map(|binding| {
                let keys: Vec<String> = binding.keys.iter().map(Key::to_string).collect();
                let aside = binding
                    .label
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let target = Target::Action(binding.command);
                Candidate::new(binding.action, binding.help.to_owned(), target)
                    .with_keys(keys)
                    .with_aside(aside)
            });
        Palette::new(Purpose::Run, actions.chain(self.places()).collect())
    }

    /// The experiments and runs to compare with.
    pub(crate) fn partners(&self, of: Target) -> Palette {
        let others: Vec<Candidate> = self
            .places()
            .filter(|candidate| candidate.target != of)
            .collect();
        Palette::new(Purpose::CompareWith(of), others)
    }

    /// The name of an experiment or a run.
    pub(crate) fn name_of(&self, target: &Target) -> String {
        match target {
            Target::Experiment(path) => {
                let file = self.files().iter().find(|file| file.path == *path);
                file.map_or_else(|| crate::format::path(path), |file| file.label().to_owned())
            }
            Target::Run(id) => self
                .runs
                .get(id)
                .map_or_else(|| id.to_string(), |run| format!("{} ({id})", run.label())),
            Target::Action(_) | Target::Field(_) => String::new(),
        }
    }

    fn places(&self) -> impl Iterator<Item = Candidate> {
        let experiments = self.files().iter().map(|file| {
            let text = format!("{}  {}", file.label(), file.stem);
            Candidate::new("experiment", text, Target::Experiment(file.path.clone()))
        });
        let mut runs: Vec<&Run> = self.runs.iter().collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.info.as_ref().ok().map(|info| info.created)));
        let runs = runs.into_iter().map(|run| {
            let text = format!("{}  {}  {}", run.label(), run.id, run.status().as_str());
            Candidate::new("run", text, Target::Run(run.id.clone()))
        });
        experiments.chain(runs)
    }
}
