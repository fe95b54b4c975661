//! The table of programs in README.md, made from the programs there are and the first line of each one's manual page:
//! `cargo xtask man` writes it, `cargo xtask tidy` compares.

use crate::tree;
use anyhow::{Context, Result};

const BEGIN: &str = "<!-- programs: made by `cargo xtask man` -->\n";
const END: &str = "<!-- end of programs -->\n";

/// The table is what is there.
pub fn is_up_to_date() -> Result<Vec<String>> {
    let (text, wanted) = texts()?;
    let complaint = "the table in README.md is not what programs/ and man/ say; `cargo xtask man` writes it";
    Ok(if text == wanted { Vec::new() } else { vec![complaint.to_owned()] })
}

/// Writes it.
pub fn write() -> Result<()> {
    let (_, wanted) = texts()?;
    std::fs::write(tree::top().join("README.md"), wanted).context("cannot write README.md")
}

/// README.md as it is, and as it should be.
fn texts() -> Result<(String, String)> {
    let text = std::fs::read_to_string(tree::top().join("README.md")).context("cannot read README.md")?;
    let (before, rest) =
        text.split_once(BEGIN).context("README.md has no place for the table of programs")?;
    let (_, after) = rest.split_once(END).context("the table of programs in README.md has no end")?;
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table()?);
    Ok((text.clone(), wanted))
}

fn table() -> Result<String> {
    let pages = tree::names(&tree::top().join("man"))?;
    let mut table = "| program | what it does | manual | identity |\n|---|---|---|---|\n".to_owned();
    for program in tree::programs()? {
        let name = &program.name;
        let page = pages.iter().find(|p| p.rsplit_once('.').is_some_and(|(n, _)| n == name));
        let (link, does) = match page {
            Some(page) => (format!("[{page}](man/{page})"), description(page)?),
            None => (String::new(), String::new()),
        };
        let identity = match program.identity.as_str() {
            "caller" => "its caller",
            "recipient" => "the recipient",
            "admin" => "the administrator",
            "checker" => "root, then the user",
            account => account,
        };
        table.push_str(&format!("| `{name}` | {does} | {link} | {identity} |\n"));
    }
    Ok(table)
}

/// What a page says in a line: that of its section NAME.
fn description(page: &str) -> Result<String> {
    let text = std::fs::read_to_string(tree::top().join("man").join(page))?;
    let line = text.lines().find_map(|l| l.strip_prefix(".Nd ").or_else(|| Some(l.split_once(" \\- ")?.1)));
    Ok(line.unwrap_or_default().replace('|', "\\|"))
}
