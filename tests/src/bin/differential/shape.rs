//! Texts in a form that can be compared: without dates, process ids, file numbers, sizes and ports.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Shorter runs of digits mean something: reply codes, status codes, counts.
const LONG: usize = 4;

/// The text with dates as DATE and long numbers as N.
pub fn of(text: &str) -> String {
    numbers(&netstrings(&listed(&named(&dates(text)))))
}

/// `23 Nov 2026 18:53:28 -0000`, `Mon Nov 23 18:53:28 2026` and `Mon, 23 Nov 2026 18:53:28 -0000`.
fn dates(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let is_time = |w: &str| w.len() >= 8 && w.split(':').count() == 3 && w.as_bytes()[0].is_ascii_digit();
        while let Some(at) = words.iter().position(|w| is_time(w)) {
            let is_part = |w: &String| {
                let bare = w.trim_end_matches([',', ')', ';']);
                let is_number = bare.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit());
                MONTHS.contains(&bare) || DAYS.contains(&bare) || is_number
            };
            // A bracket or semicolon ends what stands before a date.
            let is_before = |w: &String| is_part(w) && !w.ends_with([')', ';']);
            let first = (0..at).rev().take_while(|&i| is_before(&words[i])).last().unwrap_or(at);
            let last = (at + 1..words.len()).take_while(|&i| is_part(&words[i])).last().unwrap_or(at);
            words.splice(first..=last, ["DATE".to_owned()]);
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands before a number that means nothing, however short it is: how large a message is depends on how long the
/// numbers in its trace are.
const BEFORE_NUMBERS: [&str; 3] = ["bytes ", "(qmail ", " qp "];

fn named(text: &str) -> String {
    BEFORE_NUMBERS.iter().fold(text.to_owned(), |text, before| without_number(&text, before))
}

fn without_number(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        done.push_str(before);
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() < part.len() {
            done.push('N');
        }
        done.push_str(rest);
    }
    done
}

/// `#1234  257  <sender>` in a listing of qmail-qread; again a size.
fn listed(text: &str) -> String {
    let Some((before, after)) = text.split_once(" GMT  #") else { return text.to_owned() };
    let mut words: Vec<&str> = after.splitn(3, "  ").collect();
    if let Some(size) = words.get_mut(1).filter(|w| w.bytes().all(|b| b.is_ascii_digit())) {
        *size = "N";
    }
    format!("{before} GMT  #{}", listed(&words.join("  ")))
}

/// An answer of QMTP or QMQP is as long as the numbers in it.
fn netstrings(text: &str) -> String {
    match text.split_once(":Kok ") {
        Some((length, rest)) if length.bytes().all(|b| b.is_ascii_digit()) => format!("#:Kok {rest}"),
        _ => text.to_owned(),
    }
}

fn numbers(text: &str) -> String {
    let mut done = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        done.push_str(if digits.len() >= LONG { "N" } else { &digits });
        digits.clear();
        done.push(c);
    }
    done.pop();
    done
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_differs_from_run_to_run_is_gone_and_codes_stay() {
        for (text, wanted) in [
            (
                "Received: (qmail 12 invoked by uid 64300); 23 Nov 2026 18:53:28 -0000\nx",
                "Received: (qmail N invoked by uid N); DATE\nx",
            ),
            ("From a@b Mon Nov 23 18:53:28 2026", "From a@b DATE"),
            ("info msg 91234: bytes 213 from <a@b> qp 12 uid 0", "info msg N: bytes N from <a@b> qp N uid 0"),
            (
                "23 Nov 2026 18:53:28 GMT  #9123456  257  <a@b>  bouncing\n",
                "DATE GMT  #N  N  <a@b>  bouncing\n",
            ),
            ("250 ok 1795460000 qp 99999", "250 ok N qp N"),
            ("550 sorry (#5.7.1)", "550 sorry (#5.7.1)"),
        ] {
            assert_eq!(of(text), wanted);
        }
    }
}
