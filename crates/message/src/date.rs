//! Dates as mail writes them (contract 14.1). All times are seconds since 1970, UTC, 64 bits wide (D51).

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 1 January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_SECONDS: u64 = 86_400;
/// Later times are shown as this one, the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A point in time, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    /// Four digits.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
    /// 0 = Thursday, as 1 January 1970 was.
    weekday: u64,
}

impl DateTime {
    /// Takes `seconds` since 1970 apart (proleptic Gregorian calendar, no leap seconds).
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(LAST_SECOND);
        let (days, of_day) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
        // Years are counted from 1 March 0000, so that the leap day is the last of its year.
        let days_since_0000 = days + 719_468;
        let (era, day_of_era) = (days_since_0000 / 146_097, days_since_0000 % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_since_march = (5 * day_of_year + 2) / 153;
        let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * months_since_march + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            weekday: days % 7,
        }
    }

    /// `26 Sep 1995 04:46:54 -0000`: header dates, without the zone that nobody knows (RFC 5322 §3.3).
    pub fn header(&self) -> String {
        format!(
            "{} {} {} {:02}:{:02}:{:02} -0000",
            self.day,
            self.month_name(),
            self.year,
            self.hour,
            self.minute,
            self.second
        )
    }

    /// `Tue Sep 26 04:46:54 1995`: the date of an mbox `From ` line, the day with a leading nought.
    pub fn from_line(&self) -> String {
        let weekday = usize::try_from(self.weekday).ok().and_then(|i| WEEKDAYS.get(i)).unwrap_or(&"");
        format!(
            "{weekday} {} {:02} {:02}:{:02}:{:02} {}",
            self.month_name(),
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.year
        )
    }

    /// `19950926044654`: the date in a Message-ID.
    pub fn compact(&self) -> String {
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }

    /// `Sep`
    pub fn month_name(&self) -> &'static str {
        let index = self.month.checked_sub(1).and_then(|m| usize::try_from(m).ok());
        index.and_then(|i| MONTHS.get(i)).copied().unwrap_or("")
    }
}

/// The header date of a point in time.
pub fn header(seconds: u64) -> String {
    DateTime::from_unix(seconds).header()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_in_their_three_forms() {
        for (seconds, header, from_line, compact) in [
            (0, "1 Jan 1970 00:00:00 -0000", "Thu Jan 01 00:00:00 1970", "19700101000000"),
            (812_090_814, "26 Sep 1995 04:46:54 -0000", "Tue Sep 26 04:46:54 1995", "19950926044654"),
            (951_782_400, "29 Feb 2000 00:00:00 -0000", "Tue Feb 29 00:00:00 2000", "20000229000000"),
            (2_147_483_648, "19 Jan 2038 03:14:08 -0000", "Tue Jan 19 03:14:08 2038", "20380119031408"),
            (4_107_542_399, "28 Feb 2100 23:59:59 -0000", "Sun Feb 28 23:59:59 2100", "21000228235959"),
            (u64::MAX, "31 Dec 9999 23:59:59 -0000", "Fri Dec 31 23:59:59 9999", "99991231235959"),
        ] {
            let date = DateTime::from_unix(seconds);
            assert_eq!(
                (&date.header()[..], &date.from_line()[..], &date.compact()[..]),
                (header, from_line, compact)
            );
        }
    }

    proptest! {
        #[test]
        fn the_next_day_is_the_next_day(day in 0u64..2_900_000) {
            let (a, b) = (DateTime::from_unix(day * DAY_SECONDS), DateTime::from_unix((day + 1) * DAY_SECONDS));
            prop_assert!(b.day == a.day + 1 || (b.day == 1 && a.day >= 28));
            prop_assert!((a.year, a.month, a.day) < (b.year, b.month, b.day));
        }
    }
}
