//! Rules about documents: what must be written, and that what is written is so.

use super::source;
use crate::terminal::say;
use crate::tree;
use anyhow::Result;

/// Programs whose recorded cases, or tests, stand under another name.
const TESTED_ELSEWHERE: [(&str, &str); 13] = [
    ("qmail-start", "system"),
    ("qmail-send", "system"),
    ("dot-forward", "aliases"),
    ("fastforward", "aliases"),
    ("newaliases", "aliases"),
    ("newinclude", "aliases"),
    ("printforward", "aliases"),
    ("printmaillist", "aliases"),
    ("setforward", "aliases"),
    ("setmaillist", "aliases"),
    ("elq", "mail_readers"),
    ("pinq", "mail_readers"),
    ("qail", "mail_readers"),
];

/// Every program of the original that is not its installation's own.
const ORIGINAL: &str = "bouncesaying condredirect datemail elq except forward maildir2mbox maildirmake maildirwatch mailsubj pinq predate \
    preline qail \
    qbiff qmail-clean qmail-getpw qmail-inject qmail-local qmail-lspawn qmail-newmrh qmail-newu qmail-pop3d qmail-popup \
    qmail-pw2u qmail-qmqpc qmail-qmqpd qmail-qmtpd qmail-qread qmail-qstat qmail-queue qmail-remote qmail-rspawn qmail-send \
    qmail-showctl qmail-smtpd qmail-start qmail-tcpok qmail-tcpto qmail-upq qreceipt qsmhook sendmail splogger tcp-env";

pub fn the_originals_programs_are_all_here() -> Result<Vec<String>> {
    let ours = tree::programs()?;
    let missing =
        ORIGINAL.split_whitespace().filter(|name| !ours.iter().any(|program| program.name == *name));
    Ok(missing.map(|name| format!("{name} is missing")).collect())
}

pub fn programs_are_documented() -> Result<Vec<String>> {
    let top = tree::top();
    let pages = if top.join("man").is_dir() { tree::names(&top.join("man"))? } else { Vec::new() };
    let table = std::fs::read_to_string(top.join("programs/README.md")).unwrap_or_default();
    let mut complaints = Vec::new();
    for program in tree::programs()? {
        let name = &program.name;
        let is_page = |page: &String| {
            page.strip_prefix(name.as_str())
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|section| section.parse::<u8>().is_ok())
        };
        if !pages.iter().any(is_page) {
            complaints.push(format!("{name} has no page in man/"));
        }
        let in_row = |line: &str| line.starts_with('|') && line.contains(&format!("`{name}`"));
        if !table.lines().any(in_row) {
            complaints.push(format!("{name} has no row in programs/README.md"));
        }
    }
    Ok(complaints)
}

/// Sections that every page has, and those of a program besides.
const SECTIONS: [&str; 3] = ["NAME", "DESCRIPTION", "SEE ALSO"];
const PROGRAM_SECTIONS: [&str; 2] = ["SYNOPSIS", "EXIT STATUS"];

/// Pages of other packages that ours may name.
const FOREIGN_PAGES: [&str; 16] = [
    "dpkg-divert 1",
    "tcpserver 1",
    "flock 2",
    "getpwnam 3",
    "crypt 3",
    "crypt 5",
    "syslog 3",
    "passwd 5",
    "shadow 5",
    "pam 3",
    "systemd.socket 5",
    "sd_listen_fds 3",
    "biff 1",
    "login 1",
    "multilog 8",
    "tcprules 1",
];

