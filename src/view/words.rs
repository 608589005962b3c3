//! Durations, counts, lists and widths: the small change of every sentence that we print.

use std::time::Duration;

use crate::printer::harmless;
use crate::style::Style;

/// `0s`, `48s`, `9m 04s`, `1h 05m`, `2d 03h`: two units are enough for a person.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// An expected duration: `~9m`, `~1m 30s`; nothing when it is not worth saying.
pub(crate) fn expected(time: Duration) -> String {
    match time.as_secs() {
        0 => String::new(),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) && seconds < 3600 => {
            format!("~{}m", seconds / 60)
        }
        _ => format!("~{}", duration(time)),
    }
}

/// What a watch shows: `09:12`, `1:05:00`.
pub(crate) fn watch(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// Real time that somebody waited: `0.4 s`, `6.1 s`, `2m 05s`.
pub(crate) fn waited(time: Duration) -> String {
    if time < Duration::from_mins(1) {
        let tenths = (time.as_millis() + 50) / 100;
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        duration(time)
    }
}

/// `1 task`, `2 tasks`, `1,200 tasks`, `2 policies`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        return format!("1 {noun}");
    }
    let ends_in_consonant_y = noun.ends_with('y') && !noun.ends_with("ay") && !noun.ends_with("ey");
    match noun.strip_suffix('y').filter(|_| ends_in_consonant_y) {
        Some(stem) => format!("{} {stem}ies", thousands(number)),
        None => format!("{} {noun}s", thousands(number)),
    }
}

/// `1,690`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count from the journal, which counts in 64 bits.
pub(crate) fn count_of(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// The first few: `a, b and 3 more`.
pub(crate) fn some<T: AsRef<str>>(items: &[T], most: usize) -> String {
    if items.len() <= most {
        return list(items);
    }
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    format!("{} and {} more", shown.join(", "), thousands(items.len() - most))
}

/// Whether each of its bytes is a character that takes one column, as most texts are: what is asked of
/// each cell of a long table is answered by its length then.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Foreign text on one line, without anything that could drive the terminal.
pub(crate) fn one_line(text: &str) -> String {
    if is_plain(text) && !text.contains("  ") && text.trim_ascii() == text {
        return text.to_owned();
    }
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first line of foreign text that says something: a reason's evidence stands below it, and a
/// line of progress has no room for that.
pub(crate) fn first_line(text: &str) -> String {
    one_line(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
}

/// A sentence in lines of so many columns; a word that is longer stays whole.
pub(crate) fn folded(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A sentence as a line; on a terminal in as many as it takes, the later ones indented.
pub(crate) fn prose(text: &str, style: &Style) -> String {
    const INDENT: &str = "  ";
    if !style.terminal {
        return text.to_owned();
    }
    folded(text, style.width.saturating_sub(INDENT.len())).join(&format!("\n{INDENT}"))
}

/// Parts in as many lines as they take; each line but the last ends with the separator, each but
/// the first begins with so many blanks. A part that is wider than a line is cut.
pub(crate) fn wrap(
    parts: &[String],
    separator: &str,
    columns: usize,
    indent: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let last = position + 1 == parts.len();
        let needed = width(part) + if last { 0 } else { width(separator.trim_end()) };
        match lines.last_mut() {
            Some(line) if width(line) + width(separator) + needed <= columns => {
                line.push_str(separator);
                line.push_str(part);
            }
            Some(line) => {
                line.push_str(separator.trim_end());
                lines.push(format!("{}{part}", " ".repeat(indent)));
            }
            None => lines.push(part.clone()),
        }
    }
    lines.into_iter().map(|line| fit(&line, columns)).collect()
}

/// Columns that a text takes; escape sequences take none.
pub(crate) fn width(text: &str) -> usize {
    if is_plain(text) { text.len() } else { console::measure_text_width(text) }
}

/// The text within so many columns, `…` where it was cut.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.len() <= columns && is_plain(text) {
        return text.to_owned();
    }
    console::truncate_str(text, columns, "…").into_owned()
}

/// The text in exactly so many columns, left-aligned.
pub(crate) fn left(text: &str, columns: usize) -> String {
    let mut text = fit(text, columns);
    let room = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', room));
    text
}

/// The text in at least so many columns, left-aligned; a longer one is whole.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `path: before → after` within so many columns: the path gives way before the values do.
pub(crate) fn fit_path(text: &str, columns: usize) -> String {
    match text.split_once(": ") {
        Some((path, values))
            if width(text) > columns
                && width(values) + 2 <= columns.saturating_sub(columns / 3) =>
        {
            format!("{}: {values}", fit(path, columns - width(values) - 2))
        }
        _ => fit(text, columns),
    }
}

/// The text in exactly so many columns, right-aligned.
pub(crate) fn right(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let room = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(room))
}

