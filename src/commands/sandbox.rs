//! `runbook sandbox …`: the simulated AWS account as other clients see it.

use std::path::PathBuf;

use runbook_sandbox::{
    BillFormat, BillWindow, Class, ControlClient, Covered, Holder, Query, Sandbox, coverage,
};
use serde_json::{Value, json};

use super::{Session, block_on};
use crate::arguments::{SandboxCommand, TableFormat};
use crate::exit::{Exit, Signal};
use crate::state::SIMULATED_ANSWERS;
use crate::target::{SandboxOptions, World, open_world};
use crate::trouble::Trouble;
use crate::view;

/// Does what was asked of the sandbox.
pub(crate) fn sandbox(session: &Session, command: SandboxCommand) -> Result<Exit, Trouble> {
    match command {
        SandboxCommand::Up { speed, options } => block_on(up(session, speed, &options)),
        SandboxCommand::Env => block_on(env(session)),
        SandboxCommand::Reset => reset(session),
        SandboxCommand::Log { writes, run, output } => {
            log(session, &Query { writes, run, after: 0 }, output)
        }
        SandboxCommand::Bill { window, format, out, settings } => {
            let bill = Bill { window, format, out, settings };
            block_on(write_bill(session, &bill))
        }
        SandboxCommand::Advance { until } => block_on(advance(session, until)),
        SandboxCommand::Coverage { output } => covered(session, output),
    }
}

/// Serves the world until somebody asks to stop.
async fn up(session: &Session, speed: u32, options: &SandboxOptions) -> Result<Exit, Trouble> {
    let world =
        open_world(options, &session.state, &session.environment, &session.printer, speed).await?;
    let served = match world {
        World::Ours(served) => served,
        World::Theirs(holder) => {
            return Err(Trouble::failed(format!(
                "the sandbox's world in {} is served by process {} already",
                session.state.shown, holder.pid
            ))
            .hint("eval \"$(runbook sandbox env)\" points other clients at it"));
        }
    };
    let control = served.control();
    let environment = shell_environment(session, &control).await?;
    session.printer.out(&format!(
        "the sandbox: a simulated AWS account {} in {}, served until Ctrl-C; nothing real is touched\n\n{environment}\n# in another terminal: eval \"$(runbook sandbox env)\"",
        served.account(),
        served.region()
    ));
    let ended = tokio::select! {
        () = served.stopped() => None,
        signal = stop_signal() => signal,
    };
    served.shutdown().await;
    session.printer.note("the sandbox has stopped; its world is kept");
    // To be stopped is what it was started for.
    let _ = ended;
    Ok(Exit::Done)
}

pub(super) async fn stop_signal() -> Option<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
    tokio::select! {
        _ = interrupt.recv() => Some(Signal::Interrupt),
        _ = terminate.recv() => Some(Signal::Terminate),
    }
}

async fn env(session: &Session) -> Result<Exit, Trouble> {
    let holder = holder(session)?;
    let (Some(address), token) = (holder.control, holder.token) else {
        return Err(Trouble::failed("the sandbox is just starting").hint("try again in a moment"));
    };
    let control = ControlClient::new(address, token);
    session.printer.out(&shell_environment(session, &control).await?);
    Ok(Exit::Done)
}

/// A bill that was asked for.
struct Bill {
    window: BillWindow,
    format: String,
    out: Option<PathBuf>,
    settings: Option<PathBuf>,
}

/// Talks to whoever serves the world, or serves it for as long as that takes.
async fn with_control<T>(
    session: &Session,
    body: impl AsyncFnOnce(ControlClient) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let options = SandboxOptions::default();
    let world = open_world(&options, &session.state, &session.environment, &session.printer, 1);
    match world.await? {
        World::Ours(served) => {
            let outcome = body(served.control()).await;
            served.shutdown().await;
            outcome
        }
        World::Theirs(Holder { control: Some(address), token, .. }) => {
            body(ControlClient::new(address, token)).await
        }
        World::Theirs(_) => {
            Err(Trouble::failed("the sandbox is just starting").hint("try again in a moment"))
        }
    }
}

async fn write_bill(session: &Session, bill: &Bill) -> Result<Exit, Trouble> {
    let format: BillFormat = bill.format.parse().map_err(|error| Trouble::of(&error))?;
    let directory = &session.environment.working_directory;
    let settings = bill.settings.as_ref().map(|path| directory.join(path));
    let settings = settings
        .map(|path| {
            std::fs::read_to_string(&path).map_err(|error| {
                Trouble::usage(format!("failed to read `{}`: {error}", path.display()))
            })
        })
        .transpose()?;
    let out = bill.out.as_ref().map(|path| directory.join(path));
    let is_packed =
        out.as_ref().is_some_and(|path| path.extension().is_some_and(|end| end == "gz"));
    let file = with_control(session, async |control| {
        if let Some(settings) = &settings {
            control.change_billing(settings).await.map_err(|error| Trouble::of(&error))?;
            forget_answers(session)?;
        }
        let file = control.bill(bill.window, format, is_packed).await;
        file.map_err(|error| Trouble::of(&error))
    })
    .await?;
    let Some(path) = out else {
        session.printer.raw(&file);
        return Ok(Exit::Done);
    };
    std::fs::write(&path, &file).map_err(|error| {
        Trouble::failed(format!("failed to write `{}`: {error}", path.display()))
    })?;
    session.printer.note(&format!(
        "the simulated bill of {} is in {}, {} bytes",
        bill.window,
        path.display(),
        file.len()
    ));
    Ok(Exit::Done)
}

