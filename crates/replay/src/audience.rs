//! Who sits in front of a replay.

/// Somebody, or a script, who looks at ticks one by one and says how to go on.
pub trait Audience {
    /// Shows some lines of text, each with its end.
    fn show(&mut self, text: &str);

    /// Waits for a key, as long as it takes. `asked` says in a line what is waited for.
    fn key(&mut self, asked: &str) -> impl Future<Output = Key>;

    /// Whether there is a person, who may want to look at something before it is over.
    fn is_a_person(&self) -> bool;
}

/// How a replay that has stopped goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// As is usual there: with `--step` to the next tick, else on without a stop.
    Enter,
    /// To the next tick.
    Next,
    /// On without a stop.
    GoOn,
    /// Not at all.
    End,
}

/// Nobody looks: a replay goes on wherever it stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Audience for Nobody {
    fn show(&mut self, _: &str) {}

    async fn key(&mut self, _: &str) -> Key {
        Key::GoOn
    }

    fn is_a_person(&self) -> bool {
        false
    }
}
