//! `k8s.apply`: objects of any kind, by server-side apply as the field manager `runbook`.
//!
//! A plan needs `get` only: what is declared is compared with the live objects through their
//! managed fields, field by field, as the server understands them. Each object carries the mark
//! from its first write: a label for people, two annotations for us. They are declared fields like
//! any other, so an object that is adopted or has moved to another address shows it as a change.
//!
//! An object that is not there is one field of the change, under its own name. Namespaces and
//! definitions are written before what may stand in them, whatever their order in the file; a
//! deletion goes the other way round.

mod fields;
mod manifests;
mod readiness;

use async_trait::async_trait;
use runbook_clients::kubernetes::{
    ApplyConflicts, Connection, Deletion, FIELD_MANAGER, Propagation,
};
use runbook_clients::{FieldConflict, Outcome};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Charge, Context, Description, Intent, Module, Nature, Observation, Observed, Schema,
    Values, Verdict,
};
use runbook_core::owner::{Mark, OWNER_KEY, Ownership};
use runbook_core::value::{Type, Value};
use serde_json::Value as Json;

use self::fields::{Fields, fields};
use self::manifests::{Manifest, Marks, Secrets, is_forced, manifests, named, summary};
use self::readiness::{Readiness, readiness};
use super::failures::{self, Read as _};
use crate::arguments::{boolean, values};
use crate::charges::{self, Arguments};
use crate::schema::{anythings, argument, defaulted, output};
use crate::{connections, marks};

pub(super) struct Apply {
    schema: Schema,
}

impl Apply {
    pub(super) fn new() -> Self {
        Self {
            schema: Schema {
                name: "k8s.apply",
                summary: "Objects of any kind, by server-side apply.",
                nature: Nature::Observable,
                follows: false,
                connection: Some(ConnectionKind::Kubernetes),
                arguments: vec![
                    argument("manifest", Type::Any, "One manifest; or `manifests`."),
                    argument("manifests", anythings(), "Manifests; or `manifest`."),
                    defaulted(
                        "force",
                        Type::Boolean,
                        false,
                        "Take over fields that another manager owns.",
                    ),
                    defaulted(
                        "wait",
                        Type::Boolean,
                        true,
                        "Wait until the objects are ready, not only there.",
                    ),
                ],
                outputs: vec![
                    output(
                        "applied",
                        anythings(),
                        "The objects: kind, namespace and name of each.",
                    ),
                    output(
                        "uid",
                        Type::Nullable(Box::new(Type::String)),
                        "The UID of the first object.",
                    ),
                ],
                may: &[Action::None, Action::Wait, Action::Create, Action::Update],
                iam_actions: &[],
                kubernetes_verbs: &["get *", "patch *", "delete *"],
                bills: Some("what its pods ask for"),
            },
        }
    }
}

/// What `diff` and `apply` need of an observation.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Seen {
    marks: Marks,
    /// In the order of the manifests; null where the object is not there.
    objects: Vec<Json>,
}

impl Seen {
    fn of(observed: &Observed) -> Self {
        match observed {
            Observed::Absent => Self::default(),
            // It was written by `observe` of this program.
            Observed::Present(one) => {
                serde_json::from_value(one.private.clone()).unwrap_or_default()
            }
        }
    }

    fn object(&self, position: usize) -> Option<&Json> {
        self.objects.get(position).filter(|object| !object.is_null())
    }
}

/// The manifests among masked arguments.
fn objects(arguments: &Arguments) -> Vec<&Json> {
    let several = arguments.get("manifests").and_then(Json::as_array);
    arguments.get("manifest").into_iter().chain(several.into_iter().flatten()).collect()
}

