//! Which ticks led to which, where logic was brought back to an earlier one.

use std::ops::RangeInclusive;

use pulsegate_protocol::proto::Rollback;

/// The course of play.
///
/// Tick numbers only grow. Each tick follows the one with the number before it, but for those with
/// which an operator brought logic back: these follow an earlier one, and what lies between was
/// left behind. It stays in the journal, and led to whatever followed it before that.
///
/// ```
/// use pulsegate_journal::Timeline;
/// use pulsegate_protocol::proto::Rollback;
///
/// let timeline = Timeline::new([Rollback { tick: 90, to: 50 }]);
/// assert_eq!(timeline.stretches(100).collect::<Vec<_>>(), [90..=100, 1..=50]);
/// assert!(timeline.leads(60, 89) && !timeline.leads(60, 90));
/// assert_eq!(timeline.next(51, 100), Some(90));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(Vec<Rollback>);

impl Timeline {
    /// By all rollbacks, in the order of their ticks.
    pub fn new(rollbacks: impl IntoIterator<Item = Rollback>) -> Self {
        Self(rollbacks.into_iter().collect())
    }

    /// The rollbacks, in the order of their ticks.
    pub fn rollbacks(&self) -> &[Rollback] {
        &self.0
    }

    /// The stretches of ticks that led to `tick`, the newest first, and with `tick` itself.
    pub fn stretches(&self, tick: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
        let mut last = Some(tick);
        std::iter::from_fn(move || {
            let end = last.take()?;
            let rollback = self.0.iter().rev().find(|rollback| rollback.tick <= end);
            last = rollback.map(|rollback| rollback.to);
            Some(rollback.map_or(1, |rollback| rollback.tick)..=end)
        })
    }

    /// The tick that this one follows; 0 for the first.
    pub fn before(&self, tick: u64) -> u64 {
        let rollback = self.0.iter().find(|rollback| rollback.tick == tick);
        rollback.map_or(tick.saturating_sub(1), |rollback| rollback.to)
    }

    /// Whether `tick` is `end`, or led to it.
    pub fn leads(&self, tick: u64, end: u64) -> bool {
        self.stretches(end).any(|stretch| stretch.contains(&tick))
    }

    /// The first tick from `number` on that is `end`, or led to it; nothing if `number` is behind
    /// `end`.
    pub fn next(&self, number: u64, end: u64) -> Option<u64> {
        let stretches = self.stretches(end).take_while(|stretch| *stretch.end() >= number);
        stretches.last().map(|stretch| number.max(*stretch.start()))
    }

    /// The ticks from `first` on that are before `end` and did not lead to it, in their order.
    pub fn left_behind(&self, first: u64, end: u64) -> Vec<RangeInclusive<u64>> {
        let stretches: Vec<_> = self.stretches(end).collect();
        let pairs = stretches.iter().zip(stretches.iter().skip(1));
        let between = pairs.map(|(newer, older)| first.max(older.end() + 1)..=newer.start() - 1);
        let mut between: Vec<_> = between.filter(|ticks| !ticks.is_empty()).collect();
        between.reverse();
        between
    }

    /// Adds a rollback that comes after all others.
    pub(crate) fn push(&mut self, rollback: Rollback) {
        self.0.push(rollback);
    }

    /// Whether each one goes back, and comes after the one before it and before `next_tick`.
    pub(crate) fn is_possible(&self, next_tick: u64) -> bool {
        let ticks = || self.0.iter().map(|rollback| rollback.tick);
        self.0.iter().all(|rollback| rollback.to < rollback.tick)
            && ticks().is_sorted_by(|a, b| a < b)
            && ticks().all(|tick| tick < next_tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(rollbacks: &[(u64, u64)]) -> Timeline {
        Timeline::new(rollbacks.iter().map(|&(tick, to)| Rollback { tick, to }))
    }

    fn stretches(rollbacks: &[(u64, u64)], tick: u64) -> Vec<RangeInclusive<u64>> {
        timeline(rollbacks).stretches(tick).collect()
    }

    #[test]
    fn without_a_rollback_all_ticks_lead_to_the_newest() {
        assert_eq!(stretches(&[], 9), [1..=9]);
        assert_eq!(timeline(&[]).next(4, 9), Some(4));
        assert_eq!(timeline(&[]).next(10, 9), None);
    }

    #[test]
    fn what_was_left_behind_leads_to_nothing_that_came_later() {
        let twice = [(50, 20), (80, 60)];
        assert_eq!(stretches(&twice, 100), [80..=100, 50..=60, 1..=20]);
        assert_eq!(stretches(&twice, 70), [50..=70, 1..=20]);
        assert_eq!(stretches(&twice, 49), [1..=49]);
        let after = [19, 20, 21, 50, 60, 61, 80].map(|number| timeline(&twice).next(number, 100));
        assert_eq!(after.map(Option::unwrap), [19, 20, 50, 50, 60, 80, 80]);
        assert_eq!([20, 50, 51, 80].map(|tick| timeline(&twice).before(tick)), [19, 20, 50, 60]);
    }

    #[test]
    fn what_was_left_behind_is_all_that_led_nowhere() {
        let twice = timeline(&[(50, 20), (80, 60)]);
        assert_eq!(twice.left_behind(1, 100), [21..=49, 61..=79]);
        assert_eq!(twice.left_behind(30, 79), [30..=49]);
        assert_eq!(twice.left_behind(1, 49), []);
        assert_eq!(twice.left_behind(80, 100), []);
        assert_eq!(timeline(&[(50, 20), (80, 40)]).left_behind(1, 90), [41..=79]);
        assert_eq!(timeline(&[(50, 49)]).left_behind(1, 90), []);
    }

    #[test]
    fn logic_may_be_brought_back_to_what_was_left_behind() {
        let back = [(50, 20), (80, 40)];
        assert_eq!(stretches(&back, 90), [80..=90, 1..=40]);
        assert!(timeline(&back).leads(30, 90) && !timeline(&back).leads(55, 90));
    }

    #[test]
    fn what_no_operator_can_have_done_is_noticed() {
        assert!(timeline(&[(50, 20), (80, 60)]).is_possible(81));
        for impossible in [&[(50, 50)][..], &[(50, 60)], &[(80, 60), (50, 20)], &[(81, 1)]] {
            assert!(!timeline(impossible).is_possible(81), "{impossible:?}");
        }
    }
}
