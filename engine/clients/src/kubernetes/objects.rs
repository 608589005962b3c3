//! What is done with objects: get, list, create, apply, patch, delete, evict, and the dry runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::discovery::{Resource, path_of, resources};
use super::open::Connection;
use super::reference::{Kind, Reference};
use super::request::{self, Form, Patch, Request};
use crate::clock::after;
use crate::error::{Class, Error, Outcome, Said};
use crate::request::RequestClass;

/// How long a kind may take to be served after its definition was made.
const KIND_APPEARS_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks for it, or for an object that is going.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Where one asks what one may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of one namespace; of all when `None`.
    pub namespace: Option<String>,
    /// A label selector: `k8s-app=kube-dns,tier in (a,b)`.
    pub labels: Option<String>,
    /// A field selector: `spec.nodeName=a,status.phase!=Running`.
    pub fields: Option<String>,
}

impl Selection {
    /// All objects of a namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..Self::default() }
    }

    /// The same with a label selector.
    #[must_use]
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// The same with a field selector.
    #[must_use]
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }
}

/// Some objects of a list.
#[derive(Debug)]
pub struct Page {
    /// Whether the list begins with it; what came before, if anything, does not count.
    pub is_first: bool,
    /// The objects.
    pub objects: Vec<Value>,
}

/// What a server-side apply does with fields that another manager owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyConflicts {
    /// It is refused, naming the manager and the fields.
    #[default]
    Refuse,
    /// It takes them.
    Force,
}

/// What happens to the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// What happens to the objects that it owns.
    pub propagation: Propagation,
    /// Only if it is still that very object.
    pub uid: Option<String>,
    /// Only if nothing has changed it since.
    pub resource_version: Option<String>,
}

impl Connection {
    /// The resource of a kind; `None` when the server does not serve it (now).
    pub async fn resource(&self, kind: &Kind) -> Result<Option<Resource>, Error> {
        if let Some(known) = self.known().get(kind) {
            return Ok(Some(known));
        }
        let Some(list) = self.transport().find(&request::get_path(&path_of(kind))).await? else {
            return Ok(None);
        };
        self.known().learn(&kind.api_version, resources(&kind.api_version, &list));
        Ok(self.known().get(kind))
    }

