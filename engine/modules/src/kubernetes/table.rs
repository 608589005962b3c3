//! `k8s.table`: objects in a table, as `kubectl get` prints them.
//!
//! The server makes the cells; what is done here is kubectl's part: the namespace before all other
//! columns when objects of all namespaces are listed, columns of lower priority only when asked,
//! `<none>` where there is nothing.

use async_trait::async_trait;
use runbook_clients::kubernetes::Selection;
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};
use serde_json::Value as Json;

use super::failures::Read as _;
use super::named::{kind, kind_defaulting_to, namespace_argument, no_change, nothing_to_compare};
use crate::arguments::{boolean, optional_text, text_list, values};
use crate::connections;
use crate::schema::{argument, defaulted, output, texts};

pub(super) struct Table {
    schema: Schema,
}

impl Table {
    pub(super) fn new() -> Self {
        let mut arguments = kind_defaulting_to("v1", "Pod").to_vec();
        arguments.push(namespace_argument("One namespace; all of them when it is left out."));
        arguments.push(argument("selector", Type::String, "Only objects with these labels."));
        arguments.push(defaulted(
            "wide",
            Type::Boolean,
            false,
            "All columns, as `kubectl get -o wide` has them.",
        ));
        Self {
            schema: Schema {
                name: "k8s.table",
                summary: "Objects in a table, as `kubectl get` prints them.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments,
                outputs: vec![
                    output("columns", texts(), "The names of the columns."),
                    output("rows", Type::List(Box::new(texts())), "The cells of each row."),
                ],
                may: &[Action::None],
                iam_actions: &[],
                kubernetes_verbs: &["list *"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for Table {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let kind = kind(arguments).kind;
        let subject = match optional_text(arguments, "namespace") {
            Some(namespace) => format!("{kind} in {namespace}"),
            None => format!("{kind} in all namespaces"),
        };
        Description { subject, detail: String::new() }
    }

    async fn observe(&self, _: &Context, _: &Values) -> Result<Observed, Failure> {
        Ok(nothing_to_compare())
    }

    fn diff(&self, _: &Values, _: &Observed) -> Change {
        no_change()
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let kubernetes = connections::cluster(context)?.kubernetes;
        let kind = kind(arguments);
        let not_served = || {
            Failure::new(Class::NotFound, format!("the cluster serves no `{kind}`"))
                .hint("check `api_version` and `kind`; a custom resource needs its definition")
        };
        let resource = kubernetes.resource(&kind).await.read()?.ok_or_else(not_served)?;
        let selection = Selection {
            namespace: optional_text(arguments, "namespace").map(str::to_owned),
            labels: optional_text(arguments, "selector").map(str::to_owned),
            fields: None,
        };
        let all = resource.namespaced && selection.namespace.is_none();
        let table = kubernetes.table(&kind, &selection).await.read()?.ok_or_else(not_served)?;
        let (columns, rows) = printed(&table, all, boolean(arguments, "wide"));
        let rows = rows.into_iter().map(text_list);
        Ok(Verdict::Converged(values([
            ("columns", text_list(columns)),
            ("rows", Value::list(rows)),
        ])))
    }
}

/// The columns and rows of a server's table.
fn printed(table: &Json, with_namespace: bool, wide: bool) -> (Vec<String>, Vec<Vec<String>>) {
    let array = |value: &Json, name: &str| {
        value.get(name).and_then(Json::as_array).cloned().unwrap_or_default()
    };
    let definitions = array(table, "columnDefinitions");
    let shown: Vec<usize> = definitions
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            wide || column.get("priority").and_then(Json::as_i64).unwrap_or_default() == 0
        })
        .map(|(position, _)| position)
        .collect();
    let name = |position: &usize| {
        let name = definitions.get(*position).and_then(|column| column.get("name"));
        name.and_then(Json::as_str).unwrap_or_default().to_uppercase()
    };
    let mut columns: Vec<String> = shown.iter().map(name).collect();
    if with_namespace {
        columns.insert(0, "NAMESPACE".to_owned());
    }
    let rows = array(table, "rows")
        .iter()
        .map(|row| {
            let cells = array(row, "cells");
            let mut printed: Vec<String> =
                shown.iter().map(|position| cell(cells.get(*position))).collect();
            if with_namespace {
                printed.insert(0, cell(row.pointer("/object/metadata/namespace")));
            }
            printed
        })
        .collect();
    (columns, rows)
}

fn cell(cell: Option<&Json>) -> String {
    match cell {
        None | Some(Json::Null) => "<none>".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
