//! A page as a reader of markup sees it: parsed by another's parser, and asked what holds for it.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// An element.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    /// Which elements it is in, by their numbers.
    within: Vec<usize>,
    text: String,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// A page that was parsed.
#[derive(Debug)]
pub(crate) struct Document {
    elements: Vec<Element>,
    /// What is to be read in it.
    pub(crate) text: String,
    /// What is whole where it is elided.
    pub(crate) titles: Vec<String>,
}

/// What a reference stands for; the pages use no others.
fn referred(name: &str) -> char {
    match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "#39" => '\'',
        other => panic!("&{other}; is none of ours"),
    }
}

impl Document {
    /// Parses what is between the tags of the body, which is well-formed XML too.
    pub(crate) fn read(page: &str) -> Self {
        let body =
            page.split_once("<body>").expect("a body").1.rsplit_once("</body>").expect("its end").0;
        let body = format!("<body>{body}</body>");
        let mut reader = Reader::from_str(&body);
        let mut document = Self { elements: Vec::new(), text: String::new(), titles: Vec::new() };
        let mut open: Vec<usize> = Vec::new();
        loop {
            match reader.read_event().expect("well-formed markup") {
                Event::Start(start) => {
                    open.push(document.element(&start, &open));
                }
                Event::Empty(start) => {
                    document.element(&start, &open);
                }
                Event::End(_) => {
                    open.pop();
                }
                Event::Text(text) => document.say(&text.into_inner(), &open),
                Event::GeneralRef(name) => {
                    document.say(&referred(&name.into_inner()).to_string(), &open);
                }
                Event::Eof => break,
                other => panic!("{other:?} has no place in a page"),
            }
        }
        assert!(open.is_empty());
        document
    }

    fn element(&mut self, start: &quick_xml::events::BytesStart<'_>, open: &[usize]) -> usize {
        let attributes: Vec<(String, String)> = start
            .attributes()
            .map(|attribute| {
                let attribute = attribute.expect("an attribute, once");
                let value = attribute.normalized_value(XmlVersion::Explicit1_0).expect("a value");
                (attribute.key.0.to_owned(), value.into_owned())
            })
            .collect();
        self.titles.extend(
            attributes.iter().filter(|(name, _)| name == "title").map(|(_, value)| value.clone()),
        );
        let name = start.name().0.to_owned();
        self.elements.push(Element {
            name,
            attributes,
            within: open.to_vec(),
            text: String::new(),
        });
        self.elements.len() - 1
    }

    fn say(&mut self, text: &str, open: &[usize]) {
        let is_title = open.last().is_some_and(|last| {
            self.elements[*last].name == "title" || self.elements[*last].name == "desc"
        });
        if !is_title {
            self.text.push_str(text);
        }
        for element in open {
            self.elements[*element].text.push_str(text);
        }
    }

    /// Element names with the names of their attributes: what text must not be able to change.
    pub(crate) fn shapes(&self) -> BTreeSet<String> {
        self.elements
            .iter()
            .map(|element| {
                let mut shape = element.name.clone();
                for (name, _) in &element.attributes {
                    shape.push(' ');
                    shape.push_str(name);
                }
                shape
            })
            .collect()
    }

    fn called(&self, name: &str) -> impl Iterator<Item = (usize, &Element)> {
        self.elements.iter().enumerate().filter(move |(_, element)| element.name == name)
    }

    fn inside(&self, outer: usize, name: &str) -> Vec<(usize, &Element)> {
        self.called(name).filter(|(_, element)| element.within.contains(&outer)).collect()
    }

    pub(crate) fn has_no_script_and_no_style_of_its_own(&self) {
        for element in &self.elements {
            let name = element.name.as_str();
            assert!(
                !["script", "style", "iframe", "object", "img", "link", "foreignObject"]
                    .contains(&name)
            );
            for (attribute, value) in &element.attributes {
                assert!(!attribute.starts_with("on") && attribute != "style", "{name} {attribute}");
                assert!(attribute != "href" || value.starts_with('#'), "{value}");
            }
        }
    }

    pub(crate) fn has_headings_in_order(&self) {
        let levels: Vec<u32> = self
            .elements
            .iter()
            .filter_map(|element| {
                element.name.strip_prefix('h').and_then(|level| level.parse().ok())
            })
            .collect();
        assert_eq!(levels.first(), Some(&1));
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
        assert!(levels.windows(2).all(|two| two[1] <= two[0] + 1), "{levels:?}");
    }

    pub(crate) fn has_unique_ids_and_known_targets(&self) {
        let mut ids = BTreeSet::new();
        for id in self.elements.iter().filter_map(|element| element.attribute("id")) {
            assert!(ids.insert(id), "{id} is there twice");
        }
        for element in &self.elements {
            for name in ["aria-labelledby", "aria-describedby"] {
                assert!(element.attribute(name).is_none_or(|id| ids.contains(id)));
            }
            let target = element.attribute("href").and_then(|href| href.strip_prefix('#'));
            assert!(target.is_none_or(|id| ids.contains(id)), "{target:?}");
            let pattern = element.attribute("fill").and_then(|fill| fill.strip_prefix("url(#"));
            assert!(pattern.is_none_or(|id| ids.contains(id.trim_end_matches(')'))), "{pattern:?}");
        }
        let skip = self.called("a").next().expect("a link").1;
        assert_eq!(
            (skip.attribute("href"), skip.text.as_str()),
            (Some("#main"), "Skip to the answer")
        );
    }

