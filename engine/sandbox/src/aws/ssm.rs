//! SSM: the public parameters behind `alias: al2023@…`.

use serde_json::{Value, json};

use super::{AwsError, Input};
use crate::world::{Context, ids};

pub(super) fn call(context: &Context, name: &str, input: &Input) -> Result<Value, AwsError> {
    if name != "GetParameter" {
        return Err(AwsError::unknown_operation("ssm", name));
    }
    let parameter = input.string("Name").unwrap_or_default();
    if !parameter.starts_with("/aws/service/eks/optimized-ami/") {
        return Err(AwsError::bad("ParameterNotFound", ""));
    }
    let image = ids::ec2(context, "ami", parameter);
    Ok(json!({"Parameter": {"Name": parameter, "Type": "String", "Value": image, "Version": 1}}))
}
