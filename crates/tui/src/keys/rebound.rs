//! Key bindings from the settings. Names of actions and screens come from the key table.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crossterm::event::KeyCode;
use warmstart_schema::text::closest;

use super::Keymap;
use super::binding::{Binding, Context, Key};
use crate::command::Command;
use crate::config::Keys;

/// A mistake in a binding from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMistake {
    /// The action as the user wrote it.
    pub action: String,
    pub message: String,
    pub help: Option<String>,
}

/// A valid binding.
struct Choice<'a> {
    written: &'a str,
    /// `None` for every screen with this action.
    context: Option<Context>,
    action: &'a str,
    keys: Vec<Key>,
}

impl Keymap {
    /// The key map with these bindings: first `action` on every screen that has it, then
    /// `screen.action` on one. The error lists all mistakes.
    pub fn rebound(chosen: &BTreeMap<String, Keys>) -> Result<Self, Vec<KeyMistake>> {
        let mut keymap = Self::default();
        let (mut choices, mut mistakes) = (Vec::new(), Vec::new());
        for (written, keys) in chosen {
            match keymap.understood(written, keys) {
                Ok(choice) => choices.push(choice),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        choices.sort_by_key(|choice| choice.context.is_some());
        for choice in &choices {
            keymap.apply(choice);
        }
        // Not before: a screen may give a key to an action that lost its keys on all screens.
        for (_, bindings) in &mut keymap.0 {
            bindings.retain(|binding| !binding.keys.is_empty());
        }
        for choice in &choices {
            mistakes.extend(keymap.collision(choice));
        }
        mistakes.extend(keymap.lost_exits(&choices));
        if mistakes.is_empty() {
            Ok(keymap)
        } else {
            Err(mistakes)
        }
    }

    fn understood<'a>(&self, written: &'a str, keys: &Keys) -> Result<Choice<'a>, KeyMistake> {
        let mistake = |message: String, help: Option<String>| KeyMistake {
            action: written.to_owned(),
            message,
            help,
        };
        let meant = |name: &str, known: &mut dyn Iterator<Item = &'static str>| {
            closest(name, known).map(|close| format!("did you mean `{close}`?"))
        };
        let (context, action) = match written.split_once('.') {
            None => (None, written),
            Some((screen, action)) => {
                let context = Context::ALL
                    .into_iter()
                    .find(|context| context.name() == screen);
                let context = context.ok_or_else(|| {
                    let names: Vec<&str> = Context::ALL.into_iter().map(Context::name).collect();
                    let message = format!(
                        "no screen is called `{screen}`; expected one of {}",
                        names.join(", ")
                    );
                    mistake(
                        message,
                        meant(screen, &mut Context::ALL.into_iter().map(Context::name)),
                    )
                })?;
                (Some(context), action)
            }
        };
        let places = self
            .0
            .iter()
            .filter(|(other, _)| context.is_none_or(|context| context == *other));
        let mut actions =
            places.flat_map(|(_, bindings)| bindings.iter().map(|binding| binding.action));
        if !actions.clone().any(|other| other == action) {
            let place =
                context.map_or(String::new(), |context| format!(" on `{}`", context.name()));
            let help = meant(action, &mut actions)
                .or_else(|| Some("the palette (:) names the actions".to_owned()));
            return Err(mistake(
                format!("no action is called `{action}`{place}"),
                help,
            ));
        }
        let parsed: Result<Vec<Key>, String> = keys.0.iter().map(|key| key.parse()).collect();
        let keys = parsed.map_err(|message| {
            mistake(
                message,
                Some("a key is written `x`, `X`, `ctrl-x`, `enter`, `f5`".to_owned()),
            )
        })?;
        if let Some(context) = context
            && context.is_typing()
            && keys
                .iter()
                .any(|key| matches!(key, Key::Plain(KeyCode::Char(_))))
        {
            let message = format!(
                "characters are text on `{}`; expected a key like `ctrl-x` or `f5`",
                context.name()
            );
            return Err(mistake(message, None));
        }
        Ok(Choice {
            written,
            context,
            action,
            keys,
        })
    }

    fn apply(&mut self, choice: &Choice) {
        for (context, bindings) in &mut self.0 {
            if choice.context.is_some_and(|chosen| chosen != *context) {
                continue;
            }
            let is_text =
                |key: &&Key| context.is_typing() && matches!(key, Key::Plain(KeyCode::Char(_)));
            let keys: Vec<Key> = choice
                .keys
                .iter()
                .filter(|key| !is_text(key))
                .copied()
                .collect();
            // Where characters are input, keep the default keys if the user chose only characters.
            if keys.is_empty() && !choice.keys.is_empty() {
                continue;
            }
            let label = keys
                .iter()
                .map(|key| key.symbol())
                .collect::<Vec<_>>()
                .join(" ");
            let mut of_action = bindings
                .iter_mut()
                .filter(|binding| binding.action == choice.action);
            if let Some(binding) = of_action.next() {
                (binding.keys, binding.label) = (Cow::Owned(keys), Cow::Owned(label));
            }
            of_action.for_each(|binding| binding.keys = Cow::Borrowed(&[]));
        }
    }

    /// Another action that has one of these keys on a screen where this action has it.
    fn collision(&self, choice: &Choice) -> Option<KeyMistake> {
        for (context, bindings) in self
            .0
            .iter()
            .filter(|(context, _)| choice.context.is_none_or(|chosen| chosen == *context))
        {
            let Some(mine) = bindings
                .iter()
                .find(|binding| binding.action == choice.action)
            else {
                continue;
            };
            for key in &*mine.keys {
                let other = bindings
                    .iter()
                    .find(|other| other.action != mine.action && other.keys.contains(key));
                if let Some(other) = other {
                    let (screen, other) = (context.name(), other.action);
                    return Some(KeyMistake {
                        action: choice.written.to_owned(),
                        message: format!("`{key}` is the key of `{other}` on `{screen}`"),
                        help: Some(format!(
                            "choose another key, or one for `{screen}.{other}` too"
                        )),
                    });
                }
            }
        }
        None
    }

    /// For each screen without a key to leave it, the first choice that removed one.
    fn lost_exits(&self, choices: &[Choice]) -> Vec<KeyMistake> {
        let leaves = |binding: &Binding| matches!(binding.command, Command::Back | Command::Quit);
        let default = Self::default();
        let mut mistakes = Vec::new();
        for (context, bindings) in &self.0 {
            // On a larger terminal, the keys of the other screens work again.
            if *context == Context::Small || bindings.iter().any(leaves) {
                continue;
            }
            let removes_exit = |choice: &&Choice| {
                choice.keys.is_empty()
                    && choice.context.is_none_or(|chosen| chosen == *context)
                    && default
                        .bindings(*context)
                        .iter()
                        .any(|binding| binding.action == choice.action && leaves(binding))
            };
            if let Some(choice) = choices.iter().find(removes_exit) {
                mistakes.push(KeyMistake {
                    action: choice.written.to_owned(),
                    message: format!("no key would be left to leave `{}`", context.name()),
                    help: None,
                });
            }
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::TrainingCommand;

    fn rebound(chosen: &[(&str, &[&str])]) -> Result<Keymap, Vec<KeyMistake>> {
        let keys = |keys: &[&str]| Keys(keys.iter().map(|key| (*key).to_owned()).collect());
        Keymap::rebound(
            &chosen
                .iter()
                .map(|(action, of)| ((*action).to_owned(), keys(of)))
                .collect(),
        )
    }

    fn command(keymap: &Keymap, context: Context, key: &str) -> Option<Command> {
        let key: Key = key.parse().unwrap();
        keymap
            .bindings(context)
            .iter()
            .find(|binding| binding.keys.contains(&key))
            .map(|binding| binding.command)
    }

    fn mistake(chosen: &[(&str, &[&str])]) -> String {
        let mistakes = rebound(chosen).unwrap_err();
        let mistake = &mistakes[0];
        format!(
            "{}: {}; {}",
            mistake.action,
            mistake.message,
            mistake.help.clone().unwrap_or_default()
        )
    }

    #[test]
    fn action_is_bound_on_one_screen_or_on_all() {
        let keymap = rebound(&[("stop", &["X"]), ("run.stop", &["i", "f5"])]).unwrap();
        assert_eq!(
            command(&keymap, Context::Experiments, "X"),
            Some(Command::Training(TrainingCommand::Stop))
        );
        assert_eq!(command(&keymap, Context::Experiments, "s"), None);
        assert_eq!(
            command(&keymap, Context::Run, "i"),
            Some(Command::Training(TrainingCommand::Stop))
        );
        assert_eq!(
            command(&keymap, Context::Run, "f5"),
            Some(Command::Training(TrainingCommand::Stop))
        );
        assert_eq!(command(&keymap, Context::Run, "X"), None);
        let label = keymap
            .bindings(Context::Run)
            .iter()
            .find(|binding| binding.action == "stop")
            .unwrap();
        assert_eq!(label.label, "i f5");
    }

    #[test]
    fn keys_can_be_swapped_and_removed() {
        let keymap = rebound(&[
            ("experiments.stop", &["r"]),
            ("experiments.launch", &["s"]),
            ("delete", &[]),
        ])
        .unwrap();
        assert_eq!(
            command(&keymap, Context::Experiments, "r"),
            Some(Command::Training(TrainingCommand::Stop))
        );
        assert_eq!(
            command(&keymap, Context::Experiments, "s"),
            Some(Command::Training(TrainingCommand::Launch))
        );
        assert_eq!(command(&keymap, Context::Experiments, "D"), None);
    }

    #[test]
    fn a_screen_may_keep_an_action_that_is_removed_elsewhere() {
        let keymap = rebound(&[("stop", &[]), ("run.stop", &["i"])]).unwrap();
        let stop = Command::Training(TrainingCommand::Stop);
        assert_eq!(command(&keymap, Context::Run, "i"), Some(stop));
        let mut others = keymap.bindings(Context::Experiments).iter();
        assert!(others.all(|binding| binding.command != stop));
    }

    #[test]
    fn letters_stay_text_in_inputs() {
        let keymap = rebound(&[("back", &["B"])]).unwrap();
        assert_eq!(command(&keymap, Context::Log, "B"), Some(Command::Back));
        assert_eq!(command(&keymap, Context::Filter, "B"), None);
        assert_eq!(
            command(&keymap, Context::Filter, "esc"),
            Some(Command::Back)
        );
        assert!(mistake(&[("filter.back", &["b"])]).contains("characters are text"));
    }

    #[test]
    fn conflicting_keys_are_refused_with_both_names() {
        assert_eq!(
            mistake(&[("run.stop", &["x"])]),
            "run.stop: `x` is the key of `axis` on `run`; choose another key, or one for `run.axis` too"
        );
        assert!(mistake(&[("stpo", &["x"])]).contains("did you mean `stop`?"));
        assert!(mistake(&[("rnu.stop", &["x"])]).contains("did you mean `run`?"));
        assert!(mistake(&[("run.tag", &["x"])]).contains("no action is called `tag` on `run`"));
        assert!(mistake(&[("stop", &["ctrl-"])]).contains("ctrl-"));
        assert!(mistake(&[("back", &[]), ("quit", &[])]).contains("no key would be left to leave"));
    }

    #[test]
    fn a_lost_exit_is_the_mistake_of_the_choice_that_removed_it() {
        // `axis` comes first in the order of names.
        let chosen: &[(&str, &[&str])] = &[("axis", &["f5"]), ("back", &[]), ("quit", &[])];
        for mistake in rebound(chosen).unwrap_err() {
            assert_eq!(mistake.action, "back", "{}", mistake.message);
        }
    }
}
