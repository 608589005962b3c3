//! Against a scripted API server.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::scripted::{Answer, Peer, StillClock, Tries};
use crate::{Access, Class, Clock, Observer, Undone, aws};

/// Base64 of PEM of a certificate that signs nothing here.
const AUTHORITY: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlakNDQVNHZ0F3SUJBZ0lVQWhSNTRzUENGb2wvUlovMXM5Z29Wak8zWXMwd0NnWUlLb1pJemowRUF3SXcKRWpFUU1BNEdBMVVFQXd3SGRHVnpkQzFqWVRBZ0Z3MHlOakV4TWpReE5EVTRORFphR0E4eU1USTJNVEF6TVRFMApOVGcwTmxvd0VqRVFNQTRHQTFVRUF3d0hkR1Z6ZEMxallUQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VICkEwSUFCRHRmaEFCNitJQUZVcklPRnlOWUdNdFJvQ2ZuQnJ5ZTJjbDA2VEJpT1Y3R3VTRjhwcGtyVHhrWE1yK2YKSnRGaG1Uc2NKMnpEeWNpNDNRbjFFRkkrelJ5alV6QlJNQjBHQTFVZERnUVdCQlRiQmRoVFZ2a1JCVytLK093SQppWWpESzVLeUdEQWZCZ05WSFNNRUdEQVdnQlRiQmRoVFZ2a1JCVytLK093SWlZakRLNUt5R0RBUEJnTlZIUk1CCkFmOEVCVEFEQVFIL01Bb0dDQ3FHU000OUJBTUNBMGNBTUVRQ0lFWEtEUEVKS041Mm10NXJhbW14WXlJK2h2OXAKa296UUdCQTJ3MWtUMXBac0FpQVBHTFgwcEFhdStaNDhEQXVNUEtyVUFFbEJDZGhSODQyS1M0dE12RHJSY0E9PQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::111122223333:user/runbook</Arn><UserId>AIDAEXAMPLE</UserId>\
    <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

struct World {
    peer: Peer,
    clock: Arc<StillClock>,
    tries: Arc<Tries>,
}

impl World {
    async fn new() -> Self {
        let peer = Peer::start([Answer::xml(200, IDENTITY)]).await;
        Self { peer, clock: StillClock::new(), tries: Arc::default() }
    }

    async fn aws(&self, access: Access) -> aws::Connection {
        let settings = aws::Settings {
            region: Some("ap-northeast-2".to_owned()),
            endpoint_url: Some(self.peer.url.clone()),
            credentials: Some(aws::StaticCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: "secret".to_owned(),
                session_token: None,
            }),
            run_id: Some("7k3f".to_owned()),
            ..aws::Settings::default()
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let observer = Arc::clone(&self.tries) as Arc<dyn Observer>;
        aws::Connection::open(settings, access, clock, observer).await.unwrap()
    }

    async fn open(&self, access: Access, cluster: Value) -> Result<Connection, OpenError> {
        let aws = self.aws(access).await;
        self.peer.then([
            Answer::json(200, json!({"cluster": cluster}).to_string()),
            Answer::json(200, r#"{"gitVersion":"v1.34.1-eks-1"}"#),
        ]);
        let settings = Eks { cluster: "myeks".to_owned(), ..Eks::default() };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let observer = Arc::clone(&self.tries) as Arc<dyn Observer>;
        Connection::eks(&aws, settings, access, clock, observer).await
    }

    fn cluster(&self) -> Value {
        json!({"name": "myeks", "status": "ACTIVE", "endpoint": self.peer.url,
            "certificateAuthority": {"data": AUTHORITY}})
    }

    /// An open connection; what was asked to open it is forgotten.
    async fn connection(&self, access: Access) -> Connection {
        let connection = self.open(access, self.cluster()).await.unwrap();
        self.peer.forget();
        connection
    }
}

fn core_resources() -> Answer {
    Answer::json(
        200,
        json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "namespaced": true, "kind": "Pod"},
            {"name": "pods/eviction", "namespaced": true, "kind": "Eviction"},
            {"name": "namespaces", "namespaced": false, "kind": "Namespace"},
            {"name": "configmaps", "namespaced": true, "kind": "ConfigMap"},
        ]})
        .to_string(),
    )
}

