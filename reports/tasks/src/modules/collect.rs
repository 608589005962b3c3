//! `report.collect`: one look at a cluster, appended to the samples, once per slot.
//!
//! A look that was taken at the slot or later is the one that was asked for: a run that is taken up again
//! does not look twice.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value, duration};
use runbook_showback::collect::{Annotations, CollectError, Looker};
use runbook_showback::observed::{Source, Window};
use runbook_showback::samples::{KEPT_DAYS, Store, StoreError};

use super::schema::{check, defaulted, output, slot, slot_argument, text, volatile};
use super::showback::store_failure;
use crate::surroundings::{Surroundings, observer};

/// See the module documentation.
pub(super) struct Collect {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

/// The newest look at or after a slot.
struct Newest {
    at: Timestamp,
    nodes: usize,
    pods: usize,
}

impl Collect {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let schema = Schema {
            name: "report.collect",
            summary: "Looks at a cluster once and appends what it saw to the samples.",
            nature: Nature::Observable,
            follows: false,
            connection: Some(Kind::Kubernetes),
            arguments: vec![
                slot_argument(),
                defaulted(
                    "every",
                    Type::Duration,
                    Value::from("0s"),
                    "When the next look is due: later than two and a half times that is a hole. 0s says that none is.",
                ),
            ],
            outputs: vec![
                volatile("at", Type::String, "The moment of the look."),
                volatile("nodes", Type::Integer, "Nodes that it saw."),
                volatile("pods", Type::Integer, "Pods that it saw."),
                output("cluster", Type::String, "The cluster: account, region and name."),
            ],
            may: &[Action::Create],
            iam_actions: &[
                "ec2:DescribeInstances",
                "ec2:DescribeVolumes",
                "eks:DescribeCluster",
                "eks:DescribeClusterVersions",
            ],
            kubernetes_verbs: &[
                "list namespaces",
                "list nodes",
                "list pods",
                "list nodeclaims.karpenter.sh",
            ],
            bills: None,
        };
        Self { schema, surroundings }
    }

    fn store(&self, context: &Context) -> Result<Store, Failure> {
        Store::open(self.surroundings.places(context)?.samples)
            .map_err(|error| store_failure(&error))
    }

    fn newest(&self, context: &Context, arguments: &Values) -> Result<Option<Newest>, Failure> {
        let slot =
            slot(arguments).ok_or_else(|| Failure::new(Class::Invalid, "`slot` is no moment"))?;
        let cluster = self.surroundings.cluster(context)?.id.to_string();
        // World time, and the moment of a look, are whole seconds in a store.
        let end = context.clock.now().max(slot) + SignedDuration::from_secs(1);
        let start = Timestamp::from_second(slot.as_second()).unwrap_or(slot);
        let seen = self.store(context)?.observed(Some(&[cluster]), Window { start, end });
        let seen = match seen {
            Ok(seen) => seen,
            Err(StoreError::Empty { .. } | StoreError::UnknownCluster { .. }) => return Ok(None),
            Err(error) => return Err(store_failure(&error)),
        };
        let looks: u64 = seen.clusters.iter().map(|cluster| cluster.looks).sum();
        if looks == 0 {
            return Ok(None);
        }
        let at = seen
            .pods
            .iter()
            .map(|pod| pod.seen.end)
            .chain(seen.nodes.iter().map(|node| node.seen.end))
            .max();
        let at = at
            .or_else(|| seen.clusters.iter().flat_map(|one| &one.covered).map(|one| one.end).max());
        let at = at.unwrap_or(end);
        let nodes = seen.nodes.iter().filter(|node| node.seen.end == at).count();
        let pods = seen.pods.iter().filter(|pod| pod.seen.end == at).count();
        Ok(Some(Newest { at, nodes, pods }))
    }

    async fn look(&self, context: &Context, arguments: &Values) -> Result<(), Failure> {
        let cluster = self.surroundings.cluster(context)?;
        let kubernetes = cluster.kubernetes.observed_by(observer(context));
        let aws = cluster.aws.map(|aws| aws.observed_by(observer(context)));
        let store = self.store(context)?;
        // Before looking: a second writer is told before anything is asked.
        let mut writer =
            store.writer(&cluster.id, KEPT_DAYS).map_err(|error| store_failure(&error))?;
        let every = text(arguments, "every").and_then(duration).unwrap_or_default();
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        let mut looker = Looker::new(kubernetes, cluster.id, aws, Annotations::default());
        let look =
            looker.look(Source::Poll, every).await.map_err(|error| collect_failure(&error))?;
        writer.append(&look).map_err(|error| store_failure(&error)).map(drop)
    }
}

fn collect_failure(error: &CollectError) -> Failure {
    let class = if error.source.is_denied() { Class::Denied } else { Class::Unavailable };
    Failure::new(class, format!("{error}: {}", error.source))
}

fn outputs(newest: &Newest, cluster: String) -> Values {
    let count = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    [
        ("at".to_owned(), Value::from(newest.at.to_string())),
        ("nodes".to_owned(), count(newest.nodes)),
        ("pods".to_owned(), count(newest.pods)),
        ("cluster".to_owned(), Value::from(cluster)),
    ]
    .into()
}

#[async_trait]
impl Module for Collect {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        check(arguments)
    }

    fn describe(&self, arguments: &Values) -> Description {
        let slot = arguments.get("slot").map(ToString::to_string).unwrap_or_default();
        Description { subject: "samples".to_owned(), detail: format!("one look, for {slot}") }
    }

    fn identity(&self, arguments: &Values) -> String {
        format!("look at {}", text(arguments, "slot").unwrap_or_default())
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let Some(newest) = self.newest(context, arguments)? else { return Ok(Observed::Absent) };
        let cluster = self.surroundings.cluster(context)?.id.to_string();
        Ok(Observed::Present(Observation {
            projection: [("taken".to_owned(), Value::from(true))].into(),
            ownership: Ownership::Setting,
            outputs: outputs(&newest, cluster),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        if matches!(observed, Observed::Present(_)) {
            return Change::none();
        }
        let look = FieldChange {
            path: "look".to_owned(),
            before: None,
            after: Some(Value::from("appended to the samples")),
            forces_replace: None,
        };
        Change { action: Action::Create, fields: vec![look], reasons: Vec::new() }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        match self.look(context, intent.arguments).await {
            Ok(()) => Applied::Acknowledged(Values::new()),
            // A look is on the disk as a whole, or nothing of it counts.
            Err(failure) => Applied::Rejected(failure),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let cluster = self.surroundings.cluster(context)?.id.to_string();
        Ok(match self.newest(context, arguments)? {
            Some(newest) => Verdict::Converged(outputs(&newest, cluster)),
            None => Verdict::Terminal(Failure::new(
                Class::NotFound,
                format!("the look at {cluster} is not among the samples"),
            )),
        })
    }
}
