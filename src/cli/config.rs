//! `warmstart config`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_tui::config::{self, Loaded};

use super::output::{Overwrite, Problems, json_path};
use super::{Context, Exit, output, shown};

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
    /// Write the schema for editors, and a file with every default
    ///
    /// Fails if the file exists; the schema is written anyway.
    Init,
    /// Print the JSON Schema of the file
    Schema,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments.action {
        None => show(context),
        Some(Action::Check) => check(context),
        Some(Action::Init) => init(context),
        Some(Action::Schema) => {
            output::answer_json(&config::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

fn config_path() -> Result<PathBuf, Failure> {
    config::config_file().ok_or_else(|| {
        let what = "there is no home folder to keep settings in".to_owned();
        Failure::new(Kind::NotFound, what).help("set HOME or XDG_CONFIG_HOME")
    })
}

/// Prints the path and the settings in use.
fn show(context: &Context) -> anyhow::Result<Exit> {
    let path = config_path()?;
    let loaded = config::load();
    if context.json {
        let path = json_path(&path);
        let answer = json!({ "path": path, "exists": loaded.is_there, "config": loaded.config });
        output::answer_json(&answer)?;
    } else {
        let state = match (loaded.is_there, loaded.problems.is_empty()) {
            (false, _) => "not there; `warmstart config init` writes it",
            (true, true) => "read",
            (true, false) => "has mistakes; the settings below leave them out",
        };
        let yaml = serde_yaml::to_string(&loaded.config)
            .context("the settings cannot be written as YAML")?;
        output::answer(&format!("# {}: {state}\n{yaml}", shown(&path)))?;
    }
    exit_or_problems(loaded)
}

fn check(context: &Context) -> anyhow::Result<Exit> {
    let path = config_path()?;
    let loaded = config::load();
    if context.json {
        let (path, problems) = (json_path(&path), loaded.problems.len());
        let answer = json!({ "path": path, "exists": loaded.is_there, "problems": problems });
        output::answer_json(&answer)?;
    } else if loaded.problems.is_empty() {
        let state = if loaded.is_there {
            "ok"
        } else {
            "not there, so the defaults apply"
        };
        output::answer(&format!("{}: {state}\n", shown(&path)))?;
    }
    exit_or_problems(loaded)
}

fn exit_or_problems(loaded: Loaded) -> anyhow::Result<Exit> {
    if loaded.problems.is_empty() {
        Ok(Exit::Done)
    } else {
        Err(Problems(loaded.problems).into())
    }
}

fn init(context: &Context) -> anyhow::Result<Exit> {
    let path = config_path()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| {
        let folder = shown(folder);
        let what = format!("the folder of the settings cannot be created: {error}: {folder}");
        Failure::new(Kind::Disk, what).help("set XDG_CONFIG_HOME to a folder that you may write to")
    })?;
    let schema = folder.join("config.schema.json");
    let text = serde_json::to_string_pretty(&config::json_schema())? + "\n";
    output::write_file(&schema, text.as_bytes(), Overwrite::Yes)?;
    let help = "`warmstart config check` says whether it is right";
    output::write_file(&path, config::sample().as_bytes(), Overwrite::No { help })?;
    if context.json {
        let (path, schema) = (json_path(&path), json_path(&schema));
        output::answer_json(&json!({ "path": path, "schema": schema }))?;
    } else {
        output::answer(&format!("wrote {}\n", shown(&path)))?;
    }
    Ok(Exit::Done)
}
