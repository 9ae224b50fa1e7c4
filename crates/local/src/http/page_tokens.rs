//! Tokens for web pages. Each authorizes the pages of one origin to use the server for a short
//! time.

use parking_lot::{Mutex, MutexGuard};
use shoreline_protocol::limits;
use std::collections::VecDeque;
use std::time::Instant;
use subtle::ConstantTimeEq as _;

/// A token for the pages of one origin.
pub(super) struct PageToken {
    pub(super) token: String,
    pub(super) origin: String,
    pub(super) expires: Instant,
}

/// The tokens that can be valid, the oldest first.
#[derive(Default)]
pub(super) struct PageTokens(Mutex<VecDeque<PageToken>>);

impl PageTokens {
    /// The tokens that have not expired.
    fn live(&self) -> MutexGuard<'_, VecDeque<PageToken>> {
        let mut tokens = self.0.lock();
        let now = Instant::now();
        tokens.retain(|token| token.expires > now);
        tokens
    }

    /// Whether there is a valid token for pages of this origin.
    pub(super) fn allow(&self, origin: &[u8]) -> bool {
        self.live().iter().any(|known| known.origin.as_bytes() == origin)
    }

    /// Whether a token is valid for pages of this origin.
    pub(super) fn is_known(&self, token: &[u8], origin: &[u8]) -> bool {
        self.live()
            .iter()
            .filter(|known| known.origin.as_bytes() == origin)
            .any(|known| known.token.as_bytes().ct_eq(token).into())
    }

    /// Adds a token. The oldest is dropped if there are too many.
    pub(super) fn add(&self, token: PageToken) {
        let mut tokens = self.live();
        if tokens.len() == limits::PAGE_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token);
    }
}
