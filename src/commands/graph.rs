//! `runbook graph`: tasks and edges, and why each edge is there.

use super::Session;
use super::compiled::{compiled, warn};
use crate::arguments::{GraphArguments, GraphFormat};
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::view::graph::{self as drawing, Drawing};

/// Draws a runbook's graph.
pub(crate) fn graph(session: &Session, arguments: &GraphArguments) -> Result<Exit, Trouble> {
    let compiled = compiled(session, &arguments.runbook)?;
    warn(session, &compiled.graph, &compiled.warnings);
    let drawn = Drawing { graph: &compiled.graph, plan: None, why: arguments.why };
    let text = match arguments.output {
        GraphFormat::Mermaid => drawing::mermaid(&drawn),
        GraphFormat::Dot => drawing::dot(&drawn),
        GraphFormat::Text => drawing::text(&drawn, &session.printer.out),
        GraphFormat::Json => drawing::json(&drawn),
    };
    session.printer.out(&text);
    Ok(Exit::Done)
}
