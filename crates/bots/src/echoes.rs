//! Which packets came back: once, twice, late or never.

use std::collections::BTreeSet;

/// One bot's packets, by number from 1.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    sent: u64,
    highest: u64,
    /// Numbers below the highest that have not come back. At most as many as were sent.
    missing: BTreeSet<u64>,
}

/// What an echo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The first of its packet.
    Fresh,
    /// The first of its packet, after one that was sent later.
    OutOfOrder,
    /// Another one of a packet that came back before.
    Doubled,
    /// Of a packet that was never sent.
    Invented,
}

impl Echoes {
    /// The number of the packet that is sent now.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Notes that a packet came back.
    pub(crate) fn came_back(&mut self, number: u64) -> Verdict {
        if number == 0 || number > self.sent {
            return Verdict::Invented;
        }
        if number > self.highest {
            self.missing.extend(self.highest + 1..number);
            self.highest = number;
            return Verdict::Fresh;
        }
        if self.missing.remove(&number) { Verdict::OutOfOrder } else { Verdict::Doubled }
    }

    /// How many packets have not come back.
    pub(crate) fn outstanding(&self) -> u64 {
        self.sent - self.highest + self.missing.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_echo_is_judged() {
        use Verdict::{Doubled, Fresh, Invented, OutOfOrder};
        let mut echoes = Echoes::default();
        assert_eq!((0..6).map(|_| echoes.next_number()).last(), Some(6));
        for (number, verdict, outstanding) in [
            (1, Fresh, 5),
            (1, Doubled, 5),
            (4, Fresh, 4),
            (3, OutOfOrder, 3),
            (3, Doubled, 3),
            (5, Fresh, 2),
            (7, Invented, 2),
            (0, Invented, 2),
            (u64::MAX, Invented, 2),
        ] {
            assert_eq!(echoes.came_back(number), verdict, "{number}");
            assert_eq!(echoes.outstanding(), outstanding, "after {number}");
        }
    }
}
