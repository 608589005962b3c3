//! A showback in the form that was asked for, printed or in a file.

use runbook_capacity::answer::written::json;
use runbook_showback::allocate::{self, Charges, Dimension};
use runbook_showback::focus::{self, Account, Estimate, Format};
use runbook_showback::render::allocation::{Aggregate, Query, Set, allocation};
use runbook_showback::render::parquet;
use runbook_showback::render::showback as forms;

use super::{Failed, Made, Output, ShowbackArguments, explained};
use crate::commands::Session;
use crate::exit::Exit;
use crate::state::write_whole;
use crate::style::{Meaning, Style};
use crate::trouble::Trouble;

/// Prints it, or writes the file and says so in a line.
pub(super) fn deliver(
    session: &Session,
    arguments: &ShowbackArguments,
    made: &Made,
) -> Result<(), Trouble> {
    let out = arguments.out.as_deref().filter(|out| out.as_os_str() != "-");
    let is_binary = matches!(arguments.output, Output::Parquet | Output::Charges);
    if is_binary && out.is_none() && session.printer.out.terminal {
        return Err(Trouble::usage("Parquet is not for a terminal").hint("--out showback.parquet"));
    }
    let written = written(session, arguments, made, out.is_some())?;
    let Some(out) = out else {
        session.printer.raw(&written);
        return Ok(());
    };
    write_whole(&session.environment.working_directory.join(out), &written)?;
    session.printer.out(&format!("{}\nin {}", forms::title(&made.showback), out.display()));
    Ok(())
}

fn written(
    session: &Session,
    arguments: &ShowbackArguments,
    made: &Made,
    is_in_file: bool,
) -> Result<Vec<u8>, Trouble> {
    let showback = &made.showback;
    let text = match arguments.output {
        Output::Table => {
            // In a file there is neither colour nor an edge.
            let style = session.printer.out;
            let style = Style {
                colour: style.colour && !is_in_file,
                terminal: style.terminal && !is_in_file,
                ..style
            };
            let paint = |voice, text: &str| painted(style, voice, text);
            let columns = style.terminal.then_some(style.width);
            forms::text(showback, &forms::Layout { columns, paint: &paint })
        }
        Output::Csv => forms::csv(showback),
        Output::Json => forms::json(showback),
        Output::Markdown => forms::markdown(showback),
        Output::Html => forms::html(showback),
        Output::Parquet => {
            let mut bytes = Vec::new();
            parquet::showback(showback, &mut bytes).map_err(|error| Trouble::of(&error))?;
            return Ok(bytes);
        }
        Output::Charges => {
            let mut bytes = Vec::new();
            parquet::charges(&charges(made)?.charges, made.request.window, &mut bytes)
                .map_err(|error| Trouble::of(&error))?;
            return Ok(bytes);
        }
        Output::Focus => return in_focus(arguments, made),
        Output::Allocation => return allocated(made).map(String::into_bytes),
    };
    text.map(String::into_bytes).map_err(|error| Trouble::of(&error))
}

fn painted(style: Style, voice: forms::Voice, text: &str) -> String {
    let meaning = match voice {
        forms::Voice::Strong => Meaning::Strong,
        forms::Voice::Quiet => Meaning::Quiet,
        forms::Voice::Warning => Meaning::Waiting,
        forms::Voice::Bad => Meaning::Bad,
    };
    style.paint(meaning, text)
}

fn charges(made: &Made) -> Result<Charges, Trouble> {
    allocate::charges(&made.observed, &made.book, &made.request)
        .map_err(|why| explained(&Failed::Refused(why)))
}

/// A rate must not be taken for money over a time, which is all that some forms know.
fn of_a_period(made: &Made, form: &str) -> Result<(), Trouble> {
    if !made.request.window.is_empty() {
        return Ok(());
    }
    Err(Trouble::usage(format!(
        "{form} has money over a time, and what an hour costs now is a rate"
    ))
    .hint("--window 2026-10-05, or another time that was observed"))
}

/// An estimate as FOCUS.
fn in_focus(arguments: &ShowbackArguments, made: &Made) -> Result<Vec<u8>, Trouble> {
    if made.request.window.is_empty() {
        return Err(Trouble::usage(
            "a rate per hour is no charge, so there is no FOCUS file of it",
        )
        .hint("--window 2026-10 or another time that was observed"));
    }
    let charges = charges(made)?;
    let account = arguments.billing_account.clone().map(|id| Account { id, name: None });
    let estimate = Estimate {
        charges: &charges.charges,
        coverage: &charges.coverage,
        prices: &charges.prices,
        weight: made.request.weight(),
        billing_account: account.as_ref(),
    };
    let name = arguments.out.as_ref().map(|out| out.display().to_string()).unwrap_or_default();
    let mut bytes = Vec::new();
    focus::from_charges(&estimate, arguments.focus_version, Format::of(&name), &mut bytes)
        .map_err(|error| match error {
            focus::WriteError::NoBillingAccount => Trouble::of(&error)
                .exit(Exit::Usage)
                .hint("--billing-account 111122223333, the account that pays"),
            _ => Trouble::of(&error),
        })?;
    Ok(bytes)
}

/// One set for the whole window, idle among it, so that it comes to the same total.
fn allocated(made: &Made) -> Result<String, Trouble> {
    of_a_period(made, "OpenCost's allocation")?;
    let charges = charges(made)?;
    let aggregate: Vec<Aggregate> =
        made.request.by.iter().map(aggregate).collect::<Result<_, _>>()?;
    let query = Query { aggregate, include_idle: true, ..Query::default() };
    let window = made.request.window;
    let set = Set { window, charges: &charges, observed: &made.observed };
    let text = json(&allocation(&[set], &query)).map_err(|error| Trouble::of(&error))?;
    Ok(format!("{text}\n"))
}

fn aggregate(dimension: &Dimension) -> Result<Aggregate, Trouble> {
    Ok(match dimension {
        Dimension::Team => Aggregate::Team,
        Dimension::Namespace => Aggregate::Namespace,
        Dimension::Cluster => Aggregate::Cluster,
        Dimension::Controller => Aggregate::Controller,
        Dimension::Pod => Aggregate::Pod,
        Dimension::Node => Aggregate::Node,
        Dimension::Label(key) => Aggregate::Label(key.clone()),
        Dimension::Annotation(_) => {
            return Err(Trouble::usage(format!(
                "`{dimension}` is nothing that OpenCost's allocation is aggregated by here"
            ))
            .hint("--by team, namespace, cluster, controller, pod, node or label:KEY"));
        }
    })
}
