//! How long a frame of a run's charts takes at 200×60, where twenty runs of 100,000 points are drawn. Prints each figure
//! beside its target, and fails where one is missed.
//!
//! ```sh
//! cargo bench --bench frame
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints what it measured"
)]

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use warmstart_runs::store::Change;
use warmstart_schema::event::{Batch, Epoch, Event, Phase, Record, System};
use warmstart_schema::state::Liveness;
use warmstart_tui::HeadlessDashboard;

const RUNS: u32 = 20;
const POINTS: u32 = 100_000;
const EPOCHS: u32 = 100;
/// Frames that a figure is the median of.
const FRAMES: usize = 101;
/// What the median of frames may take.
const TARGET: Duration = Duration::from_millis(4);

/// Losses that fall with noise over every point.
fn events(seed: u32) -> Vec<Record> {
    let mut noise = seed.wrapping_mul(2_654_435_761).max(1);
    let mut random = move || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        f64::from(noise) / f64::from(u32::MAX)
    };
    let mut records = vec![Record {
        t: 0.0,
        event: Event::Phase {
            phase: Phase::Training,
        },
    }];
    let batches = POINTS / EPOCHS;
    for epoch in 1..=EPOCHS {
        let loss = 4.0 * (-f64::from(epoch) / 30.0).exp() + 0.3;
        for batch in 1..=batches {
            let step = u64::from((epoch - 1) * batches + batch);
            let event = Batch {
                epoch,
                step,
                batch,
                batches,
                loss: loss + random(),
                accuracy: 1.0 - loss / 5.0 + 0.1 * random(),
                learning_rate: 0.1 * (1.0 - f64::from(epoch) / f64::from(EPOCHS)),
                images_per_second: 500.0 + 50.0 * random(),
                gradient_norm: 1.0 + random(),
            };
            records.push(Record {
                t: step as f64 * 0.5,
                event: Event::Batch(event),
            });
        }
        let (step, t) = (u64::from(epoch * batches), f64::from(epoch * batches) * 0.5);
        let system = System {
            cpu: Some(90.0 * random()),
            gpu: Some(99.0),
            ..System::default()
        };
        records.push(Record {
            t,
            event: Event::System(system),
        });
        let event = Epoch {
            epoch,
            step,
            train_loss: loss,
            train_acc: 1.0 - loss / 5.0,
            val_loss: loss + 0.2 * random(),
            val_acc: 1.0 - loss / 5.0 - 0.1 * random(),
            learning_rate: 0.1,
            images_per_second: 500.0,
            train_time: t,
            best: true,
            ..Epoch::default()
        };
        records.push(Record {
            t,
            event: Event::Epoch(event),
        });
    }
    records
}

/// All runs of one experiment, the newest open, all drawn.
fn dashboard() -> HeadlessDashboard {
    let mut dashboard = HeadlessDashboard::new(200, 60).unwrap();
    for number in 0..RUNS {
        let id: warmstart_runs::run::RunId = format!("20261122-1000{number:02}-{number:04x}")
            .parse()
            .unwrap();
        let info = serde_json::from_value(serde_json::json!({
            "format": 1, "id": id, "experiment": "Bench", "group": "g", "stem": "bench", "source": "bench.yaml",
            "created": format!("2026-01-02T00:00:{number:02}Z"), "device": "auto",
        }));
        let changes = vec![
            Change::Added {
                id: id.clone(),
                info: Ok(info.unwrap()),
                experiment: None,
            },
            Change::Events {
                id: id.clone(),
                records: events(number + 1),
                damaged: 0,
                restarted: false,
            },
            Change::Liveness {
                id,
                liveness: Liveness::Held,
            },
        ];
        dashboard.apply(1e5, changes);
    }
    dashboard.press(KeyCode::Enter);
    dashboard.press(KeyCode::Char('o'));
    dashboard
}

/// The median of frames, each after `between`.
fn median(
    dashboard: &mut HeadlessDashboard,
    mut between: impl FnMut(&mut HeadlessDashboard),
) -> Duration {
    let mut times: Vec<Duration> = (0..FRAMES)
        .map(|_| {
            between(dashboard);
            let began = Instant::now();
            dashboard.draw().unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[FRAMES / 2]
}

fn main() {
    let mut dashboard = dashboard();
    let mut missed = false;
    let mut print = |what: &str, took: Duration| {
        let verdict = if took <= TARGET { "holds" } else { "MISSED" };
        missed |= took > TARGET;
        println!(
            "{what:<66} {:>7.2} ms  target {:>4.0} ms  {verdict}",
            took.as_secs_f64() * 1e3,
            TARGET.as_secs_f64() * 1e3
        );
    };
    let first = Instant::now();
    dashboard.draw().unwrap();
    let first = first.elapsed();
    assert!(
        dashboard.text().contains("gradient norm") && dashboard.text().contains("0013"),
        "{}",
        dashboard.text()
    );
    print(
        "frame, seven charts by epoch",
        median(&mut dashboard, |_| ()),
    );
    dashboard.press(KeyCode::Char('m'));
    dashboard.draw().unwrap();
    print(
        "frame, seven charts, every point",
        median(&mut dashboard, |_| ()),
    );
    dashboard.press(KeyCode::Char('m'));
    dashboard.draw().unwrap();
    print(
        "frame, smoothed over faint points",
        median(&mut dashboard, |_| ()),
    );
    dashboard.press(KeyCode::Char('+'));
    // The newest half is in sight. Four steps reach the oldest half, and four more lead back.
    let mut pans = "<<<<>>>>".chars().cycle();
    let mut before = String::new();
    let pan = |dashboard: &mut HeadlessDashboard| {
        assert_ne!(dashboard.text(), before, "the same stretch again");
        before = dashboard.text();
        dashboard.press(KeyCode::Char(pans.next().unwrap_or('<')));
    };
    print(
        "frame, zoomed, another stretch each time",
        median(&mut dashboard, pan),
    );
    dashboard.press(KeyCode::Char('0'));
    dashboard.press(KeyCode::Char('2'));
    print(
        "frame, one chart alone, smoothed",
        median(&mut dashboard, |_| ()),
    );
    println!(
        "{:<66} {:>7.2} ms  (once; no target)",
        "first frame, which makes the curves",
        first.as_secs_f64() * 1e3
    );
    if missed {
        std::process::exit(1);
    }
}