/// Widths of columns that together take no more than what is there: the widest give way first,
/// none below its least.
pub(crate) fn squeeze(wanted: &[usize], least: usize, available: usize) -> Vec<usize> {
    let mut widths = wanted.to_vec();
    while widths.iter().sum::<usize>() > available {
        let Some(widest) = widths.iter_mut().filter(|one| **one > least).max() else { break };
        *widest -= 1;
    }
    widths
}

/// An address without its keys: the static path.
pub(crate) fn bare_path(address: &str) -> String {
    let mut path = String::with_capacity(address.len());
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for one in address.chars() {
        match one {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => inside = true,
            ']' if !quoted => inside = false,
            other if !inside => path.push(other),
            _ => {}
        }
    }
    path
}

/// Lines without trailing blanks, each with its end.
pub(crate) fn lines<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref().trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown =
            [0, 48, 60, 544, 3900, 90_000].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "48s", "1m 00s", "9m 04s", "1h 05m", "1d 01h"]);
        assert_eq!(expected(Duration::from_mins(9)), "~9m");
        assert_eq!(expected(Duration::from_secs(90)), "~1m 30s");
        assert_eq!(expected(Duration::ZERO), "");
        assert_eq!(watch(Duration::from_secs(552)), "09:12");
        assert_eq!(watch(Duration::from_mins(65)), "1:05:00");
        assert_eq!(waited(Duration::from_millis(6_080)), "6.1 s");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(1, "task"), "1 task");
        assert_eq!(count(0, "task"), "0 tasks");
        assert_eq!(count(1_234_567, "policy"), "1,234,567 policies");
        assert_eq!(count(2, "key"), "2 keys");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(some(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn widths_give_way_from_the_widest() {
        assert_eq!(squeeze(&[10, 40, 20], 8, 50), [10, 20, 20]);
        assert_eq!(squeeze(&[10, 4, 20], 8, 5), [8, 4, 8]);
        assert_eq!(fit("eks.fargate_profile", 8), "eks.far…");
        assert_eq!(left("日本", 6), "日本  ");
        assert_eq!(padded("a", 3), "a  ");
        assert_eq!(padded("long", 3), "long");
    }

    #[test]
    fn values_are_cut_after_their_path() {
        assert_eq!(fit_path("subnet-1/internal-elb: 0 → 1", 20), "subnet-1/int…: 0 → 1");
        assert_eq!(fit_path("short: 0 → 1", 20), "short: 0 → 1");
        assert_eq!(fit_path("policy: a very long text → b", 20), "policy: a very long…");
    }

    #[test]
    fn a_path_is_an_address_without_keys() {
        assert_eq!(bare_path(r#"fargate["a/]\"b"]/profile["x"]"#), "fargate/profile");
    }

    #[test]
    fn what_does_not_fit_goes_on_in_the_next_line() {
        let parts = ["one", "two", "three", "a part that is too long"].map(str::to_owned);
        assert_eq!(wrap(&parts, ", ", 12, 2), ["one, two,", "  three,", "  a part th…"],);
        assert_eq!(wrap(&parts[..3], ", ", 15, 2), ["one, two, three"]);
        assert_eq!(wrap(&parts[..3], " · ", 11, 0), ["one · two ·", "three"]);
        assert_eq!(wrap(&[], ", ", 9, 0), Vec::<String>::new());
    }

    #[test]
    fn the_first_line_is_the_reason() {
        assert_eq!(first_line("\n 0 of 2  pods\n  its last event: x"), "0 of 2 pods");
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2J\n  b"), "a\\u{1b}[2J b");
    }
}
