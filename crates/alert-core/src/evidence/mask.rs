//! Takes out of a foreign line what may be a secret, before it leaves AWS.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

/// What stands in a secret's place.
const MASK: &str = "•••";

/// What a secret looks like; the part in the group `s`, else the whole, is masked.
///
/// The forms of tokens are those that their makers document: AWS (IAM User Guide, "Unique identifiers"), GitHub, GitLab, Slack,
/// Google, Stripe, JSON Web Tokens (RFC 7519), PEM (RFC 7468), URLs with user names and passwords (RFC 3986).
const PATTERNS: &[&str] = &[
    // Private keys, as far as the line has them.
    r"-----BEGIN[^-]{0,60}PRIVATE KEY-----(?P<s>.*?)(?:-----END|$)",
    // JSON Web Tokens.
    r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?",
    // AWS's access keys and other identifiers with a fixed beginning.
    r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}\b",
    // Tokens that say what they are.
    r"\b(?:gh[pousr]_|github_pat_|glpat-|sk_live_|sk_test_|rk_live_|pk_live_|sk-|AIza|ya29\.|npm_|pypi-|dop_v1_|SG\.|hf_|xox[a-z][-.]|xapp-|xwfp-|hvs\.|AQICA)[A-Za-z0-9_./+=-]{8,}",
    // Slack's and others' webhooks.
    r"https?://hooks\.[^\s\x22'<>]+",
    // A URL's user name and password.
    r"\b[a-zA-Z][a-zA-Z0-9+.-]*://(?P<s>[^\s/@:]*:[^\s/@]+)@",
    // A header.
    r"(?i)\b(?:bearer|basic|digest|aws4-hmac-sha256)\s+(?P<s>[A-Za-z0-9._~+/=,:;-]{6,})",
    r"(?i)\b(?:authorization|proxy-authorization|cookie|set-cookie|x-api-key|x-amz-security-token|x-auth-token)[\x22']?\s*[:=]\s*[\x22']?(?P<s>[^\x22'\r\n]{3,})",
    // A name that says what its value is: `password=…`, `"clientSecret": "…"`, `--token …`, `pwd: …`.
    r"(?i)[a-z0-9_.-]*(?:passwor[dt]|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature|session[_-]?id|connection[_-]?string)[a-z0-9_-]*\\?[\x22']?\s*(?:[:=]|=>|%3[dD])\s*(?:\\?\x22(?P<s>(?:[^\x22\\]|\\.)*)|'(?P<t>[^']*)|(?P<u>[^\s,;&\x22')\]}]+))",
    r"(?i)\b(?:password|passwd|passphrase|pwd)\s+is\s+(?P<s>\S+)",
    r"(?i)--?(?:password|passwd|pass|secret|token|api-key|access-key)[= ]+(?P<s>[^\s\x22']+)",
    // E-mail addresses.
    r"[A-Za-z0-9._%+-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
];

/// A long word, which is a secret where it looks drawn by lot.
const LONG_WORD: &str = r"\b[A-Za-z0-9+/_-]{40,}={0,2}";

type Judge = fn(&str) -> bool;

/// With what makes a match of it a secret. A test holds that all of them compile.
static COMPILED: LazyLock<Vec<(Regex, Judge)>> = LazyLock::new(|| {
    let known = PATTERNS.iter().map(|pattern| (*pattern, (|_| true) as Judge));
    let all = known.chain([(LONG_WORD, is_drawn as Judge)]);
    all.filter_map(|(pattern, is_secret)| Some((Regex::new(pattern).ok()?, is_secret))).collect()
});

/// A line without what may be a key, a token, a password or an e-mail address. It is better to mask too much: the whole line
/// stands in the log.
#[must_use]
pub fn mask(line: &str) -> String {
    let mut line = line.to_owned();
    for (regex, is_secret) in COMPILED.iter() {
        if !regex.is_match(&line) {
            continue;
        }
        let mut masked = String::with_capacity(line.len());
        let mut end = 0;
        for captures in regex.captures_iter(&line) {
            let Some(whole) = captures.get_match() else { continue };
            let group = ["s", "t", "u"].iter().find_map(|name| captures.get_group_by_name(name));
            let (from, to) = group.map_or((whole.start(), whole.end()), |span| (span.start, span.end));
            if from < to && is_secret(&line[from..to]) {
                masked.push_str(&line[end..from]);
                masked.push_str(MASK);
                end = to;
            }
        }
        masked.push_str(&line[end..]);
        line = masked;
    }
    line
}

