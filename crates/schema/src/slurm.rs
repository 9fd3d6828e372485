//! What a run asks of Slurm, as settings and experiments say it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The most CPUs that a job may ask for.
const MOST_CPUS: u32 = 1024;
/// Limits on texts, in characters, and on lists.
const LONGEST_WORD: usize = 200;
const LONGEST_LINE: usize = 500;
const MOST_LINES: usize = 50;

/// What a job of Slurm asks for. What is left out, the cluster's defaults decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slurm {
    /// Slurm's partition, as `sinfo` lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The account that Slurm charges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Slurm's quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Generic resources, for example `gpu:1` or `gpu:a100:1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// CPUs of a job, from 1 to 1024. libtorch uses as many threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory of a job: megabytes, or a number with K, M, G or T, for example `16G`.
    #[serde(
        deserialize_with = "text_or_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("type" = ["string", "integer", "null"]))]
    pub memory: Option<String>,
    /// The time limit of a job as Slurm writes it: minutes, `HH:MM:SS` or `D-HH:MM:SS`.
    #[serde(
        deserialize_with = "text_or_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("type" = ["string", "integer", "null"]))]
    pub time: Option<String>,
    /// Features that the node must have, as `sbatch --constraint` takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// More options of `sbatch`, each as one word: `--exclusive`, `--mail-type=END`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Lines of the shell before the worker starts, for example `module load cuda`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
}

/// A mistake in one of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub field: &'static str,
    pub message: String,
    pub help: String,
}

impl Slurm {
    /// The fields of one text each, with their names here and in `sbatch`.
    fn words(&mut self) -> [(&'static str, &'static str, &mut Option<String>); 7] {
        [
            ("partition", "partition", &mut self.partition),
            ("account", "account", &mut self.account),
            ("qos", "qos", &mut self.qos),
            ("gres", "gres", &mut self.gres),
            ("memory", "mem", &mut self.memory),
            ("time", "time", &mut self.time),
            ("constraint", "constraint", &mut self.constraint),
        ]
    }

    /// This with the fields of another, which wins. Lists get its entries at their end.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let (mut all, mut other) = (self.clone(), other.clone());
        for ((_, _, value), (_, _, new)) in all.words().into_iter().zip(other.words()) {
            *value = new.take().or(value.take());
        }
        all.cpus = other.cpus.or(all.cpus);
        all.options.append(&mut other.options);
        all.before.append(&mut other.before);
        all
    }

    /// Whether the cluster decides everything.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Takes wrong values out, and says what is wrong with each. One wrong entry empties its list.
    pub fn take_mistakes(&mut self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (field, _, value) in self.words() {
            let wrong = value.as_deref().and_then(|value| match field {
                "memory" => wrong_memory(value),
                "time" => wrong_time(value),
                _ => wrong_word(value),
            });
            if let Some((message, help)) = wrong {
                *value = None;
                mistakes.push(Mistake {
                    field,
                    message,
                    help,
                });
            }
        }
        if let Some(cpus) = self.cpus.take_if(|cpus| !(1..=MOST_CPUS).contains(&*cpus)) {
            mistakes.push(wrong_cpus(cpus));
        }
        for (field, list) in [("options", &mut self.options), ("before", &mut self.before)] {
            let wrong = if field == "options" {
                wrong_option
            } else {
                wrong_line
            };
            let too_many = (list.len() > MOST_LINES).then(|| {
                (
                    format!("{} lines; expected at most {MOST_LINES}", list.len()),
                    "put them into a script and name it here".to_owned(),
                )
            });
            let first = list.iter().find_map(|line| wrong(line)).or(too_many);
            if let Some((message, help)) = first {
                list.clear();
                mistakes.push(Mistake {
                    field,
                    message,
                    help,
                });
            }
        }
        mistakes
    }

    /// Sets one field by its name, as the command line does: `time=2:00:00`. Lists get one more entry.
    pub fn set(&mut self, setting: &str) -> Result<(), Mistake> {
        let mistake = |message: String| {
            Mistake {
            field: "",
            message,
            help: "fields are partition, account, qos, gres, cpus, memory, time, constraint, options and before"
                .to_owned(),
        }
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(mistake(format!("`{setting}`: expected FIELD=VALUE")));
        };
        match name {
            "cpus" => match value.parse() {
                Ok(cpus) => self.cpus = Some(cpus),
                Err(_) => return Err(wrong_cpus(format!("`{value}`"))),
            },
            "options" => self.options.push(value.to_owned()),
            "before" => self.before.push(value.to_owned()),
            _ => {
                let field = self.words().into_iter().find(|(field, ..)| *field == name);
                let Some((_, _, place)) = field else {
                    return Err(mistake(format!("`{name}` is no field of slurm")));
                };
                *place = Some(value.to_owned());
            }
        }
        self.take_mistakes().into_iter().next().map_or(Ok(()), Err)
    }

    /// It as options of `sbatch`, one a line.
    pub fn options(&self) -> Vec<String> {
        let mut copy = self.clone();
        let words = copy.words();
        let named = words
            .into_iter()
            .filter_map(|(_, name, value)| Some(format!("--{name}={}", value.take()?)));
        named
            .chain(self.cpus.map(|cpus| format!("--cpus-per-task={cpus}")))
            .chain(self.options.iter().cloned())
            .collect()
    }

    /// The time limit in minutes, rounded down; none if the cluster decides.
    pub fn minutes(&self) -> Option<u64> {
        self.time.as_deref().and_then(minutes)
    }
}