fn status(code: u16, reason: &str, message: &str, details: Value) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": details});
    Answer::json(code, body.to_string())
}

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "a b", "name": "c"}, "data": {"k": "v"}})
}

#[tokio::test]
async fn a_cluster_is_found_and_spoken_to_with_a_token_of_ours() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    assert_eq!(connection.version(), "v1.34.1-eks-1");
    assert!(matches!(connection.server(), Server::Eks { cluster, .. } if cluster == "myeks"));
    world.peer.then([core_resources(), Answer::json(200, config_map().to_string())]);
    let reference = Reference::of(&config_map()).unwrap();
    assert_eq!(connection.get(&reference).await.unwrap(), Some(config_map()));
    let asked = world.peer.asked();
    assert_eq!(asked[0].line, "GET /api/v1");
    assert_eq!(asked[1].line, "GET /api/v1/namespaces/a%20b/configmaps/c");
    assert!(asked[1].header("authorization").unwrap().starts_with("Bearer k8s-aws-v1."));
    assert_eq!(asked[1].header("x-runbook-run"), Some("7k3f"));
    assert!(asked[1].header("user-agent").unwrap().ends_with(" run/7k3f"));
}

#[tokio::test]
async fn a_cluster_that_is_not_up_or_not_there_is_told_apart() {
    let world = World::new().await;
    let creating = json!({"name": "myeks", "status": "CREATING"});
    let error = world.open(Access::Read, creating).await.err().unwrap();
    assert_eq!(error.to_string(), "the EKS cluster `myeks` has no API server yet: it is CREATING");
    let world = World::new().await;
    let mut cluster = world.cluster();
    cluster["certificateAuthority"]["data"] = "!".into();
    let error = world.open(Access::Read, cluster).await.err().unwrap();
    let OpenError::Unusable { what, .. } = error else { panic!("{error}") };
    assert_eq!(what, "certificate authority");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let unauthorized = || status(401, "Unauthorized", "Unauthorized", json!({}));
    world.peer.then([unauthorized(), core_resources(), unauthorized(), unauthorized()]);
    world.clock.pass(Duration::from_secs(1));
    assert!(connection.resource(&Kind::new("v1", "Pod")).await.unwrap().is_some());
    let asked = world.peer.asked();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].header("authorization"), asked[1].header("authorization"));
    let reference = Reference::new(Kind::new("v1", "Pod"), Some("a"), "p");
    let error = connection.get(&reference).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Denied, Some("Unauthorized")));
    assert_eq!(world.peer.asked().len(), 4);
}

#[tokio::test]
async fn a_token_is_replaced_in_time() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let pods = Kind::new("v1", "Pod");
    let pod = || Answer::json(200, "{}");
    world.peer.then([core_resources(), pod(), pod(), pod()]);
    let reference = Reference::new(pods, Some("a"), "p");
    for seconds in [1, 1, 600] {
        world.clock.pass(Duration::from_secs(seconds));
        connection.get(&reference).await.unwrap();
    }
    let asked = world.peer.asked();
    let token = |at: usize| asked[at].header("authorization").unwrap();
    assert_eq!(token(1), token(2));
    assert_ne!(token(2), token(3));
}

