//! Who may link: what a `Hello` must say, and the words in which a link is refused.

use prost::Message;
use pulsegate_protocol::link::{self, VERSION};
use pulsegate_protocol::proto::{
    Goodbye, Hello, Mode, ToLogic, Welcome, goodbye::Code, to_logic, welcome::Resume,
};

/// The longest message that a peer may send before it has proven who it is, in bytes.
pub(crate) const MAX_HELLO: usize = 4096;

/// Reads a first message.
pub(crate) fn hello(body: &[u8]) -> Result<Hello, Goodbye> {
    match ToLogic::decode(body).ok().and_then(|message| message.message) {
        Some(to_logic::Message::Hello(hello)) => Ok(hello),
        _ => Err(goodbye(Code::Protocol, "the first message must be a Hello")),
    }
}

/// What can be said about a `Hello` without knowing who else is linked.
pub(crate) fn check(hello: &Hello, secret: &str) -> Result<(), Goodbye> {
    if hello.protocol != VERSION {
        let text = format!(
            "this logic server speaks version {VERSION} of the link, the relay version {}: \
             use releases that match",
            hello.protocol
        );
        return Err(goodbye(Code::Protocol, text));
    }
    if !link::hello_is_proven(hello, secret) {
        let text = "the relay's shared secret is not that of this logic server: \
                    set `logic.secret` of the relay and `--secret` here to the same";
        return Err(goodbye(Code::Secret, text));
    }
    if hello.mode() == Mode::Unspecified {
        return Err(goodbye(Code::Protocol, "Hello must say whether it is live or a replay"));
    }
    if hello.lineage.is_empty() {
        return Err(goodbye(Code::Protocol, "Hello must name the journal's lineage"));
    }
    Ok(())
}

/// The answer to a good `Hello`.
pub(crate) fn welcome(name: &str, resume: Resume, secret: &str, nonce: &[u8]) -> Welcome {
    Welcome {
        protocol: VERSION,
        name: name.into(),
        resume: Some(resume),
        proof: link::welcome_proof(secret, nonce),
    }
}

/// A reasoned end.
pub(crate) fn goodbye(code: Code, text: impl Into<String>) -> Goodbye {
    Goodbye { code: code.into(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Hello {
        Hello {
            protocol: VERSION,
            lineage: "l".into(),
            mode: Mode::Live.into(),
            nonce: b"0123456789abcdef".to_vec().into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_hello_is_refused_for_what_is_wrong_with_it() {
        let secret = "secret";
        let proven = Hello { proof: link::hello_proof(secret, &good().nonce, "l"), ..good() };
        let proven_by_another =
            Hello { proof: link::hello_proof("other", &good().nonce, "l"), ..good() };
        for (hello, secret, refusal) in [
            (good(), "", None),
            (proven, secret, None),
            (good(), secret, Some(Code::Secret)),
            (proven_by_another, secret, Some(Code::Secret)),
            (Hello { protocol: 2, ..good() }, "", Some(Code::Protocol)),
            (Hello { protocol: 0, ..good() }, "", Some(Code::Protocol)),
            (Hello { mode: 0, ..good() }, "", Some(Code::Protocol)),
            (Hello { mode: 77, ..good() }, "", Some(Code::Protocol)),
            (Hello { lineage: String::new(), ..good() }, "", Some(Code::Protocol)),
        ] {
            let said = check(&hello, secret).err().map(|goodbye| goodbye.code());
            assert_eq!(said, refusal, "{hello:?} with secret {secret:?}");
        }
    }

    #[test]
    fn a_first_message_that_is_no_hello_is_refused() {
        let ping = link::to_logic(to_logic::Message::Ping(Default::default()));
        for body in [&ping[..], b"", b"GET / HTTP/1.1", &[0xFF; 20]] {
            assert_eq!(hello(body).unwrap_err().code(), Code::Protocol);
        }
        let body = link::to_logic(to_logic::Message::Hello(good()));
        assert_eq!(hello(&body).unwrap(), good());
    }
}