/// In a few words, for a line before the job is sent.
impl fmt::Display for Slurm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options();
        if options.is_empty() {
            return f.write_str("the cluster's defaults");
        }
        f.write_str(&options.join(" "))
    }
}

/// What is wrong with a value, and what to write.
type Wrong = Option<(String, String)>;

fn wrong_cpus(found: impl fmt::Display) -> Mistake {
    Mistake {
        field: "cpus",
        message: format!("expected a number of CPUs from 1 to {MOST_CPUS}, found {found}"),
        help: "a job has one worker on one node, which uses a thread for each CPU".to_owned(),
    }
}

fn wrong_word(value: &str) -> Wrong {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.,:;/@+*&|()[]=!%^~".contains(c);
    if value.is_empty() || value.chars().count() > LONGEST_WORD {
        return Some((
            format!("expected a name of 1 to {LONGEST_WORD} characters"),
            "`sinfo` and `sacctmgr show assoc` list the names of your cluster".to_owned(),
        ));
    }
    value.chars().find(|c| !is_good(*c)).map(|c| {
        (
            format!("{c:?} cannot be part of it"),
            "write one word without spaces and quotes".to_owned(),
        )
    })
}

fn wrong_memory(value: &str) -> Wrong {
    let digits = value.trim_end_matches(['K', 'M', 'G', 'T']);
    let is_good = value.len() <= digits.len() + 1
        && (1..=9).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.bytes().any(|byte| byte != b'0');
    (!is_good).then(|| {
        (
            format!("expected an amount of memory, found `{value}`"),
            "write megabytes, or a number with K, M, G or T: 16G".to_owned(),
        )
    })
}

fn wrong_time(value: &str) -> Wrong {
    let is_good = minutes(value).is_some_and(|minutes| minutes > 0);
    (!is_good).then(|| {
        (
            format!("expected a time limit of a minute or more, found `{value}`"),
            "write it as Slurm does: minutes, HH:MM:SS or D-HH:MM:SS, for example 12:00:00"
                .to_owned(),
        )
    })
}

/// Minutes of a time as Slurm writes it, rounded down: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M` or `D-H:M:S`.
pub fn minutes(value: &str) -> Option<u64> {
    let number = |text: &str| {
        let is_number = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (days, rest) = match value.split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, value),
    };
    let parts: Vec<u64> = rest.split(':').map(number).collect::<Option<_>>()?;
    let seconds = match (days, parts.as_slice()) {
        (Some(days), [hours]) => (days * 24 + hours) * 3600,
        (Some(days), [hours, minutes]) => (days * 24 + hours) * 3600 + minutes * 60,
        (days, [hours, minutes, seconds]) => {
            (days.unwrap_or(0) * 24 + hours) * 3600 + minutes * 60 + seconds
        }
        (None, [minutes]) => minutes * 60,
        (None, [minutes, seconds]) => minutes * 60 + seconds,
        _ => return None,
    };
    Some(seconds / 60)
}

