//! SSM: the public parameters behind `alias: al2023@…`.

use serde_json::json;

use super::{Answer, Call, Operation, Refusal, read};
use crate::world::ids;

pub(super) const OPERATIONS: &[Operation] = &[read("GetParameter", "Name", get_parameter)];

/// The one version that each parameter has here.
const VERSION: u32 = 1;

fn get_parameter(call: &mut Call<'_, '_>) -> Answer {
    let asked = call.input.required("Name")?;
    let (name, selector) = asked.split_once(':').map_or((asked, None), |(name, selector)| {
        (name, Some(selector))
    });
    if !name.starts_with("/aws/service/eks/optimized-ami/") {
        return Err(Refusal::bad("ParameterNotFound", format!("Parameter {name} not found.")));
    }
    if selector.is_some_and(|selector| selector != VERSION.to_string()) {
        let why = format!(
            "Systems Manager could not find version {} of {name}. Verify the version and try again.",
            selector.unwrap_or_default()
        );
        return Err(Refusal::bad("ParameterVersionNotFound", why));
    }
    let image = ids::ec2(call.context, "ami", name);
    let arn = format!("arn:aws:ssm:{}::parameter{name}", call.context.region);
    Ok(json!({"Parameter": {
        "Name": name, "Type": "String", "Value": image, "Version": VERSION, "ARN": arn, "DataType": "text",
    }}))
}
