//! The study's table in every format, with names that contain the formats' special characters.

use std::fs;

use rstest::rstest;
use warmstart_runs::event_log::EventWriter;
use warmstart_runs::run::RunDir;
use warmstart_schema::architecture::{ModelCounts, ParamCounts};
use warmstart_schema::event::{Epoch, Event, ModelFacts, StartedFrom, Test};

use crate::place::{Place, in_shell, said};

const HOSTILE: &str = r#"=1+1 | a_b & <i>"c"</i> \d {e} $f$ %g #h ^i ~j *k* `l` 'm'"#;

/// Two runs of one experiment, and a run of another experiment that has published figures and a hostile name.
pub(crate) fn place() -> Place {
    let place = Place::new();
    run(
        &place,
        "20260101-000000-aaaa",
        "plain",
        "Plain",
        [0.40, 0.60],
        true,
    );
    run(
        &place,
        "20260102-000000-bbbb",
        "plain",
        "Plain",
        [0.45, f64::NAN],
        true,
    );
    run(
        &place,
        "20260103-000000-cccc",
        "plain",
        "Plain",
        [0.10, 0.20],
        false,
    );
    run(
        &place,
        "20260101-000000-dddd",
        "evil",
        HOSTILE,
        [0.30, 0.70],
        true,
    );
    place
}

#[test]
fn files_have_exact_experiment_names_and_screens_have_safe_ones() {
    let place = Place::new();
    let yaml = fs::read_to_string("experiments/quickstart/4-lite0-freeze.yaml").unwrap();
    let names = [
        "Two  spaces",
        "Two spaces",
        "\u{1f1e9}\u{1f1ea}",
        "a\u{1b}[31mred",
    ];
    for (number, name) in names.iter().enumerate() {
        let line = format!("name: {}", serde_json::to_string(name).unwrap());
        let text: Vec<&str> = yaml
            .lines()
            .map(|old| {
                if old.starts_with("name: ") {
                    &line
                } else {
                    old
                }
            })
            .collect();
        let file = place.write(&format!("names/{number}.yaml"), &text.join("\n"));
        assert_eq!(place.say(&["train", &file, "--quiet"]).code, 0);
    }
    // No cell has a control or hidden character.
    let exact = [names[0], names[1], names[2], "a[31mred"];
    let json = place.say(&["compare", "--json"]).json();
    let mut found: Vec<&str> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["experiment"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    let mut sorted = exact;
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    let csv = place.say(&["compare", "--format", "csv"]).out;
    assert!(
        exact.iter().all(|name| csv.contains(&format!(",{name},"))),
        "{csv}"
    );
    let text = place.say(&["compare"]).out;
    assert!(
        text.contains("Two spaces") && text.contains("DE") && !text.contains("Two  spaces "),
        "{text}"
    );
    let shown = place.say(&["show", "0", "--json"]).json();
    assert_eq!(shown["experiment"], names[0]);
    let listed = place.say(&["runs", "--json"]).json();
    let listed = listed.as_array().unwrap();
    assert!(
        exact
            .iter()
            .all(|name| listed.iter().any(|run| run["experiment"] == *name)),
        "{listed:?}"
    );
    let table = place.say(&["runs"]).out;
    assert!(
        table.contains("Two spaces") && !table.contains("Two  spaces "),
        "{table}"
    );
}

/// A run of two epochs; the first epoch is better.
fn run(place: &Place, id: &str, stem: &str, name: &str, [acc, loss]: [f64; 2], done: bool) {
    let dir = RunDir::new(place.checkpoints().join(id));
    fs::create_dir_all(dir.path()).unwrap();
    let info = serde_json::json!({
        "format": 1, "id": id, "experiment": name, "group": "g", "stem": stem, "source": "x.yaml", "device": "cpu",
        "created": format!("2026-01-0{}T00:00:00Z", &id[7..8]),
    });
    dir.write_info(&serde_json::from_value(info).unwrap())
        .unwrap();
    let reference = "reference: { source: \"the | study\", train_time: 808.67, val_loss: 0.0695, doubtful: [val_loss], note: surely a slip }";
    let name = serde_json::to_string(name).unwrap();
    let yaml = format!(
        "name: {name}\nseed: {}\ndataset: {{ name: cifar100 }}\nmodel: {{ backbone: efficientnet_b0 }}\ntrain: {{ \
         epochs: 2, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n{}\n",
        // The seed of a run of `seeds` is its day.
        if stem == "seeds" { &id[7..8] } else { "42" },
        if stem == "evil" { reference } else { "" }
    );
    fs::write(dir.experiment_yaml(), yaml).unwrap();
    let mut log = EventWriter::open(&dir.events()).unwrap();
    let epoch = |epoch: u32, val_acc: f64, best| {
        Event::Epoch(Epoch {
            epoch,
            step: u64::from(epoch) * 10,
            train_loss: loss,
            train_acc: 0.5,
            val_loss: loss,
            val_acc,
            learning_rate: 0.001,
            images_per_second: 100.0,
            train_time: f64::from(epoch) * 10.0,
            best,
            ..Epoch::default()
        })
    };
    let mut events = vec![epoch(1, acc, true), epoch(2, 0.99, false)];
    if done {
        events.push(Event::Test(Test {
            epoch: 1,
            loss: 1.0,
            accuracy: acc,
            views: None,
        }));
        events.push(Event::Finished {
            train_time: 20.0,
            stopped_early: false,
        });
    }
    for event in &events {
        log.write(event).unwrap();
    }
}

#[test]
fn json_has_the_documented_keys_and_only_finite_numbers() {
    let json = place().say(&["compare", "--json"]).json();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let keys: Vec<&str> = rows[1]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "experiment",
        "non_trainable_params",
        "run",
        "state",
        "test_acc",
        "total_params",
        "train_acc",
        "train_loss",
        "train_time",
        "trainable_params",
        "val_acc",
        "val_loss",
    ];
    let plain = rows
        .iter()
        .find(|row| row["experiment"] == "Plain")
        .unwrap();
    assert!(plain["val_loss"].is_null(), "NaN");
    assert_eq!(
        plain["run"], "20260102-000000-bbbb",
        "the newest that is done"
    );
    assert_eq!(
        (plain["val_acc"].as_f64(), plain["train_time"].as_f64()),
        (Some(0.45), Some(20.0)),
        "best epoch, whole time"
    );
    assert_eq!(plain["trainable_params"], 4_361_696);
    assert_eq!(keys, expected, "the row without a published one");
    expected.insert(4, "reference");
    let evil = rows
        .iter()
        .find(|row| row["experiment"] == HOSTILE)
        .unwrap();
    let mut keys: Vec<&str> = evil
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(evil["reference"]["train_time"], 808.67);
}