/// Options that the launcher sets itself or leaves out: others would break how it starts, finds, stops or resumes a job.
const OURS: [&str; 20] = [
    "job-name",
    "output",
    "error",
    "open-mode",
    "chdir",
    "requeue",
    "no-requeue",
    "signal",
    "nodes",
    "ntasks",
    "array",
    "parsable",
    "wrap",
    "wait",
    "clusters",
    "cluster-constraint",
    "test-only",
    "hold",
    "input",
    "ntasks-per-node",
];

fn wrong_option(line: &str) -> Wrong {
    let name = line.strip_prefix("--").unwrap_or_default();
    let name = name.split('=').next().unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some((
            format!("expected a long option of sbatch, found `{line}`"),
            "write it as one word with two dashes: --mail-type=END".to_owned(),
        ));
    }
    // sbatch takes the beginning of an option's name for the option.
    if let Some(ours) = OURS.iter().find(|ours| ours.starts_with(name)) {
        return Some((
            format!("--{ours} is not free to choose: warmstart decides about it"),
            "leave it out".to_owned(),
        ));
    }
    wrong_word(line)
}

fn wrong_line(line: &str) -> Wrong {
    let is_good = line.chars().count() <= LONGEST_LINE && !line.chars().any(char::is_control);
    (!is_good).then(|| {
        (
            format!("expected one line of at most {LONGEST_LINE} characters"),
            "write each line as a separate entry".to_owned(),
        )
    })
}

