//! Reserves a place in a table for an entry that is made in several steps. Dropping the reservation frees the place.

use parking_lot::Mutex;

/// A table that counts entries that are being made.
pub(crate) trait Reservable {
    /// Frees a place, and the name that was reserved with it.
    fn free(&mut self, name: Option<&str>);
}

/// A reserved place in a table, with its reserved name.
pub(crate) struct Reservation<'a, T: Reservable> {
    table: &'a Mutex<T>,
    name: Option<String>,
    filled: bool,
}

impl<'a, T: Reservable> Reservation<'a, T> {
    pub(crate) fn new(table: &'a Mutex<T>, name: Option<String>) -> Self {
        Self { table, name, filled: false }
    }

    /// Adds the entry by `list`, and frees the place under the same lock, so that the entry is not counted
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
