//! Text from elsewhere: what cannot be seen is made visible, what is too long is elided.
//!
//! Names and labels come from manifests and clusters that others wrote. A control character may drive
//! a terminal, a direction override may show another name than the one that is there; both are shown
//! as what they are ([`visible`]). Escaping is [`super::markup`]'s.

use std::borrow::Cow;

pub(crate) use runbook_capacity::answer::written::visible;

/// How wide a text is, in columns of a fixed-width font.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Wide are the scripts of East Asia and pictures.
fn columns(one: char) -> usize {
    match u32::from(one) {
        0x0300..=0x036f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff => 2,
        0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Text of at most so many columns: the middle goes, for names differ at both ends.
pub(crate) fn elided(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let tail = most.saturating_sub(1) / 3;
    let head = most.saturating_sub(1).saturating_sub(tail);
    let front = taken(text.chars(), head);
    let back: String = taken(text.chars().rev(), tail).chars().rev().collect();
    Cow::Owned(format!("{front}…{back}"))
}

fn taken(all: impl Iterator<Item = char>, most: usize) -> String {
    let mut used = 0;
    all.take_while(|one| {
        used += columns(*one);
        used <= most
    })
    .collect()
}

/// `1 pod`, `2 pods`.
pub(crate) fn counted(count: i64, one: &str, many: &str) -> String {
    let number = super::figures::grouped(count.into());
    if count == 1 { format!("{number} {one}") } else { format!("{number} {many}") }
}

/// With a capital and a full stop.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().map(|one| one.to_uppercase().collect()).unwrap_or_default();
    let end = if words.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Prose in which a unit stays in the line of its figure.
pub(crate) fn prose(text: &str) -> String {
    text.replace(" %", "\u{a0}%").replace(" $", "\u{a0}$")
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [firsts @ .., last] => format!("{} and {last}", firsts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_drives_a_terminal_or_turns_text_round_can_be_seen() {
        assert_eq!(visible("a\u{1b}[31mb\n\u{7f}"), "a\\u{1b}[31mb\\u{a}\\u{7f}");
        assert_eq!(
            visible("x\u{202e}gnp.exe\u{9b}2J\u{200b}"),
            "x\\u{202e}gnp.exe\\u{9b}2J\\u{200b}"
        );
        assert!(matches!(visible("plain – 名"), Cow::Borrowed("plain – 名")));
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(elided("short", 10), "short");
        assert_eq!(elided("payments-worker-eu-7c5ddbdf54-x2x7q", 16), "payments-w…x2x7q");
        assert_eq!(elided("名前名前名前名前", 7), "名前…前");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_asked(text in "\\PC{0,60}", most in 3_usize..40) {
            prop_assert!(width(&elided(&text, most)) <= most);
        }

        #[test]
        fn nothing_invisible_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(char::is_control));
        }
    }
}