#[tokio::test]
async fn a_reading_connection_reads_and_rehearses_and_writes_nothing() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([core_resources(), Answer::json(200, "{}")]);
    let manifest = config_map();
    connection.apply_dry_run(&manifest, ApplyConflicts::Refuse).await.unwrap();
    let asked = world.peer.asked();
    assert_eq!(
        asked[1].line,
        "PATCH /api/v1/namespaces/a%20b/configmaps/c\
         ?fieldValidation=Strict&dryRun=All&fieldManager=runbook&force=false"
    );
    assert_eq!(asked[1].header("content-type"), Some("application/apply-patch+yaml"));
    let reference = Reference::of(&manifest).unwrap();
    let refusals = [
        connection.apply(&manifest, ApplyConflicts::Force).await.map(drop),
        connection.create(&manifest).await.map(drop),
        connection.merge_patch(&reference, &json!({})).await.map(drop),
        connection.json_patch(&reference, &json!([])).await.map(drop),
        connection.delete(&reference, &Deletion::default()).await,
        connection.evict("a", "p").await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().error().class(), Class::Refused);
    }
    assert_eq!(world.peer.asked().len(), 2);
}

#[tokio::test]
async fn a_conflict_names_the_other_manager_and_the_fields() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let cause = |field: &str| {
        json!({"reason": "FieldManagerConflict", "field": field,
            "message": "conflict with \"eks\" using apps/v1"})
    };
    world.peer.then([
        core_resources(),
        status(
            409,
            "Conflict",
            "Apply failed with 1 conflict",
            json!({"causes": [cause(".data.k")]}),
        ),
    ]);
    let error = connection.apply(&config_map(), ApplyConflicts::Refuse).await.unwrap_err();
    let Undone::Rejected(error) = error else { panic!("{error}") };
    assert_eq!(
        error.field_conflicts(),
        [crate::FieldConflict {
            manager: "\"eks\" using apps/v1".to_owned(),
            field: ".data.k".to_owned()
        }]
    );
    assert_eq!(
        error.to_string(),
        "`APPLY configmaps/a b/c` failed with Conflict: Apply failed with 1 conflict"
    );
}

#[tokio::test]
async fn a_custom_resource_gets_some_seconds_to_appear() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": "default"}});
    let missing = || Answer::Say(404, "text/plain", "404 page not found\n".to_owned(), Vec::new());
    let between = || Answer::Say(404, "text/html", "<h1>Not found</h1>".to_owned(), Vec::new());
    let no_group = || status(404, "NotFound", "the server could not find it", json!({}));
    let served = json!({"resources": [
        {"name": "nodepools", "namespaced": false, "kind": "NodePool"}]});
    world.peer.then([
        no_group(),
        no_group(),
        Answer::json(200, served.to_string()),
        Answer::json(200, pool.to_string()),
    ]);
    connection.apply(&pool, ApplyConflicts::Refuse).await.unwrap();
    assert_eq!(world.clock.slept(), [Duration::from_secs(1), Duration::from_secs(1)]);
    assert!(
        world.peer.asked()[3].line.starts_with("PATCH /apis/karpenter.sh/v1/nodepools/default?")
    );

    // Reading asks once and takes no for an answer, in the words of either part of the API server; a
    // page of something in between is none.
    let other = Reference::new(Kind::new("other.io/v1", "Thing"), None, "x");
    world.peer.then([no_group(), missing(), between()]);
    assert_eq!(connection.get(&other).await.unwrap(), None);
    assert_eq!(connection.get(&other).await.unwrap(), None);
    assert_eq!(connection.get(&other).await.unwrap_err().class(), Class::Unreadable);

    // Writing gives up after a while, without having sent anything.
    let thing = json!({"apiVersion": "other.io/v1", "kind": "Thing", "metadata": {"name": "x"}});
    world.peer.then((0..20).map(|_| no_group()));
    let error = connection.apply(&thing, ApplyConflicts::Refuse).await.unwrap_err();
    assert!(matches!(&error, Undone::Rejected(error) if error.code() == Some("NoKindMatch")));
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_started_again_when_it_grew_old() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    let page = |name: &str, next: &str| {
        Answer::json(
            200,
            json!({"kind": "PodList", "metadata": {"continue": next},
                "items": [{"metadata": {"name": name}}]})
            .to_string(),
        )
    };
    world.peer.then([
        core_resources(),
        page("old", "t1"),
        status(410, "Expired", "The provided continue parameter is too old", json!({})),
        page("a", "t2"),
        page("b", ""),
    ]);
    let selection = Selection::namespace("kube-system").labels("k8s-app in (kube-dns)");
    let pods = connection.list(&Kind::new("v1", "Pod"), &selection).await.unwrap();
    let names: Vec<_> = pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((&pods[0]["kind"], &pods[0]["apiVersion"]), (&json!("Pod"), &json!("v1")));
    assert_eq!(
        world.peer.asked()[1].line,
        "GET /api/v1/namespaces/kube-system/pods\
         ?labelSelector=k8s-app%20in%20%28kube-dns%29&limit=500"
    );
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_means_that_nothing_was_written() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let message = "Internal error occurred: failed calling webhook \"mservice.elbv2.k8s.aws\": no \
                   endpoints available for service \"aws-load-balancer-webhook-service\"";
    world.peer.then([core_resources(), status(500, "InternalError", message, json!({}))]);
    world.peer.then([Answer::json(201, "{}")]);
    connection.create(&config_map()).await.unwrap();
    assert_eq!(world.peer.asked().len(), 3);
    let seen = world.tries.seen();
    assert_eq!(seen[seen.len() - 2], "CREATE configmaps/a b/c write 1 InternalError");
}

