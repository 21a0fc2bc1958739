//! What a verb has cost so far, as the kernel counts it for this process (proc(5)): for the journal, where the first boot's
//! time line is read from.

use std::fmt;

/// Ticks a second in what the kernel tells programs (`USER_HZ`): 100 on every Linux this runs on.
const TICKS: f64 = 100.0;

/// What this program and those it has waited for have cost since it was started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// Seconds of the processor.
    processor: f64,
    /// Seconds by the clock, waiting included.
    elapsed: f64,
}

impl Cost {
    /// Of this process; `None` where there is no `/proc`.
    pub(super) fn so_far() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        Self::read(&stat, &uptime)
    }

    fn read(stat: &str, uptime: &str) -> Option<Self> {
        // the second field is a name that may hold blanks and brackets
        let fields: Vec<f64> =
            stat.rsplit_once(") ")?.1.split_whitespace().map(|f| f.parse().unwrap_or_default()).collect();
        // utime, stime, cutime, cstime are fields 14 to 17 and starttime field 22, counted from 1
        let processor = fields.get(11..15)?.iter().sum::<f64>() / TICKS;
        let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        Some(Self { processor, elapsed: now - fields.get(19)? / TICKS })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "used {:.2} s of the processor in {:.2} s", self.processor, self.elapsed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Cost;

    #[test]
    fn the_kernels_numbers_are_read_at_their_places() {
        let stat = "77 (eyot (a) b) S 1 77 77 0 -1 4194560 1000 2000 3 4 110 20 30 5 20 0 9 0 6000 1 2 3";
        let cost = Cost::read(stat, "75.50 12.00\n").unwrap();
        assert_eq!(cost.to_string(), "used 1.65 s of the processor in 15.50 s");
        let own = Cost::so_far().unwrap();
        assert!(own.elapsed >= 0.0 && own.processor >= 0.0, "{own}");
    }
}
