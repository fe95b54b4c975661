//! man/qmail-control.5, made from the catalogue of control files: `cargo xtask man` writes it, `cargo xtask tidy`
//! compares.

use crate::terminal::say;
use crate::tree;
use anyhow::{Context, Result};
use control::catalogue::{self, FOREIGN, Form, Noticed, Setting, Since};
use std::collections::BTreeSet;
use std::path::PathBuf;

const HEAD: &str = r#".\" Made by `cargo xtask man` from crates/control/src/catalogue: do not edit.
.Dd November 23, 2026
.Dt QMAIL-CONTROL 5
.Os Quail
.Sh NAME
.Nm qmail-control
.Nd the settings, one file each
.Sh DESCRIPTION
Every setting is a file in
.Pa /var/qmail/control .
There is no other configuration.
Only
.Pa me
is necessary; what a missing file means is said with each.
.Ss How files are read
.Bl -bullet -compact
.It
One with a single value: the first line, without blanks at its end.
.It
One with a number: the digits at the start of the first line.
A number out of range counts as the default, and the log says so.
.It
A list: one entry a line; blanks at the end, empty lines and lines that begin with
.Sq #
do not count.
.It
.Sq key:value
lines: a list whose keys end at the first colon.
Of two lines with one key the last counts.
.It
Upper and lower case are the same in domains, addresses and keys.
A carriage return at the end of a line does not count.
.El
.Pp
A file that is there but cannot be read is an error: mail waits until it can.
Write a new file beside the old one and rename it, then nobody reads half of it.
.Xr qmail-showctl 8
shows what holds,
.Li quail check
what is wrong; see
.Xr quail 1 .
.Ss When a change counts
Programs that are started for each message or connection read their files each time.
Those that stay notice a change at once, after
.Dv SIGHUP
to
.Xr quail-start 8
or
.Xr qmail-send 8 ,
or after a restart, as said with each file.
"#;

/// The page is what the catalogue says.
pub fn is_up_to_date() -> Result<Vec<String>> {
    let path = path();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let complaint = "man/qmail-control.5 is not what the catalogue says; `cargo xtask man` writes it";
    Ok(if text == page()? { Vec::new() } else { vec![complaint.to_owned()] })
}

/// Writes it and the table in README.md.
pub fn write() -> Result<bool> {
    let path = path();
    std::fs::write(&path, page()?).with_context(|| format!("cannot write {}", path.display()))?;
    crate::readme::write()?;
    say("written: man/qmail-control.5, README.md");
    Ok(true)
}

fn path() -> PathBuf {
    tree::top().join("man/qmail-control.5")
}

fn page() -> Result<String> {
    let mut page = HEAD.to_owned();
    page.push_str(".Sh FILES\n.Bl -tag -width Ds\n");
    for setting in catalogue::by_name() {
        page.push_str(&item(setting));
    }
    page.push_str(".El\n.Ss Files that are not read\n");
    page.push_str(
        "Patched qmails have more files.\nThese do no harm here, and do nothing:\n.Bl -tag -width Ds\n",
    );
    for foreign in FOREIGN {
        page.push_str(&format!(
            ".It Pa {}\n{}{}",
            foreign.name,
            prose(foreign.meaning),
            prose(foreign.instead)
        ));
    }
    page.push_str(".El\n.Sh EXAMPLES\nMail for example.org and all below it comes here, and what goes elsewhere leaves by a relay:\n");
    page.push_str(".Bd -literal -offset indent\n");
    page.push_str(
        "echo mail.example.org > me\nprintf \\(aq%s\\en\\(aq example.org .example.org > rcpthosts\n",
    );
    page.push_str("echo example.org > locals\necho :relay.provider.example:587 > smtproutes\n.Ed\n");
    page.push_str(
        ".Sh DIFFERENCES\nqmail 1.03 took a number of any size, and a carriage return for part of a name.\n",
    );
    page.push_str("It read again only\n.Pa locals\nand\n.Pa virtualdomains\nafter\n.Dv SIGHUP .\n");
    page.push_str(".Sh SEE ALSO\n");
    page.push_str(&see_also()?);
    Ok(page)
}

