//! Takes out of a foreign line what may be a secret, before it leaves AWS.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_automata::meta::Regex;

/// What stands in a secret's place.
const MASK: &str = "•••";

/// What a secret looks like, once [`unescaped`]; the groups `s`, `t` and `u`, else the whole, are masked.
///
/// The forms of tokens are those that their makers document: AWS (IAM User Guide, "Unique identifiers"), GitHub, GitLab, Slack,
/// Google, Stripe, Telegram, JSON Web Tokens (RFC 7519), PEM (RFC 7468), URLs with user names and passwords (RFC 3986).
const PATTERNS: &[(&str, Judge)] = &[
    // Private keys, as far as the line has them.
    (r"-----BEGIN[^-]{0,60}PRIVATE KEY-----(?P<s>.*?)(?:-----END|$)", always),
    // JSON Web Tokens.
    (r"(?-u:\b)eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", always),
    // AWS's access keys and other identifiers with a fixed beginning.
    (r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}(?-u:\b)", always),
    // Tokens that say what they are.
    (
        r"(?-u:\b)(?:gh[pousr]_|github_pat_|glpat-|sk_live_|sk_test_|rk_live_|pk_live_|sk-|AIza|ya29\.|npm_|pypi-|dop_v1_|SG\.|hf_|xox[a-z][-.]|xapp-|xwfp-|hvs\.|AQICA)[A-Za-z0-9_./+=-]{8,}",
        always,
    ),
    (r"(?-u:\b)[0-9]{8,10}:[A-Za-z0-9_-]{35}(?-u:\b)", always),
    // Slack's and others' webhooks.
    (r"https?://hooks\.[^\s\x22'<>]+", always),
    // A URL's user name and password.
    (r"(?-u:\b)[a-zA-Z][a-zA-Z0-9+.-]*://(?P<s>[^\s/@:]*:[^\s@\x22']+)@", always),
    (r"(?i):thin:(?P<s>[^\s@]+)@", always),
    // Headers: in quotes to their end, else to the end of the line.
    (
        r"(?i)(?-u:\b)(?:set-cookie|cookie|authorization|proxy-authorization|x-api-key|x-amz-security-token|x-auth-token)[\x22']*\s*(?:=>|[:=,])\s*[\[({]*\s*(?:b?[\x22'](?P<s>[^\x22']*)|(?P<t>[^\r\n]{3,}))",
        always,
    ),
    (r"(?i)(?-u:\b)(?:bearer|basic|digest|aws4-hmac-sha256)\s+(?P<s>[A-Za-z0-9._~+/=,:;-]{6,})", is_no_word),
    // A name that says what its value is: `password=…`, `"clientSecret": "…"`, `tokens: […]`, `[secret] => …`.
    (
        r"(?i)[a-z0-9_.-]*(?:passwor[dt]|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature|session[_-]?id|connection[_-]?string|비밀번호|암호)[a-z0-9_-]*[\x22'\])]*(?:\s+is)?\s*(?:=>|:=|==|[:=])\s*[|>]?\s*(?:b?\x22(?P<s>(?:[^\x22\\]|\\.)*)|b?'(?P<t>[^']*)|[\[({](?P<u>[^\])}]*)|(?P<v>[^\s,;&\x22')\]}<]+))",
        always,
    ),
    (
        r"(?i)(?-u:\b)(?:[a-z0-9]+[_-])*pass[\x22'\])]*\s*(?:=>|:=|==|[:=])\s*(?:\x22(?P<s>(?:[^\x22\\]|\\.)*)|'(?P<t>[^']*)|(?P<u>[^\s,;&\x22')\]}<]+))",
        always,
    ),
    (r"(?i)(?-u:\b)(?:password|passwd|passphrase|pwd)\s+is\s+(?P<s>\S+)", always),
    (r"(?i)--?(?:password|passwd|pass|secret|token|api-key|access-key)[= ]+(?P<s>[^\s\x22']+)", always),
    // The same as XML.
    (
        r"(?i)<(?:\w+:)?\w*(?:password|passwd|secret|token|apikey|credential)\w*(?:\s[^>]*)?>(?P<s>[^<]+)",
        always,
    ),
    // E-mail addresses.
    (r"[A-Za-z0-9._%+-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", always),
    // A long word, which may look drawn by lot.
    (r"[A-Za-z0-9+/_-]{32,}={0,2}", is_drawn),
];

