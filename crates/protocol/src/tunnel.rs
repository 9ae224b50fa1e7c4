//! What is added to a tunnel's WebSocket, whose binary messages are the bytes of a TCP connection.

/// The text message by which either side says that it sends no more bytes, as a FIN does in TCP. It is used where the
/// client has asked for it in the query, by [`HALF_CLOSE`].
pub const END: &str = "end";

/// The member of the query that asks for half-closed connections.
pub const HALF_CLOSE: &str = "half_close=true";
