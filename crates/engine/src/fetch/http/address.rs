//! Addresses: where redirects lead, and how messages show them.

use ureq::http::Uri;

use crate::fetch::error::FetchError;

/// An address for messages: without user, password and query, which may be secrets.
pub(in crate::fetch) fn shown(url: &Uri) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let host = url.host().unwrap_or_default();
    warmstart_schema::text::line(
        &format!(
            "{}://{host}{port}{}",
            url.scheme_str().unwrap_or_default(),
            url.path()
        ),
        200,
    )
}

/// The address that a redirect leads to. Fails if it is invalid, or leads from https to http.
pub(super) fn redirected(from: &Uri, location: &str) -> Result<Uri, FetchError> {
    let next = join(from, location).ok_or_else(|| {
        FetchError::permanent(format!("{} redirects to an invalid address", shown(from)))
    })?;
    if from.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
        return Err(FetchError::permanent(format!(
            "{} redirects to an unprotected address; refused",
            shown(from)
        )));
    }
    Ok(next)
}

/// The address that a redirect names.
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let has_scheme = location
        .split(['/', '?', '#'])
        .next()
        .is_some_and(|start| start.contains(':'));
    let whole = if has_scheme {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        let end = location.find(['?', '#']).unwrap_or(location.len());
        let (path, rest) = location.split_at(end);
        let path = match (path, base.path().rsplit_once('/')) {
            ("", _) => base.path().to_owned(),
            (path, Some((folder, _))) if !path.starts_with('/') => {
                without_dots(&format!("{folder}/{path}"))
            }
            (path, _) => without_dots(path),
        };
        format!("{scheme}://{authority}{path}{rest}")
    };
    parse(&whole)
}

/// A path without `.` and `..`: the client resolves them, because a server may take them for names (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if parts.peek().is_none() {
                    kept.push("");
                }
            }
            _ => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Parses an http or https address with a host.
pub(in crate::fetch) fn parse(url: &str) -> Option<Uri> {
    let url: Uri = url.parse().ok()?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"))
        && url.host().is_some_and(|host| !host.is_empty());
    is_web.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_against_the_address_that_gave_them() {
        let base = parse("https://hub.example:8443/a/b?x=1").unwrap();
        for (location, expected) in [
            ("https://other.example/c", Some("https://other.example/c")),
            ("//other.example/c", Some("https://other.example/c")),
            ("/c?y=2", Some("https://hub.example:8443/c?y=2")),
            ("c", Some("https://hub.example:8443/a/c")),
            ("?y=2", Some("https://hub.example:8443/a/b?y=2")),
            ("../c", Some("https://hub.example:8443/c")),
            ("./c?to=../x", Some("https://hub.example:8443/a/c?to=../x")),
            ("d/..", Some("https://hub.example:8443/a/")),
            ("/d/../../c/.", Some("https://hub.example:8443/c/")),
            (
                "/login?next=https://other.example/x",
                Some("https://hub.example:8443/login?next=https://other.example/x"),
            ),
            (
                "d?to=http://x/",
                Some("https://hub.example:8443/a/d?to=http://x/"),
            ),
            ("file:///etc/passwd", None),
            ("ftp://other.example/", None),
        ] {
            assert_eq!(
                join(&base, location).map(|url| url.to_string()).as_deref(),
                expected,
                "{location}"
            );
        }
    }

    #[test]
    fn redirects_from_https_to_http_are_refused() {
        let address = |url: &str| parse(url).unwrap();
        let (hub, mirror) = (
            address("https://hub.example/a"),
            address("http://mirror.example/a"),
        );
        for location in [
            "http://hub.example/a",
            "http://other.example/b",
            "HTTP://hub.example/a",
        ] {
            let why = match redirected(&hub, location) {
                Err(FetchError::Permanent { why }) => why,
                other => panic!("{location}: {other:?}"),
            };
            assert!(why.contains("unprotected address"), "{why}");
            assert!(redirected(&mirror, location).is_ok(), "{location}");
        }
        assert_eq!(
            redirected(&hub, "/b").unwrap(),
            address("https://hub.example/b")
        );
        assert_eq!(redirected(&mirror, "https://hub.example/a").unwrap(), hub);
    }
}
