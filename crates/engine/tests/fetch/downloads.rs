//! Broken connections, wrong answers and wrong files.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use warmstart_engine::failure::UserError;
use warmstart_engine::fetch::{Fetcher, Progress, Sources, Stopped, Timeouts};
use warmstart_schema::event::{FailureKind, FetchAction};

use crate::place::{Place, noise, published, read, sources, tiny};
use crate::server::{Reply, Seen, Server};

/// Downloads the tiny test dataset from a server.
fn fetch(place: &mut Place, server: &Server) -> Result<std::path::PathBuf, anyhow::Error> {
    place.fetcher(&sources(&server.url())).published(&tiny().0)
}

fn file(seen: &Seen) -> Reply {
    Reply::file(seen, &tiny().1, "\"one\"")
}

fn ranges(server: &Server) -> Vec<Option<usize>> {
    server.seen().iter().map(Seen::from).collect()
}

/// The dataset is complete, and the download left no other file.
fn assert_whole(place: &Place, folder: &std::path::Path) {
    assert_eq!(read(folder.join("train.bin")), noise(300_000, 1));
    assert_eq!(read(folder.join("test.bin")), noise(70_000, 2));
    let left = place.left("datasets");
    assert_eq!(
        left,
        [
            ("tiny/test.bin".to_owned(), 70_000),
            ("tiny/train.bin".to_owned(), 300_000)
        ]
    );
}

#[test]
fn a_dataset_is_downloaded_once_and_leaves_only_its_files() {
    let (server, mut place) = (Server::new(|seen, _| file(seen)), Place::new());
    let folder = fetch(&mut place, &server).unwrap();
    assert_whole(&place, &folder);
    let total = tiny().0.bytes;
    assert!(
        place.progress.progress.contains(&(total, total)),
        "{:?}",
        place.progress.progress
    );
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.path.as_str(), seen.header("accept-encoding")),
        ("/tiny.tar.gz", Some("identity"))
    );
    fetch(&mut place, &server).unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_broken_download_resumes_at_the_byte_where_it_broke() {
    let server = Server::new(|seen, number| match number {
        0 => file(seen).cut_after(100_000),
        1 => file(seen).stalling_after(50_000),
        2 => Reply::new(503, "busy"),
        _ => file(seen),
    });
    let mut place = Place::new();
    let folder = fetch(&mut place, &server).unwrap();
    assert_whole(&place, &folder);
    assert_eq!(
        ranges(&server),
        [None, Some(100_000), Some(150_000), Some(150_000)]
    );
    assert!(
        server.seen()[1..]
            .iter()
            .all(|seen| seen.header("if-range") == Some("\"one\""))
    );
}

#[test]
fn a_stopped_download_resumes_in_another_process() {
    let server = Server::new(|seen, number| {
        if number == 0 {
            file(seen).stalling_after(120_000)
        } else {
            file(seen)
        }
    });
    let mut place = Place::new();
    place.progress.stop_at = Some(120_000);
    let error = fetch(&mut place, &server).unwrap_err();
    assert!(error.is::<Stopped>(), "{error:#}");
    let (published, _) = tiny();
    assert_eq!(
        place.left("datasets"),
        [(format!("tiny.tar.gz.{}.part", published.md5), 120_000)]
    );
    place.progress.stop_at = None;
    let folder = fetch(&mut place, &server).unwrap();
    assert_whole(&place, &folder);
    assert_eq!(ranges(&server), [None, Some(120_000)]);
}

#[test]
fn a_login_page_in_place_of_the_file_does_not_cost_the_partial_file() {
    const PAGE: &str = "<html>please log in</html>";
    type Page = fn() -> Reply;
    let of_known_length: Page = || Reply::new(200, PAGE);
    let of_unknown_length: Page = || {
        Reply::new(200, format!("{:x}\r\n{PAGE}\r\n0\r\n\r\n", PAGE.len()))
            .with("transfer-encoding", "chunked")
            .with("content-type", "text/html; charset=utf-8")
    };
    for (page, sign) in [
        (of_known_length, "offers 26 bytes"),
        (of_unknown_length, "sends a web page"),
    ] {
        let server = Server::new(move |seen, number| match number {
            0 => file(seen).cut_after(100_000),
            1 => page(),
            _ => file(seen),
        });
        let mut place = Place::new();
        let error = UserError::of(&fetch(&mut place, &server).unwrap_err()).error;
        assert!(error.contains(sign), "{error}");
        let part = format!("tiny.tar.gz.{}.part", tiny().0.md5);
        assert_eq!(place.left("datasets"), [(part, 100_000)]);
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
        assert_eq!(ranges(&server), [None, Some(100_000), Some(100_000)]);
    }
}

