//! Hostile texts, runs with such texts in every field, and a check that output contains only allowed bytes.

use std::fs;
use std::path::Path;

use unicode_width::UnicodeWidthChar;
use warmstart_schema::event::{
    Attempt, Change, Changed, ClassFacts, DatasetFacts, Epoch, Event, FailureKind, Fetch,
    FetchAction, Level, ModelFacts, Record,
};
use warmstart_schema::identity::{Handle, Identity};
use warmstart_schema::seed::SplitMix64;

/// Texts in each field; `scripts/soak.d/50-terminal.py` sets more.
pub(super) fn number_of_texts() -> usize {
    std::env::var("HOSTILE_TEXTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1000)
}

/// The pieces that the texts consist of.
const ATOMS: [&str; 66] = [
    "\u{1b}[31m",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\",
    "\u{1b}P1;1|17/41\u{1b}\\",
    "\u{1b}_Gf=32;AAAA\u{1b}\\",
    "\u{1b}[?1049l",
    "\u{1b}c",
    "\u{1b}[6n",
    "\u{9b}31m",
    "\u{9d}52;c;ZXZpbA==\u{9c}",
    "\u{90}$q\"p\u{9c}",
    "\u{0}",
    "\u{7}",
    "\u{8}\u{8}\u{8}",
    "\u{7f}",
    "\u{e}",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}gnp.",
    "\u{2066}",
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{feff}",
    "\u{ad}",
    "\u{e0041}\u{e007f}",
    "\u{fe0f}",
    "\u{20e3}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{334}\u{321}",
    "漢字",
    "ﾊﾝｶｸ",
    "한국어",
    "ᄀᆨ",
    "\u{115f}",
    "\u{3164}",
    "👩‍👩‍👧‍👦",
    "👍🏽",
    "🇩🇪",
    "☎️",
    "1️⃣",
    "לא",
    "الا",
    "क्षि",
    "ไม้",
    "\u{2800}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{e000}",
    "=1+1",
    "+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "-2+3",
    "|`*_~[x](http://y)<b>&amp;",
    "\\input{/etc/passwd}$%#^",
    "</td><script>alert(1)</script>",
    "'\";--",
];

/// The same texts in each run of the tests: pieces and plain words in any order; some texts are very long.
pub(super) fn strings(count: usize) -> Vec<String> {
    let mut random = SplitMix64::new(2026);
    let mut below = |number: usize| usize::try_from(random.below(number as u64)).unwrap();
    (0..count)
        .map(|_| {
            let parts = if below(50) == 0 { 200 } else { 1 + below(5) };
            let mut text = String::new();
            for _ in 0..parts {
                match below(3) {
                    0 => {
                        text.push_str(["run", "x", " ", "Lite0, freeze", "a/b.c", "0.5"][below(6)]);
                    }
                    1 => text.push_str(ATOMS[below(ATOMS.len())]),
                    // Any Unicode character.
                    _ => text.extend(char::from_u32(u32::try_from(below(0x11_0000)).unwrap())),
                }
            }
            text
        })
        .collect()
}

/// The texts of the run or file with this number. Over all numbers, each field gets each text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    strings: &'a [String],
    number: usize,
}

impl<'a> Texts<'a> {
    pub(super) fn new(strings: &'a [String], number: usize) -> Self {
        Self { strings, number }
    }

    pub(super) fn of(self, field: usize) -> String {
        self.strings[(self.number + field * 7919) % self.strings.len()].clone()
    }
}

/// Writes an experiment file with these texts; every third one is broken.
pub(super) fn write_experiment(folder: &Path, texts: Texts) {
    let quoted = |field: usize| serde_json::to_string(&texts.of(field)).unwrap();
    let broken = if texts.number % 3 == 2 {
        format!("\n{}: {}\n", quoted(4), quoted(5))
    } else {
        String::new()
    };
    let yaml = format!(
        "name: {}\ngroup: {}\nquestion: {}\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: resnet18 }}\n\
         train: {{ epochs: 1, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n{broken}",
        quoted(0),
        quoted(1),
        quoted(2)
    );
    // 50 characters are at most 200 bytes, and a file name may have 255.
    let name: String = texts
        .of(3)
        .chars()
        .filter(|c| !matches!(c, '/' | '\0'))
        .take(50)
        .collect();
    fs::write(folder.join(format!("{}{name}.yaml", texts.number)), yaml).unwrap();
}

