//! From the output of `qmail-remote` to the report of a delivery (contract 9.1).
//!
//! The output is records, each ended by a NUL: one a recipient (`r`, `h`, `s`), then one for the message (`K`,
//! `Z`, `D`). The original runs `qmail-remote` for one recipient; where ours made one transaction for several,
//! each gets the report that a run of its own would have given.

/// Killed by a signal, or a worker that did not answer.
pub const CRASHED: &[u8] = b"Zqmail-remote crashed.\n";
/// Exit code 111.
pub const CANNOT_RUN_NOW: &[u8] = b"ZUnable to run qmail-remote.\n";
/// Any other exit code.
pub const CANNOT_RUN: &[u8] = b"DUnable to run qmail-remote.\n";
/// Nothing printed.
const NO_OUTPUT: &[u8] = b"Zqmail-remote produced no output.\n";

/// How bad a result is; the greater is the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Result {
    Failed,
    Deferred,
    Delivered,
}

/// The report of a run for one recipient: letter and text. `exit` is `None` after a signal.
pub fn of_run(exit: Option<i32>, output: &[u8]) -> Vec<u8> {
    match exit {
        None => CRASHED.to_vec(),
        Some(111) => CANNOT_RUN_NOW.to_vec(),
        Some(0) => of_output(output),
        Some(_) => CANNOT_RUN.to_vec(),
    }
}

/// The reports of one transaction for `count` recipients, in order. `None` where the output has no record for the
/// message: that is no output of ours.
pub fn of_transaction(output: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let records: Vec<&[u8]> = terminated(output).collect();
    let message = records.iter().find(|record| message_result(record).is_some())?;
    let is_recipient = |record: &&&[u8]| matches!(record.first(), Some(b'r' | b'h' | b's'));
    let mut recipients = records.iter().take_while(is_recipient);
    let report = |_| match recipients.next() {
        None => of_output(&joined(&[message])),
        Some(record) => match giving_up(record) {
            Some(alone) => of_output(&joined(&[record, &alone])),
            None => of_output(&joined(&[record, message])),
        },
    };
    Some((0..count).map(report).collect())
}

/// What the message's record would be had a refused recipient been alone.
fn giving_up(record: &[u8]) -> Option<Vec<u8>> {
    let text = record.strip_prefix(b"h").or_else(|| record.strip_prefix(b"s"))?;
    let line = text.split(|&b| b == b'\n').next()?;
    let ip = line.strip_suffix(b" does not like recipient.")?;
    Some([b"DGiving up on ", ip, b".\n"].concat())
}

fn of_output(output: &[u8]) -> Vec<u8> {
    let Some((first, rest)) = output.split_first() else { return NO_OUTPUT.to_vec() };
    let message = terminated(output).find_map(message_result).unwrap_or(Result::Failed);
    let recipient = match first {
        b's' => Result::Deferred,
        b'h' => Result::Failed,
        _ => message,
    };
    let mut report = vec![match recipient {
        Result::Delivered => b'K',
        Result::Deferred => b'Z',
        Result::Failed => b'D',
    }];
    if let Some(end) = rest.iter().position(|&b| b == 0) {
        let (text, next) = rest.split_at_checked(end).unwrap_or((rest, b""));
        report.extend_from_slice(text);
        let next = next.get(1..).unwrap_or_default();
        let next = next.split(|&b| b == 0).next().unwrap_or_default();
        if message <= recipient && message_result(next).is_some() {
            report.extend_from_slice(next.get(1..).unwrap_or_default());
        }
    }
    report
}

/// The records that have their NUL.
fn terminated(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = output.iter().rposition(|&b| b == 0).unwrap_or(0);
    let whole = output.get(..end).filter(|_| output.contains(&0));
    whole.into_iter().flat_map(|whole| whole.split(|&b| b == 0))
}

fn message_result(record: &[u8]) -> Option<Result> {
    match record.first()? {
        b'K' => Some(Result::Delivered),
        b'Z' => Some(Result::Deferred),
        b'D' => Some(Result::Failed),
        _ => None,
    }
}