#[test]
fn a_file_that_changed_on_the_server_is_downloaded_again() {
    // A server may respect `If-Range`, or ignore it and send a part of the new file.
    for heeds in [true, false] {
        let server = Server::new(move |seen, number| {
            let mut seen = seen.clone();
            if !heeds {
                seen.headers.remove("if-range");
            }
            match number {
                0 => Reply::file(&seen, &noise(tiny().1.len(), 9), "\"old\"").cut_after(90_000),
                _ => file(&seen),
            }
        });
        let mut place = Place::new();
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
        let expected: &[Option<usize>] = if heeds {
            &[None, Some(90_000)]
        } else {
            &[None, Some(90_000), None]
        };
        assert_eq!(ranges(&server), expected);
    }
}

#[test]
fn a_partial_file_that_does_not_match_is_discarded() {
    let (published, _) = tiny();
    for length in [1000, published.bytes, published.bytes + 5] {
        let (server, mut place) = (Server::new(|seen, _| file(seen)), Place::new());
        std::fs::create_dir_all(&place.places.downloads).unwrap();
        let part = place
            .places
            .downloads
            .join(format!("tiny.tar.gz.{}.part", published.md5));
        std::fs::write(part, noise(usize::try_from(length).unwrap(), 7)).unwrap();
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
    }
}

#[test]
fn wrong_answers_to_a_range_request_cause_a_full_download() {
    type Wrong = fn(&Seen) -> Reply;
    let wrong: [Wrong; 5] = [
        |_| Reply::new(416, ""),
        |_| {
            Reply::new(206, &tiny().1[5..])
                .with("content-range", &format!("bytes 5-9/{}", tiny().1.len()))
        },
        |seen| Reply::new(206, &tiny().1[seen.from().unwrap()..]),
        |_| Reply::new(206, "").with("content-range", "nonsense"),
        |_| Reply::new(200, tiny().1),
    ];
    for answer in wrong {
        let server = Server::new(move |seen, number| match number {
            0 => file(seen).cut_after(70_000),
            1 => answer(seen),
            _ => file(seen),
        });
        let mut place = Place::new();
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
        assert!(ranges(&server)[2..].iter().all(Option::is_none));
    }
}