#[async_trait]
impl Module for Apply {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, arguments: &Arguments) -> Vec<Charge> {
        charges::of_objects(objects(arguments))
    }

    fn charges_of(&self, _: &Arguments, _: &Arguments, private: &Json) -> Vec<Charge> {
        let seen: Seen = serde_json::from_value(private.clone()).unwrap_or_default();
        charges::of_objects(&seen.objects)
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        manifests::problems(arguments)
    }

    fn is_unnamed(&self, arguments: &Values) -> bool {
        manifests::are_unnamed(arguments)
    }

    fn describe(&self, arguments: &Values) -> Description {
        let detail = match named(arguments).as_slice() {
            [only] => summary(only),
            _ => String::new(),
        };
        Description { subject: manifests::subject(arguments), detail }
    }

    fn identity(&self, arguments: &Values) -> String {
        manifests::identity(arguments)
    }

    fn desired(&self, arguments: &Values) -> Values {
        named(arguments)
            .iter()
            .map(|manifest| (manifest.object.to_string(), summary(manifest).into()))
            .collect()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let manifests = manifests(arguments)?;
        let kubernetes = connections::cluster(context)?.kubernetes;
        let objects = live(&kubernetes, &manifests).await?;
        if objects.iter().all(Option::is_none) {
            return Ok(Observed::Absent);
        }
        let mark = Mark { owner: context.owner.clone(), address: context.address.clone() };
        let marks = Marks::from(&mark);
        let mut projection = Values::new();
        for (manifest, object) in manifests.iter().zip(&objects) {
            if let Some(object) = object {
                let live = Value::map(fields(manifest, &marks, object).live);
                projection.insert(manifest.object.to_string(), live);
            }
        }
        let outputs = outputs(&manifests, &objects);
        let ownership = ownership(context, &objects);
        let objects = objects.into_iter().map(Option::unwrap_or_default).collect();
        let private = serde_json::to_value(Seen { marks, objects }).unwrap_or_default();
        Ok(Observed::Present(Observation { projection, ownership, outputs, private }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let manifests = named(arguments);
        let seen = Seen::of(observed);
        let mut change = Change::none();
        for (position, manifest) in manifests.iter().enumerate() {
            match seen.object(position) {
                Some(object) => {
                    let fields = fields(manifest, &seen.marks, object);
                    change.reasons.extend(reasons(&fields, is_forced(arguments)));
                    change.fields.extend(fields.changes);
                }
                None => change.fields.push(FieldChange {
                    path: manifest.object.to_string(),
                    before: None,
                    after: Some(summary(manifest).into()),
                    forces_replace: None,
                }),
            }
        }
        change.fields.sort_by(|one, other| one.path.cmp(&other.path));
        change.action = match observed {
            Observed::Absent => Action::Create,
            Observed::Present(_) if change.fields.is_empty() => Action::None,
            Observed::Present(_) => Action::Update,
        };
        change
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let (manifests, cluster) =
            match (manifests(intent.arguments), connections::cluster(context)) {
                (Ok(manifests), Ok(cluster)) => (manifests, cluster),
                (Err(failure), _) | (_, Err(failure)) => return Applied::Rejected(failure),
            };
        let seen = Seen::of(intent.observed);
        if intent.change.action == Action::Delete {
            return delete(context, &cluster.kubernetes, &manifests, &seen).await;
        }
        let writing = Writing {
            kubernetes: &cluster.kubernetes,
            marks: Marks::from(intent.mark),
            conflicts: if is_forced(intent.arguments) {
                ApplyConflicts::Force
            } else {
                ApplyConflicts::Refuse
            },
        };
        let only_changed = intent.change.action == Action::Update;
        let mut written: Vec<String> = Vec::new();
        for (position, manifest) in in_order(&manifests) {
            let same = seen
                .object(position)
                .is_some_and(|object| fields(manifest, &writing.marks, object).changes.is_empty());
            if only_changed && same {
                continue;
            }
            match writing.write(manifest).await {
                Applied::Acknowledged(_) => written.push(manifest.object.to_string()),
                other => return after(other, &written),
            }
        }
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let manifests = manifests(arguments)?;
        let kubernetes = connections::cluster(context)?.kubernetes;
        let objects = live(&kubernetes, &manifests).await?;
        let mark = Mark { owner: context.owner.clone(), address: context.address.clone() };
        let marks = Marks::from(&mark);
        let mut waiting = Vec::new();
        for (manifest, object) in manifests.iter().zip(&objects) {
            let Some(object) = object else {
                waiting.push(format!("{} is not there", manifest.object));
                continue;
            };
            let different = fields(manifest, &marks, object).changes;
            if !different.is_empty() {
                waiting
                    .extend(different.iter().map(|one| format!("{} is not as declared", one.path)));
                continue;
            }
            if boolean(arguments, "wait") {
                match readiness(&kubernetes, &manifest.object, object).await? {
                    Readiness::Ready => {}
                    Readiness::NotYet(reason) => waiting.push(reason),
                    Readiness::Never(failure) => return Ok(Verdict::Terminal(failure)),
                }
            }
        }
        Ok(if waiting.is_empty() {
            Verdict::Converged(outputs(&manifests, &objects))
        } else {
            Verdict::NotYet(waiting.join("\n"))
        })
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        let manifests = manifests(arguments)?;
        let kubernetes = connections::cluster(context)?.kubernetes;
        let objects = live(&kubernetes, &manifests).await?;
        let left: Vec<String> = manifests
            .iter()
            .zip(&objects)
            .filter_map(|(manifest, object)| Some(still_there(manifest, object.as_ref()?)))
            .collect();
        Ok(if left.is_empty() {
            Verdict::Converged(Values::new())
        } else {
            Verdict::NotYet(left.join("\n"))
        })
    }
}

/// The live objects, in the order of the manifests.
async fn live(
    kubernetes: &Connection,
    manifests: &[Manifest],
) -> Result<Vec<Option<Json>>, Failure> {
    let mut objects = Vec::with_capacity(manifests.len());
    for manifest in manifests {
        objects.push(kubernetes.get(&manifest.object).await.read()?);
    }
    Ok(objects)
}

/// Whose all of them are: what belongs to another, or to nobody, decides.
fn ownership(context: &Context, objects: &[Option<Json>]) -> Ownership {
    let mut ours = None;
    let mut unmarked = false;
    for object in objects.iter().flatten() {
        match marks::ownership(context, &annotations(object)) {
            Ownership::Foreign { owner } => return Ownership::Foreign { owner },
            Ownership::Ours { address } => ours = ours.or(Some(address)),
            Ownership::Unmarked | Ownership::Setting => unmarked = true,
        }
    }
    match ours {
        Some(address) if !unmarked => Ownership::Ours { address },
        _ => Ownership::Unmarked,
    }
}

fn annotations(object: &Json) -> std::collections::BTreeMap<String, String> {
    object
        .pointer("/metadata/annotations")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Fields that belong to others as well: what a plain apply is refused for.
fn reasons(fields: &Fields, forced: bool) -> Vec<String> {
    fields
        .owned
        .iter()
        .map(|one| {
            let owners = one.owners.join(", ");
            if forced {
                format!("{} is taken from {owners}", one.field)
            } else {
                format!("{} belongs to {owners}; taking it needs `force: true`", one.field)
            }
        })
        .collect()
}

fn outputs(manifests: &[Manifest], objects: &[Option<Json>]) -> Values {
    let applied = manifests.iter().map(|manifest| {
        let object = &manifest.object;
        let namespace = object.namespace.as_deref().map_or(Value::Null, Value::from);
        Value::map([
            ("kind", Value::from(object.kind.kind.as_str())),
            ("namespace", namespace),
            ("name", Value::from(object.name.as_str())),
        ])
    });
    let uid = objects.first().and_then(Option::as_ref);
    let uid = uid.and_then(|object| object.pointer("/metadata/uid")).and_then(Json::as_str);
    values([("applied", Value::list(applied)), ("uid", uid.map_or(Value::Null, Value::from))])
}

/// The manifests in the order in which they are written, each with its position.
fn in_order(manifests: &[Manifest]) -> Vec<(usize, &Manifest)> {
    let rank = |manifest: &Manifest| match manifest.object.kind.kind.as_str() {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => 2,
    };
    let mut ordered: Vec<_> = manifests.iter().enumerate().collect();
    ordered.sort_by_key(|(_, manifest)| rank(manifest));
    ordered
}

struct Writing<'a> {
    kubernetes: &'a Connection,
    marks: Marks,
    conflicts: ApplyConflicts,
}

impl Writing<'_> {
    async fn write(&self, manifest: &Manifest) -> Applied {
        let body = manifest.marked(Secrets::Exposed, &self.marks);
        let mut outcome = self.kubernetes.apply(&body, self.conflicts).await;
        // Fields that we wrote by a patch are under our name as well, by another operation: to the
        // server that is another manager, to us it is none to ask.
        if conflicts(&outcome).is_some_and(|all| all.iter().all(is_with_ourselves)) {
            outcome = self.kubernetes.apply(&body, ApplyConflicts::Force).await;
        }
        let owned: Vec<String> = conflicts(&outcome)
            .unwrap_or_default()
            .iter()
            .map(|one| format!("{} belongs to {}", one.field, one.manager))
            .collect();
        match failures::applied(outcome.map(|_| Values::new())) {
            Applied::Rejected(failure) if !owned.is_empty() => {
                let message = format!("{} is not applied: {}", manifest.object, owned.join(", "));
                Applied::Rejected(Failure { message, class: Class::Conflict, ..failure })
            }
            other => other,
        }
    }
}

