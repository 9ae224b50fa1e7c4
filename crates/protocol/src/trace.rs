//! Trace ids, as servers send them (W3C Trace Context, sections 3.2 and 4.2).

use crate::text;

/// The trace id in a `traceresponse` or `traceparent` header, `version-id-parent-flags`: 32 hexadecimal digits that are
/// not all zero.
///
/// ```
/// use shoreline_protocol::trace::trace_id;
/// let id = "0af7651916cd43dd8448eb211c80319c";
/// assert_eq!(trace_id("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Some(id));
/// assert_eq!(trace_id("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
/// assert_eq!(trace_id(id), None);
/// ```
#[must_use]
pub fn trace_id(header: &str) -> Option<&str> {
    let (_, rest) = text::split(header, b"-")?;
    let (id, _) = text::split(rest, b"-")?;
    let digits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && id.bytes().any(|byte| byte != b'0')).then_some(id)
}
