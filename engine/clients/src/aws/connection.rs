//! Opening a connection: settings, credentials, one endpoint for all services, who is there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::call::Calls;
use super::interceptor::Gatekeeper;
use super::partition::Partition;
use super::sts::CallerIdentity;
use super::{autoscaling, cost_explorer, ec2, eks, events, iam, pricing, s3, sqs, sts};
use crate::clock::Clock;
use crate::error::Error;
use crate::request::{Access, Observer};
use crate::retry::{Caller, Policy};

/// How long the service may take to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to answer. IAM and EC2 take their time on large accounts.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// What a connection is opened with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The region; without one that of the environment or the profile.
    pub region: Option<String>,
    /// The profile of the user's AWS configuration.
    pub profile: Option<String>,
    /// A role to take on.
    pub role_arn: Option<String>,
    /// The account that must be behind the connection.
    pub expected_account: Option<String>,
    /// Where all services are, when not at AWS.
    pub endpoint_url: Option<String>,
    /// Credentials that stand instead of everything in the environment; with them, neither
    /// environment nor configuration files are read.
    pub credentials: Option<StaticCredentials>,
    /// The run, sent along with every request.
    pub run_id: Option<String>,
}

/// Credentials given by the target.
#[derive(Clone)]
pub struct StaticCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for StaticCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StaticCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Neither the settings nor the environment name a region.
    #[error(
        "no region: the connection names none, and neither the environment nor the profile does"
    )]
    NoRegion,
    /// STS did not say who we are.
    #[error("the caller's identity could not be read in `{region}`: {error}")]
    Identity {
        /// The region.
        region: String,
        /// What STS or the way to it said.
        error: Error,
    },
    /// Somebody else is there.
    #[error("the account behind this connection is `{found}` ({arn}), not `{expected}`")]
    WrongAccount {
        /// What the settings ask for.
        expected: String,
        /// What STS says.
        found: String,
        /// Who STS says we are.
        arn: String,
    },
    /// The settings cannot be used.
    #[error("the connection's setting `{setting}` cannot be used: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl OpenError {
    /// The failed request behind it, if there was one.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Identity { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// An account and region. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    caller: Caller,
}

struct Inner {
    configuration: SdkConfig,
    region: String,
    identity: CallerIdentity,
    access: Access,
    run_id: Option<Arc<str>>,
    endpoint_url: Option<String>,
    clients: SdkClients,
}

