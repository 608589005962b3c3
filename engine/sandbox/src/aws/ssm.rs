//! SSM: the public parameters behind `alias: al2023@…`.

use serde_json::{Value, json};

use super::paging::{Paging, page};
use super::{Answer, Call, Operation, Refusal, read};
use crate::world::{Context, ids};

pub(super) const OPERATIONS: &[Operation] = &[
    read("GetParameter", "Name", one),
    read("GetParameters", "Names", several),
    read("GetParametersByPath", "Path", by_path),
];

/// Where the images of nodes are; whatever is asked for below it is there.
const IMAGES: &str = "/aws/service/eks/optimized-ami/";
/// The one version that each parameter has here.
const VERSION: u32 = 1;
/// Parameters of one request.
const MOST_NAMES: usize = 10;
/// What a listing has below the path of a Kubernetes version.
const LISTED: [&str; 4] = [
    "amazon-linux-2023/arm64/standard/recommended/image_id",
    "amazon-linux-2023/arm64/standard/recommended/release_version",
    "amazon-linux-2023/x86_64/standard/recommended/image_id",
    "amazon-linux-2023/x86_64/standard/recommended/release_version",
];
const KUBERNETES: [&str; 4] = ["1.33", "1.34", "1.35", "1.36"];
const PAGING: Paging = Paging {
    token: "NextToken",
    limit: "MaxResults",
    most: 10,
    least: 1,
    bad_token: "InvalidNextToken",
};

fn one(call: &mut Call<'_, '_>) -> Answer {
    Ok(json!({"Parameter": parameter(call.context, call.input.required("Name")?)?}))
}

fn several(call: &mut Call<'_, '_>) -> Answer {
    let names = call.input.texts("Names");
    if names.is_empty() || names.len() > MOST_NAMES {
        return Err(Refusal::invalid(format!(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to {MOST_NAMES}"
        )));
    }
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match parameter(call.context, name) {
            Ok(parameter) => found.push(parameter),
            Err(_) => invalid.push(name),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": invalid}))
}

fn by_path(call: &mut Call<'_, '_>) -> Answer {
    let path = call.input.required("Path")?;
    if !call.input.list("ParameterFilters").is_empty() {
        return Err(Refusal::not_simulated("filters of GetParametersByPath"));
    }
    if !path.starts_with('/') {
        return Err(Refusal::invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".",
        ));
    }
    let below = format!("{}/", path.trim_end_matches('/'));
    let is_recursive = call.input.flag("Recursive") == Some(true);
    let all = KUBERNETES
        .iter()
        .flat_map(|version| LISTED.iter().map(move |name| format!("{IMAGES}{version}/{name}")));
    let wanted = all.filter(|name| {
        name.strip_prefix(&below).is_some_and(|rest| is_recursive || !rest.contains('/'))
    });
    let mut keyed = Vec::new();
    for name in wanted {
        let described = parameter(call.context, &name)?;
        keyed.push((name, described));
    }
    let (found, next) = page(PAGING, call.input, keyed)?;
    Ok(json!({"Parameters": found, "NextToken": next}))
}

/// The parameter of that name, which may say a version behind a colon.
fn parameter(context: &Context, asked: &str) -> Answer {
    let (name, selector) =
        asked.split_once(':').map_or((asked, None), |(name, selector)| (name, Some(selector)));
    if !name.starts_with(IMAGES) {
        return Err(Refusal::bad("ParameterNotFound", format!("Parameter {name} not found.")));
    }
    if let Some(selector) = selector.filter(|selector| *selector != VERSION.to_string()) {
        let why = format!(
            "Systems Manager could not find version {selector} of {name}. Verify the version and try again."
        );
        return Err(Refusal::bad("ParameterVersionNotFound", why));
    }
    let value: Value = match name.rsplit('/').next() {
        Some("release_version") => json!("20261101"),
        _ => json!(ids::ec2(context, "ami", name)),
    };
    Ok(json!({
        "Name": name, "Type": "String", "Value": value, "Version": VERSION, "DataType": "text",
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", context.region),
    }))
}
