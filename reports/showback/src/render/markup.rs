//! HTML and SVG, written so that nothing from elsewhere becomes markup.
//!
//! Names of elements and attributes are literals of the program; every value and every text passes
//! [`escape_into`], the one place where characters are escaped. Elements are closed by the value that
//! opened them, so what is written is well formed.

use super::text::visible;

/// Markup under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Markup {
    text: String,
}

impl Markup {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// An element with what the writer puts inside.
    pub(crate) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        self.text.push('>');
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element with text inside.
    pub(crate) fn leaf(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        text: &str,
    ) {
        self.element(name, attributes, |inside| inside.say(text));
    }

    /// An element of SVG with nothing inside.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.open(name, attributes);
        self.text.push_str("/>");
    }

    /// An element of HTML that has no end tag.
    pub(crate) fn void(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.open(name, attributes);
        self.text.push('>');
    }

    /// Text.
    pub(crate) fn say(&mut self, text: &str) {
        escape_into(&mut self.text, text);
    }

    /// A literal of the program, as it is.
    pub(crate) fn literal(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    /// What was written elsewhere.
    pub(crate) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
    }

    /// The end of a line, so that two versions of a page can be held against each other.
    pub(crate) fn line(&mut self) {
        self.text.push('\n');
    }

    fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            escape_into(&mut self.text, value);
            self.text.push('"');
        }
    }
}

/// Text that is neither markup nor the end of an attribute, whoever wrote it.
fn escape_into(out: &mut String, text: &str) {
    for one in visible(text).chars() {
        match escaped(one) {
            Some(instead) => out.push_str(instead),
            None => out.push(one),
        }
    }
}

fn escaped(one: char) -> Option<&'static str> {
    match one {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

/// How many bytes of a page a text takes.
pub(crate) fn written_length(text: &str) -> usize {
    visible(text).chars().map(|one| escaped(one).map_or(one.len_utf8(), str::len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_escaped_and_elements_closed() {
        let mut markup = Markup::new();
        markup.element("p", &[("title", "\"><script>alert(1)</script>")], |inside| {
            inside.leaf("b", &[], "a & b <i>\u{1b}[0m");
            inside.empty("path", &[("d", "M0 0")]);
        });
        assert_eq!(
            markup.into_text(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\">\
             <b>a &amp; b &lt;i&gt;\\u{1b}[0m</b><path d=\"M0 0\"/></p>"
        );
    }
}
