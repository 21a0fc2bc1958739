//! libpcap counts in 32 bits that wrap and start again with every opening; ours do neither.

/// A counter that only grows, fed with one that wraps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Widened {
    total: u64,
    latest: u32,
}

impl Widened {
    /// Takes the narrow counter's present value. Must be called before it can wrap twice.
    pub fn update(&mut self, now: u32) -> u64 {
        self.total += u64::from(now.wrapping_sub(self.latest));
        self.latest = now;
        self.total
    }

    /// The narrow counter starts again at zero.
    pub fn restart(&mut self) {
        self.latest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_over_a_wrap_and_over_a_new_start() {
        let mut counter = Widened::default();
        assert_eq!(counter.update(u32::MAX - 1), 0xffff_fffe);
        assert_eq!(counter.update(3), 0x1_0000_0003);
        counter.restart();
        assert_eq!(counter.update(10), 0x1_0000_000d);
        assert_eq!(counter.update(10), 0x1_0000_000d);
    }
}
