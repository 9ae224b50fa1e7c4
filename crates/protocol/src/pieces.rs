//! Lines that are delivered in pieces, as they grow.
//!
//! On request, a server sends the new bytes of an unfinished line as an event
//! without an id: the text, and the number of bytes of the line before it. The event with the whole line
//! follows once the line is finished. The client counts the delivered bytes of the line
//! ([`Position::unfinished`]), and delivers only the bytes after them, from either event.

use alloc::string::String;
use alloc::vec::Vec;

use crate::batch::{Batch, flag};
use crate::cursor::Position;
use crate::deliver::{add, exact_bytes};
use crate::fault::StreamError;
use crate::fields::{Fields, integer};
use crate::json::{Invalid, Members};
use crate::output::State;
use crate::utf8;

impl State {
    /// Appends the new bytes of an unfinished line.
    ///
    /// # Errors
    /// The event is malformed, or the line is over the limit.
    #[cold]
    pub(crate) fn unfinished(
        &self,
        data: &[u8],
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        const MALFORMED: StreamError = StreamError::Malformed("unfinished");
        if !self.pieces {
            return Ok(());
        }
        let fields = Fields::read(data).map_err(|Invalid| MALFORMED)?;
        let (Some(line), Ok(Some(offset))) = (fields.line(), offset(data)) else {
            return Err(MALFORMED);
        };
        let mut raw = line.bytes.as_ref().map(exact_bytes).transpose().map_err(|_| MALFORMED)?;
        let stream = self.stream(&line);
        let delivered = position.unfinished(stream);
        // The missing bytes in between arrive with the finished line.
        if offset > delivered || !position.has_caught_up(stream) {
            return Ok(());
        }
        let mut flags = flag::PIECE | stream.map_or(0, |stream| stream as u8);
        let start = out.text.len();
        line.text.push_to("", &mut out.text);
        let length = raw.as_ref().map_or(out.text.len() - start, Vec::len);
        if length > self.line_limit.saturating_sub(offset) {
            self.cut(self.line_limit.saturating_sub(offset), start, &mut raw, out)?;
            flags |= flag::CUT;
        }
        let units = skip(delivered - offset, start, &mut raw, out);
        if out.text.len() > start {
            let gained = raw.as_ref().map_or(out.text.len() - start, Vec::len);
            position.deliver_piece(stream, gained);
            add(out, flags, raw, units, line.timestamp, position);
        }
        Ok(())
    }
}

/// Removes the first `skip` bytes after `start` from the text, and from the exact bytes if the text is
/// not exact. Returns the number of UTF-16 code units that remain after `start`.
#[cold]
pub(crate) fn skip(skip: usize, start: usize, raw: &mut Option<Vec<u8>>, out: &mut Batch) -> usize {
    let text = || out.text.get(start..).unwrap_or_default().as_bytes();
    let rest = raw.as_deref().unwrap_or_else(text).get(skip..).unwrap_or_default().to_vec();
    out.text.truncate(start);
    *raw = match String::from_utf8(rest) {
        Ok(text) => {
            out.text.push_str(&text);
            None
        }
        Err(error) => {
            let bytes = error.into_bytes();
            utf8::lossy_into(&bytes, &mut out.text);
            Some(bytes)
        }
    };
    out.text.get(start..).map_or(0, utf8::utf16_len)
}

fn offset(data: &[u8]) -> Result<Option<usize>, Invalid> {
    let mut members = Members::new(data)?;
    let mut offset = None;
    while let Some((key, value)) = members.read()? {
        if key.plain() == Some(b"offset") {
            offset = integer::<u64>(&value).and_then(|offset| usize::try_from(offset).ok());
        }
    }
    Ok(offset)
}
