//! The programs, from the directory that this one runs from into `bin`.

use super::step::{Step, beside};
use super::tree::give;
use crate::installation::programs_in;
use crate::layout::{self, GROUP};
use crate::place::{Place, quoted};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directory that this program was started from.
pub fn directory_of_this() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find out where this program lies")?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_path_buf())
}

/// What puts every program of `from` into `bin`, with owners and modes. Each appears there by a rename, so that
/// whoever runs it runs the old one or the new one.
pub fn steps(place: &Place, from: &Path) -> Result<Vec<Step>> {
    let bin = place.at("bin");
    if bin.join("qmail-send").exists() && !bin.join("quail").exists() {
        bail!("{} holds another qmail; `quail adopt` examines it and takes over from it", bin.display());
    }
    let programs = programs_in(from).with_context(|| format!("cannot read {}", from.display()))?;
    if !programs.iter().any(|p| p.ends_with("qmail-queue")) {
        bail!(
            "{}: there are no programs beside `quail`; run the `quail` that lies among the others",
            from.display()
        );
    }
    let is_there = from.canonicalize().is_ok_and(|from| bin.canonicalize().is_ok_and(|bin| bin == from));
    let mut steps = Vec::new();
    for source in programs {
        let Some(name) = source.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
        let target = bin.join(&name);
        if is_wrapper(&target) {
            continue;
        }
        let (owner, mode) = layout::program_owner(&name);
        let people = place.people;
        if !is_there && !same_content(&source, &target)? {
            let is_new = !target.exists();
            let does = format!("put {name} into {} ({owner}:{GROUP}, {mode:04o})", bin.display());
            let undo = is_new.then(|| format!("rm -f {}", quoted(&target)));
            steps.push(Step::new(does, undo, move || {
                install(&source, &target, |p| give(people, p, owner, mode))
            }));
        } else if !belongs(place, &target, owner, mode) {
            let does = format!("give {} to {owner}:{GROUP} with mode {mode:04o}", target.display());
            steps.push(Step::new(does, None, move || give(people, &target, owner, mode)));
        }
    }
    Ok(steps)
}

/// Whether there is something at that path that is no program: a script or a link of the administrator's, which does
/// its work and calls a program in turn. It is never replaced.
pub fn is_wrapper(path: &Path) -> bool {
    let Ok(found) = path.symlink_metadata() else { return false };
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    found.is_symlink() || (found.is_file() && !(read.is_ok() && head == *b"\x7fELF"))
}

/// Whether a program has its owner, group and mode.
pub fn belongs(place: &Place, path: &Path, owner: &str, mode: u32) -> bool {
    path.metadata().is_ok_and(|found| {
        place.people.uid(owner) == Some(found.uid())
            && place.people.gid(GROUP) == Some(found.gid())
            && found.mode() & 0o7777 == mode
    })
}

/// Copies a program beside its place, readies it, and renames it into place.
pub fn install(source: &Path, target: &Path, ready: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let new = beside(target);
    let done = (|| -> Result<()> {
        // A name left by a run that was cut short is in nobody's use.
        let _ = std::fs::remove_file(&new);
        std::fs::copy(source, &new).with_context(|| format!("cannot copy {}", source.display()))?;
        ready(&new)?;
        File::open(&new)?.sync_all()?;
        std::fs::rename(&new, target)?;
        Ok(())
    })();
    if done.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    done.with_context(|| format!("cannot put {} in place", target.display()))
}

/// Whether two files hold the same; a missing one holds nothing.
pub fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let Ok(found) = other.metadata() else { return Ok(false) };
    if one.metadata()?.len() != found.len() {
        return Ok(false);
    }
    Ok(std::fs::read(one)? == std::fs::read(other)?)
}
