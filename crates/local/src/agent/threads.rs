//! The agent's threads. One runs the loop and also does the jobs, since handing a job over would add the wake-up of a
//! thread to every start. If a job blocks, another thread takes over the loop.

use super::inside::Inside;
use super::tree::{self, own};
use super::work::Work;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The most threads, including the one that runs the loop.
const THREADS: usize = 16;
/// The longest time without a thread in the loop, and the interval of checking. Checking every 5 ms makes a run 10 %
/// slower.
const TICK: Duration = Duration::from_millis(50);
/// The time limit for the end.
const END: Duration = Duration::from_secs(4);

pub(super) struct Threads {
    inside: Mutex<Inside>,
    work: Arc<Work>,
    count: AtomicUsize,
    began: Instant,
    /// When the thread left the loop for a job, in microseconds since `began`; 0 while a thread runs the loop.
    left: AtomicU64,
    /// Whether a job was begun since the last check.
    active: AtomicBool,
    /// Whether the keeper waits for a job to begin.
    parked: AtomicBool,
    keeper: OnceLock<Thread>,
    /// The main thread, while it is idle. It runs the loop as long as no job blocks. Signals are
    /// delivered to the main thread (signal(7)), so they then wake no second thread.
    spare: Mutex<Option<Thread>>,
}

impl Threads {
    pub(super) fn new(inside: Inside, work: Arc<Work>) -> Self {
        Self {
            inside: Mutex::new(inside),
            work,
            count: AtomicUsize::new(0),
            began: Instant::now(),
            left: AtomicU64::new(0),
            active: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            keeper: OnceLock::new(),
            spare: Mutex::new(None),
        }
    }

    /// Runs the loop on this thread or another one until the agent exits.
    pub(super) fn main(self: &Arc<Self>) -> io::Result<()> {
        let threads = self.clone();
        let keeper = thread::Builder::new().spawn(move || threads.keep())?;
        let _ = self.keeper.set(keeper.thread().clone());
        loop {
            self.count.fetch_add(1, Ordering::SeqCst);
            self.run();
            *self.spare.lock() = Some(thread::current());
            while self.spare.lock().is_some() {
                thread::park();
            }
        }
    }

    /// Starts or wakes a thread if no thread runs the loop.
    fn keep(self: &Arc<Self>) {
        loop {
            if !self.active.swap(false, Ordering::SeqCst) {
                self.parked.store(true, Ordering::SeqCst);
                if !self.active.load(Ordering::SeqCst) && self.left.load(Ordering::SeqCst) == 0 {
                    thread::park();
                }
                self.parked.store(false, Ordering::SeqCst);
            }
            thread::sleep(TICK);
            let left = self.left.load(Ordering::SeqCst);
            let late = left != 0 && self.now().saturating_sub(left) >= micros(TICK);
            if late && self.count.load(Ordering::SeqCst) < THREADS {
                self.start();
            }
        }
    }

    fn now(&self) -> u64 {
        micros(self.began.elapsed()).max(1)
    }

    fn start(self: &Arc<Self>) {
        if let Some(main) = self.spare.lock().take() {
            return main.unpark();
        }
        let threads = self.clone();
        self.count.fetch_add(1, Ordering::SeqCst);
        // At the limit of tasks this fails. The next check tries again.
        if thread::Builder::new().spawn(move || threads.run()).is_err() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Runs the loop and does jobs, until another thread runs the loop.
    fn run(&self) {
        while let Some(mut inside) = self.inside.try_lock() {
            self.left.store(0, Ordering::SeqCst);
            // One thread stays in the loop.
            let job = inside.until_job(|| self.count.load(Ordering::SeqCst) < THREADS);
            let Ok(Some(job)) = job else { end(job.is_err()) };
            self.left.store(self.now(), Ordering::SeqCst);
            drop(inside);
            self.active.store(true, Ordering::SeqCst);
            if self.parked.load(Ordering::SeqCst) {
                self.keeper.get().into_iter().for_each(Thread::unpark);
            }
            self.work.perform(job);
        }
        // Wakes the thread in the loop, which has to record the result.
        self.work.wake();
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Ends everything, and the agent.
fn end(failed: bool) -> ! {
    // An init takes its namespace along when it exits.
    if own() != 1 {
        tree::kill_everything(|_| false, END);
    }
    std::process::exit(i32::from(failed))
}
