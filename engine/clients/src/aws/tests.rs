//! The AWS connection against answers that are scripted: classes of failure, pages, requests.

use std::sync::Arc;

use super::eks::{CreateCluster, CreateFargateProfile};
use super::events::Target;
use super::iam::CreateRole;
use super::*;
use crate::scripted::{Answer, Peer, StillClock, Tries};
use crate::{Access, Class, Clock, Observer, Undone};

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/runbook</Arn>\
    <UserId>AIDAEXAMPLE</UserId><Account>111122223333</Account></GetCallerIdentityResult>\
    <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>";

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

    async fn open(&self, access: Access, account: Option<&str>) -> Result<Connection, OpenError> {
        let settings = Settings {
            region: Some("ap-northeast-2".to_owned()),
            expected_account: account.map(str::to_owned),
            endpoint_url: Some(self.peer.url.clone()),
            credentials: Some(StaticCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: "secret".to_owned(),
                session_token: None,
            }),
            run_id: Some("7k3f".to_owned()),
            ..Settings::default()
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Connection::open(settings, access, clock, Arc::clone(&self.tries) as Arc<dyn Observer>)
            .await
    }

    /// An open connection; what was asked to open it is forgotten.
    async fn connection(&self, access: Access) -> Connection {
        let connection = self.open(access, Some("111122223333")).await.unwrap();
        self.peer.forget();
        connection
    }
}

fn role() -> CreateRole {
    CreateRole { name: "r".to_owned(), trust: "{}".to_owned(), ..CreateRole::default() }
}

const ROLE: &str = "<CreateRoleResponse><CreateRoleResult><Role><Path>/</Path>\
    <RoleName>r</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role/r</Arn>\
    <CreateDate>2026-11-24T10:00:00Z</CreateDate>\
    <AssumeRolePolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</AssumeRolePolicyDocument></Role>\
    </CreateRoleResult></CreateRoleResponse>";

const THROTTLED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>\
    <Message>Rate exceeded</Message></Error><RequestId>r-2</RequestId></ErrorResponse>";

#[tokio::test]
async fn opening_asks_who_is_there_and_refuses_the_wrong_account() {
    let world = World::new().await;
    let connection = world.open(Access::Read, Some("111122223333")).await.unwrap();
    assert_eq!(
        (connection.account(), connection.region(), connection.partition().as_str()),
        ("111122223333", "ap-northeast-2", "aws")
    );
    assert_eq!(world.peer.asked()[0].header("x-runbook-run"), Some("7k3f"));
    assert!(world.peer.asked()[0].header("user-agent").unwrap().contains("app/runbook"));

    let world = World::new().await;
    let error = world.open(Access::Read, Some("999999999999")).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the account behind this connection is `111122223333` \
         (arn:aws:iam::111122223333:user/runbook), not `999999999999`"
    );
}

#[tokio::test]
async fn a_reading_connection_sends_no_write() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    let refused = connection.iam().create_role(&role()).await.unwrap_err();
    let Undone::Rejected(error) = refused else { panic!("{refused}") };
    assert_eq!(error.class(), Class::Refused);
    assert_eq!(
        error.to_string(),
        "`iam:CreateRole` failed: this connection only reads, and `CreateRole` writes; \
         nothing was sent"
    );
    assert!(world.peer.asked().is_empty());
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_ambiguous_and_sent_once() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    world.peer.then([Answer::LoseTheReply, Answer::xml(200, ROLE)]);
    let lost = connection.iam().create_role(&role()).await.unwrap_err();
    assert!(matches!(&lost, Undone::Ambiguous(_)), "{lost:?}");
    assert_eq!(world.peer.asked().len(), 1);
    assert!(world.clock.slept().is_empty());
}

#[tokio::test]
async fn a_throttled_write_was_not_processed_and_is_sent_again() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    world.peer.then([Answer::xml(400, THROTTLED), Answer::xml(200, ROLE)]);
    let role = connection.iam().create_role(&role()).await.unwrap();
    assert_eq!(role.trust, r#"{"Statement":[]}"#);
    assert_eq!(
        world.tries.seen()[1..],
        ["iam:CreateRole write 1 Throttling", "iam:CreateRole write 2 ok"]
    );
}

