//! Small questions about foreign text.

use std::borrow::Cow;

/// The http(s) URLs in a text, without the punctuation that only ends the sentence around them.
pub fn urls(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "<>\"'`()[]{}|".contains(c))
        .filter(|word| word.starts_with("https://") || word.starts_with("http://"))
        .map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', '?']))
        .filter(|url| url.len() > "https://".len())
}

/// The first `max` characters, with `…` in the place of the last where something was cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    // There are no more characters than bytes.
    if text.len() <= max || text.char_indices().nth(max).is_none() {
        text.into()
    } else {
        let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
        cut.push('…');
        cut.into()
    }
}

/// The text with spaces for its line breaks.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}

/// Whether a URL is one that a service elsewhere may fetch: https, by a name that is no machine's or network's own, or by a
/// public IPv4 address, and without a user's name.
#[must_use]
pub fn is_public(url: &str) -> bool {
    const OWN: [&str; 7] = ["local", "localhost", "internal", "lan", "intranet", "home.arpa", "svc"];
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains(['@', '[', '\\']) || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return false;
    }
    let host = authority.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        let [first, second, ..] = address.octets();
        // Carriers' own addresses: RFC 6598.
        let is_shared = first == 100 && (64..128).contains(&second);
        return !(address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
            || is_shared
            || first == 0);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    let is_own = OWN.iter().any(|own| host == *own || host.ends_with(&format!(".{own}")));
    host.contains('.') && !last.is_empty() && !is_number && !is_own
}

/// Whether a text could be a secret that slipped into another place: a URL, a part of a webhook's, a token of Slack's, a
/// ciphertext of KMS, or whatever else looks as if it had been drawn by lot. What may be one is shown nowhere.
#[must_use]
pub fn may_be_secret(text: &str) -> bool {
    // Ciphertexts of KMS begin with `AQICA`.
    const MARKS: [&str; 5] = ["://", "hooks.", "/services/", "kms:", "aqica"];
    let lower = text.to_ascii_lowercase();
    looks_drawn(text) || holds_slack_token(text) || MARKS.iter().any(|mark| lower.contains(mark))
}

/// How Slack's tokens of all kinds begin. Source: Slack, "Tokens"; `xoxc-` and `xoxd-` are those of a browser's session.
pub const SLACK_TOKENS: [&str; 11] =
    ["xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xoxp-", "xoxr-", "xoxs-", "xapp-", "xwfp-"];

/// Whether a token of Slack's stands anywhere in a text: at the beginning of a word, because `#foxapp-alerts` holds none.
#[must_use]
pub fn holds_slack_token(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let begins_word = |at: usize| !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    SLACK_TOKENS.iter().any(|prefix| lower.match_indices(prefix).any(|(at, _)| begins_word(at)))
}

/// Whether a part of it looks as if it had been drawn by lot: long, with digits and capitals.
///
/// The last part of a Slack webhook has 24 such characters.
fn looks_drawn(text: &str) -> bool {
    const TOKEN_MIN_CHARS: usize = 20;
    // A slash is base64's, too, but in a path it ends a name.
    let is_path = text.starts_with('/');
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '+' || (c == '/' && !is_path);
    text.split(|c| !is_inner(c)).any(|part| {
        part.len() >= TOKEN_MIN_CHARS
            && part.contains(|c: char| c.is_ascii_digit())
            && part.contains(|c: char| c.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_the_sentence() {
        let text = "Runbook: https://wiki/run?a=b. See (http://x/y), ftp://z or https://";
        assert_eq!(urls(text).collect::<Vec<_>>(), ["https://wiki/run?a=b", "http://x/y"]);
    }

    #[test]
    fn what_may_be_a_secret() {
        for secret in [
            "https://hooks.slack.com/services/T0/B0/x",
            "HOOKS.SLACK.COM/x",
            "/services/T0123/B0123/abcdefghijklmnopqrstuvwx",
            "T0123/B0123/aBcDeFgHiJkLmNoPqRsTuVw1",
            "xoxb-1-2-abc",
            "token=xoxp-1-2-abc",
            "foxapp-xapp-1-2",
            "#xoxb-1-2-abc",
            "xoxe-1-abc",
            "xoxe.xoxb-1-abc",
            "xoxc-1-abc",
            "xoxd-abc%2F",
            "XAPP-1-A-2-b",
            "xwfp-1-2-abc",
            "arn:https://example.com/x",
            "AQICAHhsecret",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert!(may_be_secret(secret), "{secret}");
        }
        for name in [
            "",
            "/opt/alerts.yaml",
            "/home/Ops2/AlertConfigurations/Production/alerts.yaml",
            "arn:aws:sns:eu-west-1:111122223333:alerts-Topic-1A2B3C4D5E6F",
            "alerts-Relay-1A2B3C4D5E6F",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "#on-call",
            "#foxapp-alerts",
            "#paxoxb-1",
        ] {
            assert!(!may_be_secret(name), "{name}");
        }
    }

    #[test]
    fn what_only_the_own_network_reaches_is_not_public() {
        for url in [
            "https://grafana.example.com/render/1.png?x=y",
            "https://s3.eu-west-1.amazonaws.com/bucket/a.png",
            "https://example.com:8443/a.png",
            "https://93.184.216.34/a.png",
        ] {
            assert!(is_public(url), "{url}");
        }
        for url in [
            "http://grafana.example.com/a.png",
            "https://grafana/a.png",
            "https://localhost/a.png",
            "https://grafana.monitoring.svc/a.png",
            "https://grafana.corp.internal/a.png",
            "https://10.0.0.1/a.png",
            "https://172.20.0.1/a.png",
            "https://192.168.1.1:3000/a.png",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://user:word@example.com/a.png",
            "https://example.com/a b.png",
            "https:///a.png",
            "attachment://a.png",
            "",
        ] {
            assert!(!is_public(url), "{url}");
        }
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("경보경보", 4), "경보경보");
        assert_eq!(cut("경보경보", 3), "경보…");
        assert_eq!(cut("", 0), "");
    }
}
