//! A page as one HTML file: no script, its style allowed by hash, all else forbidden.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::markup::Markup;
use super::page::{Block, Flow, Fold, Page, Section};
use super::text::prose;

const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded, run, embedded or sent; only this style, byte for byte, counts.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

pub(super) fn page(page: &Page) -> String {
    let mut out = Markup::new();
    out.literal("<!doctype html>\n");
    out.element("html", &[("lang", "en")], |out| {
        out.line();
        head(page, out);
        out.element("body", &[], |out| {
            out.line();
            out.leaf("a", &[("class", "skip"), ("href", "#main")], "Skip to the answer");
            out.line();
            body(page, out);
        });
        out.line();
    });
    out.line();
    out.into_text()
}

fn head(page: &Page, out: &mut Markup) {
    out.element("head", &[], |out| {
        out.line();
        out.void("meta", &[("charset", "utf-8")]);
        out.line();
        let policy = policy();
        out.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)]);
        out.line();
        for (name, content) in [
            ("viewport", "width=device-width, initial-scale=1"),
            ("color-scheme", "light dark"),
            ("referrer", "no-referrer"),
            ("generator", "runbook"),
        ] {
            out.void("meta", &[("name", name), ("content", content)]);
            out.line();
        }
        out.leaf("title", &[], &page.title);
        out.line();
        out.element("style", &[], |out| out.literal(STYLE));
        out.line();
    });
    out.line();
}

fn body(page: &Page, out: &mut Markup) {
    let mut charts = 0;
    out.element("main", &[("id", "main"), ("tabindex", "-1")], |out| {
        out.line();
        out.element("header", &[], |out| {
            out.element("p", &[("class", "about")], |out| {
                let class = if page.origin.is_sandbox { "origin sandbox" } else { "origin" };
                out.leaf("span", &[("class", class)], &page.origin.words);
                for about in &page.about {
                    out.say(" ");
                    out.leaf("span", &[], about);
                }
            });
            out.line();
            out.leaf("h1", &[], &page.heading);
            out.line();
            out.leaf("p", &[("class", "answer")], &prose(&page.answer));
            out.line();
            for besides in &page.besides {
                out.leaf("p", &[("class", "besides")], &prose(besides));
                out.line();
            }
            contents(page, out);
        });
        out.line();
        for section in &page.sections {
            self::section(section, &mut charts, out);
        }
    });
    out.line();
    out.element("footer", &[], |out| {
        out.leaf("p", &[], &format!("{} · figures from {}", page.title, page.origin.words));
    });
    out.line();
}

fn contents(page: &Page, out: &mut Markup) {
    out.element("nav", &[("aria-label", "Parts of this page")], |out| {
        out.element("ul", &[], |out| {
            for section in &page.sections {
                out.element("li", &[], |out| {
                    out.leaf("a", &[("href", &format!("#{}", section.id))], &section.title);
                });
            }
        });
    });
}

fn section(section: &Section, charts: &mut usize, out: &mut Markup) {
    let heading = format!("{}-heading", section.id);
    out.element("section", &[("id", section.id), ("aria-labelledby", &heading)], |out| {
        out.line();
        out.leaf("h2", &[("id", &heading)], &section.title);
        out.line();
        blocks(&section.blocks, charts, out);
    });
    out.line();
}

fn blocks(blocks: &[Block], charts: &mut usize, out: &mut Markup) {
    for block in blocks {
        match block {
            Block::Heading(text) => out.leaf("h3", &[], text),
            Block::Text(text) => out.leaf("p", &[], &prose(text)),
            Block::List(items) => {
                out.element("ul", &[], |out| {
                    items.iter().for_each(|item| out.leaf("li", &[], &prose(item)));
                });
            }
            Block::Table(table) => table.html(out),
            Block::Chart(chart) => {
                *charts += 1;
                chart.html(&format!("chart-{charts}"), out);
            }
            Block::Fold(fold) => self::fold(fold, charts, out),
            Block::Flows(flows) => self::flows(flows, out),
        }
        out.line();
    }
}

fn fold(fold: &Fold, charts: &mut usize, out: &mut Markup) {
    out.element("details", &[], |out| {
        out.element("summary", &[], |out| {
            out.leaf("span", &[], &fold.title);
            out.say(" ");
            out.leaf("span", &[("class", "aside")], &fold.aside);
        });
        out.line();
        blocks(&fold.blocks, charts, out);
    });
}

fn flows(flows: &[Flow], out: &mut Markup) {
    out.element("div", &[("class", "flows")], |out| {
        for flow in flows {
            out.element("div", &[], |out| {
                out.leaf("h3", &[], &flow.title);
                out.element("ol", &[("class", "flow")], |out| {
                    for step in &flow.steps {
                        out.element("li", &[], |out| {
                            out.leaf("span", &[("class", "when")], &step.when);
                            out.leaf("strong", &[], &step.what);
                            if !step.detail.is_empty() {
                                out.leaf("span", &[("class", "detail")], &step.detail);
                            }
                        });
                    }
                });
            });
        }
    });
}
