//! What calls that overlap share, one at a time.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// Holds a value while nobody has it.
pub(super) struct Turn<T> {
    value: RefCell<Option<T>>,
    waiting: RefCell<Vec<Waker>>,
}

impl<T> Turn<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: RefCell::new(Some(value)), waiting: RefCell::default() }
    }

    /// The value, as soon as whoever has it gives it back.
    pub(super) async fn take(&self) -> T {
        poll_fn(|context| match self.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Gives it back.
    pub(super) fn put(&self, value: T) {
        self.value.replace(Some(value));
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}