#[rstest]
#[case::newest(&["compare", "--json"], &["bbbb", "dddd"])]
#[case::all(&["compare", "--all", "--json"], &["aaaa", "bbbb", "cccc", "dddd"])]
#[case::named(&["compare", "20260103", "evil", "--json"], &["cccc", "dddd"])]
fn runs_are_chosen(#[case] arguments: &[&str], #[case] expected: &[&str]) {
    let json = place().say(arguments).json();
    let mut ends: Vec<&str> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["run"].as_str().unwrap()[16..])
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, expected);
}

#[test]
fn markdown_keeps_its_columns() {
    let text = place().say(&["compare", "--format", "md"]).out;
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(columns(line), 13, "{line}");
    }
    assert!(
        text.contains(r"=1+1 \| a\_b &amp; &lt;i\>")
            && text.contains("| published † |  |  | 808.67 |"),
        "{text}"
    );
    assert!(
        text.contains(r"† published: the \| study") && text.contains("**0.4500**"),
        "{text}"
    );
    assert!(
        text.contains("| 0.0695 ‡ |") && text.contains("‡ surely a slip"),
        "the doubtful cell has its footnote: {text}"
    );
    let without = place()
        .say(&[
            "compare",
            "--format",
            "md",
            "--columns",
            "experiment,val_acc",
        ])
        .out;
    assert!(
        without.contains("† published") && !without.contains('‡'),
        "a hidden cell has none: {without}"
    );
}

