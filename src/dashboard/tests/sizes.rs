//! No size of terminal, no data and no sequence of keys brings the dashboard down.

use warmstart_schema::seed::SplitMix64;

use super::dataset::{Album, answering, looking};
use super::fixtures::{empty, typical};
use super::hostile::hostile;
use super::{drawn, press, text};
use crate::dashboard::model::Model;

/// Keys that lead to every screen and popup.
const PLACES: [&str; 28] = [
    "",
    "G",
    "jj<enter>",
    "jjjj<enter>",
    "jjjjj<enter>",
    "jjjj<enter><left>",
    "jjjj<enter>mm<left><left>++>gG",
    "jj<enter>x<left>mmmm<left>+",
    "jjjj<enter>xx1o<up><up><tab>",
    "jjjj<enter>xxx7<pageup>+<",
    "jjjjj<enter>oomxg<home>",
    "jjjj<enter>6mG0",
    "jjjjj<enter>l",
    "c",
    "coo<right>",
    "cjjt<down>",
    "cDv]",
    "cdpg",
    "Mj",
    "?",
    "a",
    "jjs",
    "E",
    "/e",
    ":",
    ":st",
    "jjy",
    "jjyl<enter>d",
];

fn sizes() -> impl Iterator<Item = (u16, u16)> {
    let small = (0..=90).flat_map(|width| (0..=30).map(move |height| (width, height)));
    let large = (91..=200).step_by(7).flat_map(|width| (0..=60).step_by(3).map(move |height| (width, height)));
    let tall = (0..=90).step_by(7).flat_map(|width| (31..=60).step_by(3).map(move |height| (width, height)));
    small.chain(large).chain(tall).chain([(200, 60)])
}

fn every_place(make: fn() -> Model) {
    for (index, keys) in PLACES.iter().enumerate() {
        let mut model = make();
        press(&mut model, keys);
        // Each place sees every eleventh size, and every size is seen by one place or more.
        for (width, height) in sizes().skip(index % 11).step_by(11) {
            let buffer = drawn(&model, width, height);
            for cell in &buffer.content {
                let hidden = cell.symbol().chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
                assert!(cell.symbol().len() <= 32 && !hidden, "{:?} at {width}×{height}", cell.symbol());
            }
        }
    }
}

#[test]
fn every_size_with_typical_data() {
    every_place(typical);
}

#[test]
fn every_size_with_hostile_data() {
    every_place(hostile);
}

#[test]
fn every_size_with_nothing() {
    every_place(empty);
}

/// The dataset screen and what stands in front of it, of any dataset, on any terminal.
#[test]
fn every_size_of_every_dataset() {
    for album in [Album::typical(), Album::hostile()] {
        for (index, keys) in ["jd", "jdaa", "jd<tab>", "jd<tab><tab>o", "jdG", "jdt", "jd7", "jdp", "j<enter>pa/b", "d"]
            .iter()
            .enumerate()
        {
            let model = looking(keys, &album);
            for (width, height) in sizes().skip(index % 11).step_by(11) {
                let buffer = drawn(&model, width, height);
                for cell in &buffer.content {
                    let hidden =
                        cell.symbol().chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
                    assert!(cell.symbol().len() <= 32 && !hidden, "{:?} at {width}×{height}", cell.symbol());
                }
            }
        }
    }
}

#[test]
fn random_keys_on_datasets() {
    const KEYS: &[u8] = b"jkhgGdtaAno p0123456789?q";
    for album in [Album::typical(), Album::hostile()] {
        let (mut model, mut random) = (looking("jd", &album), SplitMix64::new(7));
        for step in 0..3_000 {
            let keys = match random.below(30) {
                0 => "<enter>".to_owned(),
                1 => "<esc>".to_owned(),
                2 | 3 => "<tab>".to_owned(),
                4 => "<left>".to_owned(),
                5 => "<right>".to_owned(),
                _ => char::from(KEYS[usize::try_from(random.below(KEYS.len() as u64)).unwrap()]).to_string(),
            };
            answering(&mut model, &keys, &album);
            if step % 20 == 0 {
                let (width, height) = (random.below(130), random.below(50));
                drawn(&model, u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
            }
        }
    }
}

#[test]
fn random_keys() {
    const KEYS: &[u8] = b"v|.t*AUDnjkhlgGraspSuocOE/?yn qexm+-[],.0123567dtbwYM:yC";
    for make in [typical, hostile] {
        let (mut model, mut random) = (make(), SplitMix64::new(7));
        for step in 0..20_000 {
            let keys = match random.below(30) {
                0 => "<enter>".to_owned(),
                1 => "<esc>".to_owned(),
                2 => "<left>".to_owned(),
                3 => "<right>".to_owned(),
                4 => "<backspace>".to_owned(),
                5 => "<tab>".to_owned(),
                6 => "<up>".to_owned(),
                _ => char::from(KEYS[usize::try_from(random.below(KEYS.len() as u64)).unwrap()]).to_string(),
            };
            press(&mut model, &keys);
            if step % 40 == 0 {
                let (width, height) = (random.below(130), random.below(50));
                drawn(&model, u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
            }
        }
        // Whatever was open can be left again.
        press(
            &mut model,
            "<esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc><esc>",
        );
    }
}

#[test]
fn what_a_size_lacks_it_says() {
    for (width, height) in [(39, 24), (80, 9), (20, 5)] {
        let picture = text(&drawn(&typical(), width, height)).replace('\n', " ");
        assert!(picture.contains("needs 40×10"), "{picture}");
    }
}