    pub(crate) fn has_figures_with_title_description_and_table(&self, least: usize) {
        let figures: Vec<usize> = self.called("figure").map(|(number, _)| number).collect();
        assert!(figures.len() >= least, "{} figures", figures.len());
        for figure in figures {
            let drawings = self.inside(figure, "svg");
            let (number, drawing) = drawings.first().expect("a drawing");
            assert_eq!(drawing.attribute("role"), Some("img"));
            for (name, element) in [("aria-labelledby", "title"), ("aria-describedby", "desc")] {
                let id = drawing.attribute(name).expect("a reference");
                let found = self.inside(*number, element);
                let found = found.iter().find(|(_, one)| one.attribute("id") == Some(id));
                assert!(!found.expect("what it refers to").1.text.is_empty());
            }
            let tables = self.inside(figure, "table");
            assert_eq!(tables.len(), 1);
            assert!(self.inside(tables[0].0, "tr").len() > 1, "a table without figures");
            // A bar of more than the first series is told by a pattern, not by its colour alone.
            let solid = |class: &str| {
                self.inside(figure, "rect")
                    .iter()
                    .filter(|(_, one)| one.attribute("class") == Some(class))
                    .count()
            };
            let patterned = self
                .inside(figure, "rect")
                .iter()
                .filter(|(_, one)| {
                    one.attribute("fill").is_some_and(|fill| fill.starts_with("url(#"))
                })
                .count();
            assert_eq!(["s1", "s2", "s3", "s4"].map(solid).iter().sum::<usize>(), patterned);
        }
    }

    pub(crate) fn has_whole_tables(&self) {
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, row) in self.called("tr") {
            let table =
                row.within.iter().rev().find(|outer| self.elements[**outer].name == "table");
            rows.entry(*table.expect("a table")).or_default().push(number);
        }
        let mut cells: BTreeMap<usize, usize> = BTreeMap::new();
        for element in &self.elements {
            if element.name == "td" || element.name == "th" {
                *cells.entry(*element.within.last().expect("a row")).or_default() += 1;
                let is_header = element.name == "th";
                assert!(!is_header || element.attribute("scope").is_some());
            }
        }
        for (table, rows) in rows {
            assert_eq!(self.inside(table, "caption").len(), 1);
            let region = *self.elements[table].within.last().expect("a region");
            assert_eq!(self.elements[region].attribute("tabindex"), Some("0"));
            let counts: BTreeSet<usize> = rows.iter().map(|row| cells[row]).collect();
            assert_eq!(counts.len(), 1, "{:?}", self.inside(table, "caption")[0].1.text);
        }
    }

    fn table(&self, caption: &str) -> usize {
        let (_, caption) = self
            .called("caption")
            .find(|(_, element)| element.text.starts_with(caption))
            .expect("a table of that caption");
        *caption.within.last().expect("a table")
    }

    /// Rows of a table but its header.
    pub(crate) fn rows_of(&self, caption: &str) -> usize {
        self.inside(self.table(caption), "tr").len() - 1
    }

    /// What stands behind the name of each row, from top to bottom.
    pub(crate) fn cells_of(&self, caption: &str) -> Vec<Vec<String>> {
        let table = self.table(caption);
        let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (_, cell) in self.inside(table, "td") {
            let row = *cell.within.last().expect("a row");
            rows.entry(row).or_default().push(cell.text.clone());
        }
        rows.into_values().collect()
    }

    /// Money of the last column, in cents, from top to bottom.
    pub(crate) fn last_column_in_cents(&self, caption: &str) -> Vec<i64> {
        let table = self.table(caption);
        let mut last: BTreeMap<usize, &str> = BTreeMap::new();
        for (_, cell) in self.inside(table, "td") {
            last.insert(*cell.within.last().expect("a row"), &cell.text);
        }
        last.values()
            .map(|text| text.replace([',', '.'], "").parse().expect("money with two places"))
            .collect()
    }
}

/// The colours of a scheme by their names.
#[derive(Debug)]
pub(crate) struct Scheme(BTreeMap<String, [f64; 3]>);

/// The light scheme and the dark one, as the style has them.
pub(crate) fn schemes(page: &str) -> Vec<Scheme> {
    let style = page.split_once("<style>").expect("a style").1;
    let (light, rest) =
        style.split_once("@media screen and (prefers-color-scheme: dark)").expect("two schemes");
    let dark = rest.split_once("}\n}").expect("its end").0;
    [light, dark].map(scheme).into()
}

fn scheme(text: &str) -> Scheme {
    let mut colours = BTreeMap::new();
    for part in text.split("--").skip(1) {
        let Some((name, value)) = part.split_once(": #") else { continue };
        let channel = |at: usize| {
            f64::from(u8::from_str_radix(&value[at..at + 2], 16).expect("a colour")) / 255.0
        };
        colours.insert(name.to_owned(), [channel(0), channel(2), channel(4)]);
    }
    Scheme(colours)
}

impl Scheme {
    /// As the guidelines for accessible content define it.
    pub(crate) fn contrast(&self, one: &str, other: &str) -> f64 {
        let luminance = |name: &str| {
            let linear = self.0[name].map(|channel| {
                if channel <= 0.040_45 {
                    channel / 12.92
                } else {
                    ((channel + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}
