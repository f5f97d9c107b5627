//! The SDK for logic servers behind Pulsegate, and sample servers.
