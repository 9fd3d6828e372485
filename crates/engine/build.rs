//! Compiles the C++ shim against the libtorch that `torch-sys` found, and tells every binary and test of this crate
//! where to look for that libtorch when it starts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A packaged worker finds its libraries here, beside itself; it goes before the paths of the building machine.
const BESIDE_THE_WORKER: &str = "$ORIGIN/libtorch";

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=src/shim.cpp");
    println!("cargo:rerun-if-changed=src/memory.cpp");
    println!("cargo:rerun-if-changed=src/kernels");
    println!("cargo:rerun-if-changed=src/parallel/nccl.cpp");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");

    // torch-sys hands on only the library folder; the headers stand beside it unless the user says otherwise.
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB")
        .map_or_else(|| PathBuf::from("/usr/lib"), PathBuf::from);
    println!("cargo:rerun-if-changed={}", lib.display());
    let root = lib.parent().map_or_else(|| lib.clone(), Path::to_path_buf);
    let include = env::var_os("LIBTORCH_INCLUDE")
        .map_or_else(|| root.clone(), PathBuf::from)
        .join("include");
    // Clippy links nothing, and cargo runs this script once more for it.
    if !is_for_clippy() {
        // In this order, so that the linker finds what each calls in the next.
        compile_shim(&include)?;
        compile_kernels();
    }
    link(&lib, &root.join("link.env"));
    Ok(())
}

fn is_for_clippy() -> bool {
    let wrapper = env::var_os("RUSTC_WORKSPACE_WRAPPER").map(PathBuf::from);
    wrapper.is_some_and(|wrapper| {
        wrapper
            .file_stem()
            .is_some_and(|name| name == "clippy-driver")
    })
}

/// The flags are torch-sys's own, so that both agree on the layout of every C++ type.
fn compile_shim(include: &Path) -> std::io::Result<()> {
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    // Each of these files includes libtorch's headers, which take longer to compile than the files: together they take them once.
    let files = [
        "shim.cpp",
        "memory.cpp",
        "parallel/nccl.cpp",
        "kernels/blocks.cpp",
        "kernels/products.cpp",
        "kernels/winograd.cpp",
        "kernels/dispatch.cpp",
    ];
    let all = files.map(|file| format!("#include \"{file}\"\n")).concat();
    let all_in_one = out_dir().join("shim_and_kernels.cpp");
    fs::write(&all_in_one, all)?;
    cpp()
        .include("src")
        .include(include)
        .include(include.join("torch/csrc/api/include"))
        .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"))
        .flag("-DGLOG_USE_GLOG_EXPORT")
        .file(all_in_one)
        .compile("warmstart_shim");
    Ok(())
}

/// The kernels, once for each instruction set. `dispatch.cpp` chooses one when the worker runs.
fn compile_kernels() {
    let x86_64 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    let sets: &[(&str, &[&str])] = if x86_64 {
        &[
            ("plain", &[]),
            ("avx2", &["-mavx2", "-mfma"]),
            (
                "avx512",
                &[
                    "-mavx512f",
                    "-mavx512bw",
                    "-mavx512dq",
                    "-mavx512vl",
                    "-mfma",
                    "-mprefer-vector-width=512",
                ],
            ),
        ]
    } else {
        &[("plain", &[])]
    };
    std::thread::scope(|scope| {
        for (name, flags) in sets {
            scope.spawn(move || {
                let mut build = cpp();
                // The object files of one source have one name.
                build.out_dir(out_dir().join(name));
                build.define("WARMSTART_KERNELS", format!("kernels_{name}").as_str());
                for flag in *flags {
                    build.flag(flag);
                }
                build
                    .file("src/kernels/table.cpp")
                    .compile(&format!("warmstart_kernels_{name}"));
            });
        }
    });
}

fn out_dir() -> PathBuf {
    env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default()
}

fn cpp() -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .pic(true)
        .warnings(false)
        .opt_level(3)
        .debug(false)
        .flag("-std=c++17")
        // Vectors wider than the processor's are passed between functions of one file only.
        .flag_if_supported("-Wno-psabi");
    build
}

/// Reads `link.env`, which set-up writes where the linked folder is not the one to load from; without it the two are one.
fn link(lib: &Path, link_env: &Path) {
    println!("cargo:rerun-if-changed={}", link_env.display());
    let settings = fs::read_to_string(link_env).unwrap_or_default();
    let values = |key: &str| {
        let prefix = format!("{key}=");
        settings
            .lines()
            .filter_map(move |line| line.strip_prefix(&prefix).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let mut rpaths = values("rpath");
    if rpaths.is_empty() {
        rpaths.push(lib.display().to_string());
    }
    let macos = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos");
    let beside = if macos {
        BESIDE_THE_WORKER.replace("$ORIGIN", "@loader_path")
    } else {
        BESIDE_THE_WORKER.to_owned()
    };
    for path in std::iter::once(&beside).chain(&rpaths) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{path}");
    }
    if !macos {
        // `libtorch_cpu.so` names libraries that only its own rpath finds; the linker needs to be told.
        for path in values("rpath_link").iter().chain(&rpaths) {
            println!("cargo:rustc-link-arg=-Wl,-rpath-link,{path}");
        }
    }
}