/// One file: what it means, how it is written, what stands in for it, who reads it.
fn item(setting: &Setting) -> String {
    let mut text = format!(".It Pa {}\n{}", setting.name, prose(setting.meaning));
    text.push_str(".br\n");
    text.push_str(&prose(&form(setting.form)));
    let words = setting.default_words();
    let default = words.trim_end();
    if default != "none" {
        text.push_str(&prose(&format!("Default: {default}.")));
    }
    let readers = match setting.readers {
        "all" => "all programs".to_owned(),
        others => others.to_owned(),
    };
    let noticed = match setting.noticed {
        Noticed::Soon => "at once",
        Noticed::AtHangUp => "after SIGHUP",
        Noticed::AtStart => "after a restart",
    };
    text.push_str(&prose(&format!("Read by {readers}; a change counts {noticed}.")));
    match setting.since {
        Since::Original => {}
        Since::Patches(version) => text.push_str(&prose(&format!(
            "Not in qmail 1.03; known from patched qmails, and here since {version}."
        ))),
        Since::Quail(version) => text.push_str(&prose(&format!("Only in Quail, since {version}."))),
    }
    text
}

/// How the file is written.
fn form(form: Form) -> String {
    match form {
        Form::Line { entry, .. } => format!("One line: {}.", entry.words()),
        Form::LineOrMe { .. } => "One line.".to_owned(),
        Form::Choice { among } => {
            let words: Vec<String> = among.iter().map(|w| format!("`{w}`")).collect();
            format!("One line: {}.", words.join(" or "))
        }
        Form::Number { least, most, unit: "", .. } => format!("A number, {least} to {most}."),
        Form::Number { least, most, unit, .. } if most == u64::MAX => {
            format!("A number of {unit}, at least {least}.")
        }
        Form::Number { least, most, unit, .. } => format!("A number of {unit}, {least} to {most}."),
        Form::List { entry } | Form::ListOrMe { entry } => format!("A list; an entry is {}.", entry.words()),
        Form::Map { key } => format!("`key:value` lines; a key is {}.", key.words()),
        Form::Cdb { source, made_by } => format!("A database that {made_by} makes from `{source}`."),
    }
}

/// Sentences as mdoc(7): one a line, what stands in back quotes as literals.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            start_line(&mut out);
            out.push_str(".Li ");
            out.push_str(&argument(part));
            out.push('\n');
            continue;
        }
        let mut rest = part;
        if index > 0 {
            // What follows a literal without a blank belongs to its line.
            let glued: String = rest.chars().take_while(|c| ".,;:)".contains(*c)).collect();
            rest = rest.get(glued.len()..).unwrap_or_default().trim_start_matches(' ');
            if !glued.is_empty() && out.ends_with('\n') {
                out.pop();
                for c in glued.chars() {
                    out.push(' ');
                    out.push(c);
                }
                out.push('\n');
            }
        }
        out.push_str(&plain(rest));
    }
    start_line(&mut out);
    out
}

fn start_line(out: &mut String) {
    while out.ends_with(' ') {
        out.pop();
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Text between literals: a sentence a line, and no line that looks like a request.
fn plain(text: &str) -> String {
    let lines = text.replace('\\', "\\e").replace(". ", ".\n");
    let guarded =
        |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    lines.split('\n').map(guarded).collect::<Vec<_>>().join("\n")
}

/// A word or words after a macro.
fn argument(text: &str) -> String {
    let text = text.replace('\\', "\\e");
    let quoted = |word: &str| {
        let is_delimiter = word.len() == 1 && !word.chars().all(char::is_alphanumeric);
        if is_delimiter || word.starts_with(['.', ':', ',']) { format!("\\&{word}") } else { word.to_owned() }
    };
    text.split(' ').map(quoted).collect::<Vec<_>>().join(" ")
}

/// The pages of the programs that read something.
fn see_also() -> Result<String> {
    let pages = tree::names(&tree::top().join("man"))?;
    let mut wanted: BTreeSet<&str> =
        BTreeSet::from(["qmail-showctl", "quail", "quail-start", "dot-qmail", "qmail-users", "addresses"]);
    for setting in catalogue::all() {
        wanted.extend(setting.readers.split([',', ' ']).filter(|w| w.starts_with("qmail-")));
    }
    let mut lines: Vec<(String, &str)> = pages
        .iter()
        .filter_map(|page| page.rsplit_once('.'))
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, section)| (section.to_owned(), name))
        .collect();
    lines.sort();
    let lines: Vec<String> = lines.iter().map(|(section, name)| format!(".Xr {name} {section}")).collect();
    Ok(lines.join(" ,\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn literals_stand_in_lines_of_their_own_with_what_clings_to_them() {
        for (text, page) in [
            ("One. Two.", "One.\nTwo.\n"),
            ("Say `a b`, or not.", "Say\n.Li a b ,\nor not.\n"),
            ("`.x` is it. And `y`.", ".Li \\&.x\nis it.\nAnd\n.Li y .\n"),
            ("C:\\x", "C:\\ex\n"),
        ] {
            assert_eq!(prose(text), page, "{text}");
        }
    }
}
