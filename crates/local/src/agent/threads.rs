//! The agent's threads. One runs the loop and does the work that comes up there: to hand work over would make
//! every start wait for a thread to wake up. Where work blocks, another thread takes the loop over.

use super::inside::Inside;
use super::tree::{self, own};
use super::work::Work;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The most threads that work, the one with the loop included.
const THREADS: usize = 16;
/// How long the loop may be left, and between looks at it. Looks every 5 ms made a run 10 % slower.
const TICK: Duration = Duration::from_millis(50);
/// How long ending may take.
const END: Duration = Duration::from_secs(4);

pub(super) struct Threads {
    inside: Mutex<Inside>,
    work: Arc<Work>,
    count: AtomicUsize,
    began: Instant,
    /// When the loop was left for work, in microseconds since `began`; 0 while a thread runs it.
    left: AtomicU64,
    /// Work was begun since the last look.
    active: AtomicBool,
    /// The keeper waits for work to begin.
    parked: AtomicBool,
    keeper: OnceLock<Thread>,
    /// The main thread, while it has nothing to do. It has the loop as long as no work blocks: signals are
    /// delivered to it (signal(7)), which then wake no second thread.
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

    /// Runs the loop on this thread, or lets another one run it, until the agent exits.
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

    /// Sees to it that the loop runs.
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
        // At the limit of tasks, the next look may have more luck.
        if thread::Builder::new().spawn(move || threads.run()).is_err() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Runs the loop and works, as long as no other thread has the loop.
    fn run(&self) {
        while let Some(mut inside) = self.inside.try_lock() {
            self.left.store(0, Ordering::SeqCst);
            // One thread stays with the loop.
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
        // The thread with the loop has to take over what was done here.
        self.work.ring();
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
