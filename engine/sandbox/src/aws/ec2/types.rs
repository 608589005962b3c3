//! Instance types and where they are offered: the catalogue inside this program, in EC2's shape.

use runbook_capacity::catalogue::{Architecture, InstanceType, catalogue};
use runbook_capacity::region::Region;
use serde_json::{Value, json};

use super::{filters, wildcard};
use crate::aws::paging::{Paging, page};
use crate::aws::{Answer, Input, Refusal};
use crate::world::Context;

/// What is offered in the sandbox's region; a region without a catalogue offers nothing.
fn offered(context: &Context) -> impl Iterator<Item = (&'static InstanceType, Region)> {
    let region = context.region.parse::<Region>().ok();
    region.into_iter().flat_map(|region| {
        let types = catalogue().iter().filter(move |one| one.zone_count(region) > 0);
        types.map(move |one| (one, region))
    })
}

pub(super) fn describe(context: &Context, input: &Input) -> Answer {
    let asked = input.texts("InstanceType");
    let unknown = |name: &&&str| !offered(context).any(|(one, _)| one.name == ***name);
    if let Some(name) = asked.iter().find(unknown) {
        let why = format!("The following supplied instance types do not exist: [{name}]");
        return Err(Refusal::bad("InvalidInstanceType", why));
    }
    let filters = filters(input);
    let mut found = Vec::new();
    for (one, _) in offered(context) {
        let described = outside(one);
        let is_asked = asked.is_empty() || asked.contains(&one.name.as_str());
        if is_asked && takes(&filters, |name| of_type(one, name))? {
            found.push((one.name.clone(), described));
        }
    }
    answer(input, "instanceTypeSet", found, 100)
}

pub(super) fn offerings(context: &Context, input: &Input) -> Answer {
    let kind = input.text("LocationType").unwrap_or("region");
    let filters = filters(input);
    let mut found = Vec::new();
    for (one, region) in offered(context) {
        let places = match kind {
            "region" => vec![region.name()],
            "availability-zone" => one.zones(region).collect(),
            other => {
                let why = format!("The location type '{other}' is not simulated by the sandbox");
                return Err(Refusal::bad("InvalidParameterValue", why));
            }
        };
        for place in places {
            let value = |name: &str| match name {
                "instance-type" => Some(vec![one.name.clone()]),
                "location" => Some(vec![place.to_owned()]),
                _ => None,
            };
            if takes(&filters, value)? {
                let offering =
                    json!({"instanceType": one.name, "locationType": kind, "location": place});
                found.push((format!("{} {place}", one.name), offering));
            }
        }
    }
    answer(input, "instanceTypeOfferingSet", found, 1000)
}

fn answer(input: &Input, set: &str, mut found: Vec<(String, Value)>, most: usize) -> Answer {
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (items, next) = page(Paging { most, ..super::PAGING }, input, found)?;
    let mut answer = json!({"nextToken": next});
    answer[set] = items.into();
    Ok(answer)
}

/// Whether all filters take what has these values; a filter without values is none.
fn takes(
    filters: &[(String, Vec<String>)],
    values: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<bool, Refusal> {
    let mut is_taken = true;
    for (name, wanted) in filters {
        let values = values(name).ok_or_else(|| {
            let why = format!("The filter '{name}' is not simulated by the sandbox");
            Refusal::bad("InvalidParameterValue", why)
        })?;
        is_taken &=
            values.iter().any(|value| wanted.iter().any(|pattern| wildcard(pattern, value)));
    }
    Ok(is_taken)
}

/// What a type can be filtered by.
fn of_type(one: &InstanceType, filter: &str) -> Option<Vec<String>> {
    let value = match filter {
        "instance-type" => one.name.clone(),
        "current-generation" => one.current_generation.to_string(),
        "bare-metal" => one.bare_metal.to_string(),
        "burstable-performance-supported" => one.burstable.to_string(),
        "hypervisor" => one.hypervisor.clone(),
        "processor-info.supported-architecture" => architecture(one).to_owned(),
        "vcpu-info.default-vcpus" => one.vcpus.to_string(),
        "memory-info.size-in-mib" => one.memory.in_mebibytes_down().to_string(),
        "supported-usage-class" => {
            return Some(usage_classes(one).iter().map(|class| (*class).to_owned()).collect());
        }
        _ => return None,
    };
    Some(vec![value])
}

const fn usage_classes(one: &InstanceType) -> &'static [&'static str] {
    if one.spot { &["on-demand", "spot"] } else { &["on-demand"] }
}

const fn architecture(one: &InstanceType) -> &'static str {
    match one.architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "arm64",
        Architecture::Arm64Mac => "arm64_mac",
        Architecture::X86Mac => "x86_64_mac",
    }
}

/// A type as EC2 describes it, as far as the catalogue knows it.
fn outside(one: &InstanceType) -> Value {
    let hypervisor = Some(&one.hypervisor).filter(|text| !text.is_empty());
    let storage = (one.local_nvme_gb > 0)
        .then(|| json!({"totalSizeInGB": one.local_nvme_gb, "nvmeSupport": "required"}));
    let gpus = (one.gpus > 0).then(|| {
        let gpu = json!({
            "name": one.gpu_name, "manufacturer": one.gpu_manufacturer, "count": one.gpus,
            "memoryInfo": {"sizeInMiB": one.gpu_memory_mib},
        });
        json!({"gpus": [gpu]})
    });
    json!({
        "instanceType": one.name, "currentGeneration": one.current_generation, "bareMetal": one.bare_metal,
        "supportedUsageClasses": usage_classes(one), "hypervisor": hypervisor,
        "processorInfo": {"supportedArchitectures": [architecture(one)], "manufacturer": one.cpu_manufacturer},
        "vCpuInfo": {"defaultVCpus": one.vcpus}, "memoryInfo": {"sizeInMiB": one.memory.in_mebibytes_down()},
        "instanceStorageSupported": storage.is_some(), "instanceStorageInfo": storage, "gpuInfo": gpus,
        "networkInfo": {"maximumNetworkInterfaces": one.enis},
        "burstablePerformanceSupported": one.burstable,
    })
}
