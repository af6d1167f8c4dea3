//! When a certificate is about to end.

use entente_certs::identity::moment;

/// From how many days before its end on a certificate is warned of.
pub const WARN_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;

/// What there is to say of a certificate that is valid up to this second, now.
pub(crate) fn warning(holder: &str, now_ms: u64, not_after_s: i64, remedy: &str) -> Option<String> {
    let now_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    let left_s = not_after_s.saturating_sub(now_s);
    if left_s < 0 {
        return Some(format!("the certificate of {holder} expired at {}: {remedy}", moment(not_after_s)));
    }
    if left_s > WARN_DAYS * DAY_S {
        return None;
    }
    let left = match left_s / DAY_S {
        0 => "today or tomorrow".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    Some(format!("the certificate of {holder} expires {left}, at {}: {remedy}", moment(not_after_s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_from_thirty_days_before_its_end() {
        let end_s = 1_767_225_600;
        let before =
            |seconds: i64| warning("BE node", u64::try_from((end_s - seconds) * 1_000).unwrap(), end_s, "renew");
        assert_eq!(before(30 * DAY_S + 1), None);
        let words = "the certificate of BE node expires in 30 days, at 2026-01-01T00:00:00Z: renew";
        assert_eq!(before(30 * DAY_S).as_deref(), Some(words));
        assert!(before(DAY_S).unwrap().contains("expires in 1 day,"));
        assert!(before(0).unwrap().contains("expires today or tomorrow"));
        let words = "the certificate of BE node expired at 2026-01-01T00:00:00Z: renew";
        assert_eq!(before(-1).as_deref(), Some(words));
    }
}