#[tokio::test]
async fn a_write_with_our_token_is_sent_again_with_the_same_token() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let created = r#"{"cluster":{"name":"myeks","status":"CREATING"}}"#;
    world.peer.then([Answer::LoseTheReply, Answer::json(200, created)]);
    let cluster = CreateCluster {
        name: "myeks".to_owned(),
        version: "1.34".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/r".to_owned(),
        subnet_ids: vec!["subnet-1".to_owned()],
        token: "7k3f-cluster-1".to_owned(),
        ..CreateCluster::default()
    };
    let made = connection.eks().create_cluster(&cluster).await.unwrap();
    assert_eq!(made.status, "CREATING");
    let asked = world.peer.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, asked[1].body);
    assert!(asked[0].body.contains(r#""clientRequestToken":"7k3f-cluster-1""#));
}

#[tokio::test]
async fn reads_survive_resets_cut_answers_and_server_errors() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([
        Answer::LoseTheReply,
        Answer::BreakOff,
        Answer::refuse(500, "ServerException", "oops"),
        Answer::json(200, r#"{"cluster":{"name":"myeks","status":"ACTIVE"}}"#),
    ]);
    let cluster = connection.eks().cluster("myeks").await.unwrap().unwrap();
    assert_eq!(cluster.status, "ACTIVE");
    let tries: Vec<String> = world.tries.seen()[1..].to_vec();
    assert_eq!(tries.len(), 4, "{tries:?}");
    assert_eq!(tries[2], "eks:DescribeCluster read 3 ServerException");
    assert_eq!(world.clock.slept().len(), 3);
}

#[tokio::test]
async fn absence_is_what_the_service_says_and_not_a_404() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([
        Answer::refuse(404, "ResourceNotFoundException", "No cluster found for name: x."),
        Answer::Say(404, "text/html", "<html>Not Found</html>".to_owned(), Vec::new()),
    ]);
    assert_eq!(connection.eks().cluster("x").await.unwrap(), None);
    let error = connection.eks().cluster("x").await.unwrap_err();
    assert_eq!((error.class(), error.code(), error.status()), (Class::Unreadable, None, Some(404)));
}

#[tokio::test]
async fn an_error_that_the_operation_does_not_model_is_known_by_its_code() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let busy = "Cannot create Fargate Profile karpenter because cluster myeks currently has \
                Fargate profile kube-system in status CREATING";
    world.peer.then([
        Answer::refuse(409, "ResourceInUseException", busy),
        Answer::refuse(
            409,
            "ResourceInUseException",
            "A Fargate Profile already exists with this name in this cluster.",
        ),
        Answer::refuse(
            400,
            "InvalidParameterException",
            "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal",
        ),
    ]);
    let profile = CreateFargateProfile {
        cluster: "myeks".to_owned(),
        name: "karpenter".to_owned(),
        pod_execution_role_arn: "arn".to_owned(),
        token: "t".to_owned(),
        ..CreateFargateProfile::default()
    };
    let eks = connection.eks();
    let errors: Vec<crate::Error> = [
        eks.create_fargate_profile(&profile).await,
        eks.create_fargate_profile(&profile).await,
        eks.create_fargate_profile(&profile).await,
    ]
    .into_iter()
    .map(|outcome| match outcome {
        Err(Undone::Rejected(error)) => error,
        other => panic!("{other:?}"),
    })
    .collect();
    let facts = |error: &crate::Error| {
        (error.in_progress(), error.already_exists(), error.iam_propagation())
    };
    assert_eq!(facts(&errors[0]), (true, false, false));
    assert_eq!(facts(&errors[1]), (false, true, false));
    assert_eq!(facts(&errors[2]), (false, false, true));
    assert_eq!(world.peer.asked().len(), 3);
}

