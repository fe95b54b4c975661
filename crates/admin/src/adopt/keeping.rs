//! The original's programs, kept beside in `bin.original` until they are asked back.
//!
//! They are hard links to the very files, so that owner, mode and times stay, and they are behind a directory that only
//! root may enter: a second setuid program would be one too many. `manifest` says what was done, `SHA256SUMS` what the
//! files held; both are written and synced before anything in `bin` changes.

use crate::place::Place;
use crate::setup::step::{beside, set_mode, write_whole};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const DIRECTORY: &str = "bin.original";
const MANIFEST: &str = "manifest";
const SUMS: &str = "SHA256SUMS";

/// What was there before us.
#[derive(Debug)]
pub(super) struct Keeping {
    directory: PathBuf,
    bin: PathBuf,
    /// Programs that are in the directory.
    replaced: Vec<String>,
    /// Programs that were not there before.
    added: Vec<String>,
}

impl Keeping {
    /// Keeps what `ours` will take the place of.
    pub fn begin(place: &Place, ours: &[PathBuf]) -> Result<Self> {
        let (directory, bin) = (place.at(DIRECTORY), place.at("bin"));
        fs::create_dir(&directory).with_context(|| {
            format!("cannot make {}; what is there, if anything, is to be moved", directory.display())
        })?;
        set_mode(&directory, 0o700)?;
        let names = ours.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
        let (replaced, added) = names.partition(|name| bin.join(name).symlink_metadata().is_ok());
        let keeping = Self { directory, bin, replaced, added };
        for name in &keeping.replaced {
            link(&keeping.bin.join(name), &keeping.directory.join(name))?;
        }
        keeping.write_sums()?;
        let line = |word: &str, name: &String| format!("{word} {name}\n");
        let text: String = keeping
            .replaced
            .iter()
            .map(|n| line("replaced", n))
            .chain(keeping.added.iter().map(|n| line("added", n)))
            .collect();
        write_whole(&keeping.directory.join(MANIFEST), text.as_bytes(), 0o600)?;
        fs::File::open(&keeping.directory)?.sync_all()?;
        Ok(keeping)
    }

    /// What an earlier run has kept.
    pub fn open(place: &Place) -> Result<Self> {
        let (directory, bin) = (place.at(DIRECTORY), place.at("bin"));
        let manifest = directory.join(MANIFEST);
        let text = fs::read_to_string(&manifest).with_context(|| {
            format!(
                "cannot read {}: this host was not adopted, or its original was removed",
                manifest.display()
            )
        })?;
        let (mut replaced, mut added) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            match line.split_once(' ') {
                Some(("replaced", name)) if !name.contains('/') => replaced.push(name.to_owned()),
                Some(("added", name)) if !name.contains('/') => added.push(name.to_owned()),
                _ => bail!(
                    "{} line {number}: \"{}\"; \"replaced NAME\" or \"added NAME\" is accepted",
                    manifest.display(),
                    line.escape_debug()
                ),
            }
        }
        Ok(Self { directory, bin, replaced, added })
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether what is kept is what was kept.
    pub fn verify(&self) -> Result<()> {
        for name in &self.replaced {
            let path = self.directory.join(name);
            path.symlink_metadata().with_context(|| format!("{} is gone", path.display()))?;
        }
        let checked = Command::new("sha256sum")
            .args(["--check", "--status", SUMS])
            .current_dir(&self.directory)
            .status()
            .context("cannot run sha256sum")?;
        if !checked.success() {
            bail!(
                "{}: a program is not what was kept; `cd {0} && sha256sum -c {SUMS}` says which; nothing has been changed",
                self.directory.display()
            );
        }
        Ok(())
    }

