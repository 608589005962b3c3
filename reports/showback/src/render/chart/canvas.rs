//! An SVG that is as wide as its place.
//!
//! There is no view box: a horizontal place is a share of the width and everything else is in pixels.
//! Only paths need a view box, and get one of their own that is stretched ([`Canvas::paths`]) while
//! their strokes are not.

use super::scale::FULL;
use crate::render::markup::Markup;

/// How a series is filled, by its number: colour by class, and a pattern over it.
const PATTERNS: usize = 5;

/// The room for the figures of an axis that goes up; the style leaves as much.
const GUTTER: i64 = 56;

/// A drawing under construction.
#[derive(Debug)]
pub(crate) struct Canvas {
    id: String,
    title: String,
    description: String,
    has_gutter: bool,
    has_names: bool,
    inside: Markup,
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }

    /// For a label at a place that must not leave the drawing.
    pub(crate) fn within(place: i64) -> Self {
        match place {
            ..400 => Self::Start,
            9600.. => Self::End,
            _ => Self::Middle,
        }
    }
}

/// A place as a share of the width: `37.25%`.
pub(crate) fn share(place: i64) -> String {
    let sign = if place < 0 { "-" } else { "" };
    let (whole, rest) = (place.abs() / 100, place.abs() % 100);
    if rest == 0 { format!("{sign}{whole}%") } else { format!("{sign}{whole}.{rest:02}%") }
}

