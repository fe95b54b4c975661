//! `cargo xtask bench`: release programs, and the load generator on them.

use crate::{debian, tree};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of other servers that a run can use.
const PEERS: [(&str, &str); 2] = [("postfix", "postfix"), ("exim", "exim4-daemon-light")];

/// Size of the image of `--image`: room for 100,000 waiting messages and large mail.
const IMAGE_BYTES: u64 = 12 << 30;

/// Builds for release and runs `quail-bench`; arguments go to it as they are, but for `--image`.
pub fn run(args: &[String]) -> Result<bool> {
    let mut packages = tree::program_packages()?;
    packages.push("quail-bench".to_owned());
    crate::terminal::say("building for release ...");
    let bin = tree::build(&packages, true)?;
    // Every server's queue and Maildirs lie here: on the disk of the build, which is no memory file system.
    let disk = tree::target().join("bench-disk");
    std::fs::create_dir_all(&disk).with_context(|| format!("cannot make {}", disk.display()))?;
    let image = if args.iter().any(|a| a == "--image") { Some(Image::mount(&disk)?) } else { None };
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

/// A file system with a journal, as most machines have it, in a file on the disk that has perhaps none.
struct Image {
    file: PathBuf,
    place: PathBuf,
}

impl Image {
    fn mount(disk: &Path) -> Result<Self> {
        let image = Self { file: disk.join("image"), place: disk.join("mounted") };
        std::fs::create_dir_all(&image.place)?;
        std::fs::File::create(&image.file)?.set_len(IMAGE_BYTES)?;
        call(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image.file))?;
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
    PEERS.iter().filter(|(name, _)| is_wanted(name)).map(|(_, package)| *package).collect()
}