/// The error of a download that cannot succeed, and the number of requests. The download must leave no file.
fn refused(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (String, usize) {
    let (server, mut place) = (Server::new(move |seen, _| reply(seen)), Place::new());
    let blame = UserError::of(&fetch(&mut place, &server).unwrap_err());
    assert_eq!(place.left("datasets"), [], "{blame:?}");
    assert_eq!(blame.kind, FailureKind::Input);
    assert!(
        blame.help.contains("WARMSTART_MIRROR") && blame.help.contains("tiny.tar.gz"),
        "{}",
        blame.help
    );
    (blame.error, server.seen().len())
}

#[test]
fn a_permanent_error_is_refused_without_a_retry() {
    let bytes = tiny().0.bytes;
    let (error, requests) = refused(|_| Reply::new(404, "no"));
    assert!(
        error.contains("404: there is no such file") && requests == 1,
        "{error}"
    );
    for status in [401, 403] {
        let (error, requests) = refused(move |_| Reply::new(status, "no"));
        assert!(
            error.contains("access is refused") && requests == 1,
            "{error}"
        );
    }
    let (error, requests) = refused(|_| Reply::new(200, "<html>please log in</html>"));
    assert!(
        error.contains(&format!("offers 26 bytes, expected {bytes}")) && requests == 1,
        "{error}"
    );
    let wrong = || noise(tiny().1.len(), 3);
    let (error, requests) = refused(move |_| Reply::new(200, wrong()));
    let found = published(&wrong()).md5;
    assert!(
        error.contains(&found) && error.contains(&tiny().0.md5) && requests == 1,
        "{error}"
    );
    let (error, _) = refused(|_| Reply::new(200, tiny().1).with("content-encoding", "gzip"));
    assert!(error.contains("encoding"), "{error}");
}

#[test]
fn an_archive_that_finds_no_room_is_unpacked_later_without_another_download() {
    let (server, mut place) = (Server::new(|seen, _| file(seen)), Place::new());
    // A file where the folder of the dataset belongs.
    let taken = place.folder.path().join("datasets/tiny");
    std::fs::create_dir_all(taken.parent().unwrap()).unwrap();
    std::fs::write(&taken, "").unwrap();
    let blame = UserError::of(&fetch(&mut place, &server).unwrap_err());
    assert_eq!(blame.kind, FailureKind::Disk);
    assert!(
        blame.error.starts_with("tiny cannot be stored: ")
            && blame.help.contains("not downloaded twice"),
        "{blame:?}"
    );
    std::fs::remove_file(&taken).unwrap();
    let folder = fetch(&mut place, &server).unwrap();
    assert_whole(&place, &folder);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn more_than_the_published_bytes_is_refused() {
    let chunked = |_: &Seen| {
        let (_, mut bytes) = tiny();
        bytes.extend([0; 10]);
        let body = [
            format!("{:x}\r\n", bytes.len()).into_bytes(),
            bytes,
            b"\r\n0\r\n\r\n".to_vec(),
        ]
        .concat();
        Reply::new(200, body).with("transfer-encoding", "chunked")
    };
    let (error, requests) = refused(chunked);
    assert!(
        error.contains("sends more than") && requests == 1,
        "{error}"
    );
    let (error, _) = refused(|_| Reply::new(200, [tiny().1, vec![0]].concat()));
    assert!(error.contains("offers"), "{error}");
    // The same for a download in parts, where each part reports the full size.
    let longer = |seen: &Seen| match seen.from() {
        None => Reply::new(200, tiny().1).cut_after(9),
        Some(_) => Reply::new(206, "x").with("content-range", "bytes 9-9/99999999"),
    };
    let (error, _) = refused(longer);
    assert!(error.contains("offers 99999999 bytes"), "{error}");
}

#[test]
fn a_server_that_sends_too_little_is_given_up_and_the_partial_file_is_kept() {
    let server = Server::new(|_, _| {
        let (published, bytes) = tiny();
        Reply::new(200, &bytes[..2000]).with("content-length", &published.bytes.to_string())
    });
    let mut place = Place::new();
    let blame = UserError::of(&fetch(&mut place, &server).unwrap_err());
    assert!(
        blame.error.contains("5 tries; 2000 of") && server.seen().len() == 5,
        "{}",
        blame.error
    );
    assert_eq!(place.left("datasets").len(), 1);
}

#[test]
fn a_busy_server_is_retried_after_its_retry_after_up_to_a_limit() {
    for (status, after) in [
        (429, "3600"),
        (503, "Tue, 31 Dec 2999 23:59:59 GMT"),
        (500, "soon"),
    ] {
        let server = Server::new(move |seen, number| {
            if number < 3 {
                Reply::new(status, "").with("retry-after", after)
            } else {
                file(seen)
            }
        });
        let mut place = Place::new();
        let began = std::time::Instant::now();
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
        let longest = sources("").timeouts.max_retry_delay;
        if status != 500 {
            assert!(began.elapsed() >= 3 * longest, "it did not wait");
        }
        let told = place
            .progress
            .notes
            .iter()
            .filter(|note| note.contains(&format!("answers {status}")))
            .count();
        assert_eq!(told, 3, "{:?}", place.progress.notes);
    }
    let (error, requests) = refused(|_| Reply::new(503, ""));
    assert!(error.contains("503") && requests == 5, "{error}");
}

#[test]
fn an_address_without_a_server_is_reported() {
    let mut place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let sources = sources(&format!("http://user:secret@127.0.0.1:{port}"));
    let blame = UserError::of(&place.fetcher(&sources).published(&tiny().0).unwrap_err());
    let said = blame.error + &place.progress.notes.concat();
    assert!(
        said.contains(&format!("http://127.0.0.1:{port}/tiny.tar.gz")) && !said.contains("secret"),
        "{said}"
    );
    let blame = UserError::of(
        &place
            .fetcher(&self::sources("not an address"))
            .published(&tiny().0)
            .unwrap_err(),
    );
    assert!(
        blame.error.contains("WARMSTART_MIRROR is no address"),
        "{}",
        blame.error
    );
}

#[test]
fn redirects_are_followed_but_not_in_circles() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::new(move |seen, number| match number {
            0 => Reply::redirect(status, "/elsewhere/tiny.tar.gz"),
            _ => file(seen),
        });
        let mut place = Place::new();
        let folder = fetch(&mut place, &server).unwrap();
        assert_whole(&place, &folder);
        assert_eq!(server.seen()[1].path, "/elsewhere/tiny.tar.gz");
    }
    let (error, _) = refused(|seen| Reply::redirect(302, &seen.path));
    assert!(error.contains("redirects more than"), "{error}");
    let (error, _) = refused(|_| Reply::redirect(302, "file:///etc/passwd"));
    assert!(error.contains("redirects to an invalid address"), "{error}");
}

#[test]
fn of_two_downloads_at_once_one_waits_and_both_get_the_file() {
    /// Signals when this download waits for the other one.
    struct Waiting(mpsc::Sender<()>);
    impl Progress for Waiting {
        fn progress(&mut self, _: FetchAction, _: &str, _: u64, _: u64) {}
        fn note(&mut self, text: &str) {
            if text.contains("another process is downloading tiny") {
                self.0.send(()).unwrap();
            }
        }
        fn is_stopped(&self) -> bool {
            false
        }
    }
    let (sender, receiver) = mpsc::channel();
    let waits = Mutex::new(receiver);
    let server = Server::new(move |seen, _| {
        waits
            .lock()
            .unwrap()
            .recv_timeout(Duration::from_mins(1))
            .unwrap();
        file(seen)
    });
    let place = Place::new();
    let timeouts = Timeouts {
        stall: Duration::from_mins(2),
        ..sources("").timeouts
    };
    let (places, sources) = (
        &place.places,
        &Sources {
            timeouts,
            ..sources(&server.url())
        },
    );
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| {
            let mut progress = Waiting(sender.clone());
            scope.spawn(move || {
                Fetcher {
                    places,
                    sources,
                    progress: &mut progress,
                }
                .published(&tiny().0)
                .unwrap()
            })
        });
        for folder in both {
            assert_whole(&place, &folder.join().unwrap());
        }
    });
    assert_eq!(server.seen().len(), 1);
}
