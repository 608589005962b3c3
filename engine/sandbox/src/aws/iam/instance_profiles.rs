//! Instance profiles: what a machine is given a role by. One holds one role at most.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    INSTANCE_PROFILES, ROLES, Role, add_tags, check_name, exists, limit, missing, page, roles,
    tag_list, time,
};
use crate::aws::tags::{self, Tags};
use crate::aws::{Answer, Input, Refusal};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// An instance profile.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct InstanceProfile {
    arn: String,
    path: String,
    id: String,
    created: Timestamp,
    role: Option<String>,
    tags: Tags,
}

pub(super) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Option<Answer> {
    Some(match name {
        "CreateInstanceProfile" => create(context, transaction, input),
        "ListInstanceProfiles" => {
            let prefix = input.text("PathPrefix").unwrap_or("/").to_owned();
            list(transaction, input, |profile| profile.path.starts_with(&prefix))
        }
        "ListInstanceProfilesForRole" => of_role(transaction, input),
        "GetInstanceProfile"
        | "AddRoleToInstanceProfile"
        | "RemoveRoleFromInstanceProfile"
        | "DeleteInstanceProfile"
        | "TagInstanceProfile"
        | "UntagInstanceProfile"
        | "ListInstanceProfileTags" => on_profile(transaction, name, input),
        _ => return None,
    })
}

/// Whether a role is in a profile: then it stays.
pub(super) fn hold(transaction: &Transaction<'_>, role: &str) -> bool {
    let all = transaction.list_as::<InstanceProfile>(INSTANCE_PROFILES);
    all.iter().any(|(_, profile)| profile.role.as_deref() == Some(role))
}

fn describe(transaction: &Transaction<'_>, name: &str, profile: &InstanceProfile) -> Value {
    let role = profile.role.as_ref().and_then(|name| {
        let role: Role = transaction.get_as(ROLES, name)?;
        Some(roles::listed(name, &role))
    });
    json!({
        "Path": profile.path, "InstanceProfileName": name, "InstanceProfileId": profile.id, "Arn": profile.arn,
        "CreateDate": time(profile.created), "Roles": role.into_iter().collect::<Vec<_>>(), "Tags": tags::to_list(&profile.tags),
    })
}

/// As a listing has them: without tags.
fn list(
    transaction: &Transaction<'_>,
    input: &Input,
    is_wanted: impl Fn(&InstanceProfile) -> bool,
) -> Answer {
    let all = transaction.list_as::<InstanceProfile>(INSTANCE_PROFILES).into_iter();
    let listed = all.filter(|(_, profile)| is_wanted(profile)).map(|(name, profile)| {
        let mut described = describe(transaction, &name, &profile);
        if let Some(entries) = described.as_object_mut() {
            entries.remove("Tags");
        }
        described
    });
    page(input, "InstanceProfiles", listed.collect())
}

fn of_role(transaction: &Transaction<'_>, input: &Input) -> Answer {
    let role = input.required("RoleName")?;
    roles::find(transaction, role)?;
    list(transaction, input, |profile| profile.role.as_deref() == Some(role))
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = input.required("InstanceProfileName")?;
    check_name(name, "instanceProfileName", 128)?;
    if transaction.get(INSTANCE_PROFILES, name).is_some() {
        return Err(exists(format!("Instance Profile {name} already exists.")));
    }
    let path = input.text("Path").unwrap_or("/").to_owned();
    let profile = InstanceProfile {
        arn: format!("arn:aws:iam::{}:instance-profile{path}{name}", context.account),
        path,
        id: ids::iam(context, "AIPA", name),
        created: transaction.now(),
        role: None,
        tags: tag_list(input)?,
    };
    transaction.put_as(INSTANCE_PROFILES, name, &profile);
    Ok(json!({"InstanceProfile": describe(transaction, name, &profile)}))
}

fn on_profile(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let name = input.required("InstanceProfileName")?.to_owned();
    let mut profile: InstanceProfile = transaction
        .get_as(INSTANCE_PROFILES, &name)
        .ok_or_else(|| missing(&format!("Instance Profile {name} cannot be found.")))?;
    match operation {
        "GetInstanceProfile" => {
            return Ok(json!({"InstanceProfile": describe(transaction, &name, &profile)}));
        }
        "ListInstanceProfileTags" => return page(input, "Tags", tags::to_list(&profile.tags)),
        "AddRoleToInstanceProfile" => {
            let role = changeable_role(transaction, input)?;
            if profile.role.is_some() {
                return Err(limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
            }
            profile.role = Some(role);
        }
        "RemoveRoleFromInstanceProfile" => {
            let role = changeable_role(transaction, input)?;
            if profile.role.as_ref() != Some(&role) {
                return Err(missing(&format!(
                    "Role with name {role} cannot be found in instance profile {name}."
                )));
            }
            profile.role = None;
        }
        "TagInstanceProfile" => add_tags(&mut profile.tags, input)?,
        "UntagInstanceProfile" => {
            input.texts("TagKeys").iter().for_each(|key| drop(profile.tags.remove(*key)));
        }
        _ => {
            if profile.role.is_some() {
                return Err(Refusal::new(
                    409,
                    "DeleteConflict",
                    "Cannot delete entity, must remove roles from instance profile first.",
                ));
            }
            transaction.delete(INSTANCE_PROFILES, &name);
            return Ok(json!({}));
        }
    }
    transaction.put_as(INSTANCE_PROFILES, &name, &profile);
    Ok(json!({}))
}

/// The role that goes in or out; a service's own does neither.
fn changeable_role(transaction: &Transaction<'_>, input: &Input) -> Result<String, Refusal> {
    let name = input.required("RoleName")?;
    let role = roles::find(transaction, name)?;
    if roles::is_of_service(&role) {
        return Err(roles::protected(name));
    }
    Ok(name.to_owned())
}
