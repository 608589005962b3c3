//! The root volumes of instances: nothing of them is stored, each follows from its instance.

use serde_json::{Value, json};

use super::INSTANCES;
use crate::billing::meter;
use crate::store::Transaction;
use crate::world::{Context, ids};

/// The volumes of all instances that are there, by id, in its order.
pub(super) fn attached(context: &Context, transaction: &Transaction<'_>) -> Vec<(String, Value)> {
    let instances = transaction.list(INSTANCES).into_iter();
    let mut volumes: Vec<(String, Value)> = instances
        .filter(|(_, instance)| instance["instanceState"]["name"] != "terminated")
        .map(|(instance, document)| {
            let id = ids::ec2(context, "vol", &instance);
            let volume = json!({
                "volumeId": id, "size": meter::root_volume_gib(transaction, &document["tags"]),
                "volumeType": "gp3", "iops": 3000, "throughput": 125, "status": "in-use", "snapshotId": "",
                "encrypted": true, "multiAttachEnabled": false, "createTime": document["launchTime"],
                "availabilityZone": document["placement"]["availabilityZone"], "tags": document["tags"],
                "attachmentSet": [{
                    "volumeId": id, "instanceId": &*instance, "device": "/dev/xvda", "status": "attached",
                    "attachTime": document["launchTime"], "deleteOnTermination": true,
                }],
            });
            (id, volume)
        })
        .collect();
    volumes.sort_by(|(one, _), (other, _)| one.cmp(other));
    volumes
}
