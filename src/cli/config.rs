//! `warmstart config`

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use warmstart_runs::storage::{self, Disk, replace};

use super::output::Problems;
use super::{Context, Exit, output, shown};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_tui::config::{self, Loaded};

/// Show the dashboard's settings and where they come from
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Check the file
    Check,
    /// Write a file with every default, and its schema for editors; an existing file stays
    Init,
    /// Print the JSON Schema of the file
    Schema,
}

pub(super) fn config(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments.action {
        None => show(context),
        Some(Action::Check) => check(context),
        Some(Action::Init) => init(),
        Some(Action::Schema) => {
            output::answer_json(&config::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

fn place(loaded: &Loaded) -> anyhow::Result<&Path> {
    let failure = || {
        Failure::new(
            Kind::NotFound,
            "there is no home folder to keep settings in".to_owned(),
        )
    };
    Ok(loaded
        .path
        .as_deref()
        .ok_or_else(|| failure().help("set HOME or XDG_CONFIG_HOME"))?)
}

/// The path and all settings in effect.
fn show(context: &Context) -> anyhow::Result<Exit> {
    let loaded = config::load();
    let path = place(&loaded)?;
    if context.json {
        let answer =
            serde_json::json!({ "path": path, "exists": loaded.is_there, "config": loaded.config });
        output::answer_json(&answer)?;
    } else {
        let state = match (loaded.is_there, loaded.problems.is_empty()) {
            (false, _) => "not there; `warmstart config init` writes it",
            (true, true) => "read",
            (true, false) => "has mistakes, which are left out below",
        };
        let yaml = serde_yaml::to_string(&loaded.config)
            .context("the settings cannot be written as YAML")?;
        output::answer(&format!("# {}: {state}\n{yaml}", shown(path)))?;
    }
    result(loaded)
}

fn check(context: &Context) -> anyhow::Result<Exit> {
    let loaded = config::load();
    let path = place(&loaded)?;
    if loaded.problems.is_empty() && !context.json {
        let state = if loaded.is_there {
            "ok"
        } else {
            "not there, so every default holds"
        };
        output::answer(&format!("{}: {state}\n", shown(path)))?;
    }
    result(loaded)
}

fn result(loaded: Loaded) -> anyhow::Result<Exit> {
    if loaded.problems.is_empty() {
        Ok(Exit::Done)
    } else {
        Err(Problems(loaded.problems).into())
    }
}

fn init() -> anyhow::Result<Exit> {
    let loaded = config::load();
    let path = place(&loaded)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", shown(folder)))?;
    let schema = serde_json::to_string_pretty(&config::json_schema())?;
    write(path, &config::sample(), false)?;
    write(
        &folder.join("config.schema.json"),
        &format!("{schema}\n"),
        true,
    )?;
    output::answer(&format!("wrote {}\n", shown(path)))?;
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str, replaces: bool) -> anyhow::Result<()> {
    let text = text.as_bytes();
    match if replaces {
        replace(&Disk, path, text)
    } else {
        storage::create(path, text)
    } {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", shown(path));
            Err(Failure::new(Kind::Input, what)
                .help("`warmstart config check` says whether it is right")
                .into())
        }
        written => written.with_context(|| format!("{} cannot be written", shown(path))),
    }
}
