//! What may be in a batch, drawn from a fuzzer's bytes.

use arbitrary::Arbitrary;
use pulsegate_protocol::proto::{self, item::Item};
use pulsegate_protocol::tick::Gathering;

/// One thing in a batch.
#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Thing {
    Packet(u8, Vec<u8>),
    Open(u8),
    State(u8, i32, i32),
    Close(u8, u8),
    Pace(u64, u32),
    Gap(u64, u64, String),
    Restored(u64),
    Heartbeat(u64, String),
}

impl Thing {
    /// Puts it into a batch, and says what the generated code would hold for it.
    pub(crate) fn put(self, batch: &mut Gathering) -> proto::Item {
        let item = self.item();
        match &item {
            Item::Packet(packet) => batch.packet(packet.session, &packet.payload),
            event => batch.event(event.clone()),
        }
        proto::Item { item: Some(item) }
    }

    fn item(self) -> Item {
        match self {
            Self::Packet(session, payload) => {
                // The batch writes both fields always; no client has number 0, nor is heard
                // without a byte but by a heartbeat.
                let payload = if payload.is_empty() { vec![0] } else { payload };
                let session = u64::from(session) + 1;
                Item::Packet(proto::Packet { session, payload: payload.into() })
            }
            Self::Open(session) => Item::Open(proto::Open {
                session: session.into(),
                peer: format!("192.0.2.{session}:5"),
            }),
            Self::State(session, state, cause) => {
                Item::State(proto::StateChange { session: session.into(), state, cause })
            }
            Self::Close(session, reason) => {
                Item::Close(proto::Close { session: session.into(), reason: reason.into() })
            }
            Self::Pace(sleep_ns, calm) => Item::Pace(proto::PaceChange {
                pace: Some(proto::Pace {
                    strategy: Some(proto::pace::Strategy::Combined(proto::Combined {
                        sleep_ns,
                        budget_ns: sleep_ns / 2,
                        overruns: calm,
                        calm,
                    })),
                }),
                by: "logic".into(),
            }),
            Self::Gap(first, last, why) => Item::Gap(proto::Gap { first, last, why }),
            Self::Restored(tick) => Item::Restored(proto::Restored { tick }),
            Self::Heartbeat(session, claim) => Item::Heartbeat(proto::Heartbeat { session, claim }),
        }
    }
}
