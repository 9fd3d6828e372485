//! The dashboard needs libgcc, which a bare system may lack; packages bring it beside libtorch.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let macos = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos");
    if !macos {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/warmstart/libtorch");
    }
}
