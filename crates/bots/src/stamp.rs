//! What a packet says, so that its echo can be judged.
//!
//! It is text, so that a recording of bots can be read: `bot 12 packet 345 at 6789012us .....`

use std::fmt::Write as _;
use std::time::Duration;

const PADDING: u8 = b'.';

/// Who sent a packet, which one, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bot: u32,
    /// From 1.
    pub(crate) number: u64,
    /// Since the run began; whole microseconds.
    pub(crate) sent: Duration,
}

impl Stamp {
    /// The packet's body: `size` bytes, or more if the stamp is longer.
    pub(crate) fn write(&self, size: usize) -> Vec<u8> {
        let mut text = String::with_capacity(size.max(48));
        let sent_us = self.sent.as_micros();
        write!(text, "bot {} packet {} at {sent_us}us ", self.bot, self.number)
            .expect("a String grows");
        let mut body = text.into_bytes();
        body.resize(size.max(body.len()), PADDING);
        body
    }

    /// The stamp of a body that [`write`](Self::write) made with this `size`; `None` for any other
    /// body, be it a stamped one in which a byte was changed, added or lost.
    pub(crate) fn read(body: &[u8], size: usize) -> Option<Self> {
        let unpadded = body.len() - body.iter().rev().take_while(|byte| **byte == PADDING).count();
        let text = str::from_utf8(&body[..unpadded]).ok()?;
        let (bot, rest) = text.strip_prefix("bot ")?.split_once(" packet ")?;
        let (number, sent) = rest.strip_suffix("us ")?.split_once(" at ")?;
        let (bot, number) = (bot.parse().ok()?, number.parse().ok()?);
        let sent = Duration::from_micros(sent.parse().ok()?);
        (body.len() == size.max(unpadded)).then_some(Self { bot, number, sent })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stamp_is_readable_text_of_the_size_asked_for() {
        let stamp = Stamp { bot: 12, number: 345, sent: Duration::from_micros(6789) };
        assert_eq!(stamp.write(36), b"bot 12 packet 345 at 6789us ........");
        assert_eq!(stamp.write(1), b"bot 12 packet 345 at 6789us ");
    }

    proptest! {
        #[test]
        fn a_stamp_is_read_back_and_a_damaged_one_is_not(
            bot: u32, number: u64, micros: u64, size in 1usize..200, at: prop::sample::Index,
        ) {
            let stamp = Stamp { bot, number, sent: Duration::from_micros(micros) };
            let mut body = stamp.write(size);
            prop_assert_eq!(Stamp::read(&body, size), Some(stamp));

            let at = at.index(body.len());
            body[at] ^= 1;
            prop_assert_ne!(Stamp::read(&body, size), Some(stamp));
            body[at] ^= 1;
            body.pop();
            prop_assert_ne!(Stamp::read(&body, size), Some(stamp));
        }

        #[test]
        fn any_bytes_can_be_asked(body in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Stamp::read(&body, 64), None);
        }
    }
}
