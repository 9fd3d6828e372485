//! Speed of reading pictures on one core, in images a second: each file of a folder is decoded and resized as training does it.
//! The best of three passes.
//!
//! `cargo run --release -p warmstart-engine --example decode -- FOLDER SIDE`
#![expect(clippy::print_stdout, reason = "it prints a figure")]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use fast_image_resize::Resizer;
use warmstart_engine::data::folder::decode::{Framing, read};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, side] = arguments.as_slice() else {
        bail!("expected a folder and the side in pixels");
    };
    let side: u32 = side.parse()?;
    let files = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    let mut resizer = Resizer::new();
    let mut pixels = vec![0; side as usize * side as usize * 3];
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let begun = Instant::now();
        for file in &files {
            read(file, Framing::centred(side), &mut resizer, &mut pixels)?;
        }
        best = best.max(files.len() as f64 / begun.elapsed().as_secs_f64());
    }
    println!("{best:.1}");
    Ok(())
}
