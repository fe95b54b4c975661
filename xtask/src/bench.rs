//! `cargo xtask bench`: release programs, and the load generator on them.

use crate::{debian, tree};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of other servers that a run can use.
const PEERS: [(&str, &str); 3] =
    [("postfix", "postfix"), ("exim", "exim4-daemon-light"), ("opensmtpd", "opensmtpd")];

/// What the original is run with.
const FOR_THE_ORIGINAL: &str = "ucspi-tcp";

/// The image of `--image`: room for 100,000 waiting messages and large mail.
const IMAGE: Size = Size { bytes: 12 << 30, bytes_a_file: 16 << 10, free: 0 };

/// The same with 1,000,000 waiting messages, of three files each. It grows to some 20 GiB.
const LARGE_IMAGE: Size = Size { bytes: 28 << 30, bytes_a_file: 4 << 10, free: 32 << 30 };

/// As many waiting messages want the large one.
const MANY_WAITING: u64 = 500_000;

/// Builds for release and runs `quail-bench`; arguments go to it as they are, but for `--image`.
pub fn run(args: &[String]) -> Result<bool> {
    let mut packages = tree::program_packages()?;
    packages.push("quail-bench".to_owned());
    crate::terminal::say("building for release ...");
    let bin = tree::build(&packages, true)?;
    // Every server's queue and Maildirs lie here: on the disk of the build, which is no memory file system.
    let disk = tree::target().join("bench-disk");
    std::fs::create_dir_all(&disk).with_context(|| format!("cannot make {}", disk.display()))?;
    let image = if args.iter().any(|a| a == "--image") {
        Some(Image::mount(&disk, size(args, &disk))?)
    } else {
        None
    };
    let status = Command::new(bin.join("quail-bench"))
        .env("QUAIL_PROGRAMS", &bin)
        .env("QUAIL_PEERS", debian::unpack(&wanted(args)))
        .env("QUAIL_TOP", tree::top())
        .env("TMPDIR", image.as_ref().map_or(&disk, |image| &image.place))
        .args(args)
        .status()
        .context("cannot run quail-bench")?;
    Ok(status.success())
}

/// How large an image is.
#[derive(Clone, Copy)]
struct Size {
    bytes: u64,
    /// One file can be made for each of these.
    bytes_a_file: u64,
    /// What must be free on the disk.
    free: u64,
}

/// The image that these arguments want, and the disk has room for.
fn size(args: &[String], disk: &Path) -> Size {
    let waiting = args.iter().skip_while(|a| *a != "--backlog").nth(1).and_then(|n| n.parse::<u64>().ok());
    let is_whole = !args.iter().any(|a| a == "--quick" || a == "--case");
    let has_many = waiting.map_or(is_whole, |n| n >= MANY_WAITING);
    if has_many && free_bytes(disk).is_some_and(|free| free > LARGE_IMAGE.free) { LARGE_IMAGE } else { IMAGE }
}

/// What an ordinary user may still write there.
fn free_bytes(disk: &Path) -> Option<u64> {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(disk).output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().nth(1)?.trim().parse().ok()
}

/// A file system with a journal, as most machines have it, in a file on the disk that has perhaps none.
struct Image {
    file: PathBuf,
    place: PathBuf,
}

impl Image {
    fn mount(disk: &Path, size: Size) -> Result<Self> {
        let image = Self { file: disk.join("image"), place: disk.join("mounted") };
        std::fs::create_dir_all(&image.place)?;
        std::fs::File::create(&image.file)?.set_len(size.bytes)?;
        let ratio = size.bytes_a_file.to_string();
        call(Command::new("mkfs.ext4").args(["-q", "-F", "-i", &ratio]).arg(&image.file))?;
        call(Command::new("mount").args(["-o", "loop"]).arg(&image.file).arg(&image.place))?;
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Lazily: a name space of a server may have it a moment longer.
        let _ = call(Command::new("umount").arg("-l").arg(&self.place));
        let _ = std::fs::remove_file(&self.file);
    }
}

fn call(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}

/// The packages that these arguments ask for; the short run is beside Postfix alone.
fn wanted(args: &[String]) -> Vec<&'static str> {
    let list = args.iter().skip_while(|a| *a != "--peers").nth(1);
    let is_wanted = |name: &str| match list {
        Some(list) => list.split(',').any(|wanted| wanted == name),
        None => name == "postfix" || !args.iter().any(|a| a == "--quick"),
    };
    let mut packages: Vec<_> =
        PEERS.iter().filter(|(name, _)| is_wanted(name)).map(|(_, package)| *package).collect();
    if args.iter().any(|a| a == "--original") {
        packages.push(FOR_THE_ORIGINAL);
    }
    packages
}
