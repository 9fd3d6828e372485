//! `warmstart-worker`: carries out one run, fetches what runs need, shows what they learn from, or says what this installation
//! can do.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;
use warmstart_engine::device::DeviceRequest;
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::predict::Subject;
use warmstart_engine::worker::{self, Options};
use warmstart_engine::{check, doctor, export, look, predict, prefetch, selftest, worker_log};

const USAGE: &str =
    "usage: warmstart-worker train RUN_FOLDER [--stop-after STEP] | export RUN_FOLDER [FILE] | prefetch NAME... |
           predict [--pixels] RUN_FOLDER IMAGE... | predict --of-dataset RUN_FOLDER PART NUMBER |
           look EXPERIMENT_FILE | check EXPERIMENT_FILE... | selftest DEVICE [CHECK...] | doctor | --version
The worker is started by `warmstart`, one process a run; see `warmstart --help`.";

fn main() -> ExitCode {
    warmstart_engine::blocks::keep_freed_memory();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // A verb is plain text, a path need not be.
    let (verb, paths) = match arguments.split_first() {
        Some((verb, paths)) => (verb.to_str().unwrap_or_default(), paths),
        None => ("", &[][..]),
    };
    match (verb, paths) {
        ("train", [folder]) => train(Path::new(folder), Options::usual()),
        ("train", [folder, option, step]) if option == "--stop-after" => {
            match step.to_str().and_then(|step| step.parse().ok()) {
                Some(step) => train(
                    Path::new(folder),
                    Options {
                        stop_after: Some(step),
                        ..Options::usual()
                    },
                ),
                None => misused(),
            }
        }
        // A process of a run with `train.devices` above 1, started by its worker.
        ("rank", [folder, rank]) => match rank.to_str().and_then(|rank| rank.parse().ok()) {
            Some(rank) if worker::take_part(Path::new(folder), rank) => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
            None => misused(),
        },
        ("prefetch", names) => {
            let names: Vec<String> = names
                .iter()
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            prefetch::run(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        ("predict", [option, folder, part, number]) if option == "--of-dataset" => {
            let [part, number] = [part, number].map(|text| text.to_string_lossy());
            print(&predict::predict(
                Path::new(folder),
                &Subject::OfDataset {
                    part: &part,
                    number: &number,
                },
                true,
            ))
        }
        ("predict", [option, folder, images @ ..]) if option == "--pixels" => {
            of_files(folder, images, true)
        }
        ("predict", [folder, images @ ..]) => of_files(folder, images, false),
        ("look", [file]) => ended(look::serve(
            Path::new(file),
            std::io::stdin().lock(),
            std::io::stdout().lock(),
        )),
        ("check", files) => {
            let files: Vec<&Path> = files.iter().map(Path::new).collect();
            ended(check::serve(&files, std::io::stdout().lock()))
        }
        ("export", [folder]) => print(&export::export(Path::new(folder), None)),
        ("export", [folder, file]) => {
            print(&export::export(Path::new(folder), Some(Path::new(file))))
        }
        ("selftest", [device, only @ ..]) => selftest(device, only),
        ("doctor", []) => say(&doctor::report().to_string()),
        ("--version", []) => say(concat!("warmstart-worker ", env!("CARGO_PKG_VERSION"))),
        _ => misused(),
    }
}

fn misused() -> ExitCode {
    worker_log::line(USAGE);
    ExitCode::from(2)
}

/// The exit code of work that has written its answers itself. Logs its error.
fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            worker_log::line(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn selftest(device: &OsStr, only: &[OsString]) -> ExitCode {
    let Ok(request) = device.to_string_lossy().parse::<DeviceRequest>() else {
        return misused();
    };
    let only: Vec<String> = only
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    ended(selftest::serve(request, &only, std::io::stdout().lock()))
}

fn train(folder: &Path, options: Options) -> ExitCode {
    let listening = Interrupt::listen().context("signals cannot be received");
    match listening.and_then(|interrupt| worker::run(folder, options, &interrupt)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => ended(Err(error)),
    }
}

fn of_files(folder: &OsStr, images: &[OsString], with_pixels: bool) -> ExitCode {
    let images: Vec<PathBuf> = images.iter().map(PathBuf::from).collect();
    print(&predict::predict(
        Path::new(folder),
        &Subject::Files(&images),
        with_pixels,
    ))
}

/// Gives an answer that the dashboard's side reads.
fn print(answer: &impl Serialize) -> ExitCode {
    match serde_json::to_string(answer) {
        Ok(answer) => say(&answer),
        Err(error) => ended(Err(error).context("the answer cannot be written as JSON")),
    }
}

/// Answers on stdout; a reader that went away is no error.
fn say(answer: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{answer}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            ended(Err(error).context("the answer cannot be written"))
        }
        _ => ExitCode::SUCCESS,
    }
}
