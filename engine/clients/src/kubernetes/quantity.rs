//! Quantities: `500m`, `0.5` and `5e-1` are the same amount of cpu, and the server stores the form
//! that it likes. Read exactly, as an integer of 10⁻⁹.

/// The value of a quantity in 10⁻⁹; `None` when the text is none, or beyond 128 bits.
pub fn nanos(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let (numerator, denominator) = scale(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let mantissa: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let decimals = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = mantissa.checked_mul(numerator)?.checked_mul(1_000_000_000)?;
    let divisor = denominator.checked_mul(decimals)?;
    // Kubernetes rounds up what is finer than 10⁻⁹.
    let value = scaled.checked_add(divisor - 1)? / divisor;
    Some(if negative { -value } else { value })
}

/// Whether two texts are the same quantity. Texts that are none are compared as they are.
pub fn same(one: &str, other: &str) -> bool {
    match (nanos(one), nanos(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 1));
    let decimal = |power: u32| Some((1000_i128.pow(power), 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "" => decimal(0),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, power) } else { (power, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_in_other_words() {
        for (one, other) in [
            ("500m", "0.5"),
            ("1", "1000m"),
            ("1Gi", "1024Mi"),
            ("1e3", "1k"),
            ("0.1", "100m"),
            ("256M", "256000000"),
            ("1.5Gi", "1536Mi"),
            ("5E-1", "0.5"),
        ] {
            assert!(same(one, other), "{one} is not {other}");
        }
        for (one, other) in [("256M", "256Mi"), ("1", "2"), ("1 cpu", "1"), ("", "0")] {
            assert!(!same(one, other), "{one} is {other}");
        }
    }

    #[test]
    fn what_is_no_quantity_has_no_value() {
        for text in ["", ".", "m", "1..2", "1.2.3", "abc", "1e", "1e99", "--1", "0x10"] {
            assert_eq!(nanos(text), None, "{text}");
        }
        assert_eq!(nanos("-1m"), Some(-1_000_000));
        assert_eq!(nanos("1E"), Some(1_000_000_000_000_000_000 * 1_000_000_000));
    }
}
