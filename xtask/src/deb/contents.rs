//! What lies where in which package.

/// What `quail setup` and `quail check` go by.
#[path = "../../../crates/admin/src/layout/modes.rs"]
mod modes;

use crate::tree;
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the mail transport agent of a host has, in the path and as a manual page.
const OF_THE_MTA: [&str; 3] = ["sendmail", "mailq", "newaliases"];

/// A package under construction.
#[derive(Debug)]
pub struct Contents {
    root: PathBuf,
    programs: Vec<PathBuf>,
}

impl Contents {
    /// An empty one.
    pub fn new(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
        fs::set_permissions(root, Permissions::from_mode(0o755))?;
        Ok(Self { root: root.to_path_buf(), programs: Vec::new() })
    }

    /// Where it is built.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The programs in it.
    pub fn programs(&self) -> &[PathBuf] {
        &self.programs
    }

    /// Everything but the names that other mail systems have too.
    pub fn quail(&mut self, programs: &Path) -> Result<()> {
        for program in tree::programs()? {
            let target = format!("var/qmail/bin/{}", program.name);
            self.file(&programs.join(&program.name), &target, mode(&program.name))?;
            self.programs.push(self.root.join(&target));
        }
        self.link("../../var/qmail/bin/quail", "usr/bin/quail")?;
        let top = tree::top();
        let packaging = top.join("packaging");
        self.folder(&packaging.join("sysusers.d"), "usr/lib/sysusers.d")?;
        self.folder(&packaging.join("tmpfiles.d"), "usr/lib/tmpfiles.d")?;
        self.folder(&packaging.join("systemd"), "lib/systemd/system")?;
        let setup = top.join("crates/admin/src/setup");
        self.file(&setup.join("quail.service"), "lib/systemd/system/quail.service", 0o644)?;
        self.file(&setup.join("rc.sh"), "usr/share/quail/rc", 0o755)?;
        self.pages(|name| !OF_THE_MTA.contains(&name))?;
        let doc = "usr/share/doc/quail";
        self.file(&packaging.join("debian/copyright"), &format!("{doc}/copyright"), 0o644)?;
        self.file(&packaging.join("debian/README.Debian"), &format!("{doc}/README.Debian"), 0o644)?;
        self.compressed(&top.join("CHANGELOG.md"), &format!("{doc}/changelog.gz"))
    }

    /// The names that every mail transport agent has.
    pub fn quail_mta(&mut self) -> Result<()> {
        self.link("../../var/qmail/bin/sendmail", "usr/sbin/sendmail")?;
        self.link("../sbin/sendmail", "usr/lib/sendmail")?;
        self.link("../../var/qmail/bin/mailq", "usr/bin/mailq")?;
        self.link("../../var/qmail/bin/newaliases", "usr/bin/newaliases")?;
        self.pages(|name| OF_THE_MTA.contains(&name))?;
        self.link("quail", "usr/share/doc/quail-mta")
    }

    /// The manual pages whose names are asked for. Names that other packages may have, mbox or forward, go below
    /// /var/qmail/man.
    fn pages(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let folder = tree::top().join("man");
        for page in tree::names(&folder)? {
            let Some((name, section)) = page.rsplit_once('.') else { continue };
            if !wanted(name) {
                continue;
            }
            let is_ours = ["qmail", "quail", "dot-qmail"].iter().any(|prefix| name.starts_with(prefix));
            let place = if is_ours || OF_THE_MTA.contains(&name) { "usr/share/man" } else { "var/qmail/man" };
            self.compressed(&folder.join(&page), &format!("{place}/man{section}/{page}.gz"))?;
        }
        Ok(())
    }

    fn folder(&mut self, from: &Path, to: &str) -> Result<()> {
        for name in tree::names(from)? {
            self.file(&from.join(&name), &format!("{to}/{name}"), 0o644)?;
        }
        Ok(())
    }

    /// A copy of a file.
    fn file(&mut self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let target = self.target(to)?;
        fs::copy(from, &target).with_context(|| format!("cannot copy {}", from.display()))?;
        fs::set_permissions(&target, Permissions::from_mode(mode))?;
        Ok(())
    }

    /// A new file, by its path in the package.
    pub fn written(&mut self, to: &str, text: &str, mode: u32) -> Result<()> {
        let target = self.target(to)?;
        fs::write(&target, text)?;
        fs::set_permissions(&target, Permissions::from_mode(mode))?;
        Ok(())
    }

    fn compressed(&mut self, from: &Path, to: &str) -> Result<()> {
        let target = self.target(to)?;
        let output = Command::new("gzip").args(["-9nc"]).arg(from).output().context("cannot run gzip")?;
        if !output.status.success() {
            bail!("gzip: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(&target, output.stdout)?;
        fs::set_permissions(&target, Permissions::from_mode(0o644))?;
        Ok(())
    }

    fn link(&mut self, to: &str, at: &str) -> Result<()> {
        let target = self.target(at)?;
        symlink(to, &target).with_context(|| format!("cannot make {}", target.display()))
    }

    /// A path in the package, its folders made, whatever the caller's umask is.
    fn target(&self, path: &str) -> Result<PathBuf> {
        let target = self.root.join(path);
        let mut folder = self.root.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            if !folder.is_dir() {
                fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
                fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            }
        }
        Ok(target)
    }
}

/// The mode of a program. qmail-queue becomes setuid when it is installed, by dpkg-statoverride: its owner has no number
/// before that.
fn mode(program: &str) -> u32 {
    modes::program_owner(program).1 & 0o777
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn programs_have_the_modes_of_an_installation_but_for_the_setuid_bit() {
        let modes = ["qmail-queue", "qmail-lspawn", "splogger", "qmail-smtpd"].map(mode);
        assert_eq!(modes, [0o711, 0o700, 0o711, 0o755]);
    }
}
