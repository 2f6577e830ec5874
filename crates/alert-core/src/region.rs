//! AWS regions, partitions and ARNs: which region an alarm is in, and which console shows it.

use std::fmt;

/// The parts of an ARN that we use. Source: the AWS General Reference, "Amazon Resource Names".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, `aws-eusc`, …
    pub partition: &'a str,
    /// `cloudwatch`, `sns`, …
    pub service: &'a str,
    /// The region's code; empty for a global service.
    pub region: &'a str,
    /// Twelve digits; empty for a resource without an owner.
    pub account: &'a str,
    /// The rest, colons and all.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart; `None` where the text is none.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let arn = Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty()).then_some(arn)
    }

    /// Takes a topic's ARN apart; `None` where the text is none, or that of a subscription.
    ///
    /// Source: Amazon SNS API Reference, CreateTopic: names have 1 to 256 letters, digits, `_` and `-`, and may end in `.fifo`.
    #[must_use]
    pub fn of_topic(text: &'a str) -> Option<Self> {
        let is_name = |name: &str| {
            let name = name.strip_suffix(".fifo").unwrap_or(name);
            (1..=256).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let is_word = |part: &str| {
            let is_sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !part.is_empty() && part.bytes().all(is_sound)
        };
        Self::parse(text).filter(|arn| {
            let is_account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
            arn.service == "sns"
                && is_word(arn.partition)
                && is_word(arn.region)
                && is_account
                && is_name(arn.resource)
        })
    }

    /// The alarm's name in a CloudWatch alarm's ARN.
    #[must_use]
    pub fn alarm_name(&self) -> Option<&'a str> {
        (self.service == "cloudwatch").then(|| self.resource.strip_prefix("alarm:")).flatten()
    }

    /// The queue's name in an SQS ARN.
    #[must_use]
    pub fn queue_name(&self) -> Option<&'a str> {
        (self.service == "sqs" && !self.resource.contains(':')).then_some(self.resource)
    }

    /// The function's name in a Lambda ARN, and the version or alias, where it names one.
    ///
    /// Source: AWS Lambda API Reference, Invoke: names have letters, digits, `-` and `_`, and `$LATEST` is a version.
    #[must_use]
    pub fn function(&self) -> Option<(&'a str, Option<&'a str>)> {
        let function =
            (self.service == "lambda").then(|| self.resource.strip_prefix("function:")).flatten()?;
        let (name, qualifier) = match function.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (function, None),
        };
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b))
        };
        (is_word(name) && qualifier.is_none_or(is_word)).then_some((name, qualifier))
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(formatter, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Regions by the names that CloudWatch gives them in its messages.
///
/// Source: the endpoints of botocore, and CloudWatch's own spelling `EU (…)` where botocore says `Europe (…)`.
const NAMES: &[(&str, &str)] = &[
    ("us-east-1", "US East (N. Virginia)"),
    ("us-east-2", "US East (Ohio)"),
    ("us-west-1", "US West (N. California)"),
    ("us-west-2", "US West (Oregon)"),
    ("af-south-1", "Africa (Cape Town)"),
    ("ap-east-1", "Asia Pacific (Hong Kong)"),
    ("ap-east-2", "Asia Pacific (Taipei)"),
    ("ap-northeast-1", "Asia Pacific (Tokyo)"),
    ("ap-northeast-2", "Asia Pacific (Seoul)"),
    ("ap-northeast-3", "Asia Pacific (Osaka)"),
    ("ap-south-1", "Asia Pacific (Mumbai)"),
    ("ap-south-2", "Asia Pacific (Hyderabad)"),
    ("ap-southeast-1", "Asia Pacific (Singapore)"),
    ("ap-southeast-2", "Asia Pacific (Sydney)"),
    ("ap-southeast-3", "Asia Pacific (Jakarta)"),
    ("ap-southeast-4", "Asia Pacific (Melbourne)"),
    ("ap-southeast-5", "Asia Pacific (Malaysia)"),
    ("ap-southeast-6", "Asia Pacific (New Zealand)"),
    ("ap-southeast-7", "Asia Pacific (Thailand)"),
    ("ca-central-1", "Canada (Central)"),
    ("ca-west-1", "Canada West (Calgary)"),
    ("eu-central-1", "EU (Frankfurt)"),
    ("eu-central-2", "EU (Zurich)"),
    ("eu-north-1", "EU (Stockholm)"),
    ("eu-south-1", "EU (Milan)"),
    ("eu-south-2", "EU (Spain)"),
    ("eu-west-1", "EU (Ireland)"),
    ("eu-west-2", "EU (London)"),
    ("eu-west-3", "EU (Paris)"),
    ("il-central-1", "Israel (Tel Aviv)"),
    ("me-central-1", "Middle East (UAE)"),
    ("me-south-1", "Middle East (Bahrain)"),
    ("mx-central-1", "Mexico (Central)"),
    ("sa-east-1", "South America (Sao Paulo)"),
    ("cn-north-1", "China (Beijing)"),
    ("cn-northwest-1", "China (Ningxia)"),
    ("us-gov-east-1", "AWS GovCloud (US-East)"),
    ("us-gov-west-1", "AWS GovCloud (US-West)"),
    ("eusc-de-east-1", "AWS European Sovereign Cloud (Germany)"),
];

/// CloudWatch's spelling until 2019, `A - B`.
const OLD_NAMES: &[(&str, &str)] = &[
    ("us-east-1", "US - N. Virginia"),
    ("us-west-2", "US West - Oregon"),
    ("us-west-1", "US West - N. California"),
    ("eu-west-1", "EU - Ireland"),
    ("eu-central-1", "EU - Frankfurt"),
    ("ap-northeast-1", "APAC - Tokyo"),
    ("ap-northeast-2", "APAC - Seoul"),
    ("ap-southeast-1", "APAC - Singapore"),
    ("ap-southeast-2", "APAC - Sydney"),
    ("ap-south-1", "APAC - Mumbai"),
    ("sa-east-1", "South America - Sao Paulo"),
];

/// The code of the region that a message names, by its code, its name today or its name until 2019.
#[must_use]
pub fn code(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let today = name.strip_prefix("Europe (").map(|rest| format!("EU ({rest}"));
    let today = today.as_deref().unwrap_or(name);
    NAMES
        .iter()
        .find(|(code, known)| *code == name || *known == today)
        .or_else(|| OLD_NAMES.iter().find(|(_, known)| *known == name))
        .map(|(code, _)| *code)
}

/// Whether the text has the form of a region's code, known to us or not: new regions come every year.
#[must_use]
pub fn is_code(text: &str) -> bool {
    let Some((head, (_, tail))) =
        text.split_once('-').and_then(|(head, rest)| Some((head, rest.rsplit_once('-')?)))
    else {
        return false;
    };
    head.len() >= 2
        && head.bytes().all(|b| b.is_ascii_lowercase())
        && !tail.is_empty()
        && tail.bytes().all(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The partition that a region's code belongs to, for messages that bring no ARN.
#[must_use]
pub fn partition(code: &str) -> &'static str {
    match code.split('-').next() {
        Some("cn") => "aws-cn",
        Some("eusc") => "aws-eusc",
        Some("us") if code.starts_with("us-gov-") => "aws-us-gov",
        Some("us") if code.starts_with("us-iso") => "aws-iso",
        _ => "aws",
    }
}

/// The host of a region's console, or `None` for a partition whose console has no public address.
///
/// Source: AWS General Reference, "AWS Management Console endpoints", and the endpoint references of the partitions.
#[must_use]
pub fn console_host(partition: &str, region: &str) -> Option<String> {
    let domain = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        "aws-eusc" => "console.amazonaws-eusc.eu",
        _ => return None,
    };
    is_code(region).then(|| [region, ".", domain].concat())
}

/// Percent-encodes a text for a place within a URL: everything but letters, digits and `-._~` of ASCII.
///
/// Source: RFC 3986, section 2.3. By hand, because every alarm has its graph encoded: `percent-encoding` takes twice as long
/// (640 ns instead of 330 ns for a graph).
#[must_use]
pub fn percent_encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    // Room for the usual: JSON, in which every third character is encoded.
    let mut encoded = Vec::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~') {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    // ASCII, as all that is pushed here.
    String::from_utf8(encoded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns() {
        let arn = Arn::parse("arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:a:b").unwrap();
        assert_eq!((arn.partition, arn.region, arn.account), ("aws-cn", "cn-north-1", "111122223333"));
        assert_eq!(arn.alarm_name(), Some("a:b"));
        assert_eq!(arn.to_string(), "arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:a:b");
        for text in ["", "arn", "arn:aws:sns", "urn:aws:sns:r:a:t", "arn:aws:sns:r:a:"] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn queues_and_functions() {
        let queue =
            |resource| Arn::parse(&format!("arn:aws:sqs:r:1:{resource}")).unwrap().queue_name().is_some();
        assert!(queue("q.fifo") && !queue("q:1"));
        for (text, expected) in [
            ("arn:aws:lambda:r:1:function:relay", Some(("relay", None))),
            ("arn:aws:lambda:r:1:function:relay:$LATEST", Some(("relay", Some("$LATEST")))),
            ("arn:aws:lambda:r:1:function:relay:live:3", None),
            ("arn:aws:lambda:r:1:function:", None),
            ("arn:aws:lambda:r:1:function:a b", None),
            ("arn:aws:lambda:r:1:layer:relay", None),
            ("arn:aws:sqs:r:1:function:relay", None),
        ] {
            assert_eq!(Arn::parse(text).and_then(|arn| arn.function()), expected, "{text}");
        }
    }

    #[test]
    fn regions_by_every_name() {
        for name in ["eu-west-1", "EU (Ireland)", "Europe (Ireland)", "EU - Ireland"] {
            assert_eq!(code(name), Some("eu-west-1"), "{name}");
        }
        assert_eq!(code("EXAMPLE"), None);
        assert!(is_code("eu-west-1") && is_code("us-gov-east-1") && is_code("xx-new-9"));
        assert!(!is_code("EU (Ireland)") && !is_code("eu") && !is_code("eu-1") && !is_code(""));
    }

    #[test]
    fn consoles_by_partition() {
        for (region, host) in [
            ("eu-west-1", Some("eu-west-1.console.aws.amazon.com")),
            ("cn-north-1", Some("cn-north-1.console.amazonaws.cn")),
            ("us-gov-west-1", Some("us-gov-west-1.console.amazonaws-us-gov.com")),
            ("us-iso-east-1", None),
            ("eusc-de-east-1", Some("eusc-de-east-1.console.amazonaws-eusc.eu")),
        ] {
            assert_eq!(console_host(partition(region), region).as_deref(), host, "{region}");
        }
    }

    #[test]
    fn names_in_urls() {
        assert_eq!(percent_encode("a b/c#d?e%f"), "a%20b%2Fc%23d%3Fe%25f");
        assert_eq!(percent_encode("CPU 높음"), "CPU%20%EB%86%92%EC%9D%8C");
    }
}
