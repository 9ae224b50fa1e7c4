//! The buffer between the threads of a search and its reader.

use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The size of the buffer in bytes. The search waits while it is full.
const WAITING: usize = 64 * 1024;
/// The interval at which to check whether the reader is gone while nothing is found.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Results {
    limit: u64,
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    count: u64,
    truncated: bool,
    workers: usize,
    failed: bool,
}

/// The outcome of [`Results::take`].
pub(super) enum Taken {
    Some,
    /// No results yet.
    None,
    /// No results, and no thread that could add any.
    End {
        truncated: bool,
    },
    /// A thread has panicked.
    Failed,
}

impl Results {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Registers a searching thread until the guard is dropped.
    pub(super) fn worker(&self) -> Worker<'_> {
        self.state.lock().workers += 1;
        Worker(self)
    }

    /// Moves results into `part`.
    pub(super) fn take(&self, part: &mut Vec<u8>) -> Taken {
        let mut state = self.state.lock();
        if state.bytes.is_empty() && state.workers > 0 {
            self.filled.wait_for(&mut state, LOOK);
        }
        if state.failed {
            return Taken::Failed;
        }
        if state.bytes.is_empty() {
            return match state.workers {
                0 => Taken::End { truncated: state.truncated },
                _ => Taken::None,
            };
        }
        std::mem::swap(&mut state.bytes, part);
        drop(state);
        self.emptied.notify_all();
        Taken::Some
    }

    pub(super) fn stop(&self) {
        // Under the lock: otherwise a worker could start to wait after the wake-up.
        let _state = self.state.lock();
        self.stopped.store(true, Ordering::SeqCst);
        self.emptied.notify_all();
    }
}

pub(super) struct Worker<'a>(&'a Results);

impl Worker<'_> {
    /// Whether the search is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Adds a result, and waits while the buffer is full. Returns whether the search is to go on.
    pub(super) fn push(&self, result: &impl Serialize) -> bool {
        let Self(results) = self;
        let Ok(mut line) = serde_json::to_vec(result) else { return true };
        line.push(b'\n');
        let mut state = results.state.lock();
        while state.bytes.len() >= WAITING && !self.is_stopped() {
            results.emptied.wait(&mut state);
        }
        if self.is_stopped() {
            return false;
        }
        if state.count == results.limit {
            state.truncated = true;
            drop(state);
            results.stop();
            return false;
        }
        state.count += 1;
        state.bytes.extend_from_slice(&line);
        drop(state);
        results.filled.notify_one();
        true
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.workers -= 1;
        state.failed |= std::thread::panicking();
        drop(state);
        self.0.filled.notify_one();
    }
}
