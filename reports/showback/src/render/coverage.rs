//! How far prices reach: a part of every answer.

use super::figures::grouped;
use super::page::{Block, Section};
use super::read::{Node, Unreadable};
use super::table::{Cell, Column, Row, Table};

/// What of it must not be overlooked.
pub(super) fn warnings(answer: &Node<'_>) -> Result<Vec<String>, Unreadable> {
    let prices = answer.field("prices")?;
    let mut warnings = Vec::new();
    if prices.flag("restricted_to_priced_types")? {
        warnings
            .push("Restricted to priced types: one without a price could change this.".to_owned());
    }
    if prices.flag("too_old")? {
        let days = prices.integer("max_age_days")?;
        warnings.push(format!("Some prices are older than {days} days."));
    }
    Ok(warnings)
}

/// All of it; `things` are what has or has no price.
pub(super) fn section(answer: &Node<'_>, things: &str) -> Result<Section, Unreadable> {
    let prices = answer.field("prices")?;
    let days = prices.integer("max_age_days")?;
    let columns = vec![Column::words("what"), Column::words("is")];
    let mut table = Table::new("How far prices reach", columns);
    let mut add = |what: String, cell: Cell| table.add(Row::plain(vec![Cell::Text(what), cell]));
    let said = |flag: bool, yes: &str, no: &str| Cell::Text(if flag { yes } else { no }.to_owned());
    let (priced, offered) = (prices.integer("priced")?, prices.integer("offered")?);
    let share = format!("{} of {}", grouped(priced.into()), grouped(offered.into()));
    add(format!("{things} that have a price"), Cell::Text(share));
    for (what, field) in [("oldest price", "oldest"), ("newest price", "newest")] {
        let day = prices.maybe_text(field)?;
        let cell = day.map_or_else(|| Cell::Missing("there is none".to_owned()), Cell::Text);
        add(what.to_owned(), cell);
    }
    let is_old = prices.flag("too_old")?;
    add(format!("prices older than {days} days"), said(is_old, "there are some", "none"));
    let is_restricted = prices.flag("restricted_to_priced_types")?;
    add(
        "could one without a price change this?".to_owned(),
        said(is_restricted, "yes: restricted to priced types", "no"),
    );
    add("money".to_owned(), Cell::Text(answer.text("money")?));
    let command = "Each price with its day and its source: runbook prices show.".to_owned();
    Ok(Section::new("prices", "Prices").with(Block::Table(table)).with(Block::Text(command)))
}
