//! `runbook schedule preview`: the next slots, as a function of the text and a moment.

use runbook_core::schedule::{Daylight, Slot};
use serde_json::json;

use super::{PreviewArguments, local, sources};
use crate::arguments::TableFormat;
use crate::commands::Session;
use crate::exit::Exit;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view;

/// Prints the next slots of each schedule.
pub(super) fn preview(session: &Session, arguments: &PreviewArguments) -> Result<Exit, Trouble> {
    let sources = sources::all(session, &arguments.paths.paths)?;
    let from = arguments.from.unwrap_or_else(real_now);
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for entry in sources.iter().flat_map(|source| &source.entries) {
        for slot in entry.schedule.next(from, usize::from(arguments.number)) {
            documents.push(json!({
                "schedule": entry.identity, "slot": slot.runs().then_some(slot.at),
                "civil": slot.civil, "daylight_saving": slot.daylight, "also": slot.also,
                "starts": entry.schedule.starts_at(&entry.identity, slot.at),
            }));
            let when = |text: String| if slot.runs() { text } else { "does not run".to_owned() };
            rows.push(vec![
                entry.identity.clone(),
                when(local(&entry.schedule, slot.at)),
                when(slot.at.to_string()),
                words(&slot),
            ]);
        }
    }
    if arguments.output == TableFormat::Json {
        session.printer.out(&view::json::pretty(&json!({"v": 1, "slots": documents})));
        return Ok(Exit::Done);
    }
    let columns = ["SCHEDULE", "LOCAL TIME", "SLOT", "DAYLIGHT SAVING"];
    session.tabular(&columns, &rows, arguments.output)?;
    Ok(Exit::Done)
}

/// What daylight saving did to a slot, in words; nothing when it did nothing.
fn words(slot: &Slot) -> String {
    let civil = slot.civil.strftime("%H:%M");
    let mut words = match slot.daylight {
        Daylight::Kept => String::new(),
        Daylight::MovedLater => format!("! {civil} does not exist: runs later"),
        Daylight::MovedEarlier => format!("! {civil} does not exist: runs earlier"),
        Daylight::Dropped => format!("! {civil} does not exist: dropped"),
        Daylight::OnlyFirst => format!("! {civil} comes twice: the first"),
        Daylight::OnlySecond => format!("! {civil} comes twice: the second"),
        Daylight::FirstOfTwo => format!("! {civil} comes twice: the first of two"),
        Daylight::SecondOfTwo => format!("! {civil} comes twice: the second of two"),
    };
    for other in &slot.also {
        if !words.is_empty() {
            words.push_str("; ");
        }
        words.push_str(&format!("! stands for {}, too", other.strftime("%H:%M")));
    }
    words
}
