//! Rules about the text of source files.

use crate::tree;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Longest source file.
const MAX_LINES: usize = 450;

/// Crates that only turn values into values.
const PURE: [&str; 6] = ["address", "message", "smtp", "netstring", "contracts", "schedule"];

/// What a pure crate has no business with.
const IMPURE: [&str; 12] = [
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "std::os::fd",
    "std::os::unix::net",
];

/// A source file: its path below the top, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// The lines that are not tests: everything above the test module, without comments.
    fn working_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or(line)))
    }

    /// Lines that hold any of these texts, said with their place.
    fn lines_with<'a>(&'a self, needles: &'a [String]) -> impl Iterator<Item = String> + 'a {
        self.text.lines().enumerate().filter_map(move |(number, line)| {
            let hit = needles.iter().find(|n| line.contains(n.as_str()))?;
            Some(format!("{}:{}: {hit}", self.path, number + 1))
        })
    }
}

/// All files below the top with this ending, but for what cargo and git keep there.
pub fn files(ending: &str) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut open = vec![tree::top()];
    while let Some(dir) = open.pop() {
        for name in tree::names(&dir)? {
            let path = dir.join(&name);
            if path.is_symlink() || name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(ending) {
                found.push(Source { path: below_top(&path), text: read(&path)? });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn below_top(path: &Path) -> String {
    path.strip_prefix(tree::top()).unwrap_or(path).to_string_lossy().into_owned()
}

fn read(path: &PathBuf) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub fn unsafe_only_in_os() -> Result<Vec<String>> {
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
    let mut complaints = Vec::new();
    for file in files(".rs")?.iter().filter(|f| !f.path.starts_with("crates/os/")) {
        for (number, line) in file.working_lines() {
            // A text in quotes is talk about it.
            if word(line.split('"').next().unwrap_or(line)) {
                complaints.push(format!("{}:{number}", file.path));
            }
        }
    }
    Ok(complaints)
}

pub fn words_are_pure() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files(".rs")? {
        let Some(name) = PURE.iter().find(|c| file.path.starts_with(&format!("crates/{c}/src/"))) else {
            continue;
        };
        for (number, line) in file.working_lines() {
            if let Some(what) = IMPURE.iter().find(|i| line.contains(**i)) {
                complaints.push(format!("{}:{number}: {name} uses {what}", file.path));
            }
        }
    }
    Ok(complaints)
}

pub fn files_are_short() -> Result<Vec<String>> {
    let length = |f: &Source| f.text.lines().count();
    let long = files(".rs")?.into_iter().filter(|f| length(f) > MAX_LINES);
    Ok(long.map(|f| format!("{}: {} lines", f.path, length(&f))).collect())
}

pub fn names_say_something() -> Result<Vec<String>> {
    let empty = ["util", "utils", "helper", "helpers", "common", "misc", "stuff"];
    let says_nothing = |path: &str| path.split(['/', '.']).any(|part| empty.contains(&part));
    Ok(files(".rs")?.into_iter().map(|f| f.path).filter(|p| says_nothing(p)).collect())
}

pub fn nothing_unfinished() -> Result<Vec<String>> {
    // Put together here, so that this file does not complain about itself.
    let needles = [
        ["#[ign", "ore"],
        ["tod", "o!("],
        ["unimpl", "emented!("],
        ["db", "g!("],
        ["FIX", "ME"],
        ["XX", "X"],
        ["allow(dead", "_code)"],
    ]
    .map(|parts| parts.concat());
    Ok(files(".rs")?.iter().flat_map(|f| f.lines_with(&needles).collect::<Vec<_>>()).collect())
}

pub fn tests_do_not_sleep() -> Result<Vec<String>> {
    let is_test = |path: &str| path.starts_with("tests/") || path.contains("/tests/");
    // Not the recorded cases, which name a step so, nor the documents that speak of it.
    let is_code = |path: &str| !path.ends_with(".jsonl") && !path.ends_with(".md");
    let mut complaints = Vec::new();
    for file in files("")?.iter().filter(|f| is_test(&f.path) && is_code(&f.path)) {
        let naps = file.text.lines().enumerate().filter(|(_, line)| sleeps(line));
        complaints
            .extend(naps.map(|(number, line)| format!("{}:{}: {}", file.path, number + 1, line.trim())));
    }
    Ok(complaints)
}

/// Whether a line of Rust, Python or shell sleeps: a call of that name, or the command with a time, also within quotes.
fn sleeps(line: &str) -> bool {
    line.match_indices("sleep").any(|(at, word)| {
        let (before, rest) = (line.get(..at).unwrap_or(""), line.get(at + word.len()..).unwrap_or(""));
        let time = rest.trim_start_matches([' ', '\t']);
        let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let command =
            time.len() < rest.len() && time.starts_with(|c: char| c.is_ascii_digit() || ".$\"'{".contains(c));
        rest.starts_with('(') || is_word && command
    })
}

pub fn no_private_paths() -> Result<Vec<String>> {
    // Also not root's, which a path of ours must not look like either.
    let mut needles = vec![["/home", "/"].concat() + "runner", ["/ro", "ot/"].concat()];
    let top = tree::top();
    // Only a place of some depth can be somebody's: "/" or "/src" may be named for other reasons.
    if top.components().count() > 2 {
        needles.push(format!("{}/", top.display()));
    }
    if let Some(home) = std::env::var("HOME").ok().filter(|h| Path::new(h).components().count() > 2) {
        needles.push(format!("{home}/"));
    }
    let mut complaints = Vec::new();
    for ending in [".rs", ".toml", ".md", ".py", ".sh", ".jsonl"] {
        for file in files(ending)? {
            complaints.extend(file.lines_with(&needles));
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::{Source, sleeps};

    #[test]
    fn tests_and_comments_are_not_working_lines() {
        let text = "use a; // std::fs\n//! doc\nfn b() {}\n#[cfg(test)]\nmod tests {}\n".to_owned();
        let source = Source { path: "x.rs".to_owned(), text };
        let lines: Vec<_> = source.working_lines().collect();
        assert_eq!(lines, [(1, "use a; "), (2, ""), (3, "fn b() {}")]);
    }

    #[test]
    fn a_nap_is_found_in_rust_python_and_shell() {
        for line in [
            "std::thread::sleep(pause);",
            "        time.sleep(0.02)",
            "libc::usleep(1)",
            "while :; do sleep 0.05; done",
            "\"sleep 3 & exit\"",
            "\tsleep \"$1\"",
            "format!(\"sleep {n}\")",
        ] {
            assert!(sleeps(line), "{line}");
        }
        for line in [
            "",
            "// nobody sleeps 3 times",
            "if step == \"sleep\": wait()",
            "sleep_millis(now)",
            "oversleep 3",
        ] {
            assert!(!sleeps(line), "{line}");
        }
    }
}