#[tokio::test]
async fn a_target_that_failed_inside_a_success_is_a_failure() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let body = r#"{"FailedEntryCount":1,"FailedEntries":[{"TargetId":"queue",
        "ErrorCode":"ConcurrentModificationException","ErrorMessage":"try again"}]}"#;
    world.peer.then([Answer::json(200, body)]);
    let target = Target { id: "queue".to_owned(), arn: "arn".to_owned(), ..Target::default() };
    let failed = connection.events().put_targets("rule", &[target]).await.unwrap_err();
    let Undone::Rejected(error) = failed else { panic!("{failed}") };
    assert_eq!(
        error.to_string(),
        "`events:PutTargets` failed with ConcurrentModificationException: 1 of 1 targets failed: \
         target `queue`: ConcurrentModificationException try again"
    );
    assert!(error.in_progress() && error.is_conflict());
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([
        Answer::json(200, r#"{"fargateProfileNames":["a","b"],"nextToken":"n+1"}"#),
        Answer::json(200, r#"{"fargateProfileNames":["c"]}"#),
    ]);
    let names = connection.eks().fargate_profiles("myeks").await.unwrap();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(world.peer.asked()[1].line.contains("nextToken=n%2B1"));
}

#[tokio::test]
async fn the_price_list_is_asked_where_it_is_served_and_read_to_its_last_page() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([
        Answer::json(
            200,
            r#"{"FormatVersion":"aws_v1","PriceList":["{\"a\":1}"],"NextToken":"n"}"#,
        ),
        Answer::refuse(400, "ThrottlingException", "Rate exceeded"),
        Answer::json(200, r#"{"FormatVersion":"aws_v1","PriceList":["{\"b\":2}"],"NextToken":""}"#),
    ]);
    let attributes = [("regionCode", "ap-northeast-2"), ("tenancy", "Shared")];
    let products = connection.pricing().products("AmazonEC2", &attributes).await.unwrap();
    assert_eq!(products, [r#"{"a":1}"#, r#"{"b":2}"#]);
    let asked = world.peer.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].header("x-amz-target"), Some("AWSPriceListService.GetProducts"));
    let scope = asked[0].header("authorization").unwrap();
    assert!(scope.contains("/us-east-1/pricing/aws4_request"), "{scope}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&asked[0].body).unwrap(),
        serde_json::json!({
            "ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": 100,
            "Filters": [
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "ap-northeast-2"},
                {"Type": "TERM_MATCH", "Field": "tenancy", "Value": "Shared"},
            ],
        })
    );
    assert!(asked[2].body.contains(r#""NextToken":"n""#), "{}", asked[2].body);
    assert_eq!(
        world.tries.seen()[1..],
        [
            "pricing:GetProducts read 1 ok",
            "pricing:GetProducts read 1 ThrottlingException",
            "pricing:GetProducts read 2 ok"
        ]
    );
}

#[tokio::test]
async fn a_price_list_that_goes_in_circles_is_left() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    let page = r#"{"PriceList":["{}"],"NextToken":"n"}"#;
    world.peer.then([Answer::json(200, page), Answer::json(200, page)]);
    let error = connection.pricing().products("AmazonEKS", &[]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreadable);
    assert!(error.to_string().contains("as its next one"), "{error}");

    world.peer.then([Answer::refuse(400, "ExpiredNextTokenException", "expired")]);
    let error = connection.pricing().products("AmazonEKS", &[]).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Invalid, Some("ExpiredNextTokenException")));
}

#[tokio::test]
async fn nobody_at_home_is_known_not_to_have_happened() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let settings = Settings {
        region: Some("ap-northeast-2".to_owned()),
        endpoint_url: Some(format!("http://{address}")),
        credentials: Some(StaticCredentials {
            access_key_id: "a".to_owned(),
            secret_access_key: "b".to_owned(),
            session_token: None,
        }),
        ..Settings::default()
    };
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let opened = Connection::open(settings, Access::Read, clock, Arc::new(crate::SilentObserver));
    let error = opened.await.err().unwrap();
    let error = error.error().unwrap();
    assert_eq!((error.class(), error.may_have_happened()), (Class::Unavailable, false));
    assert_eq!(world.clock.slept().len(), 6);
    drop(connection);
}

