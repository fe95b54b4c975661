//! What qmail-inject is told by control files and environment variables (contract 6.3).

use crate::environment::Environment;
use crate::error::InjectError;
use control::Control;
use control::read::{FILE_MAX_BYTES, list_lines};
use std::io::{ErrorKind, Read};

/// The control files that matter, with the variables that override them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `@` and control/defaulthost.
    pub at_default_host: Vec<u8>,
    /// A dot and control/defaultdomain.
    pub dot_default_domain: Vec<u8>,
    /// A dot and control/plusdomain.
    pub dot_plus_domain: Vec<u8>,
    /// control/idhost.
    pub id_host: Vec<u8>,
    /// Addresses of mailing lists, from the file that `QMAILMFTFILE` names.
    pub mailing_lists: Option<Vec<Vec<u8>>>,
}

impl Settings {
    /// Reads them. The file of mailing lists is relative to the current directory.
    pub fn read(control: &Control, environment: &Environment) -> Result<Self, InjectError> {
        let mailing_lists = mailing_lists(environment)?;
        let setting =
            |name: &str, variable: &str| match (environment.value(variable), control.line_or_me(name)) {
                (_, Err(_)) => Err(InjectError::Read),
                (Some(value), Ok(_)) => Ok(value.to_vec()),
                // The last resort is the name itself, which shows what is missing.
                (None, Ok(line)) => Ok(line.unwrap_or_else(|| name.into())),
            };
        Ok(Self {
            dot_default_domain: prefixed(b'.', &setting("defaultdomain", "QMAILDEFAULTDOMAIN")?),
            at_default_host: prefixed(b'@', &setting("defaulthost", "QMAILDEFAULTHOST")?),
            dot_plus_domain: prefixed(b'.', &setting("plusdomain", "QMAILPLUSDOMAIN")?),
            id_host: setting("idhost", "QMAILIDHOST")?,
            mailing_lists,
        })
    }
}

fn prefixed(sign: u8, text: &[u8]) -> Vec<u8> {
    [&[sign], text].concat()
}

/// A file that does not exist is no list; one that cannot be read is an error.
fn mailing_lists(environment: &Environment) -> Result<Option<Vec<Vec<u8>>>, InjectError> {
    use std::os::unix::ffi::OsStrExt;
    let Some(name) = environment.value("QMAILMFTFILE") else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(std::ffi::OsStr::from_bytes(name))
        .and_then(|file| file.take(FILE_MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= FILE_MAX_BYTES) => {
            Ok(Some(list_lines(&bytes).map(<[u8]>::to_vec).collect()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Ok(_) | Err(_) => Err(InjectError::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_beat_files_and_files_beat_me() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("me"), "me.example\n").unwrap();
        std::fs::write(directory.path().join("plusdomain"), "plus.example\n").unwrap();
        let mut environment = Environment::default();
        environment.set("QMAILIDHOST", b"");
        let settings = Settings::read(&Control::in_directory(directory.path().into()), &environment).unwrap();
        assert_eq!(settings.at_default_host, b"@me.example");
        assert_eq!(settings.dot_default_domain, b".me.example");
        assert_eq!(settings.dot_plus_domain, b".plus.example");
        assert_eq!(settings.id_host, b"");
        assert_eq!(settings.mailing_lists, None);
    }

    #[test]
    fn without_any_file_the_names_stand_for_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let control = Control::in_directory(directory.path().into());
        let settings = Settings::read(&control, &Environment::default()).unwrap();
        assert_eq!(settings.at_default_host, b"@defaulthost");
        assert_eq!(settings.id_host, b"idhost");
    }
}
