//! A heartbeat relay between game clients and a game's logic server.
