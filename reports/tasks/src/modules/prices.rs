//! `report.prices`: the prices of a region, asked of the Price List and kept, as `runbook prices refresh`
//! does, once per slot.
//!
//! A plan asks nobody: a list that was asked for on the slot's day or later is the one that was wanted.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runbook_capacity::prices::PriceList;
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};
use runbook_showback::prices::refreshed;

use super::schema::{argument, check, slot, slot_argument, text, volatile};
use crate::surroundings::{Surroundings, aws};

/// See the module documentation.
pub(super) struct Prices {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

impl Prices {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let schema = Schema {
            name: "report.prices",
            summary: "Asks the Price List for the prices of a region and keeps them for all reports.",
            nature: Nature::Observable,
            follows: false,
            connection: Some(Kind::Aws),
            arguments: vec![
                slot_argument(),
                argument("region", Type::String, "The region; without it that of the connection."),
            ],
            outputs: vec![
                volatile("fetched", Type::String, "The day on which the list was asked for."),
                volatile("prices", Type::Integer, "How many prices it has."),
            ],
            may: &[Action::Create, Action::Update],
            iam_actions: &["pricing:GetProducts"],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, surroundings }
    }

    fn list(&self, context: &Context, arguments: &Values) -> Result<Option<PriceList>, Failure> {
        self.surroundings.price_list(context, &region(context, arguments)?)
    }

    async fn refresh(&self, context: &Context, arguments: &Values) -> Result<(), Failure> {
        let region = region(context, arguments)?;
        // A list that cannot be read is not replaced unseen.
        let old = self.surroundings.price_list(context, &region)?;
        let client = aws(context)?.pricing();
        let source = self.surroundings.price_source(context, client.endpoint())?;
        let today = day(context.clock.now());
        let refreshed = refreshed(&client, &region, source, today, old).await.map_err(|error| {
            let denied = error.is_denied();
            let class = if denied { Class::Denied } else { Class::Unavailable };
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |it| format!(": {it}"));
            let failure = Failure::new(class, format!("{error}{cause}"));
            if denied {
                return failure.hint("the caller must be allowed `pricing:GetProducts`");
            }
            failure.hint("the prices that were known stay")
        })?;
        self.surroundings.keep_prices(context, &refreshed.list)
    }
}

fn region(context: &Context, arguments: &Values) -> Result<String, Failure> {
    let connection = context.connection.as_ref().and_then(|one| one.identity.get("region"));
    let named = text(arguments, "region").map(str::to_owned).or_else(|| connection.cloned());
    named.ok_or_else(|| {
        Failure::new(Class::Invalid, "which region's prices?").hint("`region: ap-northeast-2`")
    })
}

fn day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// Whether a list is of the slot's day or later.
fn is_wanted(list: &PriceList, arguments: &Values) -> bool {
    slot(arguments).is_some_and(|slot| list.fetched >= day(slot))
}

fn outputs(list: &PriceList) -> Values {
    let count = list.on_demand.len() + list.services.len();
    [
        ("fetched".to_owned(), Value::from(list.fetched.to_string())),
        ("prices".to_owned(), Value::from(i64::try_from(count).unwrap_or(i64::MAX))),
    ]
    .into()
}

#[async_trait]
impl Module for Prices {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        check(arguments)
    }

    fn describe(&self, arguments: &Values) -> Description {
        let region = text(arguments, "region").unwrap_or("the connection's region");
        Description { subject: "prices".to_owned(), detail: format!("of {region}, asked once") }
    }

    fn identity(&self, arguments: &Values) -> String {
        let shown = |name| text(arguments, name).unwrap_or_default();
        format!("prices {} {}", shown("region"), shown("slot"))
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let Some(list) = self.list(context, arguments)? else { return Ok(Observed::Absent) };
        let fetched = Value::from(list.fetched.to_string());
        let is_wanted = is_wanted(&list, arguments);
        Ok(Observed::Present(Observation {
            projection: [
                ("fetched".to_owned(), fetched),
                ("wanted".to_owned(), Value::from(is_wanted)),
            ]
            .into(),
            ownership: Ownership::Setting,
            outputs: outputs(&list),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        let (action, before) = match observed {
            Observed::Present(seen)
                if seen.projection.get("wanted") == Some(&Value::from(true)) =>
            {
                return Change::none();
            }
            Observed::Present(seen) => (Action::Update, seen.projection.get("fetched").cloned()),
            Observed::Absent => (Action::Create, None),
        };
        let list = FieldChange {
            path: "list".to_owned(),
            before,
            after: Some(Value::from("asked of the Price List")),
            forces_replace: None,
        };
        Change { action, fields: vec![list], reasons: Vec::new() }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        match self.refresh(context, intent.arguments).await {
            Ok(()) => Applied::Acknowledged(Values::new()),
            // A list is replaced as a whole, or the one before stays.
            Err(failure) => Applied::Rejected(failure),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        Ok(match self.list(context, arguments)? {
            Some(list) if is_wanted(&list, arguments) => Verdict::Converged(outputs(&list)),
            _ => Verdict::Terminal(Failure::new(
                Class::NotFound,
                "the list of the slot's day is not among the price lists",
            )),
        })
    }
}