pub fn pages_are_right() -> Result<Vec<String>> {
    let folder = tree::top().join("man");
    let pages = tree::names(&folder)?;
    let programs: Vec<String> = tree::programs()?.into_iter().map(|p| p.name).collect();
    let mut complaints = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(folder.join(page))?;
        let name = page.rsplit_once('.').map_or(page.as_str(), |(name, _)| name);
        let mut sections = SECTIONS.to_vec();
        if programs.iter().any(|p| p == name) {
            sections.extend(PROGRAM_SECTIONS);
        }
        for section in sections {
            if !text.lines().any(|line| heading(line) == Some(section)) {
                complaints.push(format!("man/{page} has no section {section}"));
            }
        }
        for line in text.lines().filter_map(|l| l.strip_prefix(".Xr ")) {
            let mut words = line.split_whitespace();
            let (Some(name), Some(section)) = (words.next(), words.next()) else { continue };
            if !pages.contains(&format!("{name}.{section}"))
                && !FOREIGN_PAGES.contains(&format!("{name} {section}").as_str())
            {
                complaints.push(format!("man/{page}: there is no page {name}({section})"));
            }
        }
    }
    complaints.extend(mandoc_says(&folder, &pages));
    Ok(complaints)
}

/// The name of the section that begins in this line, in mdoc(7) or man(7).
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix(".Sh ").or_else(|| line.strip_prefix(".SH ")).map(|name| name.trim_matches('"'))
}

/// What mandoc(1) warns of, where it is installed.
fn mandoc_says(folder: &std::path::Path, pages: &[String]) -> Vec<String> {
    let output = std::process::Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning"])
        .args(pages)
        .current_dir(folder)
        .output();
    let Ok(output) = output else {
        say("mandoc is not installed: manual pages are only looked at in part");
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.replacen("mandoc: ", "man/", 1)).collect()
}

pub fn programs_are_tested() -> Result<Vec<String>> {
    let tests = tree::top().join("tests");
    let mut complaints = Vec::new();
    for program in tree::programs()? {
        let name = program.name.as_str();
        let known = TESTED_ELSEWHERE.iter().find(|(n, _)| *n == name).map_or(name, |(_, other)| other);
        let file = known.replace('-', "_");
        if !tests.join(format!("vectors/{known}.jsonl")).exists()
            && !tests.join(format!("tests/programs/{file}.rs")).exists()
            && !tree::top().join(format!("programs/{}/tests/{file}.rs", program.identity)).exists()
        {
            complaints.push(format!(
                "{name} has neither vectors nor tests/tests/programs/{file}.rs nor a {file}.rs beside it"
            ));
        }
    }
    Ok(complaints)
}

pub fn named_paths_exist() -> Result<Vec<String>> {
    let top = tree::top();
    // What is built is not part of the tree.
    let roots: Vec<String> = tree::names(&top)?.into_iter().filter(|name| name != "target").collect();
    let mut complaints = Vec::new();
    for file in source::files(".md")? {
        let folder = top.join(&file.path).parent().map_or_else(|| top.clone(), std::path::Path::to_path_buf);
        for (number, line) in file.text.lines().enumerate() {
            for path in paths_in(line, &roots) {
                if !top.join(path).exists() && !folder.join(path).exists() {
                    complaints.push(format!("{}:{}: {path}", file.path, number + 1));
                }
            }
        }
    }
    Ok(complaints)
}

/// Paths of this tree that a line of Markdown names, in back quotes or as the target of a link.
fn paths_in<'a>(line: &'a str, roots: &[String]) -> Vec<&'a str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let is_ours = |path: &&str| {
        let first = path.split('/').next().unwrap_or_default();
        path.contains('/') && roots.iter().any(|r| r == first)
    };
    // `NAME`, `*` and the like stand for something.
    let is_literal = |path: &&str| {
        !path.contains(['*', '<', '{', '$', ' ', '…']) && !path.chars().any(|c| c.is_ascii_uppercase())
            || path.ends_with(".md")
    };
    let links = linked.filter(|p| !p.is_empty() && !p.contains("://") && is_literal(p));
    quoted.filter(is_ours).filter(is_literal).chain(links).map(|p| p.split(':').next().unwrap_or(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::paths_in;

    #[test]
    fn paths_are_found_in_quotes_and_links_and_patterns_are_not() {
        let roots = ["crates".to_owned(), "tests".to_owned()];
        let line = "`crates/os/src/lib.rs` and [x](docs/a.md#b), not `queue/mess` nor `tests/NAME.rs` (http) [y](http://z/)";
        assert_eq!(paths_in(line, &roots), ["crates/os/src/lib.rs", "docs/a.md"]);
    }
}
