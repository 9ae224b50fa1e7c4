//! Appends output events to a batch: text, exact bytes, time and flags.

use crate::base64;
use crate::batch::{Batch, flag};
use crate::cursor::Position;
use crate::fault::StreamError;
use crate::fields::Line;
use crate::json::Value;
use crate::output::{LongLine, State};
use crate::pieces;
use crate::utf8::{self, floor_char_boundary};
use alloc::vec::Vec;

impl State {
    #[inline]
    pub(crate) fn output(
        &mut self,
        line: &Line<'_>,
        checked: &str,
        id: Option<u64>,
        position: &mut Position,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        let stream = self.stream(line);
        // The mark of the exit counted the lines before the mark.
        self.line_count = None;
        if position.drops(stream, id, &line.text) {
            return Ok(());
        }
        let mut raw = line.bytes.as_ref().map(exact_bytes).transpose()?;
        let mut flags = stream.map_or(0, |stream| stream as u8);
        let start = out.text.len();
        let mut units = line.text.push_to(checked, &mut out.text);
        // Replacement characters make the text longer than the bytes.
        let length = raw.as_ref().map_or(out.text.len() - start, Vec::len);
        if length > self.line_limit {
            self.cut(self.line_limit, start, &mut raw, out)?;
            flags |= flag::CUT;
            units = out.text.get(start..).map_or(0, utf8::utf16_len);
        }
        let delivered = position.unfinished(stream);
        if delivered > 0 {
            if length < delivered {
                out.text.truncate(start);
                return Err(StreamError::ShortLine);
            }
            units = pieces::skip(delivered, start, &mut raw, out);
        }
        if !line.unfinished {
            flags |= flag::TERMINATED;
            out.text.push('\n');
            units += 1;
        }
        position.deliver(stream, id, &line.text);
        add(out, flags, raw, units, line.timestamp, position);
        Ok(())
    }

    /// Cuts the text from `start` on, and its exact bytes, to `keep` bytes.
    pub(crate) fn cut(
        &self,
        keep: usize,
        start: usize,
        raw: &mut Option<Vec<u8>>,
        out: &mut Batch,
    ) -> Result<(), StreamError> {
        if self.long_line == LongLine::Refuse {
            out.text.truncate(start);
            return Err(StreamError::TooLong);
        }
        match raw {
            Some(raw) => {
                raw.truncate(keep);
                out.text.truncate(start);
                utf8::lossy_into(raw, &mut out.text);
            }
            None => out.text.truncate(floor_char_boundary(&out.text, start + keep)),
        }
        Ok(())
    }
}

/// Adds an event whose text has been appended.
#[inline]
pub(crate) fn add(
    out: &mut Batch,
    mut flags: u8,
    raw: Option<Vec<u8>>,
    units: usize,
    time: f64,
    position: &Position,
) {
    if let Some(raw) = raw {
        flags |= flag::RAW;
        out.raw.push((to_u32(out.flags.len()), raw));
    }
    out.ends.push(out.ends.last().copied().unwrap_or(0) + to_u32(units));
    out.byte_ends.push(to_u32(out.text.len()));
    out.times.push(time);
    out.flags.push(flags);
    out.last_ids.push(position.last_id());
}

/// Decodes the member `bytes`.
pub(crate) fn exact_bytes(value: &Value<'_>) -> Result<Vec<u8>, StreamError> {
    let decoded = value.as_text().and_then(|text| text.with(base64::decode));
    decoded.ok_or(StreamError::Malformed("output"))
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
