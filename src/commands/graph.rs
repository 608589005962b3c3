//! `runbook graph`: tasks and edges, and why each edge is there.

use super::Session;
use super::compiled::{compiled, warn};
use crate::arguments::{GraphArguments, GraphFormat};
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::view::graph as drawing;

/// Draws a runbook's graph.
pub(crate) fn graph(session: &Session, arguments: &GraphArguments) -> Result<Exit, Trouble> {
    let compiled = compiled(session, &arguments.runbook)?;
    warn(session, &compiled.graph, &compiled.warnings);
    let (graph, why) = (&compiled.graph, arguments.why);
    let text = match arguments.output {
        GraphFormat::Mermaid => drawing::mermaid(graph, why),
        GraphFormat::Dot => drawing::dot(graph, why),
        GraphFormat::Text => drawing::text(graph, why, &session.printer.out),
        GraphFormat::Json => drawing::json(graph),
    };
    session.printer.out(&text);
    Ok(Exit::Done)
}
