//! Ratios to Postfix in one run, compared with those that are checked in. A ratio that has fallen is told, never a
//! failure: figures depend on what else the machine does.

use crate::table::Row;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// A ratio that has fallen by more than this share is told.
const NOISE: f64 = 0.15;

/// Rates, and messages a processor second, as multiples of Postfix's.
pub fn of(rows: &[Row]) -> Value {
    let each = |row: &Row| {
        let rate = row.ratio_to("Postfix", |m| m.rate)?;
        let cpu = row.ratio_to("Postfix", |m| 1.0 / m.cpu.max(1e-9))?;
        Some((row.case.name(), json!({ "rate": hundredths(rate), "messages_a_cpu_second": hundredths(cpu) })))
    };
    Value::Object(rows.iter().filter_map(each).collect())
}

/// Writes the baseline.
pub fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let text = serde_json::to_string_pretty(&of(rows))? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The lines of a comparison: each row then and now, and at the end what is worse.
pub fn compare(path: &Path, rows: &[Row]) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let then: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    Ok(lines(&then, &of(rows)))
}

/// Rows of the baseline that this run has no figures for, such as those that `--case` has left out.
fn absent<'a>(then: &'a Value, now: &'a Value) -> impl Iterator<Item = &'a String> {
    then.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| now.get(name).is_none())
}

fn lines(then: &Value, now: &Value) -> Vec<String> {
    let mut lines = vec!["ratios to Postfix in this run (baseline in parentheses):".to_owned()];
    let mut worse = Vec::new();
    for (name, figures) in now.as_object().into_iter().flatten() {
        let mut line = format!("   {name}:");
        for (what, words) in [("rate", "rate"), ("messages_a_cpu_second", "messages a CPU second")] {
            let ratio = figures.get(what).and_then(Value::as_f64).unwrap_or(0.0);
            let before = then.get(name).and_then(|f| f.get(what)).and_then(Value::as_f64);
            line += &format!("  {words} {ratio:.2}");
            let Some(before) = before else { continue };
            line += &format!(" ({before:.2})");
            if ratio < before * (1.0 - NOISE) {
                worse.push(format!("   {name}: {words} {ratio:.2}, was {before:.2}"));
            }
        }
        lines.push(line);
    }
    lines.extend(absent(then, now).map(|name| format!("   {name}: not compared, as a figure is missing")));
    if lines.len() == 1 {
        lines.push("there is nothing to compare".to_owned());
    } else if worse.is_empty() {
        lines.push("nothing is worse than the baseline".to_owned());
    } else {
        lines.push("WORSE than the baseline:".to_owned());
        lines.extend(worse);
    }
    lines
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::{compare, lines, write};
    use crate::case::Case;
    use crate::run::Measured;
    use crate::table::{Cell, Row};
    use serde_json::json;

    /// A row in which Postfix does 100 messages a second with a millisecond of processor time each.
    fn row(rate: f64, cpu: f64) -> Vec<Row> {
        let cell = |name, rate, cpu| Cell {
            name,
            runs: vec![Measured { rate, cpu, ..Measured::default() }],
            calls: None,
        };
        let cells = vec![cell("Quail", rate, cpu), cell("Postfix", 100.0, 1.0)];
        vec![Row { case: Case::main_maildir(), cells }]
    }

    #[test]
    fn what_has_fallen_is_told_and_noise_is_not() {
        let then = json!({ "a": { "rate": 5.0, "messages_a_cpu_second": 4.0 } });
        let now = json!({ "a": { "rate": 4.5, "messages_a_cpu_second": 3.0 }, "new": { "rate": 1.0 } });
        let lines = lines(&then, &now);
        assert_eq!(lines.last().unwrap(), "   a: messages a CPU second 3.00, was 4.00");
        assert_eq!(lines.iter().filter(|l| l.contains("was")).count(), 1);
    }

    #[test]
    fn a_run_that_is_slower_than_the_baseline_is_reported() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("baseline.json");
        write(&file, &row(300.0, 0.5)).unwrap();
        let of = |rate, cpu| compare(&file, &row(rate, cpu)).unwrap();
        assert_eq!(of(290.0, 0.52).last().unwrap(), "nothing is worse than the baseline");
        let name = Case::main_maildir().name();
        assert_eq!(of(200.0, 0.5).last().unwrap(), &format!("   {name}: rate 2.00, was 3.00"));
        assert_eq!(
            of(300.0, 0.9).last().unwrap(),
            &format!("   {name}: messages a CPU second 1.11, was 2.00")
        );
        let nothing = of(0.0, 0.5);
        assert_eq!(nothing.last().unwrap(), &format!("   {name}: rate 0.00, was 3.00"));
        let none = compare(&file, &[]).unwrap();
        assert!(none.iter().any(|l| l.contains(&format!("{name}: not compared"))), "{none:?}");
    }
}
