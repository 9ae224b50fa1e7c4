//! Room in a table for something that takes several steps to make. It is given back if it is dropped before.

use parking_lot::Mutex;

/// A table that counts what is being made.
pub(crate) trait Reservable {
    /// Gives back a place, and the name that was kept for it.
    fn free(&mut self, name: Option<&str>);
}

/// A place that was counted in a table, with the name that it keeps.
pub(crate) struct Reservation<'a, T: Reservable> {
    table: &'a Mutex<T>,
    name: Option<String>,
    filled: bool,
}

impl<'a, T: Reservable> Reservation<'a, T> {
    pub(crate) fn new(table: &'a Mutex<T>, name: Option<String>) -> Self {
        Self { table, name, filled: false }
    }

    /// Lists what was made by `list`, and gives the place back under the same lock, so that nothing is counted
    /// twice.
    pub(crate) fn fill<R>(mut self, list: impl FnOnce(&mut T) -> R) -> R {
        let mut table = self.table.lock();
        let listed = list(&mut table);
        table.free(self.name.as_deref());
        drop(table);
        self.filled = true;
        listed
    }
}

impl<T: Reservable> Drop for Reservation<'_, T> {
    fn drop(&mut self) {
        if !self.filled {
            self.table.lock().free(self.name.as_deref());
        }
    }
}
