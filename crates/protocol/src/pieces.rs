//! Lines that are delivered in pieces, as they grow.
//!
//! For a client that asks for it, a server sends what an unfinished line has gained as an event of its
//! own, which has no id: the text, and how many bytes of the line come before it. The line's own event
//! comes as always once the line is finished. The client knows how many bytes of the line it has
//! delivered ([`Position::unfinished`]), and delivers what is beyond them, whichever event brings it.

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
    /// Appends what an unfinished line has gained.
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
        // What is missing in between comes with the finished line.
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

/// Removes the first `skip` bytes of the text from `start` on, and of the exact bytes where the text is
/// not exact. The number of UTF-16 units of what is left.
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