/// The SDK's clients, each made on first use: making one costs more than most calls.
#[derive(Default)]
struct SdkClients {
    autoscaling: OnceLock<aws_sdk_autoscaling::Client>,
    cost_explorer: OnceLock<aws_sdk_costexplorer::Client>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    eks: OnceLock<aws_sdk_eks::Client>,
    events: OnceLock<aws_sdk_eventbridge::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    pricing: OnceLock<aws_sdk_pricing::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// `Connection::eks(&self) -> eks::Client` and its like: the SDK's client with our gatekeeper in
/// front, and the caller with its policy and observer.
macro_rules! service {
    ($(#[$documentation:meta])* $module:ident, $sdk:ident, $scope:literal) => {
        $(#[$documentation])*
        pub fn $module(&self) -> $module::Client {
            let sdk = self.inner.clients.$module.get_or_init(|| {
                let configuration = $sdk::config::Builder::from(&self.inner.configuration)
                    .interceptor(self.gatekeeper())
                    .build();
                $sdk::Client::from_conf(configuration)
            });
            $module::Client::new(
                sdk.clone(),
                Calls { service: $scope, caller: self.caller.clone() },
            )
        }
    };
}

impl Connection {
    /// Opens a connection and asks who is there.
    pub async fn open(
        settings: Settings,
        access: Access,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, OpenError> {
        let configuration = configure(&settings).await?;
        let region = configuration.region().map(ToString::to_string).ok_or(OpenError::NoRegion)?;
        let run_id: Option<Arc<str>> = settings.run_id.as_deref().map(Into::into);
        let caller = Caller {
            clock,
            observer,
            policy: Policy::default(),
            seed: run_id.clone().unwrap_or_else(|| "".into()),
        };
        let sdk = aws_sdk_sts::Client::from_conf(
            aws_sdk_sts::config::Builder::from(&configuration)
                .interceptor(Gatekeeper { access, run_id: run_id.clone() })
                .build(),
        );
        let sts = sts::Client::new(sdk.clone(), Calls { service: "sts", caller: caller.clone() });
        let identity = sts
            .caller_identity()
            .await
            .map_err(|error| OpenError::Identity { region: region.clone(), error })?;
        if let Some(expected) = settings.expected_account.filter(|one| *one != identity.account) {
            return Err(OpenError::WrongAccount {
                expected,
                found: identity.account,
                arn: identity.arn,
            });
        }
        let clients = SdkClients { sts: OnceLock::from(sdk), ..SdkClients::default() };
        let inner = Inner {
            configuration,
            region,
            identity,
            access,
            run_id,
            endpoint_url: settings.endpoint_url,
            clients,
        };
        Ok(Self { inner: Arc::new(inner), caller })
    }

    /// The same connection, reporting its tries to another observer.
    #[must_use]
    pub fn observed_by(&self, observer: Arc<dyn Observer>) -> Self {
        Self { inner: Arc::clone(&self.inner), caller: Caller { observer, ..self.caller.clone() } }
    }

    /// The same connection under another retry policy.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        Self { inner: Arc::clone(&self.inner), caller: Caller { policy, ..self.caller.clone() } }
    }

    /// Who STS said we are when the connection was opened.
    pub fn identity(&self) -> &CallerIdentity {
        &self.inner.identity
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.inner.identity.account
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.inner.region
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.inner.identity.partition
    }

    /// What it may be used for.
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// The run that is named on every request.
    pub fn run_id(&self) -> Option<&str> {
        self.inner.run_id.as_deref()
    }

    /// Where all services are, when not at AWS.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.inner.endpoint_url.as_deref()
    }

    service!(
        /// Auto Scaling.
        autoscaling, aws_sdk_autoscaling, "autoscaling"
    );
    service!(
        /// EC2.
        ec2, aws_sdk_ec2, "ec2"
    );
    service!(
        /// EKS.
        eks, aws_sdk_eks, "eks"
    );
    service!(
        /// Events and their rules.
        events, aws_sdk_eventbridge, "events"
    );
    service!(
        /// IAM.
        iam, aws_sdk_iam, "iam"
    );
    /// The Price List, which only some regions serve, for all of them.
    pub fn pricing(&self) -> pricing::Client {
        let sdk = self.inner.clients.pricing.get_or_init(|| {
            let mut configuration =
                aws_sdk_pricing::config::Builder::from(&self.inner.configuration)
                    .interceptor(self.gatekeeper());
            if let Some(region) = self.partition().price_list_region() {
                configuration = configuration.region(Region::new(region));
                if self.inner.configuration.endpoint_url().is_none() {
                    // A profile may send one service elsewhere, and prices that are said to be
                    // AWS's must be.
                    let suffix = self.partition().dns_suffix();
                    configuration = configuration
                        .endpoint_url(format!("https://api.pricing.{region}.{suffix}"));
                }
            }
            aws_sdk_pricing::Client::from_conf(configuration.build())
        });
        pricing::Client::new(
            sdk.clone(),
            Calls { service: "pricing", caller: self.caller.clone() },
            self.inner.configuration.endpoint_url().map(str::to_owned),
        )
    }
    /// S3. At another endpoint than AWS's the bucket is part of the path: names below that endpoint's
    /// resolve nowhere.
    pub fn s3(&self) -> s3::Client {
        let sdk = self.inner.clients.s3.get_or_init(|| {
            let configuration = aws_sdk_s3::config::Builder::from(&self.inner.configuration)
                .interceptor(self.gatekeeper())
                .force_path_style(self.inner.configuration.endpoint_url().is_some());
            aws_sdk_s3::Client::from_conf(configuration.build())
        });
        s3::Client::new(sdk.clone(), Calls { service: "s3", caller: self.caller.clone() })
    }
    /// Cost Explorer, which one region serves for all of them.
    pub fn cost_explorer(&self) -> cost_explorer::Client {
        let sdk = self.inner.clients.cost_explorer.get_or_init(|| {
            let configuration =
                aws_sdk_costexplorer::config::Builder::from(&self.inner.configuration)
                    .interceptor(self.gatekeeper())
                    .region(Region::new(cost_explorer::REGION));
            aws_sdk_costexplorer::Client::from_conf(configuration.build())
        });
        cost_explorer::Client::new(
            sdk.clone(),
            Calls { service: "ce", caller: self.caller.clone() },
        )
    }
    service!(
        /// SQS.
        sqs, aws_sdk_sqs, "sqs"
    );
    service!(
        /// STS.
        sts, aws_sdk_sts, "sts"
    );

    /// The credentials as they are now, for signing by hand.
    pub(crate) async fn credentials(&self) -> Result<Credentials, String> {
        let provider = self
            .inner
            .configuration
            .credentials_provider()
            .ok_or_else(|| "the connection has no credentials".to_owned())?;
        provider.provide_credentials().await.map_err(|error| crate::error::root_cause(&error))
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    fn gatekeeper(&self) -> Gatekeeper {
        Gatekeeper { access: self.inner.access, run_id: self.inner.run_id.clone() }
    }
}

async fn configure(settings: &Settings) -> Result<SdkConfig, OpenError> {
    let base = match &settings.credentials {
        Some(credentials) => given(settings, credentials)?,
        None => from_environment(settings).await?,
    };
    let Some(role_arn) = &settings.role_arn else { return Ok(base) };
    let session = settings.run_id.as_deref().map_or_else(
        || "runbook".to_owned(),
        |run| format!("runbook-{run}").replace(|letter: char| !in_session_name(letter), "-"),
    );
    let session = session.chars().take(64).collect::<String>();
    let provider =
        AssumeRoleProvider::builder(role_arn).session_name(session).configure(&base).build().await;
    Ok(base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

fn in_session_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+=,.@_-".contains(letter)
}

/// The user's own environment: variables, profiles, SSO, processes, instance metadata.
async fn from_environment(settings: &Settings) -> Result<SdkConfig, OpenError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .app_name(app_name()?)
        .http_client(http_client(settings))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &settings.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}

/// Nothing but what was given, so that a simulated account never meets a real profile.
fn given(settings: &Settings, credentials: &StaticCredentials) -> Result<SdkConfig, OpenError> {
    let credentials = Credentials::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.clone(),
        None,
        "runbook",
    );
    let mut builder = SdkConfig::builder()
        .app_name(app_name()?)
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client(settings))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    builder.set_region(settings.region.clone().map(Region::new));
    builder.set_endpoint_url(settings.endpoint_url.clone());
    Ok(builder.build())
}

/// One pool of connections for all services. An endpoint without TLS needs no root certificates,
/// which take longer to read than the requests that follow.
fn http_client(settings: &Settings) -> SharedHttpClient {
    let plain = settings.credentials.is_some()
        && settings.endpoint_url.as_deref().is_some_and(|url| url.starts_with("http://"));
    let builder = aws_smithy_http_client::Builder::new();
    if plain {
        builder.build_http()
    } else {
        builder
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build_https()
    }
}

fn app_name() -> Result<AppName, OpenError> {
    AppName::new("runbook")
        .map_err(|error| OpenError::Setting { setting: "app_name", problem: error.to_string() })
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ANSWER_TIMEOUT)
        .operation_attempt_timeout(ANSWER_TIMEOUT + CONNECT_TIMEOUT)
        .build()
}