    /// Puts everything back, one rename at a time, and removes what was added.
    pub fn put_back(&self) -> Result<()> {
        for name in &self.replaced {
            let (kept, target) = (self.directory.join(name), self.bin.join(name));
            let new = beside(&target);
            let _ = fs::remove_file(&new);
            link(&kept, &new)?;
            fs::rename(&new, &target).with_context(|| format!("cannot put {} back", target.display()))?;
            // A rename onto the same file does nothing at all.
            let _ = fs::remove_file(&new);
        }
        for name in &self.added {
            match fs::remove_file(self.bin.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot remove {}", self.bin.join(name).display()));
                }
                _ => {}
            }
        }
        fs::File::open(&self.bin)?.sync_all()?;
        Ok(())
    }

    /// Forgets; everything is back.
    pub fn end(self) -> Result<()> {
        for name in self.replaced.iter().map(String::as_str).chain([SUMS, MANIFEST]) {
            fs::remove_file(self.directory.join(name))
                .with_context(|| format!("cannot remove {name} from {}", self.directory.display()))?;
        }
        fs::remove_dir(&self.directory).with_context(|| format!("cannot remove {}", self.directory.display()))
    }

    fn write_sums(&self) -> Result<()> {
        let files = self.replaced.iter().filter(|n| self.directory.join(n).is_file());
        let output = Command::new("sha256sum")
            .arg("--")
            .args(files)
            .current_dir(&self.directory)
            .stdin(std::process::Stdio::null())
            .output()
            .context("cannot run sha256sum")?;
        if !output.status.success() {
            bail!("sha256sum: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        write_whole(&self.directory.join(SUMS), &output.stdout, 0o600)
    }
}

/// Another name for the same file; for a link, the same link.
fn link(from: &Path, to: &Path) -> Result<()> {
    let done = match from.read_link() {
        Ok(target) => symlink(target, to),
        Err(_) => fs::hard_link(from, to),
    };
    done.with_context(|| format!("cannot keep {} as {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::People;

    #[test]
    fn what_is_kept_comes_back_as_the_same_files() {
        use std::os::unix::fs::MetadataExt;
        let scratch = tempfile::tempdir().unwrap();
        let place =
            Place { home: scratch.path().into(), root: scratch.path().into(), people: People::Caller };
        let bin = place.at("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("qmail-send"), "the original's").unwrap();
        symlink("qmail-send", bin.join("qmail-link")).unwrap();
        let inode = bin.join("qmail-send").metadata().unwrap().ino();
        let ours = ["qmail-send", "qmail-link", "quail"].map(|n| scratch.path().join("ours").join(n));
        let keeping = Keeping::begin(&place, &ours).unwrap();
        for source in &ours {
            let target = bin.join(source.file_name().unwrap());
            let _ = fs::remove_file(&target);
            fs::write(target, "ours").unwrap();
        }
        assert!(Keeping::begin(&place, &ours).is_err(), "the original must not be kept twice");
        keeping.verify().unwrap();
        let keeping = Keeping::open(&place).unwrap();
        keeping.put_back().unwrap();
        keeping.put_back().unwrap();
        keeping.end().unwrap();
        assert_eq!(bin.join("qmail-send").symlink_metadata().unwrap().ino(), inode);
        assert_eq!(bin.join("qmail-link").read_link().unwrap(), Path::new("qmail-send"));
        assert_eq!(bin.read_dir().unwrap().count(), 2);
        assert!(!place.at(DIRECTORY).exists());
    }

    #[test]
    fn what_was_changed_is_not_put_back() {
        let scratch = tempfile::tempdir().unwrap();
        let place =
            Place { home: scratch.path().into(), root: scratch.path().into(), people: People::Caller };
        fs::create_dir(place.at("bin")).unwrap();
        fs::write(place.at("bin/qmail-send"), "the original's").unwrap();
        let keeping = Keeping::begin(&place, &[scratch.path().join("ours/qmail-send")]).unwrap();
        fs::write(keeping.directory().join("qmail-send"), "somebody else's").unwrap();
        let error = keeping.verify().unwrap_err().to_string();
        assert!(error.contains("is not what was kept"), "{error}");
    }
}
