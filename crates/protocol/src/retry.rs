//! Whether and when a request is retried. The functions are pure: time and random numbers are arguments.

use crate::error::Code;
use crate::route::Method;
use crate::text;

/// Why a request has no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The request was certainly not sent.
    NotSent,
    /// The connection broke. The server may have processed the request.
    Lost,
    /// An error status.
    Status {
        /// The status.
        status: u16,
        /// The server's code.
        server_code: Option<&'a str>,
        /// `Retry-After`, in ms.
        retry_after_ms: Option<u64>,
    },
}

/// The limits of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The number of retries after the first attempt.
    pub max_retries: u32,
    /// The first wait, which doubles, in ms.
    pub base_ms: u64,
    /// The longest wait, in ms. If a server asks for a longer one, the request is not retried.
    pub max_delay_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_retries: 3, base_ms: 100, max_delay_ms: 10_000 }
    }
}

/// The delay in ms before the next attempt; `None` to give up. `attempt` counts from 0. `random` is from
/// 0 to 1 and shortens the delay by up to half, so that many clients do not retry at the same time.
///
/// A request that the server may have processed is retried only if repeating it is harmless. Other
/// clients start a command up to six times in this case (docs/protocol.md, 5).
#[must_use]
pub fn decide(
    method: Method,
    failure: &Failure<'_>,
    attempt: u32,
    random: f64,
    policy: &Policy,
) -> Option<u64> {
    if attempt >= policy.max_retries {
        return None;
    }
    let safe = match failure {
        Failure::NotSent => true,
        Failure::Lost => method.is_repeatable(),
        Failure::Status { status: 502, server_code: Some("CONNECTION_REFUSED"), .. } => true,
        // These last until somebody acts.
        Failure::Status {
            server_code: Some("SANDBOX_NOT_RUNNING" | "TOO_MANY_SESSIONS"), ..
        } => false,
        Failure::Status { status: 429 | 502 | 503 | 504, .. } => method.is_repeatable(),
        Failure::Status { .. } => false,
    };
    if !safe {
        return None;
    }
    if let Failure::Status { retry_after_ms: Some(wanted), .. } = *failure {
        return (wanted <= policy.max_delay_ms).then_some(wanted);
    }
    let whole = policy.base_ms.saturating_mul(1 << attempt.min(30)).min(policy.max_delay_ms);
    let taken = (whole as f64 * random.clamp(0.0, 1.0) / 2.0) as u64;
    Some(whole - taken)
}

/// Whether a call that failed like this may simply be made again: either it cannot do its work twice,
/// or it has certainly not done it once.
#[must_use]
pub const fn is_harmless(method: Method, code: Code) -> bool {
    method.is_repeatable()
        || !matches!(
            code,
            Code::ConnectionLost | Code::ConnectTimeout | Code::IdleTimeout | Code::Gateway
        )
}

/// `Retry-After` in ms, where it gives seconds; a date (RFC 9110, 10.2.3) is the host's to read.
#[must_use]
pub fn retry_after_ms(header: &str) -> Option<u64> {
    text::decimal(header.as_bytes().trim_ascii())?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_and_jitter_takes_half_at_most() {
        let policy = Policy { max_retries: 40, base_ms: 100, max_delay_ms: 5000 };
        let wait = |attempt, random| decide(Method::Get, &Failure::Lost, attempt, random, &policy);
        assert_eq!([wait(0, 0.0), wait(1, 0.0), wait(2, 0.0)], [Some(100), Some(200), Some(400)]);
        assert_eq!([wait(0, 1.0), wait(39, 0.0), wait(40, 0.0)], [Some(50), Some(5000), None]);
    }

    #[test]
    fn a_server_is_waited_for_as_long_as_the_policy_allows() {
        let ask = |ms| Failure::Status { status: 429, server_code: None, retry_after_ms: Some(ms) };
        let policy = Policy::default();
        assert_eq!(decide(Method::Get, &ask(9000), 0, 1.0, &policy), Some(9000));
        assert_eq!(decide(Method::Get, &ask(10_001), 0, 1.0, &policy), None);
        assert_eq!(decide(Method::Post, &ask(1), 0, 1.0, &policy), None);
    }

    #[test]
    fn what_may_have_been_done_is_not_called_repeatable() {
        for code in [Code::ConnectionLost, Code::ConnectTimeout, Code::IdleTimeout, Code::Gateway] {
            assert!(code.is_retryable() && is_harmless(Method::Get, code), "{code:?}");
            assert!(!is_harmless(Method::Post, code), "{code:?}");
        }
        for code in [Code::ConnectFailed, Code::RateLimited, Code::Unavailable] {
            assert!(code.is_retryable() && is_harmless(Method::Post, code), "{code:?}");
        }
    }

    #[test]
    fn reads_retry_after() {
        assert_eq!(retry_after_ms(" 120 "), Some(120_000));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for other in ["", "-1", "1.5", "soon", "99999999999999999999", date] {
            assert_eq!(retry_after_ms(other), None, "{other}");
        }
    }
}