/// Writes a run with these texts.
pub(super) fn write_run(folder: &Path, name: &str, texts: Texts) {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    let info = serde_json::json!({
        "format": 1, "id": name, "experiment": texts.of(0), "exact": texts.of(0), "group": texts.of(1), "stem": texts.of(2), "source": texts.of(3),
        "created": "2026-01-02T00:00:00Z", "device": texts.of(4),
    });
    // Some files are unreadable.
    let info = if texts.number % 17 == 16 {
        texts.of(0)
    } else {
        info.to_string()
    };
    fs::write(folder.join("run.json"), info).unwrap();
    let annotation = serde_json::json!({ "tags": [texts.of(5), texts.of(6)], "note": texts.of(7) });
    fs::write(folder.join("annotation.json"), annotation.to_string()).unwrap();
    let yaml = include_str!("../data/experiments/quickstart/4-lite0-freeze.yaml");
    fs::write(folder.join("experiment.yaml"), yaml).unwrap();
    let log: String = events(texts)
        .into_iter()
        .map(|event| {
            serde_json::to_string(&Record {
                t: 1_795_341_667.0,
                event,
            })
            .unwrap()
                + "\n"
        })
        .collect();
    fs::write(folder.join("events.jsonl"), log).unwrap();
    fs::write(
        folder.join("worker.log"),
        format!("{}\n{}", texts.of(8), texts.of(9)),
    )
    .unwrap();
}

fn events(texts: Texts) -> Vec<Event> {
    let number = texts.number;
    let class = |field: usize| {
        Some(ClassFacts {
            name: texts.of(field),
            images: 9,
            exact: Some(texts.of(field)),
        })
    };
    let recorded = include_str!("../data/runs/20261122-100107-7f3a/events.jsonl").lines();
    let mut records = recorded.map(|line| serde_json::from_str::<Record>(line).unwrap().event);
    let model = records.find_map(|event| {
        if let Event::Model(facts) = event {
            Some(facts)
        } else {
            None
        }
    });
    let change = Change {
        field: texts.of(25),
        from: texts.of(26),
        to: texts.of(27),
    };
    let mut events = vec![
        Event::Header {
            format: 1,
            software: texts.of(10),
        },
        Event::Attempt(Attempt {
            number: 1,
            worker: Handle::Local(Identity {
                boot_id: texts.of(11),
                pid: 1,
                start_ticks: 1,
            }),
            host: texts.of(12),
            device: texts.of(13),
            device_name: texts.of(14),
            device_reason: texts.of(15),
            threads: 2,
            devices: 1,
            precision: None,
            libtorch: texts.of(16),
            cudnn: Some(texts.of(16)),
            epochs: 20,
            resumed_from: None,
            not_exact: vec![texts.of(17)],
            heartbeat: None,
        }),
        Event::Fetch(Fetch {
            what: texts.of(18),
            done: 1,
            total: 2,
            action: FetchAction::Download,
        }),
        Event::Dataset(DatasetFacts {
            name: texts.of(19),
            train: 9,
            validation: 9,
            test: 9,
            classes: 2,
            steps_per_epoch: 3,
            smallest: class(20),
            largest: class(21),
            sets: None,
        }),
        Event::Model(ModelFacts {
            backbone: texts.of(22),
            weights: texts.of(23),
            ..model.unwrap()
        }),
        Event::Note {
            level: Level::Warning,
            text: texts.of(24),
        },
        Event::Changed(Changed {
            fields: vec![change],
            step: 3,
            from: texts.of(25),
            to: texts.of(26),
        }),
        Event::CheckpointFailed {
            error: texts.of(28),
        },
        Event::Epoch(Epoch {
            epoch: 1,
            step: 3,
            train_loss: 1.0,
            train_acc: 0.5,
            val_loss: 1.0,
            val_acc: number as f64 / 1e5,
            learning_rate: 0.1,
            images_per_second: 9.0,
            train_time: 1.0,
            best: true,
            ..Epoch::default()
        }),
    ];
    if number.is_multiple_of(2) {
        events.push(Event::Failed {
            kind: FailureKind::Internal,
            error: texts.of(29),
            help: texts.of(30),
        });
    } else if number % 4 == 1 {
        events.push(Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        });
    }
    events
}