    /// The resource of a kind that is about to be written: waits some seconds for a custom
    /// resource whose definition was just made.
    async fn resource_soon(&self, kind: &Kind) -> Result<Resource, Error> {
        let clock = self.clock();
        let until = after(clock.now(), KIND_APPEARS_WITHIN);
        loop {
            if let Some(resource) = self.resource(kind).await? {
                return Ok(resource);
            }
            if clock.now() >= until {
                let operation = request::get_path(&path_of(kind)).operation;
                let message = format!(
                    "the cluster serves no `{}` of `{}`; is its definition installed?",
                    kind.kind, kind.api_version
                );
                let said = Said {
                    code: Some("NoKindMatch".to_owned()),
                    ..Said::unsent(Class::Invalid, message)
                };
                return Err(Error::new(&operation, said));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// The object; `None` when it is not there, and when its kind is not served.
    pub async fn get(&self, object: &Reference) -> Result<Option<Value>, Error> {
        let Some(resource) = self.resource(&object.kind).await? else { return Ok(None) };
        let request = request::get(&resource, object.namespace.as_deref(), &object.name);
        let found = self.transport().find(&request).await?;
        if found.is_none() {
            // The kind may have gone with its definition; the next question finds out.
            self.known().forget(&object.kind);
        }
        Ok(found)
    }

    /// All selected objects, each with its apiVersion and kind; none when the kind is not served.
    pub async fn list(&self, kind: &Kind, selection: &Selection) -> Result<Vec<Value>, Error> {
        self.list_as(kind, selection, Form::Objects).await
    }

    /// The metadata of all selected objects. A server that cannot send metadata alone sends whole
    /// objects.
    pub async fn list_metadata(
        &self,
        kind: &Kind,
        selection: &Selection,
    ) -> Result<Vec<Value>, Error> {
        self.list_as(kind, selection, Form::Metadata).await
    }

    /// The selected objects as the server prints them for kubectl: a `Table` with
    /// `columnDefinitions` and `rows`, all pages in one; `None` when the kind is not served.
    pub async fn table(&self, kind: &Kind, selection: &Selection) -> Result<Option<Value>, Error> {
        let Some(resource) = self.resource(kind).await? else { return Ok(None) };
        let mut table: Option<Value> = None;
        let mut page: Option<String> = None;
        loop {
            let request = request::list(&resource, selection, Form::Table, page.as_deref());
            let mut answer = self.transport().read(&request).await?;
            page = continuation(&answer);
            match &mut table {
                None => table = Some(answer),
                Some(table) => {
                    if let (Some(Value::Array(rows)), Some(Value::Array(more))) =
                        (table.get_mut("rows"), answer.get_mut("rows"))
                    {
                        rows.append(more);
                    }
                }
            }
            if page.is_none() {
                return Ok(table);
            }
        }
    }

    async fn list_as(
        &self,
        kind: &Kind,
        selection: &Selection,
        form: Form,
    ) -> Result<Vec<Value>, Error> {
        let mut objects = Vec::new();
        self.pages_as(kind, selection, form, |page| {
            if page.is_first {
                objects.clear();
            }
            objects.extend(page.objects);
        })
        .await?;
        Ok(objects)
    }

    /// The selected objects page by page, so that they are never all there at once. A list that grew too
    /// old begins again, once: then a first page comes again. None of a kind that is not served.
    ///
    /// Gives the version of the list, at which a watch may begin.
    pub async fn each_page(
        &self,
        kind: &Kind,
        selection: &Selection,
        take: impl FnMut(Page),
    ) -> Result<Option<String>, Error> {
        self.pages_as(kind, selection, Form::Objects, take).await
    }

    async fn pages_as(
        &self,
        kind: &Kind,
        selection: &Selection,
        form: Form,
        mut take: impl FnMut(Page),
    ) -> Result<Option<String>, Error> {
        let Some(resource) = self.resource(kind).await? else { return Ok(None) };
        let mut page: Option<String> = None;
        let mut started_again = false;
        loop {
            let request = request::list(&resource, selection, form, page.as_deref());
            let mut answer = match self.transport().read(&request).await {
                Ok(answer) => answer,
                // The list grew too old between two pages: once from the beginning.
                Err(error) if page.is_some() && !started_again && error.status() == Some(410) => {
                    started_again = true;
                    page = None;
                    continue;
                }
                Err(error) if page.is_none() && error.is_not_found() => {
                    self.known().forget(kind);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let is_first = page.is_none();
            page = continuation(&answer);
            let items = match answer.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            let objects = items.into_iter().map(|item| named(item, kind)).collect();
            take(Page { is_first, objects });
            if page.is_none() {
                let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                return Ok(version.map(str::to_owned));
            }
        }
    }

    /// Makes an object. One of that name is a conflict.
    pub async fn create(&self, manifest: &Value) -> Outcome<Value> {
        let (object, resource) = self.target(manifest).await?;
        let namespace = Self::namespace_of(&resource, &object);
        let request =
            request::create(&resource, namespace.as_deref(), manifest, RequestClass::Write);
        self.transport().write(&request).await
    }

    /// Server-side apply: the declared fields are set and owned, fields that were declared before
    /// and are not any more are removed. The live object after it.
    pub async fn apply(&self, manifest: &Value, conflicts: ApplyConflicts) -> Outcome<Value> {
        let request = self.apply_request(manifest, conflicts, RequestClass::Write).await?;
        self.transport().write(&request).await
    }

    /// What [`Connection::apply`] would leave, without doing it. It needs the right to patch, and
    /// the namespace and the kind to be there.
    pub async fn apply_dry_run(
        &self,
        manifest: &Value,
        conflicts: ApplyConflicts,
    ) -> Result<Value, Error> {
        let request = self.apply_request(manifest, conflicts, RequestClass::DryRun).await?;
        self.transport().read(&request).await
    }

    /// JSON merge patch: `null` removes a field and does nothing where there is none.
    pub async fn merge_patch(&self, object: &Reference, patch: &Value) -> Outcome<Value> {
        let request = self.patch_request(object, Patch::Merge, patch, RequestClass::Write).await?;
        self.transport().write(&request).await
    }

    /// What [`Connection::merge_patch`] would leave, without doing it.
    pub async fn merge_patch_dry_run(
        &self,
        object: &Reference,
        patch: &Value,
    ) -> Result<Value, Error> {
        let request = self.patch_request(object, Patch::Merge, patch, RequestClass::DryRun).await?;
        self.transport().read(&request).await
    }

    /// JSON patch: a list of operations; one whose path is not there refuses them all.
    pub async fn json_patch(&self, object: &Reference, operations: &Value) -> Outcome<Value> {
        let request =
            self.patch_request(object, Patch::Json, operations, RequestClass::Write).await?;
        self.transport().write(&request).await
    }

    /// Deletes an object. Not there any more is a rejection that [`Error::is_not_found`]; an
    /// object with finalizers stays, marked, until they are done ([`Connection::wait_gone`]).
    pub async fn delete(&self, object: &Reference, deletion: &Deletion) -> Outcome<()> {
        let resource = self.resource(&object.kind).await?.ok_or_else(|| {
            let operation = request::get_path(&path_of(&object.kind)).operation;
            let message = format!("the cluster serves no `{}`", object.kind);
            Error::new(&operation, Said::unsent(Class::NotFound, message))
        })?;
        let request =
            request::delete(&resource, object.namespace.as_deref(), &object.name, deletion);
        self.transport().write(&request).await.map(drop)
    }

    /// Evicts a pod, which its disruption budgets may refuse (429, so it is asked again a while).
    pub async fn evict(&self, namespace: &str, pod: &str) -> Outcome<()> {
        self.transport().write(&request::evict(namespace, pod)).await.map(drop)
    }

    /// Waits until an object is gone; whether it is within that time.
    pub async fn wait_gone(&self, object: &Reference, within: Duration) -> Result<bool, Error> {
        let clock = self.clock();
        let until = after(clock.now(), within);
        loop {
            if self.get(object).await?.is_none() {
                return Ok(true);
            }
            if clock.now() >= until {
                return Ok(false);
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether we may do that: the verb on a resource (`deployments.apps`) in a namespace.
    pub async fn may(
        &self,
        verb: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, Error> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": verb, "group": group, "resource": plural, "namespace": namespace,
            }},
        });
        let answer = self.transport().read(&request::review(REVIEWS, &review)).await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or_default())
    }

    async fn apply_request(
        &self,
        manifest: &Value,
        conflicts: ApplyConflicts,
        class: RequestClass,
    ) -> Result<Request, Error> {
        let (object, resource) = self.target(manifest).await?;
        let namespace = Self::namespace_of(&resource, &object);
        let body = (manifest, class);
        let kind = Patch::Apply(conflicts);
        Ok(request::patch(&resource, namespace.as_deref(), &object.name, kind, body))
    }

    async fn patch_request(
        &self,
        object: &Reference,
        kind: Patch,
        body: &Value,
        class: RequestClass,
    ) -> Result<Request, Error> {
        let resource = self.resource_soon(&object.kind).await?;
        let namespace = Self::namespace_of(&resource, object);
        let body = (body, class);
        Ok(request::patch(&resource, namespace.as_deref(), &object.name, kind, body))
    }

    async fn target(&self, manifest: &Value) -> Result<(Reference, Resource), Error> {
        let object = Reference::of(manifest).map_err(|error| {
            let operation = request::get_path("/").operation;
            Error::new(&operation, Said::unsent(Class::Invalid, error.to_string()))
        })?;
        let resource = self.resource_soon(&object.kind).await?;
        Ok((object, resource))
    }

    fn namespace_of(resource: &Resource, object: &Reference) -> Option<String> {
        let namespace = object.namespace.as_deref().unwrap_or("default");
        resource.namespaced.then(|| namespace.to_owned())
    }
}

fn continuation(list: &Value) -> Option<String> {
    let token = list.pointer("/metadata/continue").and_then(Value::as_str)?;
    (!token.is_empty()).then(|| token.to_owned())
}

/// The items of a list do not say what they are.
fn named(mut item: Value, kind: &Kind) -> Value {
    if let Value::Object(fields) = &mut item
        && !fields.contains_key("kind")
    {
        fields.insert("apiVersion".to_owned(), kind.api_version.clone().into());
        fields.insert("kind".to_owned(), kind.kind.clone().into());
    }
    item
}
