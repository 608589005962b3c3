//! `report.notify`: a short message of a runbook, delivered to each destination once per slot.

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::Type;
use runbook_showback::observed::Window;
use std::sync::Arc;

use super::schema::{
    check, identity, output, required, slot, slot_argument, text, texts, volatile,
};
use super::sending::{Sending, change, read_destinations};
use crate::message::{About, Basis, File, Rendered, Totals, one_line};
use crate::surroundings::Surroundings;

/// See the module documentation.
pub(super) struct Notify {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

impl Notify {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let schema = Schema {
            name: "report.notify",
            summary: "Delivers a message of a runbook to each destination once per slot.",
            nature: Nature::Observable,
            follows: true,
            connection: Some(Kind::Aws),
            arguments: vec![
                identity("name", "The message's name; stands in paths and keys."),
                slot_argument(),
                required("subject", Type::String, "One line."),
                required("text", Type::String, "What it says."),
                required(
                    "destinations",
                    Type::List(Box::new(Type::Any)),
                    "Where it goes; see `report.showback`. A webhook with an empty `url` is left out.",
                ),
            ],
            outputs: vec![
                output("subject", Type::String, "One line."),
                volatile("delivered", texts(), "Each destination with what it said."),
            ],
            may: &[Action::Create, Action::Update],
            iam_actions: &["s3:GetObject", "s3:PutObject"],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, surroundings }
    }

    fn sending(&self, context: &Context, arguments: &Values) -> Result<Sending, Failure> {
        let invalid = |problem: String| {
            Failure::new(Class::Invalid, format!("`report.notify` cannot do that: {problem}"))
        };
        let slot = slot(arguments).ok_or_else(|| invalid("`slot` is no moment".to_owned()))?;
        let window = Window { start: slot, end: slot };
        let connection = context.connection.as_ref().map(Connection::identity_text);
        let about = About {
            scope: format!("{} {}", context.owner, connection.unwrap_or_default()),
            report: format!("notify-{}", text(arguments, "name").unwrap_or_default()),
            window,
        };
        let destinations =
            read_destinations(arguments, &context.folder).map_err(|all| invalid(all.join("; ")))?;
        let places = self.surroundings.places(context)?;
        Ok(Sending { about, slot, restate: None, destinations, places })
    }
}

fn rendered(arguments: &Values) -> Rendered {
    let words = text(arguments, "text").unwrap_or_default();
    Rendered {
        subject: one_line(text(arguments, "subject").unwrap_or_default()),
        summary: words.to_owned(),
        files: vec![File {
            name: "message.txt".to_owned(),
            media_type: "text/plain; charset=utf-8".to_owned(),
            bytes: words.as_bytes().to_vec(),
        }],
        totals: Totals::new(),
        basis: Basis::new(),
    }
}

#[async_trait]
impl Module for Notify {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check(arguments);
        if let Err(all) = read_destinations(arguments, std::path::Path::new(".")) {
            problems.extend(all.into_iter().map(|problem| ("destinations".to_owned(), problem)));
        }
        for name in ["subject", "text"] {
            if arguments.get(name).is_some_and(runbook_core::value::Value::has_secret) {
                let problem = "is secret, and would be stored and sent".to_owned();
                problems.push((name.to_owned(), problem));
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        Description { subject: shown("name"), detail: shown("subject") }
    }

    fn identity(&self, arguments: &Values) -> String {
        let shown = |name| text(arguments, name).unwrap_or_default();
        format!("{} {}", shown("name"), shown("slot"))
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let sending = self.sending(context, arguments)?;
        Ok(sending.look(|| Ok(rendered(arguments)))?.observed(&sending))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        change(observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let looked = self.sending(context, intent.arguments).and_then(|sending| {
            let look = sending.look(|| Ok(rendered(intent.arguments)))?;
            Ok((sending, look))
        });
        match looked {
            Ok((sending, look)) => sending.apply(context, look).await,
            Err(failure) => Applied::Rejected(failure),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let sending = self.sending(context, arguments)?;
        if sending.destinations.is_empty() {
            return Ok(Verdict::Converged(sending.nothing(rendered(arguments).subject)));
        }
        sending.verdict()
    }
}