#[test]
fn latex_keeps_its_columns() {
    let text = place().say(&["compare", "--format", "latex"]).out;
    for line in text
        .lines()
        .filter(|line| line.ends_with("\\\\") && !line.contains("multicolumn"))
    {
        assert_eq!(line.replace("\\&", "").matches('&').count(), 11, "{line}");
    }
    let name = r"=1+1 \textbar{} a\_b \& \textless{}i\textgreater{}\symbol{34}c\symbol{34}\textless{}/i\textgreater{} \textbackslash{}d \{e\} \$f\$ \%g \#h \textasciicircum{}i \textasciitilde{}j {*}k{*} \`{}l\`{}";
    assert!(text.contains(name), "{text}");
    assert!(
        text.contains(r"published$^{\dagger}$") && text.contains(r"\toprule"),
        "{text}"
    );
    assert!(text.contains(r"& 0.0695$^{\ddagger}$ &"), "{text}");
}

#[test]
fn csv_parses_back_and_contains_no_formula() {
    let text = place().say(&["compare", "--format", "csv"]).out;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        &reader.headers().unwrap().iter().collect::<Vec<_>>()[..4],
        ["run", "experiment", "state", "train_time"]
    );
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let evil: Vec<&csv::StringRecord> = records
        .iter()
        .filter(|record| record[1].contains("a_b"))
        .collect();
    assert!(evil[0][1].starts_with("'=1+1"), "{evil:?}");
    assert_eq!(
        (&evil[1][2], &evil[1][3], &evil[1][12]),
        ("published", "808.67", "the | study")
    );
}

#[test]
fn html_shows_names_unchanged() {
    let text = place().say(&["compare", "--format", "html"]).out;
    assert!(
        text.contains("&lt;i&gt;&quot;c&quot;&lt;/i&gt;") && !text.contains("<i>"),
        "{text}"
    );
    assert!(text.contains("<td class=\"n\">0.0695 ‡</td>"), "{text}");
    assert!(
        text.contains("<b>0.4500</b>") && text.contains("<tr class=\"published\">"),
        "{text}"
    );
}

#[test]
fn the_terminals_table_marks_the_best_and_the_published() {
    let text = place().say(&["compare", "--all"]).out;
    assert!(
        text.contains("0.4500*")
            && text.contains("published †")
            && text.contains(" † published: the | study\n ‡ surely")
    );
    assert!(text.contains(" 0.0695‡ "), "digits are aligned: {text}");
    let unfinished = text.lines().find(|line| line.contains("cccc")).unwrap();
    assert!(
        !unfinished.contains('*'),
        "a run that is not done wins nothing: {unfinished}"
    );
}

#[test]
fn a_table_without_names_marks_its_rows_in_the_first_column() {
    let text = place()
        .say(&["compare", "evil", "--columns", "run,val_acc"])
        .out;
    assert_eq!(text.matches('†').count(), 2, "a row and its note: {text}");
}

/// A run that starts from the newest finished run of `plain`.
fn fine_tuned(place: &Place) {
    run(
        place,
        "20260104-000000-eeee",
        "tuned",
        "Tuned",
        [0.47, 0.50],
        true,
    );
    let log = RunDir::new(place.checkpoints().join("20260104-000000-eeee")).events();
    let started_from = StartedFrom {
        run: "20260102-000000-bbbb".parse().unwrap(),
        step: 10,
    };
    let facts = |started_from| {
        Event::Model(ModelFacts {
            backbone: "efficientnet_b0".to_owned(),
            pixels: 32,
            weights: "in words".to_owned(),
            started_from,
            counts: ModelCounts {
                blocks: Vec::new(),
                total: ParamCounts::default(),
            },
            cached_features: false,
            preparation: None,
        })
    };
    // The log of a resumed attempt no longer names the base run.
    for event in [facts(Some(started_from)), facts(None)] {
        EventWriter::open(&log).unwrap().write(&event).unwrap();
    }
}

#[rstest]
#[case::table("table", "  gain over Plain", "+0.0200")]
#[case::markdown(
    "md",
    "| gain over Plain |  |  | – | +0.0000 | +0.0200 | NaN | NaN | +0.0200 |",
    ""
)]
#[case::latex(
    "latex",
    "gain over Plain &  &  & -- & +0.0000 & +0.0200 & NaN & NaN & +0.0200 &",
    ""
)]
#[case::csv(
    "csv",
    ",Tuned,gain,,0.0000,0.0200,NaN,NaN,0.0200,,,,20260102-000000-bbbb,",
    ""
)]
#[case::html(
    "html",
    "<tr class=\"gain\"><td>gain over Plain</td>",
    "<td class=\"n\">+0.0200</td>"
)]
fn the_table_shows_the_gain_of_fine_tuning(
    #[case] format: &str,
    #[case] line: &str,
    #[case] figure: &str,
) {
    let place = place();
    fine_tuned(&place);
    let text = place.say(&["compare", "--format", format]).out;
    let gained = text
        .lines()
        .find(|found| found.contains(line))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(gained.contains(figure), "{text}");
}

