//! What was measured, in few figures.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Time by the clock on the wall, and of all this process's threads on a core.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Spent {
    /// Adds what the work takes.
    pub(crate) fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (began, cpu) = (Instant::now(), cpu_time());
        let result = work();
        self.cpu += cpu_time().saturating_sub(cpu);
        self.wall += began.elapsed();
        result
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The least, the middle and the greatest of some figures; shown as `middle (least to greatest)`.
pub(crate) struct Spread([f64; 3]);

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self([at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1))])
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, middle, greatest] = self.0;
        f.pad(&format!("{middle:.1} ({least:.1} to {greatest:.1})"))
    }
}
