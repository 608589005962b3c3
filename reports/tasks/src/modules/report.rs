//! A task that renders a message and delivers it, whatever the message is: what `report.showback`,
//! `report.reconcile` and `report.notify` have in common.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use runbook_core::change::Change;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observed, Schema, Values, Verdict,
};

use super::schema::{check, list, text};
use super::sending::{Sending, change, read_destinations};
use crate::message::{File, Rendered};
use crate::restate::Restate;

/// A kind of message.
#[async_trait]
pub(super) trait Report: Send + Sync {
    /// What a task asks for.
    type Asked: Send + Sync;

    /// As of the module.
    fn schema(&self) -> &Schema;

    /// Problems of the arguments that are its own.
    fn check(&self, arguments: &Values) -> Vec<(String, String)>;

    /// As of the module.
    fn describe(&self, arguments: &Values) -> Description;

    /// What distinguishes the message from others of the same module.
    fn identity(&self, arguments: &Values) -> String {
        let shown = |name| text(arguments, name).unwrap_or_default();
        format!("{} {} {}", shown("name"), shown("window"), shown("slot"))
    }

    /// Whether rendering asks something that costs money.
    fn rendering_costs(&self) -> bool {
        false
    }

    /// Whether it does not with these arguments.
    fn is_free(&self, arguments: &Values) -> bool {
        let _ = arguments;
        false
    }

    /// Reads what is asked for.
    fn asked(&self, context: &Context, arguments: &Values) -> Result<Self::Asked, Failure>;

    /// Where it goes.
    fn sending<'a>(&self, asked: &'a Self::Asked) -> &'a Sending;

    /// Makes it.
    async fn render(&self, context: &Context, asked: &Self::Asked) -> Result<Rendered, Failure>;
}

/// The module of a kind of message.
pub(super) struct Delivered<R> {
    report: R,
    /// What a look rendered for money, by task, until it is written: rendered again, it would have cost
    /// nothing, and would say so.
    paid: Mutex<BTreeMap<String, Rendered>>,
}

impl<R: Report> Delivered<R> {
    pub(super) fn new(report: R) -> Self {
        Self { report, paid: Mutex::default() }
    }

    fn paid(&self) -> MutexGuard<'_, BTreeMap<String, Rendered>> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renders for a look.
    async fn looked(&self, context: &Context, asked: &R::Asked) -> Result<Rendered, Failure> {
        let rendered = self.report.render(context, asked).await?;
        if self.report.rendering_costs() {
            self.paid().insert(task(context), rendered.clone());
        }
        Ok(rendered)
    }

    /// What the look before rendered, else renders.
    async fn rendered(&self, context: &Context, asked: &R::Asked) -> Result<Rendered, Failure> {
        let paid = self.paid().remove(&task(context));
        match paid {
            Some(rendered) => Ok(rendered),
            None => self.report.render(context, asked).await,
        }
    }
}

fn task(context: &Context) -> String {
    format!("{} {}", context.owner, context.address)
}

#[async_trait]
impl<R: Report> Module for Delivered<R> {
    /// Rules, bills and folders of destinations lie beside the runbook.
    fn works_in_folder(&self) -> bool {
        true
    }

    fn schema(&self) -> &Schema {
        self.report.schema()
    }

    fn looking_costs(&self) -> bool {
        self.report.rendering_costs()
    }

    fn is_free(&self, arguments: &Values) -> bool {
        self.report.is_free(arguments)
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check(arguments);
        problems.extend(self.report.check(arguments));
        if let Some(Err(problem)) = arguments.get("restate").map(Restate::read) {
            problems.push(("restate".to_owned(), problem));
        }
        if let Err(all) = read_destinations(arguments, std::path::Path::new(".")) {
            problems.extend(all.into_iter().map(|problem| ("destinations".to_owned(), problem)));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        self.report.describe(arguments)
    }

    fn identity(&self, arguments: &Values) -> String {
        self.report.identity(arguments)
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let asked = self.report.asked(context, arguments)?;
        let sending = self.report.sending(&asked);
        let look = sending.look(self.looked(context, &asked)).await?;
        Ok(look.observed(sending))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        change(observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let asked = match self.report.asked(context, intent.arguments) {
            Ok(asked) => asked,
            Err(failure) => return Applied::Rejected(failure),
        };
        let sending = self.report.sending(&asked);
        match sending.look(self.rendered(context, &asked)).await {
            Ok(look) => sending.apply(context, look).await,
            Err(failure) => Applied::Rejected(failure),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let asked = self.report.asked(context, arguments)?;
        let sending = self.report.sending(&asked);
        if sending.destinations.is_empty() {
            let subject = self.report.render(context, &asked).await?.subject;
            return Ok(Verdict::Converged(sending.nothing(subject)));
        }
        sending.verdict()
    }
}

/// A format of a report: its name, its file's and its media type.
pub(super) type Format = (&'static str, &'static str, &'static str);

/// What is wrong of the formats that are asked for.
pub(super) fn check_formats(arguments: &Values, formats: &[Format]) -> Vec<(String, String)> {
    let wrong = list(arguments, "formats")
        .into_iter()
        .filter(|asked| !formats.iter().any(|(name, ..)| name == asked));
    wrong
        .map(|asked| {
            let known: Vec<&str> = formats.iter().map(|(name, ..)| *name).collect();
            let problem = format!("holds `{asked}`; there are {}", known.join(", "));
            ("formats".to_owned(), problem)
        })
        .collect()
}

/// The files of a report, in the formats that are asked for.
pub(super) fn files(
    asked: &[String],
    formats: &[Format],
    text: impl Fn(&str) -> Result<String, Failure>,
) -> Result<Vec<File>, Failure> {
    let known = asked.iter().filter_map(|asked| formats.iter().find(|(name, ..)| name == asked));
    known
        .map(|(format, name, media_type)| {
            Ok(File {
                name: (*name).to_owned(),
                media_type: (*media_type).to_owned(),
                bytes: text(format)?.into_bytes(),
            })
        })
        .collect()
}
