//! The patterns of `glob()`: `*`, `?` within a name, `**` across folders.

/// A pattern.
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(format!("the pattern `{text}` leads out of the runbook's folder"));
        }
        let text = text.strip_prefix("./").unwrap_or(text);
        Ok(Self(text.split('/').map(str::to_owned).collect()))
    }

    /// Whether a relative path matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        let parts: Vec<&str> = name.split('/').collect();
        folders(&self.0, &parts)
    }
}

fn folders(pattern: &[String], parts: &[&str]) -> bool {
    match pattern.split_first() {
        None => parts.is_empty(),
        Some((first, rest)) if first == "**" => {
            (0..=parts.len()).any(|skipped| folders(rest, parts.get(skipped..).unwrap_or_default()))
        }
        Some((first, rest)) => parts.split_first().is_some_and(|(part, others)| {
            let (first, part): (Vec<char>, Vec<char>) =
                (first.chars().collect(), part.chars().collect());
            letters(&first, &part) && folders(rest, others)
        }),
    }
}

fn letters(pattern: &[char], text: &[char]) -> bool {
    // Two pointers with one place to come back to: linear for one star, quadratic at worst.
    let (mut at, mut pos, mut star, mut mark) = (0, 0, None, 0);
    while pos < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some(at);
                mark = pos;
                at += 1;
            }
            Some(letter) if *letter == '?' || Some(letter) == text.get(pos) => {
                at += 1;
                pos += 1;
            }
            _ => {
                let Some(back) = star else { return false };
                mark += 1;
                pos = mark;
                at = back + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_name_and_double_stars_do_not() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).unwrap().matches(name);
        assert!(matches("*.json", "a.json"));
        assert!(!matches("*.json", "x/a.json"));
        assert!(matches("**/*.json", "x/y/a.json"));
        assert!(matches("**/*.json", "a.json"));
        assert!(matches("x/?.json", "x/a.json"));
        assert!(!matches("x/?.json", "x/ab.json"));
        assert!(matches("a*b*c", "axxbyyc"));
        assert!(!matches("a*b*c", "axxbyy"));
        assert!(Pattern::new("../x").is_err());
    }
}