fn joined(records: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        out.extend_from_slice(record);
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn outputs_and_their_reports() {
        for (output, want) in [
            (&b"K1.2.3.4 accepted message.\n\0"[..], &b"K1.2.3.4 accepted message.\n"[..]),
            (b"r\0Kok\n\0", b"Kok\n"),
            (b"hno\n\0DGiving up.\n\0", b"Dno\nGiving up.\n"),
            (b"r\0Dfailed\n\0", b"Dfailed\n"),
            (b"r\0", b"D"),
            (b"s\0", b"Z"),
            (b"hxx\0", b"Dxx"),
            (b"s a\0K ok\0", b"Z a"),
            (b"h a\0Z ok\0", b"D a"),
            (b"s a\0Z ok\0", b"Z a ok"),
            (b"s a\0D ok\0", b"Z a ok"),
            (b"K", b"D"),
            (b"D", b"D"),
            (b"K\0", b"K"),
            (b"junk\0", b"Dunk"),
            (b"\0", b"D"),
            (b"r\0junk\0Kok\0", b"K"),
            (b"Kno nul", b"D"),
            (b"Ka\0Db\0", b"Kab"),
            (b"h\xe9\0D\xff\0", b"D\xe9\xff"),
            (b"ra text\0Kok\0", b"Ka textok"),
            (b"", b"Zqmail-remote produced no output.\n"),
        ] {
            assert_eq!(of_run(Some(0), output), want, "{output:?}");
        }
    }

    #[test]
    fn a_run_that_ended_badly_says_so_whatever_it_printed() {
        assert_eq!(of_run(None, b"Kx\0"), CRASHED);
        assert_eq!(of_run(Some(111), b"Kx\0"), CANNOT_RUN_NOW);
        assert_eq!(of_run(Some(2), b"Kx\0"), CANNOT_RUN);
    }

    #[test]
    fn each_recipient_of_a_transaction_gets_the_report_of_a_run_of_its_own() {
        let output = b"r\0h192.0.2.1 does not like recipient.\nRemote host said: 550 no\n\0\
            s192.0.2.1 does not like recipient.\n\0K192.0.2.1 accepted message.\n\0";
        let reports = of_transaction(output, 3).unwrap();
        assert_eq!(reports[0], b"K192.0.2.1 accepted message.\n");
        assert_eq!(
            reports[1],
            b"D192.0.2.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 192.0.2.1.\n"
        );
        assert_eq!(reports[2], b"Z192.0.2.1 does not like recipient.\nGiving up on 192.0.2.1.\n");
    }

    #[test]
    fn recipients_that_were_not_reached_get_the_message_s_result() {
        let reports = of_transaction(b"r\0Zdied\n\0", 3).unwrap();
        assert_eq!(reports, [b"Zdied\n", b"Zdied\n", b"Zdied\n"]);
    }

    #[test]
    fn output_without_a_result_for_the_message_bounces_nothing() {
        for output in [&b""[..], b"r\0r\0", b"r\0Kcut", b"junk\0"] {
            assert_eq!(of_transaction(output, 2), None, "{output:?}");
        }
    }

    proptest! {
        #[test]
        fn any_output_gives_reports(output: Vec<u8>, count in 0usize..5) {
            let report = of_run(Some(0), &output);
            prop_assert!(matches!(report[0], b'K' | b'Z' | b'D'));
            prop_assert!(!report.contains(&0));
            if let Some(reports) = of_transaction(&output, count) {
                prop_assert_eq!(reports.len(), count);
            }
        }

        #[test]
        fn one_recipient_is_reported_as_by_a_run(letter in "[rhs]", text in "[a-z ]{0,9}", end in "[KZD]") {
            let output = format!("{letter}{text}\0{end}end\0").into_bytes();
            prop_assert_eq!(of_transaction(&output, 1).unwrap(), [of_run(Some(0), &output)]);
        }
    }
}
