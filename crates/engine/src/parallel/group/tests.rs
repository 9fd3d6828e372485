use std::process::Command;
use std::thread;
use std::time::Duration;

use tch::{Device, Kind, Tensor};
use warmstart_schema::event::FailureKind;
use warmstart_schema::seed::SplitMix64;

use super::super::link::Decision;
use super::{Parts, Rank, RankZeroExited};
use crate::failure::UserError;

/// Has each rank do this in a separate thread. Returns the answers in the order of the ranks.
fn in_threads<T: Send>(
    size: usize,
    max_floats: usize,
    work: impl Fn(&mut Rank) -> T + Sync,
) -> Vec<T> {
    let ranks = Rank::all(size, max_floats).unwrap();
    thread::scope(|scope| {
        let work = &work;
        let ranks: Vec<_> = ranks
            .into_iter()
            .map(|mut rank| scope.spawn(move || work(&mut rank)))
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Numbers of so different sizes that the order in which they are added shows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float32 numbers are wanted"
)]
fn row(rank: usize, count: usize) -> Vec<f32> {
    let mut random = SplitMix64::new(rank as u64 + 1);
    (0..count)
        .map(|_| {
            let size = 10_f64.powf(8.0 * random.uniform());
            ((random.uniform() - 0.5) * size) as f32
        })
        .collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let numbers = Vec::<f32>::try_from(tensor).unwrap();
    numbers.into_iter().map(f32::to_bits).collect()
}

#[test]
fn sums_are_added_in_rank_order_whichever_rank_arrives_first() {
    const COUNTS: [usize; 6] = [1000, 1, 0, 7, 2, 999];
    for size in [2, 3, 5] {
        let all = in_threads(size, 1000, |rank| {
            let number = rank.number();
            let mut random = SplitMix64::new(100 + number as u64);
            COUNTS.map(|count| {
                thread::sleep(Duration::from_millis(random.below(4)));
                let doubles: Vec<f64> = row(number, count.min(9))
                    .into_iter()
                    .map(|one| f64::from(one) / 3.0)
                    .collect();
                let (floats, doubles) = rank
                    .all_reduce_sum(Tensor::from_slice(&row(number, count)), &doubles)
                    .unwrap();
                let of_first = rank
                    .broadcast(&Tensor::from_slice(&row(number, 3)))
                    .unwrap();
                assert_eq!(bits(&of_first), bits(&Tensor::from_slice(&row(0, 3))));
                let doubles = doubles.into_iter().map(f64::to_bits);
                (bits(&floats), doubles.collect::<Vec<_>>())
            })
        });
        for (index, count) in COUNTS.into_iter().enumerate() {
            let in_order = |ranks: &mut dyn Iterator<Item = usize>| {
                let rows: Vec<_> = ranks.map(|rank| row(rank, count)).collect();
                let sum = |at: usize| rows.iter().map(|row| row[at]).reduce(|a, b| a + b);
                let sums = (0..count).map(|at| sum(at).unwrap().to_bits());
                sums.collect::<Vec<_>>()
            };
            let expected = in_order(&mut (0..size));
            if size > 2 && count > 100 {
                assert_ne!(expected, in_order(&mut (0..size).rev()));
            }
            let double = |at: usize| {
                let numbers = (0..size).map(|rank| f64::from(row(rank, count)[at]) / 3.0);
                numbers.fold(0.0, |a, b| a + b).to_bits()
            };
            let doubles: Vec<u64> = (0..count.min(9)).map(double).collect();
            for (rank, found) in all.iter().enumerate() {
                let (floats, sums) = &found[index];
                assert!(
                    *floats == expected,
                    "{count} numbers, rank {rank} of {size}"
                );
                assert!(*sums == doubles, "{count} numbers, rank {rank} of {size}");
            }
        }
    }
}

#[test]
fn rank_0_decides_and_gathers_lines() {
    let all = in_threads(3, 1, |rank| {
        let number = rank.number();
        let wish = [Decision::Save, Decision::Stop, Decision::Proceed][number];
        let agreed = rank.decision(wish).unwrap();
        if rank.is_first() {
            rank.ask_to_end().unwrap();
        }
        rank.barrier().unwrap();
        let lines = rank.gather(vec![format!("of {number}")]).unwrap();
        (agreed, rank.is_asked_to_end().unwrap(), lines)
    });
    let none = Vec::<String>::new;
    let lines = ["of 0", "of 1", "of 2"].map(str::to_owned).to_vec();
    assert_eq!(
        all,
        [
            (Decision::Save, true, lines),
            (Decision::Save, true, none()),
            (Decision::Save, true, none())
        ]
    );
}

#[test]
fn the_end_of_a_rank_is_an_error_of_all_others_and_says_why() {
    let errors = in_threads(3, 1, |rank| {
        if rank.number() == 2 {
            let error = UserError::input("no such picture", "look for it");
            rank.failure_reporter().unwrap().fail(&error);
            rank.links.clear();
            return None;
        }
        let error = rank.barrier().unwrap_err();
        rank.links.clear();
        Some(error)
    });
    let blame = UserError::of(errors[0].as_ref().unwrap());
    assert_eq!(
        (blame.kind, &*blame.error, &*blame.help),
        (
            FailureKind::Input,
            "rank 2 of 3: no such picture",
            "look for it"
        )
    );
    assert!(errors[1].as_ref().unwrap().is::<RankZeroExited>());
    assert!(errors[2].is_none());
}

#[test]
fn a_killed_rank_comes_with_the_help_for_its_signal() {
    for (signal, is_of_memory) in [("KILL", true), ("TERM", false)] {
        let command = |_: usize| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("kill -{signal} $$")]);
            command
        };
        let mut rank = Rank::start(2, 1, &Parts::default(), command).unwrap();
        let blame = UserError::of(&rank.barrier().unwrap_err());
        assert_eq!(blame.kind, FailureKind::Killed);
        assert!(blame.error.contains(&format!("SIG{signal}")), "{blame}");
        assert_eq!(blame.help.contains("train.devices"), is_of_memory);
    }
}

#[test]
fn numbers_of_another_kind_or_without_room_are_refused() {
    let mut rank = Rank::all(1, 1).unwrap().remove(0);
    for (numbers, text) in [
        (Tensor::from_slice(&[1.0_f64]), "cannot exchange Double"),
        (Tensor::zeros([200], (Kind::Float, Device::Cpu)), "no room"),
    ] {
        let broadcast = rank.broadcast(&numbers).unwrap_err();
        let summed = rank.all_reduce_sum(numbers, &[]).unwrap_err();
        for error in [broadcast, summed] {
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
