//! `tests/reference/rand_augment.py` writes the table: pictures as timm changes them by Pillow.

use serde_json::Value;

use super::*;
use crate::selftest::formula;

fn table() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/rand_augment.json")).unwrap()
}

/// A picture in planes, its height and width.
fn picture(case: &Value) -> (Vec<u8>, (usize, usize)) {
    let name = case["picture"].as_str().unwrap();
    let [height, width]: [i64; 2] = serde_json::from_value(case["size"].clone()).unwrap();
    let pixels = (formula::stream(name, &[height, width, 3]) + 1.0) / 2.0 * 255.0;
    let mut pixels = pixels.round().permute([2, 0, 1]).contiguous();
    if name.starts_with("dull") {
        pixels = pixels.divide_scalar_mode(4.0, "floor") + 60.0;
        let _ = pixels.get(2).fill_(77.0);
    }
    let pixels = pixels.to_kind(Kind::Uint8).contiguous().view([-1]);
    let size = (height, width);
    let size = (
        usize::try_from(size.0).unwrap(),
        usize::try_from(size.1).unwrap(),
    );
    (Vec::<u8>::try_from(pixels).unwrap(), size)
}

fn change(case: &Value) -> Change {
    let index = usize::try_from(case["operation"].as_u64().unwrap()).unwrap();
    Change {
        operation: Operation::ALL[index],
        magnitude: case["magnitude"].as_f64().unwrap(),
        is_negative: case["negative"] == true,
        is_cubic: case["cubic"] == true,
    }
}

#[test]
fn each_operation_gives_the_bytes_of_timm_and_pillow() {
    let table = table();
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() > 200);
    let mut wrong = Vec::new();
    for case in cases {
        let (mut bytes, size) = picture(case);
        let before = bytes.clone();
        change(case).apply(&mut Picture::new(&mut bytes, size));
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        assert_eq!(bytes.len(), expected.len(), "{}", case["name"]);
        let away = bytes
            .iter()
            .zip(&expected)
            .filter(|(one, other)| one != other)
            .count();
        if away > 0 {
            let same = before == expected;
            wrong.push(format!(
                "{} {} {} negative {} cubic {}: {away} of {} bytes differ{}",
                case["name"],
                case["picture"],
                case["magnitude"],
                case["negative"],
                case["cubic"],
                bytes.len(),
                if same { ", timm changes nothing" } else { "" }
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn operations_and_magnitudes_are_distributed_like_timms() {
    let (draws, settings) = (table()["draws"].clone(), RandAugment::default());
    let (mut random, all) = (SplitMix64::new(4), 100_000);
    let mut happened = [0_u32; Operation::ALL.len()];
    let mut magnitudes = Vec::new();
    let (mut negative, mut cubic) = (0.0, 0.0);
    for _ in 0..all * settings.operations {
        if let Some(change) = Change::draw(&settings, &mut random) {
            let place = Operation::ALL
                .iter()
                .position(|one| *one == change.operation);
            happened[place.unwrap()] += 1;
            magnitudes.push(change.magnitude);
            negative += f64::from(u8::from(change.is_negative));
            cubic += f64::from(u8::from(change.is_cubic));
        }
    }
    let near = |found: f64, expected: &Value, what: &str| {
        let expected = expected.as_f64().unwrap();
        assert!(
            (found - expected).abs() < 0.006,
            "{what}: {found}, timm {expected}"
        );
    };
    for (index, count) in happened.iter().enumerate() {
        let share = f64::from(*count) / f64::from(all);
        near(
            share,
            &draws["happened"][index],
            &format!("operation {index}"),
        );
    }
    let count = magnitudes.len() as f64;
    let mean = magnitudes.iter().sum::<f64>() / count;
    let variance = magnitudes.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    near(mean, &draws["mean"], "mean");
    near(variance.sqrt(), &draws["deviation"], "deviation");
    let largest = magnitudes.iter().filter(|x| **x >= LARGEST).count() as f64 / count;
    near(largest, &draws["largest"], "largest");
    near(negative / count, &0.5.into(), "negative");
    near(cubic / count, &0.5.into(), "cubic");
}

#[test]
fn images_without_a_change_keep_their_bits_and_threads_do_not_matter() {
    let images = Tensor::rand([7, 3, 9, 11], (Kind::Float, Device::Cpu));
    let settings = Augment {
        rand_augment: Some(RandAugment::default()),
        ..Augment::NONE
    };
    let draws = || Draws {
        random: SplitMix64::new(2),
        first: 0,
        images: 7,
    };
    let run = || apply(&images, &settings, draws()).unwrap();
    let threads = tch::get_num_threads();
    let found = [1, 3].map(|count| {
        tch::set_num_threads(count);
        run()
    });
    tch::set_num_threads(threads);
    assert_eq!(found[0], found[1]);
    let mut random = SplitMix64::new(2);
    let mut kept = 0;
    for row in 0..7 {
        let drawn = [(); 2].map(|()| Change::draw(&RandAugment::default(), &mut random));
        if drawn.iter().all(Option::is_none) {
            kept += 1;
            assert_eq!(found[0].get(row), images.get(row));
        } else {
            let levels = found[0].get(row) * 255.0;
            assert!((&levels - levels.round()).abs().max().double_value(&[]) < 1e-4);
        }
    }
    assert!((1..7).contains(&kept), "{kept}");
}
