//! Times as people read them. Always UTC and always saying so: sensors, portal and reader may sit in three zones.

use eyot_contract::Timestamp;
use time::macros::format_description;
use time::OffsetDateTime;

/// `2026-11-24 11:34:59 UTC`.
pub fn moment(at: Timestamp) -> String {
    format!("{} UTC", cell(at))
}

/// `2026-11-24 11:34:59`, for a column whose heading says UTC.
pub fn cell(at: Timestamp) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let date = OffsetDateTime::from_unix_timestamp(at.seconds()).ok();
    date.and_then(|d| d.format(form).ok()).unwrap_or_else(|| at.to_string())
}

/// `2026-11-24`.
pub fn day(at: Timestamp) -> String {
    cell(at).chars().take(10).collect()
}

/// `just now`, `5 minutes ago`, `in 13 days`: the largest unit that gives at least one.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = (now.0 - at.0) / 1_000_000;
    let size = seconds.unsigned_abs();
    let (count, unit) = match size {
        0..60 => return "just now".to_owned(),
        60..3_600 => (size / 60, "minute"),
        3_600..86_400 => (size / 3_600, "hour"),
        _ => (size / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    match seconds > 0 {
        true => format!("{count} {unit}{plural} ago"),
        false => format!("in {count} {unit}{plural}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_distances() {
        let now = Timestamp(1_700_000_000_123_456);
        assert_eq!(moment(now), "2023-11-14 22:13:20 UTC");
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_300, "2 hours ago"),
            (86_400, "1 day ago"),
            (-1_209_600, "in 14 days"),
        ] {
            assert_eq!(relative(Timestamp(now.0 - seconds * 1_000_000), now), text);
        }
    }
}
