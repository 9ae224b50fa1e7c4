//! Whether and when a request is sent again. Pure: time and chance are arguments.

use crate::route::Method;

/// Why there is no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The request certainly never left.
    NotSent,
    /// The connection broke; the request may have been carried out.
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

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Tries after the first.
    pub max_retries: u32,
    /// The first wait, which doubles, in ms.
    pub base_ms: u64,
    /// The longest wait, in ms. A server that asks for more is not waited for.
    pub max_delay_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_retries: 3, base_ms: 100, max_delay_ms: 10_000 }
    }
}

/// After how many ms to send again; nothing to give up. `attempt` counts from 0; `random` is from
/// 0 to 1 and takes away up to half of the wait, so that many clients do not come back at once.
///
/// A request that may have been carried out is sent again only if that is harmless: existing
/// clients start a command up to six times here (protocol, 5).
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
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let taken = (whole as f64 * random.clamp(0.0, 1.0) / 2.0) as u64;
    Some(whole - taken)
}

/// `Retry-After` in ms: seconds, or a date (RFC 9110, 10.2.3) seen from `now_ms` since the epoch.
#[must_use]
pub fn parse_retry_after(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Some(seconds) = crate::decimal(text.as_bytes()) {
        return seconds.checked_mul(1000);
    }
    Some(http_date_ms(text)?.saturating_sub(now_ms))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in ms since the epoch; the obsolete forms are not read.
fn http_date_ms(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let number = |text: &str| crate::decimal(text.as_bytes());
    let day = number(words.next()?)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = number(words.next()?)?;
    let mut clock = words.next()?.split(':').map(number);
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since the epoch, with years that begin in March (Howard Hinnant's days_from_civil).
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    let days = days.checked_sub(719_468)?;
    Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
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
    fn reads_retry_after() {
        assert_eq!(parse_retry_after("120", 0), Some(120_000));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse_retry_after(date, 784_111_776_000), Some(1000));
        assert_eq!(parse_retry_after(date, 784_111_778_000), Some(0));
        for bad in ["", "-1", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 99 Foo 1994 08:49:37 GMT"]
        {
            assert_eq!(parse_retry_after(bad, 0), None, "{bad}");
        }
    }
}