#[tokio::test]
async fn an_object_is_written_only_where_nothing_is() {
    let world = World::new().await;
    let connection = world.connection(Access::Write).await;
    let s3 = connection.s3();
    let taken = "<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions \
        you specified did not hold</Message><Condition>If-None-Match</Condition></Error>";
    world.peer.then([
        Answer::Say(200, "text/xml", String::new(), vec![("etag", "\"5d41\"")]),
        Answer::xml(412, taken),
        Answer::Say(200, "text/plain", "hello".to_owned(), Vec::new()),
        Answer::Say(200, "text/plain", "hello you".to_owned(), Vec::new()),
        Answer::xml(404, "<Error><Code>NoSuchKey</Code><Message>No</Message></Error>"),
    ]);
    let object = s3::NewObject {
        bucket: "reports",
        key: "october/showback.csv",
        media_type: "text/csv",
        metadata: [("runbook-key".to_owned(), "0123".to_owned())].into(),
        bytes: b"hello".to_vec(),
    };
    assert_eq!(s3.put_new(&object).await.unwrap().as_deref(), Some("\"5d41\""));
    let Err(Undone::Rejected(error)) = s3.put_new(&object).await else { panic!("it was taken") };
    assert!(error.is_conflict(), "{error}");
    let found = || s3.object("reports", "october/showback.csv", 5);
    assert_eq!(found().await.unwrap(), Some(s3::Found::Bytes(b"hello".to_vec())));
    assert_eq!(found().await.unwrap(), Some(s3::Found::Longer));
    assert_eq!(found().await.unwrap(), None);
    let asked = world.peer.asked();
    assert_eq!(asked[0].line, "PUT /reports/october/showback.csv?x-id=PutObject");
    assert_eq!(asked[0].header("if-none-match"), Some("*"));
    assert_eq!(asked[0].header("x-amz-meta-runbook-key"), Some("0123"));

    let reading = World::new().await.connection(Access::Read).await;
    assert!(reading.s3().put_new(&object).await.is_err());
}

fn costs() -> cost_explorer::Query {
    use cost_explorer::Filter;
    let dimension =
        |key: &str, value: &str| Filter::Dimension(key.to_owned(), vec![value.to_owned()]);
    cost_explorer::Query {
        start: "2026-10-01".to_owned(),
        end: "2026-11-01".to_owned(),
        metrics: vec!["NetAmortizedCost".to_owned(), "UsageQuantity".to_owned()],
        group_by: vec!["SERVICE".to_owned(), "USAGE_TYPE".to_owned()],
        filter: Filter::And(vec![
            Filter::Not(Box::new(dimension("RECORD_TYPE", "Tax"))),
            Filter::Or(vec![
                Filter::Tag("runbook/owner".to_owned(), vec!["nodeless/myeks".to_owned()]),
                dimension("USAGE_TYPE", "APN2-Fargate-GB-Hours"),
            ]),
        ]),
    }
}

const COSTS: &str = r#"{"ResultsByTime":[{"TimePeriod":{"Start":"2026-10-01","End":"2026-10-02"},
    "Estimated":true,"Total":{},"Groups":[{"Keys":["AmazonEC2","APN2-BoxUsage:m7g.large"],
    "Metrics":{"NetAmortizedCost":{"Amount":"2.4072000001","Unit":"USD"},
    "UsageQuantity":{"Amount":"24","Unit":"Hrs"}}}]}],"NextPageToken":"n"}"#;

