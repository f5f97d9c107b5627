//! A strategy as a person sets it.

use std::time::Duration;

use humantime::format_duration;
use pulsegate_cadence::{Overrun, Strategy};

/// Its name in `relay.toml`, and all settings that it heeds, with their values as they stand there.
pub fn settings(strategy: Strategy) -> Vec<(&'static str, String)> {
    let mut settings = vec![("strategy", quoted(strategy.name()))];
    let mut set = |key, value| settings.push((key, value));
    match strategy {
        Strategy::Fixed { sleep } => set("sleep", time(sleep)),
        Strategy::Adaptive { sleep, budget } => {
            set("sleep", time(sleep));
            set("budget", time(budget));
        }
        Strategy::Combined { sleep, budget, overruns, calm } => {
            set("sleep", time(sleep));
            set("budget", time(budget));
            set("overruns", overruns.to_string());
            set("calm", calm.to_string());
        }
        Strategy::Deadline { period, overrun } => {
            set("period", time(period));
            match overrun {
                Overrun::Skip => set("overrun", quoted("skip")),
                Overrun::Stretch => set("overrun", quoted("stretch")),
                Overrun::CatchUp { max } => {
                    set("overrun", quoted("catch_up"));
                    set("catch_up", max.to_string());
                }
            }
        }
    }
    settings
}

/// The lines for `relay.toml`, from `[tick]` on.
pub fn lines(strategy: Strategy) -> String {
    let lines = settings(strategy).into_iter().map(|(key, value)| format!("{key} = {value}\n"));
    format!("[tick]\n{}", lines.collect::<String>())
}

/// The settings in a few words, without the strategy's name: `sleep 50ms, budget 0s`.
pub fn in_short(strategy: Strategy) -> String {
    let words = settings(strategy).into_iter().skip(1);
    let words: Vec<_> =
        words.map(|(key, value)| format!("{key} {}", value.replace('"', ""))).collect();
    words.join(", ")
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn time(duration: Duration) -> String {
    quoted(&format_duration(duration).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_relay_toml() {
        let sleep = Duration::from_micros(12_500);
        let strategy = Strategy::Combined { sleep, budget: Duration::ZERO, overruns: 3, calm: 20 };
        let expected = "[tick]\nstrategy = \"combined\"\nsleep = \"12ms 500us\"\nbudget = \"0s\"\n\
                        overruns = 3\ncalm = 20\n";
        assert_eq!(lines(strategy), expected);
        assert_eq!(in_short(strategy), "sleep 12ms 500us, budget 0s, overruns 3, calm 20");
    }

    #[test]
    fn catch_up_has_its_bound_and_the_others_have_none() {
        let period = Duration::from_millis(50);
        let short = |overrun| in_short(Strategy::Deadline { period, overrun });
        assert_eq!(short(Overrun::CatchUp { max: 5 }), "period 50ms, overrun catch_up, catch_up 5");
        assert_eq!(short(Overrun::Skip), "period 50ms, overrun skip");
    }
}
