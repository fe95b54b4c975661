//! Owners and modes of programs (contract 1.3): the one list, which the Debian packages are made by, too. It uses nothing
//! else of this crate, since `xtask` is built with this file and not with all that the crate needs.

/// Programs that only root runs.
pub const FOR_ROOT: [&str; 5] = ["qmail-lspawn", "qmail-start", "qmail-newu", "qmail-newmrh", "quail-start"];

/// Programs that are started by other programs.
pub const FOR_PROGRAMS: [&str; 10] = [
    "qmail-getpw",
    "qmail-local",
    "qmail-remote",
    "qmail-rspawn",
    "qmail-clean",
    "qmail-send",
    "qmail-queued",
    "splogger",
    "qmail-pw2u",
    "qmail-popup",
];

/// Owner and mode of a program.
pub fn program_owner(name: &str) -> (&'static str, u32) {
    match name {
        // The one program that runs setuid.
        "qmail-queue" => ("qmailq", 0o4711),
        name if FOR_ROOT.contains(&name) => ("root", 0o700),
        name if FOR_PROGRAMS.contains(&name) => ("root", 0o711),
        _ => ("root", 0o755),
    }
}