/// What output may contain besides printable text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Frames: cursor positions, colours, weights, clearing; no newlines.
    Frames,
    /// Only lines of text.
    Lines,
}

/// The first forbidden item in `bytes`: a control character, an unlisted sequence, a hidden or direction-changing character, or a
/// cell of more than 32 bytes.
pub(super) fn refuse(bytes: &[u8], kind: Kind) -> Result<(), String> {
    let text = str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let near = |at: usize| {
        let (from, to) = (
            text.floor_char_boundary(at.saturating_sub(40)),
            text.ceil_char_boundary(at + 40),
        );
        format!("{:?}", &text[from..to])
    };
    let mut rest = text.char_indices().peekable();
    let mut cell = 0;
    while let Some((at, c)) = rest.next() {
        match c {
            '\n' if kind == Kind::Lines => cell = 0,
            '\u{1b}' if kind == Kind::Frames => {
                let length = sequence(&text[at..])
                    .ok_or_else(|| format!("a sequence that is not allowed: {}", near(at)))?;
                while rest.peek().is_some_and(|(next, _)| *next < at + length) {
                    rest.next();
                }
                cell = 0;
            }
            c if c.is_control() => {
                return Err(format!("the control character {c:?}: {}", near(at)));
            }
            '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{20e3}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' => {
                return Err(format!("the hidden character {c:?}: {}", near(at)));
            }
            c => {
                cell = if c.width() == Some(0) {
                    cell + c.len_utf8()
                } else {
                    c.len_utf8()
                };
                if cell > 32 {
                    return Err(format!("{cell} bytes in one cell: {}", near(at)));
                }
            }
        }
    }
    Ok(())
}

/// The length of the allowed sequence at the start of a text.
fn sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !matches!(c, '0'..='9' | ';' | ':' | '?'))?;
    let (parameters, last) = (&body[..end], body[end..].chars().next()?);
    let is_numbers = !parameters.contains('?');
    let is_allowed = match last {
        'H' | 'm' => is_numbers,
        'J' | 'K' => is_numbers && parameters.len() <= 1,
        'h' | 'l' => [
            "?25", "?1049", "?2004", "?1000", "?1002", "?1003", "?1006", "?1015",
        ]
        .contains(&parameters),
        _ => false,
    };
    is_allowed.then_some(2 + end + 1)
}

#[test]
fn only_listed_sequences_are_allowed() {
    assert_eq!(
        refuse(
            "\u{1b}[3;4H\u{1b}[38;5;1;1mé漢e\u{301}\u{1b}[2J\u{1b}[?25l".as_bytes(),
            Kind::Frames
        ),
        Ok(())
    );
    assert_eq!(refuse("a\nb".as_bytes(), Kind::Lines), Ok(()));
    for bad in ATOMS.iter().filter(|atom| atom.contains(char::is_control)) {
        assert!(
            // Some sequences that begin like this are allowed.
            refuse(format!("a{bad}").as_bytes(), Kind::Frames).is_err()
                || bad.starts_with("\u{1b}["),
            "{bad:?}"
        );
    }
    for bad in [
        "\u{1b}]52;c;eA==\u{7}",
        "\u{1b}c",
        "\u{1b}[6n",
        "\u{202e}",
        "a\u{200b}",
        "\n",
        "\u{9b}1m",
        "\u{1b}[?7l",
    ] {
        assert!(refuse(bad.as_bytes(), Kind::Frames).is_err(), "{bad:?}");
    }
    assert!(
        refuse("\u{1b}[1m".as_bytes(), Kind::Lines).is_err()
            && refuse(b"\xff", Kind::Lines).is_err()
    );
    assert!(refuse(format!("e{}", "\u{301}".repeat(40)).as_bytes(), Kind::Lines).is_err());
}