#[tokio::test]
async fn a_lost_reply_to_a_patch_is_ambiguous() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    world.peer.then([core_resources(), Answer::LoseTheReply]);
    let reference = Reference::of(&config_map()).unwrap();
    let outcome = connection.merge_patch(&reference, &json!({"data": null})).await;
    assert!(matches!(outcome, Err(Undone::Ambiguous(_))), "{outcome:?}");
    assert_eq!(world.peer.asked().len(), 2);
}

#[tokio::test]
async fn a_deletion_says_how_and_waits_for_finalizers() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let gone = || status(404, "NotFound", "configmaps \"c\" not found", json!({}));
    world.peer.then([
        core_resources(),
        Answer::json(200, "{}"),
        Answer::json(200, "{}"),
        gone(),
        core_resources(),
        gone(),
    ]);
    let reference = Reference::of(&config_map()).unwrap();
    let deletion = Deletion {
        propagation: Propagation::Foreground,
        uid: Some("u-1".to_owned()),
        ..Deletion::default()
    };
    connection.delete(&reference, &deletion).await.unwrap();
    let body: Value = serde_json::from_str(&world.peer.asked()[1].body).unwrap();
    assert_eq!(
        body,
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground",
            "preconditions": {"uid": "u-1"}})
    );
    assert!(connection.wait_gone(&reference, Duration::from_secs(30)).await.unwrap());
    let again = connection.delete(&reference, &Deletion::default()).await.unwrap_err();
    assert!(again.error().is_not_found());
}

#[tokio::test]
async fn a_new_cluster_may_take_a_while_to_be_found() {
    let world = World::new().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut cluster = world.cluster();
    cluster["endpoint"] = format!("http://{address}").into();
    let begun = world.clock.now();
    let error = world.open(Access::Read, cluster.clone()).await.err().unwrap();
    let OpenError::Unreachable { error, .. } = error else { panic!("{error}") };
    assert_eq!((error.class(), error.may_have_happened()), (Class::Unavailable, false));
    let patience =
        |world: &World, begun: jiff::Timestamp| world.clock.now().as_second() - begun.as_second();
    assert!(patience(&world, begun) < 60);

    let world = World::new().await;
    let begun = world.clock.now();
    cluster["createdAt"] = (begun.as_second() - 600).into();
    world.open(Access::Read, cluster).await.err().unwrap();
    assert!(patience(&world, begun) >= 120);
}
