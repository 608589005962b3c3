//! SSM: the public parameters behind `alias: al2023@…`.

use serde_json::json;

use super::{Answer, Call, Operation, Refusal, read};
use crate::world::ids;

pub(super) const OPERATIONS: &[Operation] = &[read("GetParameter", "Name", get_parameter)];

fn get_parameter(call: &mut Call<'_, '_>) -> Answer {
    let parameter = call.input.required("Name")?;
    if !parameter.starts_with("/aws/service/eks/optimized-ami/") {
        return Err(Refusal::bad("ParameterNotFound", ""));
    }
    let image = ids::ec2(call.context, "ami", parameter);
    Ok(json!({"Parameter": {"Name": parameter, "Type": "String", "Value": image, "Version": 1}}))
}
