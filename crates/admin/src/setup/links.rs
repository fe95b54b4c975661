//! `sendmail`, `mailq` and `newaliases` where every program looks for them.
//!
//! What another mail system has there is put aside in the distribution's own way: its alternatives where it has such a
//! group, else dpkg-divert for what belongs to a package, else a new name beside it.

use super::step::{Step, run};
use crate::place::{Place, quoted, quoted_text};
use anyhow::Context;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The names, and the program of ours that each is.
const LINKS: [(&str, &str); 4] = [
    ("/usr/sbin/sendmail", "sendmail"),
    ("/usr/lib/sendmail", "sendmail"),
    ("/usr/bin/mailq", "mailq"),
    ("/usr/bin/newaliases", "newaliases"),
];

/// What another's file is called from then on.
const ASIDE: &str = ".before-quail";

/// What makes the links. Programs that are not in `bin` yet will come from `from`.
pub fn steps(place: &Place, from: &Path) -> Vec<Step> {
    LINKS.iter().filter_map(|(path, program)| step(place, path, program, from)).collect()
}

fn step(place: &Place, name: &str, program: &str, from: &Path) -> Option<Step> {
    let path = place.outside(name);
    // `mailq` and `newaliases` may be names of sendmail, which looks at what it is called.
    let own = place.at("bin").join(program);
    let ours = if program == "sendmail" || own.exists() || from.join(program).exists() {
        own
    } else {
        place.at("bin/sendmail")
    };
    if path.canonicalize().is_ok_and(|path| ours.canonicalize().is_ok_and(|ours| ours == path)) {
        return None;
    }
    // Some have /usr/lib/sendmail as a link to /usr/sbin/sendmail: it follows.
    if path.read_link().is_ok_and(|to| to.ends_with("sbin/sendmail")) {
        return None;
    }
    let word = quoted(&path);
    let link = {
        let (path, ours) = (path.clone(), ours.clone());
        move || symlink(&ours, &path).with_context(|| format!("cannot make {}", path.display()))
    };
    if path.symlink_metadata().is_err() {
        let does = format!("link {name} to {}", ours.display());
        return Some(Step::new(does, Some(format!("rm -f {word}")), link));
    }
    if let Some((tool, group)) = alternatives(place, &path) {
        return Some(alternative(name, &ours, tool, group));
    }
    let aside = PathBuf::from(format!("{}{ASIDE}", path.display()));
    if place.outside("/usr/bin/dpkg-divert").exists() && is_packaged(name) {
        let aside = format!("{name}{ASIDE}");
        let does = format!("link {name} to {}; the package's own becomes {aside}", ours.display());
        let undo =
            format!("rm -f {word} && dpkg-divert --local --rename --quiet --remove {}", quoted_text(name));
        let arguments =
            ["--local", "--rename", "--quiet", "--divert", &aside, "--add", name].map(String::from);
        return Some(Step::new(does, Some(undo), move || {
            run("dpkg-divert", &arguments)?;
            link()
        }));
    }
    let does = format!("link {name} to {}; what was there becomes {}", ours.display(), aside.display());
    let undo = format!("mv -f {} {word}", quoted(&aside));
    Some(Step::new(does, Some(undo), move || {
        std::fs::rename(&path, &aside)?;
        link()
    }))
}

/// The tool and the group, where the name is a link of the distribution's alternatives.
fn alternatives(place: &Place, path: &Path) -> Option<(&'static str, String)> {
    let to = path.read_link().ok()?;
    let group = to.strip_prefix("/etc/alternatives").ok()?.to_string_lossy().into_owned();
    ["update-alternatives", "alternatives"]
        .into_iter()
        .find(|tool| ["/usr/bin", "/usr/sbin"].iter().any(|d| place.outside(&format!("{d}/{tool}")).exists()))
        .map(|tool| (tool, group))
}

fn alternative(name: &str, ours: &Path, tool: &'static str, group: String) -> Step {
    let ours = ours.display().to_string();
    let does = format!("make {ours} the alternative {group} for {name}");
    let undo = format!("{tool} --remove {} {}", quoted_text(&group), quoted_text(&ours));
    let install = ["--install", name, &group, &ours, PRIORITY].map(String::from);
    let set = ["--set", &group, &ours].map(String::from);
    Step::new(does, Some(undo), move || {
        run(tool, &install)?;
        run(tool, &set)
    })
}

/// The administrator has chosen; the number only matters if that is taken back.
const PRIORITY: &str = "90";

fn is_packaged(name: &str) -> bool {
    Command::new("dpkg")
        .args(["--search", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::People;

    fn machine() -> (tempfile::TempDir, Place) {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        for directory in ["usr/sbin", "usr/lib", "usr/bin"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        let home = scratch.path().join("home");
        std::fs::create_dir_all(home.join("bin")).unwrap();
        std::fs::write(home.join("bin/sendmail"), "").unwrap();
        let place = Place { home, root, people: People::Caller };
        (scratch, place)
    }

    #[test]
    fn links_are_made_once_and_anothers_program_is_put_aside() {
        let (_scratch, place) = machine();
        let sendmail = place.outside("/usr/sbin/sendmail");
        std::fs::write(&sendmail, "another's").unwrap();
        symlink("../sbin/sendmail", place.outside("/usr/lib/sendmail")).unwrap();
        let steps = steps(&place, Path::new("/nonexistent"));
        assert_eq!(steps.len(), 3, "{steps:?}");
        for step in &steps {
            step.take().unwrap();
        }
        assert_eq!(sendmail.read_link().unwrap(), place.at("bin/sendmail"));
        assert_eq!(std::fs::read(place.outside("/usr/sbin/sendmail.before-quail")).unwrap(), b"another's");
        assert!(super::steps(&place, Path::new("/nonexistent")).is_empty());
        for step in steps.iter().rev() {
            let done = Command::new("sh").arg("-c").arg(step.undo.as_ref().unwrap()).status().unwrap();
            assert!(done.success());
        }
        assert_eq!(std::fs::read(&sendmail).unwrap(), b"another's");
        assert!(!place.outside("/usr/bin/mailq").exists());
    }
}
