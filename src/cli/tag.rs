//! `warmstart tag`, `warmstart note`, `warmstart archive`

use clap::Args;
use serde_json::json;
use warmstart_schema::annotation::{Annotation, BadTag, TagChange};

use super::{Context, Exit, output};
use warmstart_runs::actions;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::names;
use warmstart_runs::run::RunId;

/// Add tags to a run, or take them off; without changes, print them
#[derive(Debug, Args)]
pub(super) struct TagArguments {
    /// Id or experiment of a run
    run: String,
    /// +TAG adds a tag, -TAG takes one off
    #[arg(
        value_name = "CHANGE",
        allow_hyphen_values = true,
        trailing_var_arg = true
    )]
    changes: Vec<String>,
}

/// Set the note of a run; an empty text takes it away
#[derive(Debug, Args)]
pub(super) struct NoteArguments {
    /// Id or experiment of a run
    run: String,
    /// A sentence
    text: String,
}

/// Archive runs: lists hide them unless a filter asks for them
#[derive(Debug, Args)]
pub(super) struct ArchiveArguments {
    /// Ids or experiments of runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Bring them back instead
    #[arg(long)]
    undo: bool,
}

pub(super) fn tag(context: &Context, arguments: &TagArguments) -> anyhow::Result<Exit> {
    let wrong = |error: BadTag| {
        Failure::new(Kind::Input, error.to_string())
            .help("for example `warmstart tag RUN +good -old`")
    };
    let changes: Vec<TagChange> = arguments
        .changes
        .iter()
        .map(|text| TagChange::parse(text))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    annotate(context, &id_of(context, &arguments.run)?, |annotation| {
        annotation.change_tags(&changes)
    })
}

pub(super) fn note(context: &Context, arguments: &NoteArguments) -> anyhow::Result<Exit> {
    annotate(context, &id_of(context, &arguments.run)?, |annotation| {
        annotation.set_note(&arguments.text);
        Ok(())
    })
}

/// Archives runs, or brings them back; none if one of the names is wrong.
pub(super) fn archive(context: &Context, arguments: &ArchiveArguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let ids: Vec<RunId> = arguments
        .runs
        .iter()
        .map(|name| Ok(names::run(&runs, name)?.id.clone()))
        .collect::<anyhow::Result<_>>()?;
    for id in &ids {
        annotate(context, id, |annotation| {
            annotation.archived = !arguments.undo;
            Ok(())
        })?;
    }
    Ok(Exit::Done)
}

/// The id of the run that a name means.
fn id_of(context: &Context, name: &str) -> anyhow::Result<RunId> {
    let (_, runs) = context.runs();
    Ok(names::run(&runs, name)?.id.clone())
}

/// Changes a run's annotation and prints it.
fn annotate(
    context: &Context,
    id: &RunId,
    change: impl FnOnce(&mut Annotation) -> Result<(), BadTag>,
) -> anyhow::Result<Exit> {
    let (_, now) =
        actions::annotate(&context.checkpoints, id, change).map_err(|error| {
            match error.downcast::<BadTag>() {
                Ok(error) => Failure::new(Kind::Input, error.to_string()).into(),
                Err(error) => error,
            }
        })?;
    if context.json {
        let Annotation {
            tags,
            note,
            archived,
        } = &now;
        output::answer_json(
            &json!({ "run": id, "tags": tags, "note": note, "archived": archived }),
        )?;
    } else {
        let mut parts: Vec<String> = now.tags.iter().map(|tag| format!("#{tag}")).collect();
        parts.extend((!now.note.is_empty()).then(|| now.note.clone()));
        parts.extend(now.archived.then(|| "(archived)".to_owned()));
        let said = if parts.is_empty() {
            "nothing is noted".to_owned()
        } else {
            parts.join(" ")
        };
        output::answer(&format!("{id}: {said}\n"))?;
    }
    Ok(Exit::Done)
}