#[test]
fn json_names_the_base_run_of_the_gain() {
    let place = place();
    fine_tuned(&place);
    let json = place.say(&["compare", "tuned", "--json"]).json();
    let gain = &json[0]["gain"];
    assert_eq!(
        (&gain["over"], &gain["val_loss"]),
        (&"20260102-000000-bbbb".into(), &serde_json::Value::Null)
    );
    assert!(
        (gain["test_acc"].as_f64().unwrap() - 0.02).abs() < 1e-9,
        "{gain}"
    );
    fs::remove_dir_all(place.checkpoints().join("20260102-000000-bbbb")).unwrap();
    assert!(
        place.say(&["compare", "tuned", "--json"]).json()[0]
            .get("gain")
            .is_none(),
        "what it started from is gone"
    );
}

#[rstest]
#[case("table.md", "md")]
#[case("table.tex", "latex")]
#[case("table.json", "json")]
#[case("table.markdown", "md")]
#[case("TABLE.MD", "md")]
#[case("table.tsv", "tsv")]
#[case("table.htm", "html")]
#[case("table.txt", "table")]
fn a_file_gets_the_format_of_its_name(#[case] name: &str, #[case] format: &str) {
    let place = place();
    let said = place.say(&["compare", "--output", name]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert_eq!(
        fs::read_to_string(place.folder.path().join(name)).unwrap(),
        place.say(&["compare", "--format", format]).out
    );
    assert_eq!(
        place.say(&["compare", "--output", "nowhere/table.md"]).code,
        1
    );
}

#[rstest]
#[case("table.xlsx", "*.csv, *.md, *.tex, *.json, *.html, *.txt, *.tsv")]
#[case("table.docx", "--format")]
#[case("table", "*.csv")]
#[case("table.csv.gz", "*.csv")]
#[case(".csv", "*.csv")]
fn a_file_name_without_a_known_format_is_refused_with_the_formats(
    #[case] name: &str,
    #[case] help: &str,
) {
    let place = place();
    let refused = place.say(&["compare", "--output", name]);
    assert!(
        refused.code == 2 && refused.err.contains(name) && refused.err.contains(help),
        "{}",
        refused.err
    );
    assert!(!place.folder.path().join(name).exists());
    assert_eq!(
        place
            .say(&["compare", "--output", name, "--format", "csv"])
            .code,
        0
    );
}

#[test]
fn columns_accept_the_names_of_the_list_and_of_the_filter() {
    let place = place();
    let header = |columns: &str| {
        let said = place.say(&["compare", "evil", "--columns", columns, "--format", "csv"]);
        said.out.lines().next().unwrap_or(&said.err).to_owned()
    };
    assert_eq!(
        header("batch_size,lr,val acc,time,status,name,params"),
        "train.batch_size,train.optimizer.learning_rate,val_acc,train_time,state,experiment,total_params,source,note"
    );
    let sorted = place.say(&[
        "compare",
        "--all",
        "--sort",
        "batch size",
        "--format",
        "csv",
    ]);
    assert_eq!(sorted.code, 0, "{}", sorted.err);
    let filtered = place
        .say(&[
            "runs",
            "--json",
            "--filter",
            "train.batch_size:8 train.epochs:2 -dropout>0.5",
        ])
        .json();
    assert_eq!(filtered.as_array().unwrap().len(), 4);
}

#[test]
fn named_columns_keep_their_order() {
    let place = place();
    for columns in ["experiment,run", "run,experiment"] {
        let said = place.say(&["compare", "--columns", columns, "--format", "csv"]);
        let header = format!("{columns},source,note\n");
        assert!(said.out.starts_with(&header), "{}{}", said.out, said.err);
    }
}

#[test]
fn tsv_parses_back() {
    let text = place().say(&["compare", "--format", "tsv"]).out;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .from_reader(text.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(
        records.iter().any(|record| record[1].starts_with("'=1+1")),
        "{text}"
    );
}

/// Two of the table's rows are runs, the third is published.
#[test]
fn a_message_counts_the_runs_whatever_rows_the_format_has() {
    let place = place();
    let cases: [(&str, &[&str], &str); 3] = [
        ("one.csv", &["20260101-000000-aaaa"], "of 1 run written"),
        ("two.csv", &[], "of 2 runs written"),
        ("two.json", &[], "of 2 runs written"),
    ];
    for (name, runs, count) in cases {
        let said = place.say(&[&["compare", "--output", name][..], runs].concat());
        assert!(said.err.contains(count), "{name}: {}", said.err);
    }
}

#[test]
fn an_existing_file_is_replaced_only_on_request() {
    let place = place();
    let file = place.folder.path().join("table.md");
    fs::write(&file, "mine").unwrap();
    let refused = place.say(&["compare", "--output", "table.md"]);
    assert_eq!(
        (refused.code, fs::read_to_string(&file).unwrap().as_str()),
        (2, "mine")
    );
    assert!(
        refused.err.contains("table.md is there already") && refused.err.contains("--overwrite"),
        "{}",
        refused.err
    );
    assert_eq!(
        place
            .say(&["compare", "--output", "table.md", "--overwrite"])
            .code,
        0
    );
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .starts_with("| experiment |")
    );
}

/// A limit on the file size acts like a full disk.
#[test]
fn a_failed_write_leaves_no_file() {
    let place = place();
    let files = || {
        let names = fs::read_dir(place.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let whole = place.say(&["compare", "--all", "--format", "html"]).out;
    assert!(whole.len() > 2048, "{} bytes show nothing", whole.len());
    let before = files();
    for command in [
        &["compare", "--all", "--output", "table.html"][..],
        &["plot", "20260101-000000-aaaa", "--output", "charts.svg"],
    ] {
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
        let said = said(&mut in_shell(script, &place.command(command)));
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(
            said.err.contains("cannot be written") && said.err.contains("too large"),
            "{}",
            said.err
        );
        assert_eq!(files(), before);
    }
}

/// Reference: Python 3.11, `statistics.mean` and `statistics.stdev` of 0.40, 0.45, 0.47 and of 0.60, 0.55, 0.50.
#[test]
fn seeds_are_merged_into_mean_and_deviation() {
    let place = place();
    for (day, figures) in [(1, [0.40, 0.60]), (2, [0.45, 0.55]), (3, [0.47, 0.50])] {
        run(
            &place,
            &format!("2026010{day}-000000-eeee"),
            "seeds",
            "Seeds",
            figures,
            true,
        );
    }
    // A repeated seed and an unfinished run do not count as samples.
    run(
        &place,
        "20260103-000000-0000",
        "seeds",
        "Seeds",
        [0.1, 0.1],
        true,
    );
    run(
        &place,
        "20260104-000000-ffff",
        "seeds",
        "Seeds",
        [0.9, 0.9],
        false,
    );
    let table = place
        .say(&["compare", "--all", "--filter", "Seeds", "--seeds"])
        .out;
    assert!(
        table.contains("0.4400 ± 0.0361 (3)") && table.contains("0.5500 ± 0.0500 (3)"),
        "{table}"
    );
    assert!(
        table.contains("seeds 1, 2, 3") && table.contains("20260104"),
        "{table}"
    );
    let json = place
        .say(&["compare", "--all", "--filter", "Seeds", "--seeds", "--json"])
        .json();
    let group = &json[0];
    let close = |found: &serde_json::Value, expected: f64| {
        (found.as_f64().unwrap() - expected).abs() < 1e-15
    };
    assert!(
        close(&group["val_acc"], 0.44) && group["run"].is_null(),
        "{group}"
    );
    assert!(
        close(
            &group["group"]["standard_deviation"]["val_acc"],
            0.036_055_512_754_639_87
        ),
        "{group}"
    );
    assert_eq!(
        (
            group["group"]["seeds"].to_string(),
            group["group"]["n"]["val_acc"].as_u64()
        ),
        ("[1,2,3]".to_owned(), Some(3))
    );
    let csv = place
        .say(&[
            "compare", "--all", "--filter", "Seeds", "--seeds", "--format", "csv",
        ])
        .out;
    assert!(
        csv.contains("val_acc,val_acc_sd,val_acc_n") && csv.contains(",0.4400,0.0361,3,"),
        "{csv}"
    );
    let latex = place
        .say(&[
            "compare", "--all", "--filter", "Seeds", "--seeds", "--format", "latex",
        ])
        .out;
    assert!(latex.contains(r"0.4400 $\pm$ 0.0361 (3)"), "{latex}");
}

#[test]
fn a_published_figure_has_no_number_of_runs() {
    let place = place();
    for day in [1, 2] {
        let id = format!("2026010{day}-000000-eeee");
        run(&place, &id, "seeds", "Seeds", [0.40, 0.60], true);
    }
    let arguments = ["compare", "--all", "--seeds", "--format", "csv"];
    let text = place.say(&arguments).out;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for (state, expected) in [
        ("published", ["0.0695", "", ""]),
        ("done", ["0.7000", "", "1"]),
    ] {
        let evil = |record: &&csv::StringRecord| record[1].contains("a_b") && &record[2] == state;
        let record = records.iter().find(evil).unwrap();
        let value = |name: &str| &record[header.iter().position(|title| title == name).unwrap()];
        let values = ["val_loss", "val_loss_sd", "val_loss_n"].map(value);
        assert_eq!(values, expected, "{state}: {text}");
    }
}

#[test]
fn only_differing_columns_are_shown_and_fields_can_be_columns() {
    let place = place();
    let header = |arguments: &[&str]| place.say(arguments).out.lines().next().unwrap().to_owned();
    let differing = header(&[
        "compare",
        "20260101-000000-aaaa",
        "20260102",
        "--differing",
        "--format",
        "csv",
    ]);
    assert_eq!(
        differing,
        "run,experiment,val_acc,train_loss,val_loss,test_acc,source,note"
    );
    let config = header(&["compare", "20260102", "evil", "--config", "--format", "csv"]);
    assert_eq!(
        config, "run,experiment,source,note",
        "nothing but names differs"
    );
    run(
        &place,
        "20260107-000000-9999",
        "seeds",
        "Seeds",
        [0.4, 0.5],
        true,
    );
    let config = place
        .say(&[
            "compare",
            "20260102",
            "seeds",
            "--config",
            "--transpose",
            "--format",
            "csv",
        ])
        .out;
    assert_eq!(
        config,
        "run,20260102-000000-bbbb,20260107-000000-9999\nexperiment,Plain,Seeds\nseed,42,7\nsource,,\nnote,,\n"
    );
    let named = place
        .say(&[
            "compare",
            "evil",
            "--columns",
            "train.batch_size,run,val_acc",
            "--format",
            "csv",
        ])
        .out;
    assert!(
        named.starts_with(
            "train.batch_size,run,val_acc,source,note\n8,20260101-000000-dddd,0.3000,,\n"
        ),
        "{named}"
    );
    let mistyped = place.say(&["compare", "--columns", "val_ac"]);
    assert!(
        mistyped.code == 2 && mistyped.err.contains("did you mean `val_acc`?"),
        "{}",
        mistyped.err
    );
}

#[rstest]
#[case("best-epoch", ["0.4500", "0.9950"])]
#[case("last", ["0.9900", "0.9900"])]
#[case("best", ["0.9900", "0.9950"])]
fn figures_are_of_the_requested_epoch(#[case] figures: &str, #[case] expected: [&str; 2]) {
    let (place, other) = (place(), "20260105-000000-eeee");
    run(&place, other, "early", "Early", [0.995, 0.5], true);
    for (id, acc) in ["20260102", other].into_iter().zip(expected) {
        let csv = place
            .say(&[
                "compare",
                id,
                "--figures",
                figures,
                "--columns",
                "val_acc",
                "--format",
                "csv",
            ])
            .out;
        assert_eq!(csv, format!("val_acc,source,note\n{acc},,\n"), "{id}");
    }
}

#[test]
fn differences_and_order() {
    let place = place();
    let arguments = [
        "compare",
        "--all",
        "--baseline",
        "20260101-000000-aaaa",
        "--sort",
        "val_acc",
        "--format",
        "csv",
    ];
    let text = place.say(&arguments).out;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = |name: &str| {
        text.lines()
            .next()
            .unwrap()
            .split(',')
            .position(|title| title == name)
            .unwrap()
    };
    let rows: Vec<(String, String)> = reader
        .records()
        .map(Result::unwrap)
        .filter(|record| !record[0].is_empty())
        .map(|record| {
            (
                record[0][16..].to_owned(),
                record[at("delta_val_acc")].to_owned(),
            )
        })
        .collect();
    let rows: Vec<(&str, &str)> = rows
        .iter()
        .map(|(run, delta)| (run.as_str(), delta.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("bbbb", "0.0500"),
            ("aaaa", "0.0000"),
            ("dddd", "-0.1000"),
            ("cccc", "-0.3000")
        ]
    );
}

#[test]
fn hostile_names_stay_in_their_cells_in_a_transposed_table() {
    let place = place();
    let markdown = place.say(&["compare", "--transpose", "--format", "md"]).out;
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let rows = markdown.lines().filter(|line| line.starts_with('|'));
    assert!(rows.clone().count() > 2, "{markdown}");
    for line in rows {
        assert_eq!(columns(line), 5, "{line}");
    }
    let latex = place
        .say(&["compare", "--transpose", "--format", "latex"])
        .out;
    let rows = latex
        .lines()
        .filter(|line| line.ends_with("\\\\") && !line.contains("multicolumn"));
    assert!(rows.clone().count() > 2, "{latex}");
    for line in rows {
        assert_eq!(line.replace("\\&", "").matches('&').count(), 3, "{line}");
    }
    let csv = place
        .say(&["compare", "--transpose", "--format", "csv"])
        .out;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv.as_bytes());
    let names = reader
        .records()
        .map(Result::unwrap)
        .find(|record| &record[0] == "experiment")
        .unwrap();
    assert!(names.iter().any(|name| name.starts_with("'=1+1")), "{csv}");
    let html = place
        .say(&["compare", "--transpose", "--format", "html"])
        .out;
    assert!(
        html.contains("<th class=\"n\">Plain</th>") && !html.contains("<i>"),
        "{html}"
    );
}

#[test]
fn nothing_to_compare_is_no_error() {
    let place = Place::new();
    assert_eq!(
        (
            place.say(&["compare"]).code,
            place.say(&["compare", "--json"]).out.as_str()
        ),
        (0, "[]\n")
    );
}

#[test]
fn filter_selects_runs_and_reports_mistakes_with_their_position() {
    let place = place();
    let listed = |filter: &str| -> Vec<String> {
        let runs = place.say(&["runs", "--json", "--filter", filter]).json();
        runs.as_array()
            .unwrap()
            .iter()
            .map(|run| run["run"].as_str().unwrap()[16..].to_owned())
            .collect()
    };
    assert_eq!(listed("file:plain status:done"), ["bbbb", "aaaa"]);
    assert_eq!(listed("file:plain val_acc>0.42"), ["bbbb"]);
    assert_eq!(listed("-file:plain"), ["dddd"]);
    let text = place
        .say(&[
            "compare",
            "--all",
            "--format",
            "csv",
            "--filter",
            "val_loss<0.65",
        ])
        .out;
    assert!(
        text.contains("-aaaa") && text.contains("-cccc") && !text.contains("-dddd"),
        "{text}"
    );
    // The newest finished run does not fit, two others of its experiment do.
    let newest = place.say(&["compare", "--filter", "val_loss<0.65"]).err;
    assert!(
        newest.contains("`--all`") && newest.contains("(2)"),
        "{newest}"
    );
    let run = "20260102-000000-bbbb";
    let named = place.say(&["compare", run, "--filter", "val_loss<0.65"]);
    let said = &named.err;
    assert!(said.contains("none of the named runs"), "{said}");
    assert_eq!(place.say(&["archive", "20260101-000000-aaaa"]).code, 0);
    let none = place.say(&["compare", "--filter", "val_loss<0.1"]).err;
    assert!(
        none.contains("fits the filter") && !none.contains("archived"),
        "{none}"
    );
    let mistaken = place.say(&["compare", "--filter", "val_acc>0.5 statsu:done"]);
    let error = &mistaken.err;
    assert_eq!(mistaken.code, 2);
    assert!(
        error.contains("at character 13: no field is called `statsu`"),
        "{error}"
    );
    assert!(
        error.contains("\n  val_acc>0.5 statsu:done\n              ^\n")
            && error.contains("did you mean status?"),
        "{error}"
    );
}

#[test]
fn runs_are_tagged_noted_archived_deleted_and_restored() {
    let place = place();
    let id = "20260102-000000-bbbb";
    assert_eq!(
        place.say(&["tag", id, "+good", "+x", "-x"]).out,
        format!("{id}: #good\n")
    );
    assert_eq!(
        place.say(&["note", id, "as in the paper"]).out,
        format!("{id}: #good as in the paper\n")
    );
    let wrong = place.say(&["tag", id, "good"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("`good` begins with neither + nor -"),
        "{}",
        wrong.err
    );
    let listed = place
        .say(&["runs", "--json", "--filter", "tag:good note:paper"])
        .json();
    assert_eq!(
        (listed.as_array().unwrap().len(), listed[0]["note"].as_str()),
        (1, Some("as in the paper"))
    );
    assert!(place.say(&["archive", id]).out.contains("(archived)"));
    assert!(
        !place.say(&["runs"]).out.contains(id),
        "hidden unless asked for"
    );
    assert!(
        place
            .say(&["runs", "--filter", "is:archived"])
            .out
            .contains(id)
    );
    assert_eq!(place.say(&["archive", "--undo", id]).code, 0);
    // A wrong name changes nothing.
    let said = place.say(&["archive", id, "no-such-run"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    assert!(place.say(&["runs"]).out.contains(id));

    assert!(place.say(&["trash", "put", id]).out.contains("deleted"));
    assert!(!place.say(&["runs"]).out.contains(id));
    assert!(place.say(&["trash"]).out.contains(id));
    assert_eq!(place.say(&["trash", "restore", "20260102"]).code, 3);
    assert_eq!(place.say(&["trash", "restore", id]).code, 0);
    assert!(
        place
            .say(&["runs", "--filter", "tag:good"])
            .out
            .contains(id),
        "it comes back with its tags"
    );
    place.say(&["trash", "put", id]);
    assert!(
        place
            .say(&["trash", "empty"])
            .out
            .contains("1 removed for good")
    );
    assert!(place.say(&["trash"]).err.contains("the trash is empty"));
}

#[test]
fn runs_that_are_named_twice_are_deleted_and_restored_once() {
    let (place, id) = (place(), "20260103-000000-cccc");
    // The newest run of `plain` is this one.
    let said = place.say(&["trash", "put", id, "plain"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    let listed = || place.say(&["trash", "--json"]).json();
    assert_eq!(listed().as_array().unwrap().len(), 1);
    let said = place.say(&["trash", "restore", id, "no-such-run"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.is_empty(), "{}", said.out);
    assert_eq!(
        listed().as_array().unwrap().len(),
        1,
        "nothing is restored if a name is wrong"
    );
    let said = place.say(&["trash", "restore", id, id]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(listed().as_array().unwrap().len(), 0);
}

#[test]
fn a_run_without_a_best_epoch_shows_its_last_epoch_everywhere() {
    let (place, id) = (Place::new(), "20260101-000000-aaaa");
    let text = "name: Odd\ndataset: { name: cifar10 }\nmodel: { backbone: efficientnet_b0 }\n\
        train: { epochs: 2, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    place.write("odd.yaml", text);
    run(&place, id, "odd", "Odd", [0.40, f64::NAN], false);
    let log = RunDir::new(place.checkpoints().join(id)).events();
    let events = fs::read_to_string(&log).unwrap();
    fs::write(&log, events.replace("\"best\":true", "\"best\":false")).unwrap();
    for arguments in [
        &["runs", "--json"][..],
        &["runs", "--json", "--filter", "val_acc>0.98"],
        &["compare", "--json"],
    ] {
        let json = place.say(arguments).json();
        assert_eq!(json[0]["val_acc"], 0.99, "{arguments:?}: {json}");
    }
    let list = place.say(&["list", "--json", "--experiments", "."]).json();
    assert_eq!(list[0]["newest"]["val_acc"], 0.99, "{list}");
    let text = place.say(&["runs"]).out;
    assert!(text.contains("0.9900"), "{text}");
}