#[tokio::test]
async fn cost_explorer_is_asked_in_one_region_and_a_page_at_a_time() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    world.peer.then([
        // Too many calls; elsewhere this code is a quota.
        Answer::refuse(400, "LimitExceededException", "Rate exceeded"),
        Answer::json(200, COSTS),
        Answer::json(200, r#"{"ResultsByTime":[]}"#),
    ]);
    let client = connection.cost_explorer();
    let page = client.cost_and_usage(&costs(), None).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("n"));
    let day = &page.days[0];
    assert_eq!((day.start.as_str(), day.is_estimated), ("2026-10-01", true));
    assert_eq!(day.groups[0].keys, ["AmazonEC2", "APN2-BoxUsage:m7g.large"]);
    assert_eq!(day.groups[0].metrics["NetAmortizedCost"].amount, "2.4072000001");
    let last = client.cost_and_usage(&costs(), Some("n")).await.unwrap();
    assert_eq!(last, cost_explorer::Page { days: Vec::new(), next: None });
    let asked = world.peer.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].header("x-amz-target"), Some("AWSInsightsIndexService.GetCostAndUsage"));
    let scope = asked[0].header("authorization").unwrap();
    assert!(scope.contains("/us-east-1/ce/aws4_request"), "{scope}");
    let body: serde_json::Value = serde_json::from_str(&asked[2].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"}, "Granularity": "DAILY",
            "Metrics": ["NetAmortizedCost", "UsageQuantity"],
            "GroupBy": [
                {"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"},
            ],
            "Filter": {"And": [
                {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax"]}}},
                {"Or": [
                    {"Tags": {"Key": "runbook/owner", "Values": ["nodeless/myeks"]}},
                    {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["APN2-Fargate-GB-Hours"]}},
                ]},
            ]},
            "NextPageToken": "n",
        })
    );
    assert_eq!(
        world.tries.seen()[1..],
        [
            "ce:GetCostAndUsage read 1 LimitExceededException",
            "ce:GetCostAndUsage read 2 ok",
            "ce:GetCostAndUsage read 1 ok"
        ]
    );
}

#[tokio::test]
async fn cost_explorer_says_what_it_refuses_and_is_not_followed_in_circles() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    let client = connection.cost_explorer();
    world.peer.then([
        Answer::json(200, COSTS),
        Answer::refuse(400, "DataUnavailableException", "The requested data is unavailable."),
        Answer::refuse(
            400,
            "AccessDeniedException",
            "not authorized to perform ce:GetCostAndUsage",
        ),
        Answer::json(200, r#"{"ResultsByTime":[{"Estimated":false}]}"#),
    ]);
    let circle = client.cost_and_usage(&costs(), Some("n")).await.unwrap_err();
    assert_eq!(circle.class(), Class::Unreadable);
    assert!(circle.to_string().contains("as its next one"), "{circle}");
    let missing = client.cost_and_usage(&costs(), None).await.unwrap_err();
    assert_eq!(
        (missing.class(), missing.code()),
        (Class::Invalid, Some("DataUnavailableException"))
    );
    assert!(client.cost_and_usage(&costs(), None).await.unwrap_err().is_denied());
    let incomplete = client.cost_and_usage(&costs(), None).await.unwrap_err();
    assert!(incomplete.to_string().contains("`TimePeriod`"), "{incomplete}");
    assert_eq!(world.peer.asked().len(), 4);
}

#[tokio::test]
async fn a_cost_allocation_tag_is_active_inactive_or_never_seen() {
    let world = World::new().await;
    let connection = world.connection(Access::Read).await;
    let tags = |status: &str| {
        format!(
            r#"{{"CostAllocationTags":[{{"TagKey":"runbook/owner","Type":"UserDefined","Status":"{status}"}}]}}"#
        )
    };
    world.peer.then([
        Answer::json(200, tags("Active")),
        Answer::json(200, tags("Inactive")),
        Answer::json(200, r#"{"CostAllocationTags":[]}"#),
    ]);
    let client = connection.cost_explorer();
    assert_eq!(client.is_tag_active("runbook/owner").await.unwrap(), Some(true));
    assert_eq!(client.is_tag_active("runbook/owner").await.unwrap(), Some(false));
    assert_eq!(client.is_tag_active("runbook/owner").await.unwrap(), None);
    assert!(world.peer.asked()[0].body.contains(r#""TagKeys":["runbook/owner"]"#));
}
