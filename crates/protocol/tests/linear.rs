//! Work grows with the input and no faster, measured in bytes asked of the allocator, not in time:
//! what joins its fragments again for every read asks for the square.

use shoreline_protocol::batch::Batch;
use shoreline_protocol::cursor::Position;
use shoreline_protocol::limits;
use shoreline_protocol::output::{LongLine, Mode, OutputDecoder};
use shoreline_protocol::transcript::Transcript;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ASKED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(size, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes asked for per byte of `stream`, decoded and collected in reads of `read` bytes.
fn cost(stream: &[u8], read: usize, keep: Option<usize>) -> usize {
    let before = ASKED.load(Ordering::Relaxed);
    let mut decoder = OutputDecoder::new(Mode::Run, limits::LINE_BYTES, LongLine::Refuse);
    let (mut position, mut batch) = (Position::default(), Batch::default());
    let mut transcript = Transcript::new(keep);
    for chunk in stream.chunks(read) {
        batch.clear();
        decoder.push(chunk, &mut position, &mut batch).unwrap();
        transcript.push(&batch).unwrap();
    }
    (ASKED.load(Ordering::Relaxed) - before) / stream.len()
}

// One test, since the allocator is everybody's.
#[test]
fn work_is_linear() {
    const MIB: usize = 1024 * 1024;
    let line = |bytes| format!("data: {{\"line\":\"{}\"}}\n\n", "x".repeat(bytes)).into_bytes();
    let lines = line(20).repeat(4 * MIB / 40);
    let data_lines = format!("data: {{\"line\":\"a\"{}}}\n\n", ",\ndata: \"b\":1".repeat(100_000));
    for keep in [None, Some(1000)] {
        for read in [100, 4096, 65_536] {
            assert!(cost(&line(4 * MIB), read, keep) < 16, "one line, reads of {read}");
            assert!(cost(&lines, read, keep) < 16, "many lines, reads of {read}");
            assert!(cost(data_lines.as_bytes(), read, keep) < 16, "many parts, reads of {read}");
        }
    }
}
