//! The key map. Dispatch, the footer and the help all read it.

pub(crate) mod binding;
pub(crate) mod everywhere;
mod name;
mod popups;
mod rebound;
mod table;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Size;
use tui_input::InputRequest;

pub use self::binding::{Binding, Context, Key};
pub use self::table::first_in_footer;
use super::command::Command;
use super::message::Message;

/// The keys of every context.
#[derive(Debug, Clone)]
pub struct Keymap(Vec<(Context, Vec<Binding>)>);

impl Default for Keymap {
    fn default() -> Self {
        let all = |context: Context| {
            table::of(context)
                .iter()
                .copied()
                .flatten()
                .cloned()
                .collect()
        };
        Self(
            Context::ALL
                .into_iter()
                .map(|context| (context, all(context)))
                .collect(),
        )
    }
}

impl Keymap {
    /// The keys of a context.
    pub fn bindings(&self, context: Context) -> &[Binding] {
        self.0
            .iter()
            .find(|(other, _)| *other == context)
            .map_or(&[], |(_, bindings)| bindings)
    }

    /// How a screen writes the key of a command; `None` if no key of the context has it.
    pub(crate) fn label(&self, context: Context, command: Command) -> Option<&str> {
        let mut bindings = self.bindings(context).iter();
        let found = bindings.find(|binding| binding.command == command);
        found.map(|binding| binding.label.as_ref())
    }

    /// The first key of a command, for sentences: a label may name the key of its opposite too, as `+-`.
    pub(crate) fn first_key(&self, context: Context, command: Command) -> Option<Key> {
        let mut bindings = self.bindings(context).iter();
        let found = bindings.find(|binding| binding.command == command)?;
        found.keys.first().copied()
    }

    /// The message for a terminal event; `None` for a key without a meaning.
    pub fn message(&self, context: Context, event: &Event) -> Option<Message> {
        match event {
            Event::Resize(width, height) => Some(Message::Resized(Size::new(*width, *height))),
            Event::Paste(text) if context.is_typing() => Some(Message::Paste(text.clone())),
            Event::Key(key) if key.kind != KeyEventKind::Release => self.of_key(context, *key),
            _ => None,
        }
    }

    fn of_key(&self, context: Context, event: KeyEvent) -> Option<Message> {
        let pressed = match event.code {
            KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
                Key::Control(c.to_ascii_lowercase())
            }
            code if event.modifiers.contains(KeyModifiers::ALT) => {
                return edit(context, code, true);
            }
            code => Key::Plain(code),
        };
        let bound = self
            .bindings(context)
            .iter()
            .find(|binding| binding.keys.contains(&pressed));
        match (bound, pressed) {
            (Some(binding), _) => Some(Message::Command(binding.command)),
            (None, Key::Plain(code)) => edit(context, code, false),
            (None, Key::Control(c)) => edit_by_control(context, c),
        }
    }
}

/// An action for the book: its keys, its name in the settings, and its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    pub keys: Vec<String>,
    pub action: &'static str,
    pub help: &'static str,
}

/// Every context's name, and its actions in the order of the help.
pub fn documented() -> Vec<(&'static str, Vec<Documented>)> {
    let keymap = Keymap::default();
    let of = |binding: &Binding| Documented {
        keys: binding.keys.iter().map(Key::to_string).collect(),
        action: binding.action,
        help: binding.help,
    };
    let all = |context: Context| keymap.bindings(context).iter().map(of).collect();
    Context::ALL
        .into_iter()
        .map(|context| (context.name(), all(context)))
        .collect()
}

fn edit(context: Context, code: KeyCode, by_word: bool) -> Option<Message> {
    let request = match (code, by_word) {
        // A digit starts the number of an image.
        (KeyCode::Char(c), false) if context == Context::Dataset && c.is_ascii_digit() => {
            InputRequest::InsertChar(c)
        }
        _ if !context.is_typing() => return None,
        (KeyCode::Char(c), false) => InputRequest::InsertChar(c),
        (KeyCode::Char('b'), true) => InputRequest::GoToPrevWord,
        (KeyCode::Char('f'), true) => InputRequest::GoToNextWord,
        (KeyCode::Backspace, false) => InputRequest::DeletePrevChar,
        (KeyCode::Backspace, true) => InputRequest::DeletePrevWord,
        (KeyCode::Delete, _) => InputRequest::DeleteNextChar,
        (KeyCode::Left, _) => InputRequest::GoToPrevChar,
        (KeyCode::Right, _) => InputRequest::GoToNextChar,
        (KeyCode::Home, _) => InputRequest::GoToStart,
        (KeyCode::End, _) => InputRequest::GoToEnd,
        _ => return None,
    };
    Some(Message::Edit(request))
}

fn edit_by_control(context: Context, c: char) -> Option<Message> {
    let request = match c {
        _ if !context.is_typing() => return None,
        'a' => InputRequest::GoToStart,
        'e' => InputRequest::GoToEnd,
        'u' => InputRequest::DeleteLine,
        'w' => InputRequest::DeletePrevWord,
        'h' => InputRequest::DeletePrevChar,
        _ => return None,
    };
    Some(Message::Edit(request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    #[test]
    fn each_key_has_one_command_per_context() {
        for context in Context::ALL {
            let keymap = Keymap::default();
            let keys: Vec<&Key> = keymap
                .bindings(context)
                .iter()
                .flat_map(|binding| &*binding.keys)
                .collect();
            for (index, key) in keys.iter().enumerate() {
                assert!(!keys[..index].contains(key), "{key:?} twice in {context:?}");
            }
        }
    }

    #[test]
    fn no_help_names_a_key_that_the_settings_may_change() {
        for context in Context::ALL {
            for binding in Keymap::default().bindings(context) {
                let mut words = binding.help.split([' ', ',', ';', '.']);
                let letter = words.find(|word| {
                    word.len() == 1 && *word != "a" && word.bytes().all(|b| b.is_ascii_alphabetic())
                });
                assert_eq!(letter, None, "{} in {context:?}", binding.action);
            }
        }
    }

    #[test]
    fn each_action_name_has_one_command_per_context() {
        for context in Context::ALL {
            let mut seen = std::collections::HashMap::new();
            for binding in Keymap::default().bindings(context) {
                let other = seen.insert(binding.action, binding.command);
                assert!(
                    other.is_none_or(|other| other == binding.command),
                    "{} in {context:?}",
                    binding.action
                );
            }
        }
    }

    #[test]
    fn every_context_has_an_exit_key() {
        for context in Context::ALL {
            let keymap = Keymap::default();
            let leaves =
                |binding: &&Binding| matches!(binding.command, Command::Back | Command::Quit);
            assert!(
                keymap.bindings(context).iter().filter(leaves).count() >= 1,
                "{context:?}"
            );
        }
    }

    #[test]
    fn letters_are_text_in_filter_and_commands_elsewhere() {
        let (keymap, q) = (
            Keymap::default(),
            Event::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)),
        );
        let typed = keymap.message(Context::Filter, &q);
        assert!(matches!(
            typed,
            Some(Message::Edit(InputRequest::InsertChar('q')))
        ));
        assert!(matches!(
            keymap.message(Context::Experiments, &q),
            Some(Message::Command(Command::Quit))
        ));
    }
}
