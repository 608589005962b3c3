//! Paths with places for what a message is: `{report}`, `{window}`, `{revision}`, `{file}`.

use crate::message::{Message, window_name};

/// The usual one.
pub(super) const USUAL: &str = "{report}/{window}/r{revision}/{file}";

/// The places that a template may have.
const PLACES: [&str; 4] = ["report", "window", "revision", "file"];

/// A path with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    /// Reads one. A template without `{file}` is a folder.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some(start) = rest.find(['{', '}']) {
            let after = rest.get(start..).unwrap_or_default();
            let place = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let Some((place, after)) = place.filter(|(place, _)| PLACES.contains(place)) else {
                return Err(format!(
                    "`{text}` is no path: between braces may stand {{report}}, {{window}}, {{revision}} or {{file}}"
                ));
            };
            debug_assert!(!place.is_empty(), "an empty name is none of them");
            rest = after;
        }
        if text.chars().any(char::is_control) {
            return Err("the path has control characters".to_owned());
        }
        let text = text.trim_end_matches('/');
        Ok(Self(if text.contains("{file}") { text.to_owned() } else { format!("{text}/{{file}}") }))
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether each revision has a path of its own.
    pub(super) fn tells_revisions_apart(&self) -> bool {
        self.0.contains("{revision}")
    }

    /// The path of a file of a message.
    pub(super) fn path(&self, message: &Message, file: &str) -> String {
        self.0
            .replace("{report}", &message.about.report)
            .replace("{window}", &window_name(message.about.window))
            .replace("{revision}", &message.revision.to_string())
            .replace("{file}", file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_is_refused_and_a_folder_gets_files() {
        assert_eq!(Template::parse("a/{window}/").unwrap().text(), "a/{window}/{file}");
        assert_eq!(Template::parse("{report}-{file}").unwrap().text(), "{report}-{file}");
        for wrong in ["{team}", "a{", "}", "{report", "{{report}}", "a\nb"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
