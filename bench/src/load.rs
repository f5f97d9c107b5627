//! How many clients do what.

use std::fmt;

use crate::spread::whole;

/// When packets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// One after another, spread evenly over time.
    Even,
    /// All of a millisecond together, as tokio's timer wakes their clients.
    InSteps,
}

/// How many clients do what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    /// Packets a second, of each.
    pub(crate) rate: f64,
    pub(crate) arrival: Arrival,
}

impl Load {
    /// Clients whose packets of 64 bytes are spread evenly.
    pub(crate) const fn even(clients: u32, rate: f64) -> Self {
        Self { clients, rate, arrival: Arrival::Even }
    }

    /// Clients whose packets of 64 bytes come in steps of 1 ms.
    pub(crate) const fn in_steps(clients: u32, rate: f64) -> Self {
        Self { clients, rate, arrival: Arrival::InSteps }
    }

    /// Clients that send a heartbeat each 5 s.
    pub(crate) const fn idle(clients: u32) -> Self {
        Self::in_steps(clients, 0.0)
    }

    /// As it is called in names of figures.
    pub(crate) fn name(self) -> String {
        match self {
            Self { clients, rate: 0.0, .. } => format!("{clients}-idle"),
            Self { clients, rate, arrival: Arrival::Even } => format!("{clients}x{rate}"),
            Self { clients, rate, arrival: Arrival::InSteps } => format!("{clients}x{rate}-steps"),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, rate, arrival } = *self;
        let clients = whole(clients.into());
        match arrival {
            _ if rate == 0.0 => write!(f, "{clients} idle clients"),
            Arrival::Even => write!(f, "{clients} clients × {rate}/s, packets spread evenly"),
            Arrival::InSteps => write!(f, "{clients} clients × {rate}/s, in steps of 1 ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_have_names() {
        assert_eq!(Load::even(1_000, 20.0).name(), "1000x20");
        assert_eq!(Load::in_steps(1_000, 20.0).name(), "1000x20-steps");
        assert_eq!(Load::idle(10_000).name(), "10000-idle");
    }
}