/// What Cost Explorer has said of the past is another past now.
fn forget_answers(session: &Session) -> Result<(), Trouble> {
    let folder = session.state.path.join(SIMULATED_ANSWERS);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Trouble::failed(format!("failed to remove `{}`: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

async fn advance(session: &Session, until: jiff::Timestamp) -> Result<Exit, Trouble> {
    let now = with_control(session, async |control| {
        let clock = control.register("advance").await.map_err(|error| Trouble::of(&error))?;
        clock.idle_until(until).await.map_err(|error| Trouble::of(&error))
    })
    .await?;
    session.printer.out(&format!("world time is {now:.0}"));
    Ok(Exit::Done)
}

/// Who serves the world of this state folder.
fn holder(session: &Session) -> Result<Holder, Trouble> {
    let holder = Sandbox::holder(&session.state.path).map_err(|error| Trouble::of(&error))?;
    holder.ok_or_else(|| {
        Trouble::failed(format!("nobody serves the sandbox's world in {}", session.state.shown))
            .hint("runbook sandbox up, in another terminal")
    })
}

/// Variables for a shell, and a kubeconfig for each cluster.
async fn shell_environment(session: &Session, control: &ControlClient) -> Result<String, Trouble> {
    let world = control.world().await.map_err(|error| Trouble::of(&error))?;
    let variables = runbook_sandbox::environment_of(&world);
    let mut files = Vec::new();
    for cluster in world["clusters"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        files.push(write_kubeconfig(session, control, cluster, &variables).await?);
    }
    let mut text = String::new();
    for (name, value) in &variables {
        text.push_str(&format!("export {name}={}\n", quoted(value)));
    }
    if !files.is_empty() {
        let paths: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        text.push_str(&format!("export KUBECONFIG={}\n", quoted(&paths.join(":"))));
    }
    Ok(text)
}

/// Writes a cluster's kubeconfig. Its credential plugin is this very program, with what it needs
/// to sign: it works from any shell.
async fn write_kubeconfig(
    session: &Session,
    control: &ControlClient,
    cluster: &str,
    variables: &[(String, String)],
) -> Result<PathBuf, Trouble> {
    let text = control.kubeconfig(cluster).await.map_err(|error| Trouble::of(&error))?;
    let mut config: Value = serde_saphyr::from_str(&text)
        .map_err(|error| Trouble::failed(format!("the sandbox's kubeconfig: {error}")))?;
    let wanted = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let environment: Vec<Value> = variables
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    if let Some(exec) = config.pointer_mut("/users/0/user/exec") {
        exec["command"] = json!(crate::target::program());
        exec["env"] = json!(environment);
        exec["apiVersion"] = json!("client.authentication.k8s.io/v1");
    }
    let path = session.state.path.join(format!("kubeconfig-{cluster}.yaml"));
    crate::state::write_private(&path, format!("{config:#}\n").as_bytes())?;
    Ok(path)
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn reset(session: &Session) -> Result<Exit, Trouble> {
    let there = Sandbox::reset(&session.state.path).map_err(|error| match error {
        runbook_sandbox::OpenError::Held { .. } => {
            Trouble::of(&error).hint("stop whoever serves it, then reset")
        }
        other => Trouble::of(&other),
    })?;
    session.printer.out(if there {
        "the sandbox's world is forgotten; the next run begins with a new one"
    } else {
        "there is no sandbox's world to forget"
    });
    Ok(Exit::Done)
}

fn log(session: &Session, query: &Query, output: TableFormat) -> Result<Exit, Trouble> {
    let requests = Sandbox::log(&session.state.path, query).map_err(|error| Trouble::of(&error))?;
    if output == TableFormat::Json {
        let lines: Vec<String> =
            requests.iter().map(|request| json!(request).to_string() + "\n").collect();
        session.printer.raw(lines.concat().as_bytes());
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = requests
        .into_iter()
        .map(|request| {
            let class = match request.class {
                Class::Read => "read",
                Class::DryRun => "dry run",
                Class::Write => "write",
            };
            vec![
                request.seq.to_string(),
                format!("{:.0}", request.world_time),
                class.to_owned(),
                request.service,
                request.operation,
                request.subject,
                request.status.to_string(),
                request.run.unwrap_or_default(),
                request.error.unwrap_or_default(),
            ]
        })
        .collect();
    let columns =
        ["#", "WORLD TIME", "CLASS", "SERVICE", "OPERATION", "ABOUT", "STATUS", "RUN", "ERROR"];
    session.tabular(&columns, &rows, output)?;
    Ok(Exit::Done)
}

fn covered(session: &Session, output: TableFormat) -> Result<Exit, Trouble> {
    let items = coverage();
    if output == TableFormat::Json {
        session.printer.out(&view::json::pretty(&json!({"v": 1, "coverage": items})));
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = items
        .into_iter()
        .map(|item| {
            let covered = match item.covered {
                Covered::Simulated => "simulated",
                Covered::Refused => "refused",
            };
            vec![item.area, item.name, covered.to_owned(), item.note.to_owned()]
        })
        .collect();
    session.tabular(&["AREA", "WHAT", "COVERED", "NOTE"], &rows, output)?;
    Ok(Exit::Done)
}

/// The sandbox's helm: a child process of our own runs.
pub(crate) async fn helm(session: &Session, arguments: Vec<String>) -> Result<Exit, Trouble> {
    let variables = &session.environment.variables;
    let variable = |name: &str| variables.get(name).cloned();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = runbook_sandbox::helm::main(arguments, &variable, &mut out, &mut err).await;
    session.printer.raw(&out);
    if !err.is_empty() {
        session.printer.note(&String::from_utf8_lossy(&err));
    }
    if code == 0 { Ok(Exit::Done) } else { Err(Trouble::told(Exit::Failed)) }
}
