//! The Hugging Face hub: file metadata, redirects, who receives the token, and the cache shared with other tools.

use std::path::Path;

use rstest::rstest;
use sha2::{Digest, Sha256};
use warmstart_engine::failure::UserError;
use warmstart_engine::fetch::Sources;
use warmstart_schema::catalog::Pretrained;

use crate::place::{Place, noise, read, sources};
use crate::server::{Reply, Seen, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REPO: &str = "someone/model";
const FOLDER: &str = "hub/models--someone--model";
const PRETRAINED: Pretrained = Pretrained {
    hub: REPO,
    mean: [0.5; 3],
    std: [0.5; 3],
    pixels: 224,
};

fn weights() -> Vec<u8> {
    noise(200_000, 5)
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The hub's metadata for the weights, with a redirect to `location`.
fn metadata(location: &str) -> Reply {
    Reply::redirect(302, location)
        .with("x-repo-commit", COMMIT)
        .with("x-linked-size", &weights().len().to_string())
        .with("x-linked-etag", &format!("\"{}\"", sha256(&weights())))
        .with("etag", "\"of the redirect itself\"")
}

fn fetch(place: &mut Place, sources: &Sources) -> anyhow::Result<Option<std::path::PathBuf>> {
    place.fetcher(sources).weights(&PRETRAINED, &|_| Ok(()))
}

#[test]
fn weights_are_cached_in_the_layout_of_the_hubs_tools() {
    let server = Server::new(|seen, _| match seen.path.as_str() {
        "/someone/model/resolve/main/model.safetensors" => metadata("/cdn/a?signature=x"),
        "/cdn/a?signature=x" => Reply::file(seen, &weights(), "\"cdn\""),
        _ => Reply::redirect(307, "/cdn/a?signature=x").with("x-repo-commit", COMMIT),
    });
    let mut place = Place::new();
    let path = fetch(&mut place, &sources(&server.url())).unwrap().unwrap();
    assert_eq!(read(&path), weights());
    let repo = place.folder.path().join(FOLDER);
    assert_eq!(
        path,
        repo.join("snapshots")
            .join(COMMIT)
            .join("model.safetensors")
    );
    assert_eq!(
        std::fs::read_link(&path).unwrap(),
        Path::new("../../blobs").join(sha256(&weights()))
    );
    assert_eq!(read(repo.join("refs/main")), COMMIT.as_bytes());
    assert_eq!(place.left(FOLDER).len(), 3, "{:?}", place.left(FOLDER));
    let seen = server.seen();
    // The download uses the commit of the metadata, even if the branch changes meanwhile.
    assert_eq!(
        seen[1].path,
        format!("/someone/model/resolve/{COMMIT}/model.safetensors")
    );
    let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["HEAD", "GET", "GET"]);
    // A file in the cache causes no more requests.
    assert_eq!(
        fetch(&mut place, &sources(&server.url())).unwrap().unwrap(),
        path
    );
    assert_eq!(server.seen().len(), 3);
}

#[rstest]
#[case::another_port(false)]
#[case::another_name(true)]
fn the_token_is_sent_to_the_hub_only(#[case] by_name: bool) {
    // The hub redirects to the content server, which serves the bytes without a token.
    let content = Server::new(|seen, _| Reply::file(seen, &weights(), "\"cdn\""));
    let elsewhere = if by_name {
        content.other_name()
    } else {
        content.url()
    };
    let server = Server::new(move |seen, _| match seen.path.as_str() {
        "/someone/model/resolve/main/model.safetensors" => Reply::redirect(307, "/renamed"),
        "/renamed" => metadata(&format!("{elsewhere}/bytes")),
        _ => Reply::redirect(302, &format!("{elsewhere}/bytes")),
    });
    let mut place = Place::new();
    let sources = Sources {
        token: Some("hf_secret".to_owned()),
        ..sources(&server.url())
    };
    fetch(&mut place, &sources).unwrap();
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") == Some("Bearer hf_secret"))
    );
    assert_eq!(content.seen().len(), 1);
    assert!(
        content.seen()[0]
            .headers
            .values()
            .all(|value| !value.contains("hf_secret")),
        "{:?}",
        content.seen()
    );
    assert!(!place.progress.notes.concat().contains("hf_secret"));

    // The same port under another host name is another host too.
    let server = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let other = std::sync::Arc::clone(&server);
    let hub = Server::new(move |seen, _| match seen.path.as_str() {
        "/moved" => Reply::new(404, ""),
        _ => Reply::redirect(301, &format!("{}/moved", other.get().unwrap())),
    });
    server.set(hub.other_name()).unwrap();
    let sources = Sources {
        token: Some("hf_secret".to_owned()),
        ..crate::place::sources(&hub.url())
    };
    let error = fetch(&mut Place::new(), &sources).unwrap_err();
    assert!(!UserError::of(&error).error.contains("hf_secret"));
    let told: Vec<bool> = hub
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").is_some())
        .collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn a_token_of_two_lines_is_named_and_not_shown() {
    let server = Server::new(|_, _| metadata("/cdn"));
    let sources = Sources {
        token: Some("hf_secret\nhf_other".to_owned()),
        ..sources(&server.url())
    };
    let error = fetch(&mut Place::new(), &sources).unwrap_err();
    let UserError { error, .. } = UserError::of(&error);
    assert!(
        error.contains("HF_TOKEN") && !error.contains("hf_secret"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_broken_download_resumes_in_the_same_blob() {
    let server = Server::new(|seen, number| match (seen.method.as_str(), number) {
        ("HEAD", _) => metadata("/cdn"),
        (_, 1) => Reply::file(seen, &weights(), "\"cdn\"").stalling_after(150_000),
        _ => Reply::file(seen, &weights(), "\"cdn\""),
    });
    let mut place = Place::new();
    place.progress.stop_at = Some(150_000);
    assert!(
        fetch(&mut place, &sources(&server.url()))
            .unwrap_err()
            .is::<warmstart_engine::fetch::Stopped>()
    );
    assert_eq!(
        place.left(FOLDER),
        [(format!("blobs/{}.incomplete", sha256(&weights())), 150_000)]
    );
    place.progress.stop_at = None;
    let path = fetch(&mut place, &sources(&server.url())).unwrap().unwrap();
    assert_eq!(read(path), weights());
    assert_eq!(server.seen().last().and_then(Seen::from), Some(150_000));
}

/// The error for weights that cannot be downloaded. The download must leave no file.
fn refused(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> String {
    let (server, mut place) = (Server::new(move |seen, _| reply(seen)), Place::new());
    let blame = UserError::of(&fetch(&mut place, &sources(&server.url())).unwrap_err());
    assert_eq!(place.left("hub"), [], "{blame:?}");
    assert!(
        blame.error.contains(REPO) && blame.help.contains("HF_ENDPOINT"),
        "{blame:?}"
    );
    blame.error
}

#[test]
fn impossible_metadata_of_the_hub_is_refused() {
    let size = weights().len().to_string();
    let digest = sha256(&weights());
    for (commit, bytes, etag, sign) in [
        (
            "../../../../tmp/evil",
            size.as_str(),
            digest.as_str(),
            "no commit",
        ),
        (COMMIT, &size, "../../evil", "no sha256"),
        // The hash of a git blob, which small files have.
        (COMMIT, &size, COMMIT, "no sha256"),
        (COMMIT, "0", &digest, "0 bytes"),
        (COMMIT, "99999999999", &digest, "99999999999 bytes"),
        (COMMIT, "many", &digest, "does not say"),
    ] {
        let reply = Reply::new(200, "")
            .with("x-repo-commit", commit)
            .with("x-linked-size", bytes)
            .with("x-linked-etag", &format!("\"{etag}\""));
        let error = refused(move |_| reply.clone());
        assert!(error.contains(sign), "{error}");
    }
    let error = refused(|_| Reply::new(200, "<html>"));
    assert!(error.contains("does not say which commit"), "{error}");
    for status in [401, 403] {
        assert!(refused(move |_| Reply::new(status, "")).contains("private, or does not exist"));
    }
    assert!(refused(|_| Reply::new(404, "")).contains("no such file"));
    assert!(refused(|_| Reply::new(502, "")).contains("502"));
}

#[test]
fn wrong_weights_are_refused_and_leave_no_file() {
    let other = |seen: &Seen| match seen.method.as_str() {
        "HEAD" => metadata("/cdn"),
        _ => Reply::new(200, noise(200_000, 6)),
    };
    let error = refused(other);
    assert!(
        error.contains(&sha256(&weights())) && error.contains(&sha256(&noise(200_000, 6))),
        "{error}"
    );
    let longer = |seen: &Seen| match seen.method.as_str() {
        "HEAD" => metadata("/cdn"),
        _ => Reply::new(200, noise(200_001, 5)),
    };
    assert!(refused(longer).contains("offers 200001 bytes"));

    // The check of the tensors can still refuse a file with the right hash.
    let server = Server::new(|seen, _| match seen.method.as_str() {
        "HEAD" => metadata("/cdn"),
        _ => Reply::file(seen, &weights(), "\"cdn\""),
    });
    let mut place = Place::new();
    let sources = sources(&server.url());
    let result = place.fetcher(&sources).weights(&PRETRAINED, &|path| {
        assert_eq!(read(path), weights());
        Err(anyhow::anyhow!("not these"))
    });
    assert!(
        UserError::of(&result.unwrap_err())
            .error
            .contains("not these")
    );
    assert_eq!(place.left("hub"), []);
}

#[test]
fn offline_mode_sends_no_request() {
    let server = Server::new(|_, _| metadata("/cdn"));
    let mut place = Place::new();
    place.places.offline = true;
    assert_eq!(fetch(&mut place, &sources(&server.url())).unwrap(), None);
    assert_eq!(server.seen().len(), 0);
    let sources = sources(&server.url());
    let dataset = place
        .fetcher(&sources)
        .dataset(warmstart_schema::catalog::DatasetName::Cifar100, None);
    assert_eq!((dataset.unwrap(), server.seen().len()), (None, 0));
}

#[rstest]
#[case::gated(
    401,
    Some("GatedRepo"),
    "Access to model someone/model is restricted. You must have access to it",
    None,
    "accept its conditions at",
    "then set HF_TOKEN"
)]
#[case::gated_with_a_token(
    403,
    Some("GatedRepo"),
    "Access to model someone/model is restricted",
    Some("hf_secret"),
    "accept its conditions at",
    "with the account of HF_TOKEN"
)]
#[case::not_there(
    401,
    Some("RepoNotFound"),
    "Repository not found",
    None,
    "Repository not found",
    "private, or does not exist"
)]
#[case::in_the_body(
    403,
    None,
    "Your quota is used up",
    None,
    "Your quota is used up",
    "HF_TOKEN"
)]
fn the_hubs_refusal_is_reported_with_its_reason_and_what_to_do(
    #[case] status: u16,
    #[case] code: Option<&'static str>,
    #[case] reason: &'static str,
    #[case] token: Option<&str>,
    #[case] first: &str,
    #[case] second: &str,
) {
    let server = Server::new(move |_, _| match code {
        Some(code) => Reply::new(status, "")
            .with("x-error-code", code)
            .with("x-error-message", reason),
        None => Reply::new(status, serde_json::json!({ "error": reason }).to_string()),
    });
    let mut place = Place::new();
    let sources = Sources {
        token: token.map(str::to_owned),
        ..sources(&server.url())
    };
    let UserError { error, .. } = UserError::of(&fetch(&mut place, &sources).unwrap_err());
    assert!(
        error.contains(reason) && error.contains(first) && error.contains(second),
        "{error}"
    );
    assert!(
        error.contains(&status.to_string()) && !error.contains("hf_secret"),
        "{error}"
    );
    if first.starts_with("accept") {
        assert!(
            error.contains(&format!("{}/{REPO}", server.url()))
                && !error.contains(&format!("conditions at {}/{REPO}/resolve", server.url())),
            "{error}"
        );
    }
}
