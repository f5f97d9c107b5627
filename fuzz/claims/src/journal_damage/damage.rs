//! What can happen to files.

use arbitrary::Arbitrary;

use super::Segments;

/// One misfortune.
#[derive(Debug, Clone, Arbitrary)]
pub(super) enum Damage {
    Flip(Place, u8),
    Cut(Place),
    Zero(Place, u16),
    /// Bytes of one place at another: a block of the disk that was used before.
    Stale(Place, Place, u16),
    /// Bytes behind the end.
    Grow(u8, Vec<u8>),
    /// The end of a file once more.
    Double(Place),
    Swap(u8, u8),
    Remove(u8),
    Copy(u8),
}

/// A place in a segment, seen from its end.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) struct Place {
    segment: u8,
    from_end: u16,
    /// Mostly what matters is at the end.
    far: bool,
}

impl Damage {
    pub(super) fn strike(self, segments: &mut Segments) {
        match self {
            Self::Flip(place, bit) => place.change(segments, |bytes, at| {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
            }),
            Self::Cut(place) => place.change(segments, |bytes, at| bytes.truncate(at)),
            Self::Zero(place, length) => place.change(segments, |bytes, at| {
                let end = (at + usize::from(length)).min(bytes.len());
                bytes[at..end].fill(0);
            }),
            Self::Stale(place, old, length) => {
                let mut stale = Vec::new();
                old.change(segments, |bytes, at| {
                    let end = (at + usize::from(length)).min(bytes.len());
                    stale = bytes[at..end].to_vec();
                });
                place.change(segments, |bytes, at| {
                    let end = (at + stale.len()).min(bytes.len());
                    bytes[at..end].copy_from_slice(&stale[..end - at]);
                });
            }
            Self::Grow(segment, more) => {
                nth(segments, segment).into_iter().for_each(|number| {
                    segments.entry(number).or_default().extend_from_slice(&more);
                });
            }
            Self::Double(place) => place.change(segments, |bytes, at| {
                bytes.extend_from_within(at..);
            }),
            Self::Swap(a, b) => {
                if let (Some(a), Some(b)) = (nth(segments, a), nth(segments, b)) {
                    let other = segments[&b].clone();
                    let one = segments.insert(a, other).unwrap_or_default();
                    segments.insert(b, one);
                }
            }
            Self::Remove(segment) => {
                nth(segments, segment).into_iter().for_each(|number| {
                    segments.remove(&number);
                });
            }
            Self::Copy(segment) => {
                if let (Some(one), Some((last, _))) =
                    (nth(segments, segment), segments.last_key_value())
                {
                    let (last, copy) = (*last, segments[&one].clone());
                    segments.insert(last + 1, copy);
                }
            }
        }
    }
}

impl Place {
    fn change(self, segments: &mut Segments, change: impl FnOnce(&mut Vec<u8>, usize)) {
        let Some(bytes) = nth(segments, self.segment).and_then(|number| segments.get_mut(&number))
        else {
            return;
        };
        let reach = if self.far { bytes.len() } else { bytes.len().min(2000) };
        let from_end = usize::from(self.from_end) % (reach + 1);
        let at = bytes.len() - from_end;
        change(bytes, at);
    }
}

fn nth(segments: &Segments, number: u8) -> Option<u64> {
    // The last one first: that is where most can go wrong.
    segments.keys().rev().nth(usize::from(number) % segments.len().max(1)).copied()
}
