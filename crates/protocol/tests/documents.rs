//! What the documents say of the protocol is what the code does.

use pulsegate_protocol::Reason;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

#[test]
fn every_reason_is_explained_in_the_document_as_in_the_code() {
    for reason in Reason::all() {
        let row = format!("| `{}` | {} |", reason.name(), reason.explanation());
        assert!(PROTOCOL.contains(&row), "docs/protocol.md lacks this row:\n{row}");
    }
}
