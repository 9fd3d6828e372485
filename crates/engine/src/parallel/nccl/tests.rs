use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use warmstart_schema::event::FailureKind;

use super::super::group::Rank;
use super::*;
use crate::failure::UserError;
use crate::interrupt::{Flow, Interrupt};

/// The stand-in for NCCL: there is no GPU where tests run.
fn stand_in() -> Library {
    static LIBRARY: OnceLock<(tempfile::TempDir, Library)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libnccl.so.2");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/parallel/nccl/stand_in.cpp"
        );
        let compiled = Command::new("c++")
            .args(["-std=c++17", "-shared", "-fPIC", "-o"])
            .arg(&path)
            .arg(source)
            .status();
        assert!(compiled.unwrap().success());
        let library = Library::open(path.to_str().unwrap()).unwrap();
        (folder, library)
    });
    *library
}

/// Connects the ranks and has each do this in a separate thread. Returns the answers in the order of the ranks.
fn connected<T: Send>(size: usize, work: impl Fn(&mut Rank) -> T + Sync) -> Vec<T> {
    let (library, ranks) = (stand_in(), Rank::all(size, 1000).unwrap());
    let id = library.unique_id().unwrap();
    thread::scope(|scope| {
        let (id, work) = (&id, &work);
        let ranks: Vec<_> = ranks
            .into_iter()
            .map(|mut rank| {
                scope.spawn(move || {
                    let flow = rank.connect_gpus(library, id, None, &Interrupt::default());
                    assert_eq!(flow.unwrap(), Flow::Done);
                    work(&mut rank)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[test]
fn ranks_get_the_sums_of_floats_by_nccl_and_of_doubles_by_memory() {
    let all = connected(3, |rank| {
        let number = rank.number() as f64;
        [1, 5, 1000].map(|count| {
            let own = Tensor::ones([count], (Kind::Float, tch::Device::Cpu)) * (number + 0.5);
            let (floats, doubles) = rank.all_reduce_sum(own, &[number, 2.0]).unwrap();
            (Vec::<f32>::try_from(&floats).unwrap(), doubles)
        })
    });
    for rank in all {
        for ((floats, doubles), count) in rank.into_iter().zip([1, 5, 1000]) {
            assert_eq!(floats, vec![4.5; count]);
            assert_eq!(doubles, [3.0, 6.0]);
        }
    }
}

#[test]
fn the_end_of_a_rank_within_a_sum_ends_the_sum() {
    let begun = Instant::now();
    let errors = connected(2, |rank| {
        if rank.number() == 1 {
            // Its sockets close.
            return None;
        }
        let floats = Tensor::ones([5], (Kind::Float, tch::Device::Cpu));
        // Rank 0 believes that all have met.
        Some(rank.sum_by_nccl(&floats).unwrap_err().to_string())
    });
    let error = errors[0].as_deref().unwrap();
    assert!(
        error.contains("remote process exited") || error == "another rank has ended",
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_rank_that_ends_early_ends_the_others() {
    for early in [0, 1] {
        let begun = Instant::now();
        let errors = connected(2, |rank| {
            (rank.number() != early).then(|| rank.barrier().unwrap_err().to_string())
        });
        let expected = ["rank 1 of 2 cannot be reached", "the process that leads"];
        let error = errors[1 - early].as_deref().unwrap();
        assert!(error.starts_with(expected[1 - early]), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_rank_that_nccl_refuses_says_why_and_how_to_do_without() {
    let (library, interrupt) = (stand_in(), Interrupt::default());
    let mut ranks = Rank::all(2, 1).unwrap();
    let connect = |ranks: &mut [Rank], id: &[u8]| {
        let error = ranks[0].connect_gpus(library, id, None, &interrupt);
        UserError::of(&error.unwrap_err())
    };
    let refused = connect(&mut ranks, &[0; ID]);
    assert_eq!(refused.kind, FailureKind::Input);
    assert!(refused.error.ends_with("unhandled cuda error"), "{refused}");
    assert!(refused.help.contains("WARMSTART_NCCL=off"));
    // Another rank has ended, which NCCL notices or not.
    ranks.truncate(1);
    for id in [vec![0; ID], library.unique_id().unwrap()] {
        let lost = connect(&mut ranks, &id);
        assert!(lost.error.starts_with("rank 1 of 2"), "{lost}");
    }
}

#[test]
fn a_stop_is_heard_while_gpus_connect() {
    let library = stand_in();
    let mut ranks = Rank::all(2, 1).unwrap();
    let id = library.unique_id().unwrap();
    let flow = ranks[0].connect_gpus(library, &id, None, &Interrupt::at_poll(1));
    assert_eq!(flow.unwrap(), Flow::Interrupted);
}

#[test]
fn a_library_that_is_not_there_or_is_another_is_named() {
    let error = |path: &str| format!("{:#}", Library::open(path).unwrap_err());
    let missing = error("/nowhere/libnccl.so.2");
    assert!(
        missing.starts_with("cannot load /nowhere/libnccl.so.2: "),
        "{missing}"
    );
    let other = error("libc.so.6");
    assert!(other.contains("lacks functions of NCCL"), "{other}");
}
