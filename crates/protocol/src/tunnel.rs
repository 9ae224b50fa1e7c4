//! The extension of a tunnel's WebSocket, whose binary messages are the bytes of a TCP connection.

/// The text message with which either side announces that it sends no more bytes, like a FIN in TCP. It is used if the
/// client requests it in the query, by [`HALF_CLOSE`].
pub const END: &str = "end";

/// The member of the query that asks for half-closed connections.
pub const HALF_CLOSE: &str = "half_close=true";
