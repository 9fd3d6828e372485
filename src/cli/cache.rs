//! `warmstart cache`

use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Context, Exit, output, shown};
use warmstart_report::fit::Column;
use warmstart_report::format;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::feature_cache::{Cleared, FeatureCache, Stored, VARIABLE};

/// List the features that runs kept for other runs, or remove them
///
/// A run with a frozen backbone keeps the features of pictures that do not change in ~/.cache/warmstart/features. Another run
/// with the same pictures, weights and conditions reads them. `WARMSTART_FEATURE_CACHE` bounds the cache (default 10GB, `off`
/// for none); the features that were used longest ago go first.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Remove all features; runs compute them again
    #[arg(long)]
    clear: bool,
}

pub(super) fn cache(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let cache = FeatureCache::from_env().map_err(|problem| Failure::new(Kind::Input, problem))?;
    let cannot = |what: &str| {
        format!(
            "the cache of features cannot be {what}: {}",
            shown(cache.folder())
        )
    };
    if arguments.clear {
        let Cleared { files, bytes } = cache.clear().with_context(|| cannot("cleared"))?;
        if context.json {
            output::answer_json(&json!({ "removed": files, "bytes": bytes }))?;
        } else {
            output::answer(&format!("{files} removed, {}\n", format::bytes(bytes)))?;
        }
        return Ok(Exit::Done);
    }
    let files = cache.list().with_context(|| cannot("read"))?;
    if context.json {
        let rows: Vec<_> = files.iter().map(row_of_json).collect();
        output::answer_json(&json!({
            "folder": output::json_path(cache.folder()),
            "limit": cache.limit(),
            "bytes": total(&files),
            "files": rows,
        }))?;
        return Ok(Exit::Done);
    }
    if files.is_empty() {
        output::note(context, "the cache of features is empty");
        return Ok(Exit::Done);
    }
    let rows = files.iter().map(row).collect();
    output::answer(&output::table(
        &[
            Column::names("backbone"),
            Column::words("dataset", 1),
            Column::words("part", 2),
            Column::words("images", 3),
            Column::words("pixels", 4),
            Column::words("precision", 6),
            Column::words("device", 7),
            Column::words("size", 0),
            Column::words("last use", 0),
            Column::words("key", 5),
        ],
        rows,
    ))?;
    let most = if cache.is_off() {
        format!("{VARIABLE} turns the cache off")
    } else {
        format!("at most {}", format::bytes(cache.limit()))
    };
    output::note(
        context,
        &format!(
            "{} in {}; {most}",
            format::bytes(total(&files)),
            shown(cache.folder())
        ),
    );
    Ok(Exit::Done)
}

fn total(files: &[Stored]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

fn last_use(file: &Stored) -> String {
    jiff::Timestamp::try_from(file.last_use).map_or_else(
        |_| String::new(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn row(file: &Stored) -> [String; 10] {
    let fact = |name: &str| file.facts.get(name).cloned().unwrap_or_default();
    let backbone = if file.facts.is_empty() {
        "(damaged)".to_owned()
    } else {
        fact("backbone")
    };
    let ago = SystemTime::now().duration_since(file.last_use);
    [
        backbone,
        fact("dataset"),
        fact("part"),
        fact("images"),
        fact("pixels"),
        fact("precision"),
        fact("device"),
        format::bytes(file.bytes),
        ago.map_or_else(|_| last_use(file), |ago| format::ago(ago.as_secs_f64())),
        file.key[..12].to_owned(),
    ]
}

fn row_of_json(file: &Stored) -> serde_json::Value {
    let facts = file
        .facts
        .iter()
        .filter(|(name, _)| !["format", "sha256"].contains(&name.as_str()));
    json!({
        "key": file.key,
        "bytes": file.bytes,
        "last_use": last_use(file),
        "facts": facts.collect::<std::collections::BTreeMap<_, _>>(),
    })
}
