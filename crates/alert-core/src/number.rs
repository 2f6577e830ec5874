//! Numbers and units as people read them.

/// A number with at most four significant digits after rounding, but never fewer than its whole part has: `99.9`,
/// `0.0123`, `1234567`.
#[must_use]
pub fn plain(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let magnitude = value.abs().log10().floor();
    if !(-6.0..15.0).contains(&magnitude) {
        return format!("{value:e}");
    }
    // A whole number needs neither the digits of a fraction nor their rounding.
    #[allow(clippy::cast_possible_truncation)]
    if value.fract() == 0.0 {
        return (value as i64).to_string();
    }
    // The range above keeps this within -11..=9.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Like [`plain`], but exact where rounding would make it look equal to a limit that it is not equal to.
#[must_use]
pub fn beside(value: f64, limit: Option<f64>) -> String {
    let text = plain(value);
    match limit {
        #[allow(clippy::float_cmp)] // Exactly equal is the question.
        Some(limit) if limit != value && plain(limit) == text => value.to_string(),
        _ => text,
    }
}

/// The number and its unit: `99.9 %`, `120 ms`, `7`.
#[must_use]
pub fn with_unit(number: &str, unit: &str) -> String {
    if unit.is_empty() { number.to_owned() } else { [number, " ", unit].concat() }
}

/// A measured value and its unit, exact beside a limit as in [`beside`]; bytes in the unit that people think in.
#[must_use]
pub fn measured(value: f64, limit: Option<f64>, unit: &str) -> String {
    const BYTES: [(&str, f64); 4] =
        [("Ti", 1_099_511_627_776.0), ("Gi", 1_073_741_824.0), ("Mi", 1_048_576.0), ("Ki", 1_024.0)];
    let scale = BYTES.iter().find(|(_, size)| matches!(unit, "B" | "B/s") && value.abs() >= *size);
    match scale {
        Some((prefix, size)) => {
            with_unit(&beside(value / size, limit.map(|limit| limit / size)), &format!("{prefix}{unit}"))
        }
        None => with_unit(&beside(value, limit), unit),
    }
}

/// How people write a CloudWatch unit. Source: CloudWatch API Reference, `StandardUnit`.
///
/// A unit that is unknown here comes back as it is.
#[must_use]
pub fn unit_symbol(unit: &str) -> &str {
    match unit {
        "Percent" => "%",
        "Seconds" => "s",
        "Milliseconds" => "ms",
        "Microseconds" => "µs",
        "Bytes" => "B",
        "Kilobytes" => "kB",
        "Megabytes" => "MB",
        "Gigabytes" => "GB",
        "Terabytes" => "TB",
        "Bytes/Second" => "B/s",
        "Kilobytes/Second" => "kB/s",
        "Megabytes/Second" => "MB/s",
        "Gigabytes/Second" => "GB/s",
        "Bits/Second" => "bit/s",
        "Count/Second" => "/s",
        "Count" | "None" => "",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_that_matter() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (10.0, "10"),
            (99.901_602_296_934_34, "99.9"),
            (0.012_345_6, "0.01235"),
            (1_234_567.0, "1234567"),
            (-3.5, "-3.5"),
            (1e-9, "1e-9"),
            (1e20, "1e20"),
        ] {
            assert_eq!(plain(value), text);
        }
    }

    #[test]
    fn bytes_in_units_for_people() {
        assert_eq!(measured(2_147_483_648.0, Some(10_737_418_240.0), "B"), "2 GiB");
        assert_eq!(measured(10_737_418_241.0, Some(10_737_418_240.0), "B"), "10.000000000931323 GiB");
        assert_eq!(measured(1_536.0, None, "B/s"), "1.5 KiB/s");
        assert_eq!(measured(512.0, None, "B"), "512 B");
        assert_eq!(measured(1_536.0, None, "ms"), "1536 ms");
    }

    #[test]
    fn a_value_just_over_the_limit_does_not_look_like_it() {
        assert_eq!(beside(50.000_04, Some(50.0)), "50.00004");
        assert_eq!(beside(50.0, Some(50.0)), "50");
        assert_eq!(beside(70.0, Some(50.0)), "70");
    }
}
