//! `report.notify`: a short message of a runbook, delivered to each destination once per slot.

use async_trait::async_trait;
use runbook_core::change::Action;
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Description, Nature, Schema, Values};
use runbook_core::value::{Type, Value};
use runbook_showback::observed::Window;
use std::sync::Arc;

use super::report::Report;
use super::schema::{
    destinations_argument, identity, output, required, slot, slot_argument, text, texts, volatile,
};
use super::sending::{Sending, read_destinations};
use crate::message::{About, Basis, File, Rendered, Totals, one_line};
use crate::owed::scope;
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
                destinations_argument(),
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

/// What a task asks for.
pub(super) struct Asked {
    rendered: Rendered,
    sending: Sending,
}

#[async_trait]
impl Report for Notify {
    type Asked = Asked;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let is_secret = |name: &&str| arguments.get(*name).is_some_and(Value::has_secret);
        let problem = "is secret, and would be stored and sent";
        let secret = ["subject", "text"].into_iter().filter(is_secret);
        secret.map(|name| (name.to_owned(), problem.to_owned())).collect()
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        Description { subject: shown("name"), detail: shown("subject") }
    }

    fn identity(&self, arguments: &Values) -> String {
        let shown = |name| text(arguments, name).unwrap_or_default();
        format!("{} {}", shown("name"), shown("slot"))
    }

    fn asked(&self, context: &Context, arguments: &Values) -> Result<Asked, Failure> {
        let invalid = |problem: String| {
            Failure::new(Class::Invalid, format!("`report.notify` cannot do that: {problem}"))
        };
        let slot = slot(arguments).ok_or_else(|| invalid("`slot` is no moment".to_owned()))?;
        let about = About {
            scope: scope(context),
            report: format!("notify-{}", text(arguments, "name").unwrap_or_default()),
            window: Window { start: slot, end: slot },
        };
        let destinations =
            read_destinations(arguments, &context.folder).map_err(|all| invalid(all.join("; ")))?;
        let places = self.surroundings.places(context)?;
        let sending = Sending { about, slot, restate: None, destinations, places };
        Ok(Asked { rendered: rendered(arguments), sending })
    }

    fn sending<'a>(&self, asked: &'a Asked) -> &'a Sending {
        &asked.sending
    }

    async fn render(&self, _: &Context, asked: &Asked) -> Result<Rendered, Failure> {
        Ok(asked.rendered.clone())
    }
}
