//! qmail-newmrh(8): makes control/morercpthosts.cdb from control/morercpthosts (contract 10.3).

use cdb::Replacement;
use control::{Control, ControlError};
use std::io;
use std::path::Path;

/// The texts that qmail-newmrh(8) prints behind `qmail-newmrh: fatal: `.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The installation.
    #[error("unable to chdir to {0}: {why}", why = os::strerror::of(.1))]
    Home(String, #[source] io::Error),
    /// The source.
    #[error("unable to read control/morercpthosts: {0}")]
    Read(String),
    /// The new database.
    #[error("unable to write to control/morercpthosts.tmp: {0}")]
    Write(String),
    /// Putting it into its place.
    #[error("unable to move control/morercpthosts.tmp to control/morercpthosts.cdb: {why}", why = os::strerror::of(.0))]
    Move(#[source] io::Error),
}

/// Makes it. The old one stays on any failure.
pub fn compile(home: &Path) -> Result<(), CompileError> {
    if let Err(error) = std::fs::read_dir(home) {
        return Err(CompileError::Home(home.display().to_string(), error));
    }
    let control = Control::at(home);
    let hosts = match control.list("morercpthosts") {
        Ok(Some(hosts)) => hosts,
        // The words of ENOENT.
        Ok(None) => return Err(CompileError::Read("file does not exist".to_owned())),
        Err(ControlError::Unreadable { source, .. }) => {
            return Err(CompileError::Read(os::strerror::of(&source).to_owned()));
        }
        Err(error) => return Err(CompileError::Read(error.to_string())),
    };
    let new = Replacement::begin(&control.directory().join("morercpthosts.tmp"))
        .map_err(|error| CompileError::Write(os::strerror::of(&error).to_owned()))?;
    let keys = hosts.iter().map(|host| (host.to_ascii_lowercase(), b""));
    new.write(keys).map_err(|error| match error {
        cdb::WriteError::Write(error) => CompileError::Write(os::strerror::of(&error).to_owned()),
        error @ cdb::WriteError::TooLarge => CompileError::Write(error.to_string()),
    })?;
    new.put_at(&control.directory().join("morercpthosts.cdb")).map_err(CompileError::Move)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_lower_case_and_a_missing_list_leaves_the_old_database() {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        std::fs::write(control.join("morercpthosts"), "# ours\nA.Example \r\n\n.b.example").unwrap();
        compile(home.path()).unwrap();
        let database = cdb::Cdb::open(&control.join("morercpthosts.cdb")).unwrap();
        for key in ["a.example", ".b.example"] {
            assert_eq!(database.find(key.as_bytes()).unwrap(), Some(Vec::new()), "{key}");
        }
        assert_eq!(database.find(b"# ours").unwrap(), None);
        std::fs::remove_file(control.join("morercpthosts")).unwrap();
        let error = compile(home.path()).unwrap_err();
        assert_eq!(error.to_string(), "unable to read control/morercpthosts: file does not exist");
        assert!(control.join("morercpthosts.cdb").exists());
    }
}