impl Canvas {
    pub(crate) fn new(id: &str, title: &str, description: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            has_gutter: false,
            has_names: false,
            inside: Markup::new(),
        }
    }

    /// Leaves room before the drawing for the figures of an axis that goes up.
    pub(crate) fn with_gutter(mut self) -> Self {
        self.has_gutter = true;
        self
    }

    /// Leaves room behind the drawing for the names of series, where the screen has any.
    pub(crate) fn with_names(mut self) -> Self {
        self.has_names = true;
        self
    }

    /// What its ids begin with.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The name of a series behind the drawing, tied to the height that it belongs to.
    pub(crate) fn name_beside(&mut self, series: usize, part: i64, at: i64, name: &str) {
        let attributes = [("x", "100%"), ("y", "0"), ("overflow", "visible"), ("class", "beside")];
        let id = self.id.clone();
        self.inside.element("svg", &attributes, |out| {
            let line = format!("M2 {part}L12 {at}");
            out.empty("path", &[("d", &line), ("class", "tie")]);
            piece(&id, series, (16, at - 6), out);
            out.leaf("text", &[("x", "34"), ("y", &(at + 4).to_string())], name);
        });
        self.inside.line();
    }

    /// A figure of the axis that goes up.
    pub(crate) fn level_figure(&mut self, y: i64, text: &str) {
        self.text(0, -8, y + 4, Anchor::End, "n m", text);
    }

    /// What the axis that goes up counts, above the room for its figures.
    pub(crate) fn level_unit(&mut self, y: i64, text: &str) {
        self.text(0, -GUTTER, y, Anchor::Start, "m", text);
    }

    /// Writes what was drawn, in so many pixels of height.
    pub(crate) fn finish(self, height: i64, out: &mut Markup) {
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        let class = match (self.has_gutter, self.has_names) {
            (true, true) => "chart gutter named",
            (true, false) => "chart gutter",
            (false, _) => "chart",
        };
        let attributes = [
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("class", class),
            ("role", "img"),
            ("width", "100%"),
            ("height", &height.to_string()),
            ("aria-labelledby", &title),
            ("aria-describedby", &description),
        ];
        out.element("svg", &attributes, |out| {
            out.leaf("title", &[("id", &title)], &self.title);
            out.leaf("desc", &[("id", &description)], &self.description);
            out.element("defs", &[], |out| self.patterns(out));
            out.line();
            out.append(self.inside.clone());
        });
    }

    /// Text at a place, moved by pixels.
    pub(crate) fn text(
        &mut self,
        place: i64,
        dx: i64,
        y: i64,
        anchor: Anchor,
        class: &str,
        text: &str,
    ) {
        let attributes = [
            ("x", &*share(place)),
            ("y", &y.to_string()),
            ("dx", &dx.to_string()),
            ("text-anchor", anchor.name()),
            ("class", class),
        ];
        self.inside.leaf("text", &attributes, text);
        self.inside.line();
    }

    /// A line of text in several voices; each part follows the one before, however wide that is.
    pub(crate) fn line_of_text(&mut self, y: i64, whole: Option<&str>, parts: &[(&str, &str)]) {
        self.inside.element("text", &[("x", "0"), ("y", &y.to_string())], |out| {
            if let Some(whole) = whole {
                out.leaf("title", &[], whole);
            }
            for (index, (class, text)) in parts.iter().enumerate() {
                let dx = if index == 0 { "0" } else { "8" };
                out.leaf("tspan", &[("class", class), ("dx", dx)], text);
            }
        });
        self.inside.line();
    }

    /// A bar of a series from one place to another.
    pub(crate) fn bar(&mut self, series: usize, from: i64, to: i64, y: i64, height: i64) {
        let (left, right) = (from.min(to), from.max(to));
        let series = series % PATTERNS;
        let (x, width, y, height) =
            (share(left), share(right - left), y.to_string(), height.to_string());
        let class = format!("s{series}");
        let place = [("x", &*x), ("y", &*y), ("width", &*width), ("height", &*height)];
        let mut solid = place.to_vec();
        solid.push(("class", &class));
        self.inside.empty("rect", &solid);
        if series > 0 {
            let fill = format!("url(#{}-p{series})", self.id);
            let mut pattern = place.to_vec();
            pattern.push(("fill", &fill));
            self.inside.empty("rect", &pattern);
        }
        self.inside.line();
    }

    /// A square of a series at pixels, for the line that names the series.
    pub(crate) fn swatch(&mut self, series: usize, x: i64, y: i64) {
        piece(&self.id, series, (x, y), &mut self.inside);
    }

    /// A piece of a series' line at pixels, for the words that name it.
    pub(crate) fn key(&mut self, series: usize, x: i64, y: i64) {
        let class = format!("w{}", series % PATTERNS);
        let data = format!("M{x} {y}h28");
        self.inside.empty("path", &[("d", &data), ("class", &class)]);
    }

    /// A line from top to bottom.
    pub(crate) fn upright(&mut self, place: i64, top: i64, bottom: i64, class: &str) {
        self.stroke((place, top), (place, bottom), class);
    }

    /// A line across.
    pub(crate) fn level(&mut self, from: i64, to: i64, y: i64, class: &str) {
        self.stroke((from, y), (to, y), class);
    }

    fn stroke(&mut self, from: (i64, i64), to: (i64, i64), class: &str) {
        let attributes = [
            ("x1", &*share(from.0)),
            ("y1", &from.1.to_string()),
            ("x2", &share(to.0)),
            ("y2", &to.1.to_string()),
            ("class", class),
        ];
        self.inside.empty("line", &attributes);
        self.inside.line();
    }

    /// A dot.
    pub(crate) fn dot(&mut self, place: i64, y: i64, class: &str) {
        let attributes =
            [("cx", &*share(place)), ("cy", &y.to_string()), ("r", "5"), ("class", class)];
        self.inside.empty("circle", &attributes);
        self.inside.line();
    }

    /// Paths over a part of the drawing, in places from nothing to [`FULL`] both ways, the origin below.
    pub(crate) fn paths(&mut self, top: i64, height: i64, paths: &[(String, String)]) {
        let view = format!("0 0 {FULL} {FULL}");
        let attributes = [
            ("x", "0"),
            ("y", &*top.to_string()),
            ("width", "100%"),
            ("height", &height.to_string()),
            ("viewBox", &view),
            ("preserveAspectRatio", "none"),
            ("overflow", "visible"),
        ];
        self.inside.element("svg", &attributes, |out| {
            for (class, data) in paths {
                let stroke =
                    [("class", &**class), ("d", data), ("vector-effect", "non-scaling-stroke")];
                out.empty("path", &stroke);
            }
        });
        self.inside.line();
    }

    fn patterns(&self, out: &mut Markup) {
        let drawings =
            ["M-1 7L7 -1M3 11L11 3", "M2 2h2v2h-2zM6 6h2v2h-2z", "M0 2H8M0 6H8", "M2 0V8M6 0V8"];
        for (index, drawing) in drawings.iter().enumerate() {
            let id = format!("{}-p{}", self.id, index + 1);
            let attributes =
                [("id", &*id), ("width", "8"), ("height", "8"), ("patternUnits", "userSpaceOnUse")];
            let class = if index == 1 { "dots" } else { "hatch" };
            out.element("pattern", &attributes, |out| {
                out.empty("path", &[("d", drawing), ("class", class)]);
            });
        }
    }
}

/// A square of what a series is drawn with.
fn piece(id: &str, series: usize, (x, y): (i64, i64), out: &mut Markup) {
    let series = series % PATTERNS;
    let (x, y) = (x.to_string(), y.to_string());
    let class = format!("s{series}");
    let place = [("x", &*x), ("y", &*y), ("width", "12"), ("height", "12")];
    let mut solid = place.to_vec();
    solid.push(("class", &class));
    out.empty("rect", &solid);
    if series > 0 {
        let fill = format!("url(#{id}-p{series})");
        let mut pattern = place.to_vec();
        pattern.push(("fill", &fill));
        out.empty("rect", &pattern);
    }
}

/// The same as a drawing of its own, for a list of names.
pub(super) fn swatch(id: &str, series: usize, out: &mut Markup) {
    let attributes = [("xmlns", "http://www.w3.org/2000/svg"), ("width", "12"), ("height", "12")];
    out.element("svg", &attributes, |out| piece(id, series, (0, 0), out));
}