/// A text, or a number for people who write `time: 90`. What the field does not allow, [`Slurm::take_mistakes`] says.
fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    struct Either;
    impl Visitor<'_> for Either {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    from.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(setting: &str) -> Result<Slurm, String> {
        let mut slurm = Slurm::default();
        slurm
            .set(setting)
            .map(|()| slurm)
            .map_err(|mistake| format!("{}; {}", mistake.message, mistake.help))
    }

    #[test]
    fn fields_become_options_of_sbatch() {
        let mut slurm = Slurm::default();
        for setting in [
            "partition=gpu",
            "account=lab-7",
            "qos=long",
            "gres=gpu:a100:1",
            "cpus=8",
            "memory=16G",
            "time=1-12:00:00",
            "constraint=[rack1|rack2]&ib",
            "options=--exclusive",
            "options=--mail-type=END",
            "before=module load cuda",
        ] {
            slurm.set(setting).unwrap();
        }
        assert_eq!(
            slurm.options().join(" "),
            "--partition=gpu --account=lab-7 --qos=long --gres=gpu:a100:1 --mem=16G --time=1-12:00:00 \
             --constraint=[rack1|rack2]&ib --cpus-per-task=8 --exclusive --mail-type=END"
        );
        assert_eq!(slurm.minutes(), Some(36 * 60));
        assert_eq!(slurm.before, ["module load cuda"]);
        let stored = serde_json::to_string(&slurm).unwrap();
        assert_eq!(serde_json::from_str::<Slurm>(&stored).unwrap(), slurm);
        assert_eq!(Slurm::default().to_string(), "the cluster's defaults");
    }

    #[test]
    fn later_fields_win_and_lists_grow() {
        let read = |json: &str| serde_json::from_str::<Slurm>(json).unwrap();
        let settings = read(
            r#"{"partition":"low","time":"1:00:00","cpus":2,"before":["module load a"],"options":["--exclusive"]}"#,
        );
        let experiment = read(r#"{"partition":"gpu","memory":"8G","before":["module load b"]}"#);
        assert_eq!(
            settings.with(&experiment),
            read(
                r#"{"partition":"gpu","time":"1:00:00","cpus":2,"memory":"8G","before":["module load a","module load b"],
                "options":["--exclusive"]}"#
            )
        );
        assert_eq!(settings.with(&Slurm::default()), settings);
        assert_eq!(Slurm::default().with(&settings), settings);
        assert!(Slurm::default().is_default() && !settings.is_default());
    }

    #[test]
    fn values_outside_their_bounds_are_refused_and_taken_out() {
        for (setting, said) in [
            (
                "cpus=0",
                "expected a number of CPUs from 1 to 1024, found 0",
            ),
            (
                "cpus=1025",
                "expected a number of CPUs from 1 to 1024, found 1025",
            ),
            (
                "cpus=many",
                "expected a number of CPUs from 1 to 1024, found `many`",
            ),
            (
                "cpus=4294967296",
                "expected a number of CPUs from 1 to 1024, found `4294967296`",
            ),
            ("memory=16GB", "expected an amount of memory"),
            ("memory=0", "expected an amount of memory"),
            ("memory=-1", "expected an amount of memory"),
            ("time=soon", "expected a time limit"),
            ("time=0", "expected a time limit"),
            ("time=0:30", "expected a time limit"),
            ("time=1:2:3:4", "expected a time limit"),
            ("partition=", "1 to 200 characters"),
            ("partition=a b", "' ' cannot be part of it"),
            ("account=a\nb", "'\\n' cannot be part of it"),
            ("gres=$(rm)", "'$' cannot be part of it"),
            ("options=--array=0-9", "--array is not free to choose"),
            ("options=--no-requeue", "not free to choose"),
            ("options=--arr=0-9", "--array is not free to choose"),
            ("options=--no-req", "--no-requeue is not free to choose"),
            (
                "options=-N2",
                "expected a long option of sbatch, found `-N2`",
            ),
            ("options=--mail-type END", "' ' cannot be part of it"),
            ("before=a\nb", "one line"),
            ("colour=red", "`colour` is no field of slurm"),
            ("cpus", "expected FIELD=VALUE"),
        ] {
            let error = set(setting).unwrap_err();
            assert!(error.contains(said), "{setting}: {error}");
        }
        let mut slurm: Slurm =
            serde_json::from_str("{\"cpus\":5000,\"partition\":\"gpu\",\"time\":90}").unwrap();
        let fields: Vec<&str> = slurm.take_mistakes().iter().map(|it| it.field).collect();
        assert_eq!(fields, ["cpus"]);
        assert_eq!(slurm.options(), ["--partition=gpu", "--time=90"]);
    }

    #[test]
    fn an_editor_accepts_a_number_where_the_parser_does() {
        let schema = serde_json::to_value(schemars::schema_for!(Slurm)).unwrap();
        for field in ["memory", "time"] {
            let read: Slurm = serde_json::from_str(&format!("{{\"{field}\":90}}")).unwrap();
            assert!(!read.is_default(), "{field}");
            let types = schema["properties"][field]["type"].as_array().unwrap();
            assert!(types.iter().any(|name| name == "integer"), "{types:?}");
        }
    }

    #[test]
    fn a_number_that_the_field_does_not_allow_is_quoted() {
        let mut slurm: Slurm = serde_json::from_str("{\"memory\":-1,\"time\":1.5}").unwrap();
        let mistakes = slurm.take_mistakes();
        let messages: Vec<&str> = mistakes.iter().map(|it| &*it.message).collect();
        assert_eq!(
            messages,
            [
                "expected an amount of memory, found `-1`",
                "expected a time limit of a minute or more, found `1.5`"
            ]
        );
    }

    #[test]
    fn options_with_a_name_like_that_of_a_refused_one_are_free_to_choose() {
        for option in ["--nodelist=n1", "--wait-all-nodes=1"] {
            assert!(set(&format!("options={option}")).is_ok(), "{option}");
        }
    }

    #[test]
    fn time_limits_are_read_as_slurm_does() {
        for (text, expected) in [
            ("90", 90),
            ("90:30", 90),
            ("1:30:00", 90),
            ("2-0", 2880),
            ("2-1:30", 2970),
            ("0-0:5:59", 5),
        ] {
            assert_eq!(minutes(text), Some(expected), "{text}");
        }
        assert_eq!(minutes("9999999"), None);
    }
}