/// Whether a long word looks drawn by lot, and is no path, name or chain of ids: it mixes digits, capitals and small letters,
/// or has a long part with digits.
fn is_drawn(word: &str) -> bool {
    const PART_MIN_CHARS: usize = 32;
    let has = |is: fn(char) -> bool| word.contains(is);
    let is_mixed =
        has(|c| c.is_ascii_digit()) && has(|c| c.is_ascii_uppercase()) && has(|c| c.is_ascii_lowercase());
    let mut parts = word.split(['/', '_', '-', '+']);
    is_mixed || parts.any(|part| part.len() >= PART_MIN_CHARS && part.contains(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert_eq!(COMPILED.len(), PATTERNS.len() + 1);
    }

    #[test]
    fn no_secret_leaves_in_a_line() {
        // Composed of parts, so that nobody who looks for leaked keys finds these.
        let lines: Vec<(String, &str)> = vec![
            (format!("using {}{} to sign", "AKIA", "IOSFODNN7EXAMPLE"), "IOSFODNN7"),
            (format!("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), "wJalr"),
            ("leaked wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY here".to_owned(), "bPxRfi"),
            ("password=hunter2 for admin".to_owned(), "hunter2"),
            ("the password is hunter2".to_owned(), "hunter2"),
            (r#"{"db_password": "hunter2", "host": "db"}"#.to_owned(), "hunter2"),
            (r#"{\"clientSecret\":\"hunter2\"}"#.to_owned(), "hunter2"),
            (r#"{"password": "hun\"ter2", "a": 1}"#.to_owned(), "ter2"),
            ("Password: 'hunter two' rejected".to_owned(), "hunter"),
            ("run --password hunter2 --verbose".to_owned(), "hunter2"),
            ("PGPASSWORD=hunter2 psql".to_owned(), "hunter2"),
            ("GET /?api_key=hunter2&x=1".to_owned(), "hunter2"),
            ("GET /?token%3Dhunter2".to_owned(), "hunter2"),
            ("Authorization: Bearer abcdef123456".to_owned(), "abcdef123456"),
            ("authorization=Basic dXNlcjpwYXNz".to_owned(), "dXNlcjpwYXNz"),
            ("Cookie: sid=abc; theme=dark".to_owned(), "sid=abc"),
            (format!("jwt {}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"), "eyJzdWI"),
            (format!("slack {}{}", "xoxb-", "123456789012-abcdefghijkl"), "123456789012"),
            (format!("slack {}{}", "xoxb-", "abcdefghijklmnop"), "abcdefghijklmnop"),
            (format!("github {}{}", "ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"), "abcdefghij"),
            (format!("stripe {}{}", "sk_live_", "abcdefghijklmnop"), "abcdefghijklmnop"),
            ("postgres://app:hunter2@db.example.com/orders".to_owned(), "hunter2"),
            (format!("post to https://{}/services/T0/B0/abc", "hooks.slack.com"), "/services"),
            ("mail to Jane.Doe+x@example.co.uk failed".to_owned(), "Jane"),
            ("user=jane%40example.com".to_owned(), "jane"),
            (format!("-----BEGIN RSA {} MIIEowIBAAKCAQEA", "PRIVATE KEY-----"), "MIIE"),
            (
                "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
                "9f86d081",
            ),
        ];
        for (line, secret) in &lines {
            let masked = mask(line);
            assert!(!masked.contains(secret), "{line}: {masked}");
            assert!(masked.contains(MASK), "{line}: {masked}");
        }
    }

    #[test]
    fn what_says_why_stays() {
        for line in [
            "ERROR [orders] connection refused: db.internal:5432 after 3 tries",
            "Unexpected token < in JSON at position 0",
            "the token is expired",
            "2026-11-27T03:00:00.123Z 8f7a9b1c-2d3e-4f5a-8b6c-7d8e9f0a1b2c Task timed out after 3.00 seconds",
            "REPORT RequestId: 8f7a9b1c-2d3e-4f5a-8b6c-7d8e9f0a1b2c Duration: 2899.12 ms Memory Size: 128 MB",
            "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793 Sampled: true",
            "at com.example.orders.service.internal.OrderRepositoryImplementation.findByCustomer(OrderRepository.java:42)",
            "/var/task/node_modules/orders-service/dist/handlers/create-order/index.js:17",
            "at 1795786121000 id 42",
        ] {
            assert_eq!(mask(line), line);
        }
    }
}
