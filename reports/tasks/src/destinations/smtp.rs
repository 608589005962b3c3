//! Mail: the summary as text, the files attached, the key as its `Message-ID`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use runbook_core::value::Secret;

use super::{Outcome, Parcel};
use crate::message::one_line;

/// How the way to the server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS after STARTTLS, or nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: only to this machine itself.
    None,
}

/// Mail to some people.
#[derive(Clone)]
pub(super) struct Mail {
    /// The server.
    pub(super) host: String,
    /// Its port; without one that of the kind of security.
    pub(super) port: Option<u16>,
    /// How it is reached.
    pub(super) security: Security,
    /// A file of certificate authorities besides the machine's own.
    pub(super) authorities: Option<PathBuf>,
    /// Who sends.
    pub(super) from: Mailbox,
    /// Who gets it.
    pub(super) to: Vec<Mailbox>,
    /// User and password.
    pub(super) credentials: Option<(Secret, Secret)>,
    /// How long each answer may take.
    pub(super) timeout: Duration,
}

impl Mail {
    pub(super) async fn deliver(&self, parcel: &Parcel<'_>) -> Outcome {
        let message = match self.message(parcel) {
            Ok(message) => message,
            Err(why) => return Outcome::Refused(why),
        };
        let transport = match self.transport() {
            Ok(transport) => transport,
            Err(why) => return Outcome::Refused(why),
        };
        // Each command has its timeout; a server that trickles has a dozen of them.
        let most = self.timeout.saturating_mul(12);
        match tokio::time::timeout(most, transport.send(message)).await {
            Ok(Ok(response)) => {
                let said: Vec<&str> = response.message().collect();
                Outcome::Delivered(one_line(&format!("{} {}", response.code(), said.join(" "))))
            }
            Ok(Err(error)) => self.told(&error),
            Err(_) => Outcome::Failed {
                why: format!("{} gave no answer within {} s", self.host, most.as_secs()),
                after: None,
            },
        }
    }

    fn message(&self, parcel: &Parcel<'_>) -> Result<lettre::Message, String> {
        let rendered = &parcel.message.rendered;
        let domain = self.from.email.domain();
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .subject(one_line(&rendered.subject))
            .date(SystemTime::from(parcel.message.made))
            .message_id(Some(format!("<{}@{domain}>", parcel.key)));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(rendered.summary.clone()));
        for file in &rendered.files {
            let kind = ContentType::parse(&file.media_type)
                .map_err(|_| format!("`{}` is no media type", file.media_type))?;
            let attachment = Attachment::new(file.name.clone()).body(file.bytes.clone(), kind);
            parts = parts.singlepart(attachment);
        }
        builder.multipart(parts).map_err(|error| format!("the mail could not be made: {error}"))
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let tls = match self.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(self.parameters()?),
            Security::Tls => Tls::Wrapper(self.parameters()?),
        };
        let port = self.port.unwrap_or(match self.security {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::None => 25,
        });
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.clone())
                .port(port)
                .tls(tls)
                .hello_name(ClientId::Domain("runbook".to_owned()))
                .timeout(Some(self.timeout));
        if let Some((user, password)) = &self.credentials {
            let text = |secret: &Secret| secret.expose().as_str().unwrap_or_default().to_owned();
            builder = builder.credentials(Credentials::new(text(user), text(password)));
        }
        Ok(builder.build())
    }

    fn parameters(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.authorities {
            let pem = std::fs::read(path)
                .map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|_| format!("`{}` holds no certificates", path.display()))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map_err(|error| format!("TLS cannot be set up: {error}"))
    }

    fn told(&self, error: &lettre::transport::smtp::Error) -> Outcome {
        let mut causes = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes.dedup();
        let why = one_line(&format!("{}: {}", self.host, causes.join(": ")));
        // The server says that it never will, or we cannot say what it asks for (it offers no
        // STARTTLS, no way to sign in). A certificate may be a wrong clock or its renewal: again.
        if error.is_permanent() || error.is_client() {
            Outcome::Refused(why)
        } else {
            Outcome::Failed { why, after: None }
        }
    }
}
