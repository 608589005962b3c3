//! What the account says of a cluster: when its instances were launched, how large their own volumes are,
//! whether its version is in extended support.
//!
//! As little as possible is asked for: instances once, when they are new; the version once a day. What the
//! account does not let us read is asked for once and named in every look; whatever else fails is asked
//! for again by the next look.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use runbook_capacity::quantity::Bytes;
use runbook_clients::aws::Connection;
use runbook_clients::aws::ec2::{Filter, Volume};
use runbook_clients::{Class, Error};

/// Instances of which EC2 is asked at once.
const AT_ONCE: usize = 200;
/// How long after its launch an instance may have no volumes yet.
const ATTACHED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// The type that a price is known of.
const PRICED_TYPE: &str = "gp3";

const INSTANCES: &str = "ec2 DescribeInstances";
const VOLUMES: &str = "ec2 DescribeVolumes";
const VERSIONS: &str = "eks DescribeClusterVersions";

/// An account, and what it said so far.
pub(super) struct Account {
    connection: Connection,
    cluster: String,
    /// What may not be asked any more, and why.
    closed: BTreeMap<&'static str, String>,
    /// The day of the last answer.
    support: Option<(Date, bool)>,
    /// Instances whose volumes are known, or will not be.
    answered: BTreeSet<String>,
}

/// What is known of instances.
#[derive(Debug, Clone, Default)]
pub(super) struct Instances {
    /// When which was launched.
    pub(super) launches: BTreeMap<String, Timestamp>,
    /// The volumes that live and end with it, together; only where all of them are gp3.
    pub(super) volumes: BTreeMap<String, Bytes>,
}

impl Account {
    pub(super) fn new(connection: Connection, cluster: &str) -> Self {
        Self {
            connection,
            cluster: cluster.to_owned(),
            closed: BTreeMap::new(),
            support: None,
            answered: BTreeSet::new(),
        }
    }

    /// What could not be read for good, or only this time, goes to `missing`.
    fn failed(&mut self, what: &'static str, error: &Error, missing: &mut Vec<String>) {
        let why = format!("{what}: {error}");
        if error.class() == Class::Denied {
            self.closed.insert(what, why);
        } else {
            missing.push(why);
        }
    }

    /// Learns of instances that are there, and forgets those that are not.
    pub(super) async fn instances(
        &mut self,
        there: &BTreeSet<String>,
        known: &mut Instances,
        now: Timestamp,
        missing: &mut Vec<String>,
    ) {
        known.launches.retain(|id, _| there.contains(id));
        known.volumes.retain(|id, _| there.contains(id));
        self.answered.retain(|id| there.contains(id));
        self.launches(there, known, missing).await;
        self.volumes(there, known, now, missing).await;
        let closed = [INSTANCES, VOLUMES].iter().filter_map(|what| self.closed.get(what));
        missing.extend(closed.cloned());
    }

    async fn launches(
        &mut self,
        there: &BTreeSet<String>,
        known: &mut Instances,
        missing: &mut Vec<String>,
    ) {
        if self.closed.contains_key(INSTANCES) {
            return;
        }
        let is_new = |id: &&String| !known.launches.contains_key(*id);
        let unknown: Vec<String> = there.iter().filter(is_new).cloned().collect();
        for some in unknown.chunks(AT_ONCE) {
            let filter = Filter::any("instance-id", some);
            match self.connection.ec2().instances(&[filter]).await {
                Ok(found) => known
                    .launches
                    .extend(found.into_iter().filter_map(|one| Some((one.id, one.launched_at?)))),
                Err(error) => return self.failed(INSTANCES, &error, missing),
            }
        }
    }

    async fn volumes(
        &mut self,
        there: &BTreeSet<String>,
        known: &mut Instances,
        now: Timestamp,
        missing: &mut Vec<String>,
    ) {
        if self.closed.contains_key(VOLUMES) {
            return;
        }
        let is_new = |id: &&String| !self.answered.contains(*id);
        let unknown: Vec<String> = there.iter().filter(is_new).cloned().collect();
        for some in unknown.chunks(AT_ONCE) {
            let filter = Filter::any("attachment.instance-id", some);
            let found = match self.connection.ec2().volumes(&[filter]).await {
                Ok(found) => found,
                Err(error) => return self.failed(VOLUMES, &error, missing),
            };
            for id in some {
                let own: Vec<&Volume> =
                    found.iter().filter(|volume| volume.ends_with(id)).collect();
                let is_early = known
                    .launches
                    .get(id)
                    .is_none_or(|launched| now.duration_since(*launched) < ATTACHED_AFTER);
                if own.is_empty() && is_early {
                    continue;
                }
                self.answered.insert(id.clone());
                if own.iter().all(|volume| volume.volume_type == PRICED_TYPE) {
                    let gibibytes: i64 = own.iter().map(|volume| volume.size_gib).sum();
                    known.volumes.insert(id.clone(), Bytes(gibibytes << 30));
                }
            }
        }
    }

    /// Whether the cluster's version is in extended support; none when that is not known.
    pub(super) async fn extended_support(
        &mut self,
        now: Timestamp,
        missing: &mut Vec<String>,
    ) -> Option<bool> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if let Some((day, answer)) = self.support
            && day == today
        {
            return Some(answer);
        }
        if let Some(why) = self.closed.get(VERSIONS) {
            missing.push(why.clone());
            return None;
        }
        match self.version_status().await {
            Ok(status) => {
                let answer = status? == "EXTENDED_SUPPORT";
                self.support = Some((today, answer));
                Some(answer)
            }
            Err(error) => {
                self.failed(VERSIONS, &error, missing);
                missing.extend(self.closed.get(VERSIONS).cloned());
                None
            }
        }
    }

    /// None for a cluster that this account does not have, and of a version that EKS does not list.
    async fn version_status(&self) -> Result<Option<String>, Error> {
        let eks = self.connection.eks();
        let Some(cluster) = eks.cluster(&self.cluster).await? else { return Ok(None) };
        let versions = eks.cluster_versions().await?;
        let of_it = versions.into_iter().find(|one| one.version == cluster.version);
        Ok(of_it.map(|one| one.status))
    }
}
