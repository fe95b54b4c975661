//! `cargo xtask deb`: the Debian packages, made with dpkg-deb and nothing else.
//!
//! - [`contents`]: what lies where in which package
//! - [`fields`]: what dpkg is told about it
//!
//! The same tree and the same tools give the same bytes: paths of the builder are taken out of the programs, and no
//! time in a package is later than `SOURCE_DATE_EPOCH`.

mod contents;
mod fields;

use crate::terminal::say;
use crate::tree;
use anyhow::{Context, Result, bail};
use contents::Contents;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages, in the order they can be installed.
pub const PACKAGES: [&str; 2] = ["quail", "quail-mta"];

/// What is asked for.
#[derive(Debug)]
struct Options {
    /// Where built programs are; `None`: they are built first.
    programs: Option<PathBuf>,
    /// Where the packages go.
    out: PathBuf,
    version: String,
    /// For tests: nothing is compressed.
    is_quick: bool,
}

/// `cargo xtask deb [--out DIR] [--version V] [--programs DIR] [--quick]`, or `--for-tests [DIR]`.
pub fn run(args: &[String]) -> Result<bool> {
    let mut options = Options {
        programs: None,
        out: tree::target().join("deb"),
        version: format!("{}-1", env!("CARGO_PKG_VERSION")),
        is_quick: false,
    };
    if args.first().is_some_and(|a| a == "--for-tests") {
        let programs = args.get(1).map_or_else(|| tree::target().join("debug"), PathBuf::from);
        say(&for_tests(&programs)?.display().to_string());
        return Ok(true);
    }
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--out" => options.out = value()?.into(),
            "--version" => options.version.clone_from(value()?),
            "--programs" => options.programs = Some(value()?.into()),
            "--quick" => options.is_quick = true,
            _ => bail!("{arg} is not known; there are --out DIR, --version V, --programs DIR, --quick"),
        }
    }
    for path in make(&options)? {
        say(&path.display().to_string());
    }
    Ok(true)
}

/// Packages of built programs for the tests: one version and the next, in a folder each, and the first once more, which
/// must give the same bytes. Returns the folder of all.
pub fn for_tests(programs: &Path) -> Result<PathBuf> {
    let folder = tree::target().join("test-packages");
    let programs = &without_symbols(programs, &folder.join("programs"))?;
    let made = |name: &str, version: &str| {
        make(&Options {
            programs: Some(programs.clone()),
            out: folder.join(name),
            version: version.to_owned(),
            is_quick: true,
        })
    };
    let first = made("first", "1.0-1")?;
    made("second", "1.0-2")?;
    for (one, other) in first.iter().zip(made("again", "1.0-1")?) {
        if std::fs::read(one)? != std::fs::read(&other)? {
            bail!("{} and {} should be the same", one.display(), other.display());
        }
    }
    Ok(folder)
}

/// Copies without what only a debugger reads: a tenth of the size.
fn without_symbols(programs: &Path, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for program in tree::programs()? {
        let (from, to) = (programs.join(&program.name), folder.join(&program.name));
        let stripped = Command::new("strip").arg("-o").args([&to, &from]).status();
        if !stripped.is_ok_and(|s| s.success()) {
            std::fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(folder.to_path_buf())
}

fn make(options: &Options) -> Result<Vec<PathBuf>> {
    let programs = match &options.programs {
        Some(folder) => folder.clone(),
        None => build()?,
    };
    let epoch = epoch()?;
    let stage = options.out.join("stage");
    let _ = std::fs::remove_dir_all(&stage);
    let mut made = Vec::new();
    for package in PACKAGES {
        let root = stage.join(package);
        let mut contents = Contents::new(&root)?;
        match package {
            "quail" => contents.quail(&programs)?,
            _ => contents.quail_mta()?,
        }
        let architecture = fields::write(package, &options.version, &mut contents)?;
        let file = options.out.join(format!("{package}_{}_{architecture}.deb", options.version));
        let compression = if options.is_quick { "-Znone" } else { "-Zxz" };
        let status = Command::new("dpkg-deb")
            .args(["--root-owner-group", compression, "--build"])
            .args([&root, &file])
            .env("SOURCE_DATE_EPOCH", &epoch)
            .stdout(std::process::Stdio::null())
            .status()
            .context("cannot run dpkg-deb; Debian's package dpkg has it")?;
        if !status.success() {
            bail!("dpkg-deb: {status}");
        }
        made.push(file);
    }
    std::fs::remove_dir_all(&stage)?;
    Ok(made)
}

/// The programs as they are released, in a folder of their own: what is built here names no place on this machine.
fn build() -> Result<PathBuf> {
    let target = tree::target().join("deb/build");
    let top = tree::top();
    let mut flags = vec![format!("--remap-path-prefix={}=quail", top.display())];
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    if let Some(cargo_home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=cargo", cargo_home.display()));
    }
    let mut command = tree::cargo(&["build", "--release", "--quiet", "--locked"]);
    for package in tree::program_packages()? {
        command.args(["--package", &package]);
    }
    command.env("CARGO_TARGET_DIR", &target).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if !command.status().context("cannot run cargo")?.success() {
        bail!("the build failed");
    }
    Ok(target.join("release"))
}

/// The time of everything in the packages: what the environment says, else that of the last commit.
fn epoch() -> Result<String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let output = Command::new("git").current_dir(tree::top()).args(["log", "-1", "--format=%ct"]).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        _ => bail!("SOURCE_DATE_EPOCH is not set, and there is no commit to take the time from"),
    }
}
