//! `runbook explain`: what a code means.

use super::Session;
use crate::arguments::ExplainArguments;
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::view::explain as catalogue;

/// Describes one code, or lists all.
pub(crate) fn explain(session: &Session, arguments: &ExplainArguments) -> Result<Exit, Trouble> {
    let Some(code) = &arguments.code else {
        session.printer.out(&catalogue::list(&session.printer.out));
        return Ok(Exit::Done);
    };
    let text = catalogue::explain(code, &session.printer.out).ok_or_else(|| {
        Trouble::usage(format!("there is no code `{code}`")).hint("runbook explain lists all")
    })?;
    session.printer.out(&text);
    Ok(Exit::Done)
}