/// Whether a match is a secret.
type Judge = fn(&str) -> bool;

/// A test holds that all of them compile.
static COMPILED: LazyLock<Vec<(Regex, Judge)>> = LazyLock::new(|| {
    PATTERNS.iter().filter_map(|(pattern, is_secret)| Some((Regex::new(pattern).ok()?, *is_secret))).collect()
});

/// A line without what may be a key, a token, a password or an e-mail address. It is better to mask too much: the whole line
/// stands in the log.
#[must_use]
pub fn mask(line: &str) -> String {
    let mut line = unescaped(line).into_owned();
    for (regex, is_secret) in COMPILED.iter() {
        if !regex.is_match(&line) {
            continue;
        }
        let mut masked = String::with_capacity(line.len());
        let mut end = 0;
        for captures in regex.captures_iter(&line) {
            let Some(whole) = captures.get_match() else { continue };
            let group = ["s", "t", "u", "v"].iter().find_map(|name| captures.get_group_by_name(name));
            let (from, to) = group.map_or((whole.start(), whole.end()), |span| (span.start, span.end));
            let is_named = group.is_some() && names_no_secret(&line, whole.start(), from);
            if from < to && !is_named && is_secret(&line[from..to]) {
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

/// A line with the escapes of JSON in JSON, of HTML and of URLs undone, as far as they hide where a name and its value end.
fn unescaped(line: &str) -> Cow<'_, str> {
    const WRITTEN: [(&str, &str); 8] = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("%22", "\""),
        ("%3A", ":"),
        ("%3a", ":"),
        ("%3D", "="),
        ("%3d", "="),
        ("\\u0022", "\""),
    ];
    let mut line = Cow::Borrowed(line);
    for (written, meant) in WRITTEN {
        if line.contains(written) {
            line = line.replace(written, meant).into();
        }
    }
    if !line.contains('\\') {
        return line;
    }
    // Backslashes before a quote, however many, and line breaks that are written out. In a value a quote that is escaped
    // once ends nothing.
    let is_json_in_json = line.contains("{\\\"") || line.contains("\\\\\"") || line.contains(",\\\"");
    let mut plain = String::with_capacity(line.len());
    let mut rest = &*line;
    while let Some(at) = rest.find('\\') {
        let (before, found) = rest.split_at(at);
        plain.push_str(before);
        let after = found.trim_start_matches('\\');
        let slashes = found.len() - after.len();
        match after.chars().next() {
            Some('"' | '\'') if is_json_in_json => rest = after,
            Some('n' | 'r' | 't') if line.contains('"') => {
                plain.push(' ');
                rest = &after[1..];
            }
            _ => {
                plain.push_str(&found[..slashes]);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

fn always(_: &str) -> bool {
    true
}

/// What follows the word `Basic` may be a sentence.
fn is_no_word(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || "=+/_".contains(c))
}

/// Whether what looks like the name of a secret is another: the service of an action or an ARN, or an error about it.
fn names_no_secret(line: &str, start: usize, value: usize) -> bool {
    let word =
        line[..start].rfind(|c: char| c.is_whitespace() || "\"'([{,".contains(c)).map_or(0, |at| at + 1);
    let Some(word) = line.get(word..) else { return false };
    let name = line[start..value].trim_end_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
    word.starts_with("arn:")
        || name.ends_with("secretsmanager")
        || name.ends_with("error")
        || name.ends_with("exception")
}

/// Whether a long word looks drawn by lot, and is no path, name or chain of ids: a long part of it mixes digits, capitals and
/// small letters, or is of hexadecimal digits; or it is as long as a secret key of AWS.
fn is_drawn(word: &str) -> bool {
    const AWS_SECRET_CHARS: usize = 40;
    const MIXED_MIN_CHARS: usize = 24;
    const HEX_MIN_CHARS: usize = 32;
    let has = |part: &str, is: fn(char) -> bool| part.contains(is);
    let is_mixed = |part: &str| {
        has(part, |c| c.is_ascii_digit())
            && has(part, |c| c.is_ascii_uppercase())
            && has(part, |c| c.is_ascii_lowercase())
    };
    let mut parts = word.split(['/', '_', '-', '=']);
    word.len() == AWS_SECRET_CHARS && is_mixed(word) && !word.contains(['-', '_'])
        || parts.any(|part| {
            part.len() >= MIXED_MIN_CHARS && is_mixed(part)
                || part.len() >= HEX_MIN_CHARS && has(part, |c| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert_eq!(COMPILED.len(), PATTERNS.len());
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
            (r#"{"passwords":["hunter2"]}"#.to_owned(), "hunter2"),
            (r#"{"credentials":{"value":"hunter2"}}"#.to_owned(), "hunter2"),
            (
                r#"{"multiValueHeaders":{"Cookie":["sid=abc123"],"x-api-key":["abcd1234"]}}"#.to_owned(),
                "abc123",
            ),
            (r#"{"headers":{"x-api-key":["abcd1234"]}}"#.to_owned(), "abcd1234"),
            (r#"{\"headers\":{\"cookie\":\"sid=abc\",\"authorization\":\"abc123\"}}"#.to_owned(), "abc123"),
            (r#"{"Message":"{\\\"password\\\":\\\"hunter2\\\"}"}"#.to_owned(), "hunter2"),
            (format!(r#"{{"log":"one\n{}{} two"}}"#, "AKIA", "IOSFODNN7EXAMPLE"), "IOSFODNN7"),
            (format!("키{}{}", "AKIA", "IOSFODNN7EXAMPLE"), "IOSFODNN7"),
            (r#"{"password"=>"hunter2"}"#.to_owned(), "hunter2"),
            ("[password] => hunter2".to_owned(), "hunter2"),
            ("DB_PASS=hunter2".to_owned(), "hunter2"),
            (r#"{"user":"a","pass":"hunter2"}"#.to_owned(), "hunter2"),
            ("<ns:Password>hunter2</ns:Password>".to_owned(), "hunter2"),
            ("password=&quot;hunter2&quot;".to_owned(), "hunter2"),
            ("q=%22password%22%3A%22hunter2%22".to_owned(), "hunter2"),
            ("password: | hunter2".to_owned(), "hunter2"),
            (r#"password := "hunter2""#.to_owned(), "hunter2"),
            (r#"password == "hunter2""#.to_owned(), "hunter2"),
            (r#"Set-Cookie: sid="abc123"; Path=/"#.to_owned(), "abc123"),
            (r#"rawHeaders: ["Cookie","sid=abc123"]"#.to_owned(), "abc123"),
            ("(b'cookie', b'sid=abc123')".to_owned(), "abc123"),
            ("postgres://app:hun/ter2@db.example.com".to_owned(), "ter2"),
            ("jdbc:oracle:thin:app/hunter2@//db:1521/x".to_owned(), "hunter2"),
            ("key +Jal0XUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(), "bPxRfi"),
            ("비밀번호: hunter2".to_owned(), "hunter2"),
            ("password is: hunter2".to_owned(), "hunter2"),
            (format!("bot {}:{}", "123456789", "AAabcdefghijklmnopqrstuvwxyz0123456"), "AAabcdef"),
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
            "is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-west-1:111122223333:secret:db",
            "TokenExpiredError: jwt expired",
            "401 Basic authentication required",
            "function ShopStack-OrdersHandlerB3C4D5E6-aBcDeFgHiJkL failed",
            "/var/task/node_modules/mysql2/lib/commands/CommandExecutor.js",
        ] {
            assert_eq!(mask(line), line);
        }
    }
}
