//! A page as Markdown for a pull request: the answer first, each chart as its table.

use super::page::{Block, Flow, Fold, Page};
use super::text::markdown as escaped;

pub(super) fn page(page: &Page) -> String {
    let mut out = format!("## {}\n\n**{}**\n\n", escaped(&page.heading), escaped(&page.answer));
    for besides in &page.besides {
        out.push_str(&format!("{}\n\n", escaped(besides)));
    }
    let about: Vec<String> = std::iter::once(&page.origin.words)
        .chain(&page.about)
        .map(|about| escaped(about))
        .collect();
    out.push_str(&format!("{}\n\n", about.join(" · ")));
    for section in &page.sections {
        out.push_str(&format!("### {}\n\n", escaped(&section.title)));
        blocks(&section.blocks, &mut out);
    }
    out
}

fn blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Heading(text) => out.push_str(&format!("#### {}\n\n", escaped(text))),
            Block::Text(text) => out.push_str(&format!("{}\n\n", escaped(text))),
            Block::List(items) => {
                items.iter().for_each(|item| out.push_str(&format!("- {}\n", escaped(item))));
                out.push('\n');
            }
            Block::Table(table) => table.markdown(out),
            Block::Chart(chart) => chart.markdown(out),
            Block::Fold(fold) => self::fold(fold, out),
            Block::Flows(flows) => flows.iter().for_each(|flow| self::flow(flow, out)),
        }
    }
}

fn fold(fold: &Fold, out: &mut String) {
    // A summary is HTML, where the escapes of Markdown would be shown.
    let html = |text: &str| {
        let visible = super::text::visible(text);
        visible.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    };
    out.push_str(&format!(
        "<details><summary>{} {}</summary>\n\n",
        html(&fold.title),
        html(&fold.aside)
    ));
    blocks(&fold.blocks, out);
    out.push_str("</details>\n\n");
}

fn flow(flow: &Flow, out: &mut String) {
    out.push_str(&format!("#### {}\n\n", escaped(&flow.title)));
    for (index, step) in flow.steps.iter().enumerate() {
        out.push_str(&format!(
            "{}. {}: **{}** {}\n",
            index + 1,
            escaped(&step.when),
            escaped(&step.what),
            escaped(&step.detail)
        ));
    }
    out.push('\n');
}