/// The conflicts for which an apply was refused.
fn conflicts(outcome: &Outcome<Json>) -> Option<&[FieldConflict]> {
    let conflicts = outcome.as_ref().err()?.error().field_conflicts();
    (!conflicts.is_empty()).then_some(conflicts)
}

fn is_with_ourselves(conflict: &FieldConflict) -> bool {
    conflict.manager.starts_with(&format!("\"{FIELD_MANAGER}\""))
}

/// The same, with what was written before it.
fn after(applied: Applied, written: &[String]) -> Applied {
    let told = |mut failure: Failure| {
        if !written.is_empty() {
            failure.evidence.push(format!("applied before it: {}", written.join(", ")));
        }
        failure
    };
    match applied {
        Applied::Rejected(failure) => Applied::Rejected(told(failure)),
        Applied::Ambiguous(failure) => Applied::Ambiguous(told(failure)),
        acknowledged @ Applied::Acknowledged(_) => acknowledged,
    }
}

/// Deletes what is ours, the last one first; each only if it is still the very object.
async fn delete(
    context: &Context,
    kubernetes: &Connection,
    manifests: &[Manifest],
    seen: &Seen,
) -> Applied {
    for (position, manifest) in in_order(manifests).into_iter().rev() {
        let Some(object) = seen.object(position) else { continue };
        if annotations(object).get(OWNER_KEY) != Some(&context.owner.0) {
            continue;
        }
        let deletion = Deletion {
            propagation: Propagation::Foreground,
            uid: object.pointer("/metadata/uid").and_then(Json::as_str).map(str::to_owned),
            resource_version: None,
        };
        match kubernetes.delete(&manifest.object, &deletion).await {
            Ok(()) => {}
            Err(undone) if undone.error().is_not_found() => {}
            Err(undone) => return failures::undone(&undone),
        }
    }
    Applied::Acknowledged(Values::new())
}

fn still_there(manifest: &Manifest, object: &Json) -> String {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Json::as_array);
    let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Json::as_str).collect();
    if finalizers.is_empty() {
        format!("{} is still there", manifest.object)
    } else {
        format!("{} is still there, held by {}", manifest.object, finalizers.join(", "))
    }
}
