//! The clock's clients over HTTP; see the module above.

use std::sync::Arc;

use futures::StreamExt as _;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::json;

use super::{Now, Refused, Registered, decode, json_response, log_failure, now};
use crate::Sandbox;
use crate::server::body::{self, Body};
use crate::world::ClientId;

#[derive(serde::Deserialize)]
struct Register {
    name: String,
}

#[derive(serde::Deserialize)]
struct Idle {
    until: jiff::Timestamp,
}

pub(super) async fn answer(
    sandbox: &Arc<Sandbox>,
    path: &[&str],
    text: &[u8],
) -> Result<Response<Body>, Refused> {
    match path {
        ["clients"] => register(sandbox, &decode(text)?),
        ["clients", id, what] => {
            let id = client(sandbox, id)?;
            match *what {
                "idle" => {
                    let idle: Idle = decode(text)?;
                    let now = sandbox.clockwork.idle_until(id, idle.until).await;
                    let now = now.map_err(|error| log_failure(&error))?;
                    Ok(json_response(StatusCode::OK, &json!(Now { now })))
                }
                "busy" => {
                    sandbox.clockwork.busy(id);
                    Ok(now(sandbox))
                }
                "elsewhere" => {
                    let outcome = sandbox.clockwork.elsewhere(id);
                    outcome.map_err(|error| log_failure(&error))?;
                    Ok(now(sandbox))
                }
                other => {
                    Err(Refused::new(StatusCode::NOT_FOUND, format!("a client has no `{other}`")))
                }
            }
        }
        _ => Err(Refused::new(StatusCode::NOT_FOUND, "clients have one name and one verb")),
    }
}

fn client(sandbox: &Sandbox, id: &str) -> Result<ClientId, Refused> {
    let id = id.parse().map(ClientId).ok().filter(|id| sandbox.clockwork.knows(*id));
    id.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "no client of that number is registered"))
}

/// Registers a client until its connection closes.
fn register(sandbox: &Arc<Sandbox>, asked: &Register) -> Result<Response<Body>, Refused> {
    if asked.name.is_empty() {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "a client says its `name`"));
    }
    let id = sandbox.clockwork.register();
    let registered = Registered { sandbox: sandbox.clone(), id };
    let hello = json!({"client": id.0, "now": sandbox.world.now()});
    let hello = futures::stream::iter([Bytes::from(format!("{hello}\n"))]);
    // The second part never yields: it only lives as long as the connection, and takes the
    // registration with it.
    let held = futures::stream::once(async move {
        let _registered = registered;
        std::future::pending::<Bytes>().await
    });
    Ok(Response::new(body::streaming(hello.chain(held))))
}
