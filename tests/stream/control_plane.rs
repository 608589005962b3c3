//! A real control plane, from its own sources: etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler, and kwok in place of a kubelet.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::load::clients::Target;
use crate::support::Folder;

const NODE: &str = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one",
  "labels": {"kubernetes.io/hostname": "one", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
  "status": {"allocatable": {"cpu": "32", "memory": "64Gi", "pods": "110"},
    "capacity": {"cpu": "32", "memory": "64Gi", "pods": "110"}}}"#;

/// Runs until it is dropped.
pub(super) struct ControlPlane {
    parts: Vec<Child>,
    programs: PathBuf,
    folder: Folder,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl ControlPlane {
    /// Starts it from a folder of programs; returns when a node is ready for pods.
    pub(super) fn start(programs: &Path) -> Self {
        let folder = Folder::new();
        let mut plane = Self { parts: Vec::new(), programs: programs.to_owned(), folder };
        let (store, peers, port) = (free_port(), free_port(), free_port());
        let (store, peers) =
            (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peers}"));
        plane.files(port);
        plane.run(
            "etcd",
            &[
                "--data-dir=etcd",
                &format!("--listen-client-urls={store}"),
                &format!("--advertise-client-urls={store}"),
                &format!("--listen-peer-urls={peers}"),
                "--unsafe-no-fsync",
            ],
        );
        plane.run(
            "apiserver",
            &[
                &format!("--etcd-servers={store}"),
                &format!("--secure-port={port}"),
                "--bind-address=127.0.0.1",
                "--cert-dir=certificates",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-key-file=accounts.pub",
                "--service-account-signing-key-file=accounts.pem",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.100.0.0/16",
                "--token-auth-file=tokens.csv",
            ],
        );
        plane.wait_for(&["get", "--raw", "/readyz"]);
        let client = ["--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0"];
        let accounts = [
            "--service-account-private-key-file=accounts.pem",
            "--root-ca-file=certificates/apiserver.crt",
        ];
        plane.run("controller-manager", &[&client[..], &accounts[..]].concat());
        plane.run("scheduler", &client);
        plane.folder.write("node.json", NODE);
        plane.wait_for(&["get", "serviceaccount", "default"]);
        plane.wait_for(&["create", "-f", "node.json"]);
        let mut stages: Vec<String> = std::fs::read_dir(plane.programs.join("stages"))
            .unwrap()
            .map(|entry| format!("--config={}", entry.unwrap().path().display()))
            .collect();
        stages.sort();
        let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
        plane.run(
            "kwok",
            &[&["--kubeconfig=kubeconfig", "--manage-all-nodes=true"], &stages[..]].concat(),
        );
        plane.wait_for(&["wait", "--for=condition=Ready", "node/one", "--timeout=60s"]);
        plane
    }

    /// How kubectl reaches it.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// How anybody reaches it who needs no kubeconfig: its URL, its authorities, an administrator.
    pub(super) fn target(&self) -> Target {
        let file: Value = serde_json::from_str(&self.folder.read("kubeconfig")).unwrap();
        let server = file["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let authorities = self.folder.read("certificates/apiserver.crt");
        Target::at(server, authorities.as_bytes(), "administrator")
    }

    fn files(&self, port: u16) {
        // The key is for this run only.
        let key = rcgen::KeyPair::generate().unwrap();
        self.folder.write("accounts.pem", key.serialize_pem());
        self.folder.write("accounts.pub", key.public_key_pem());
        self.folder
            .write("tokens.csv", "administrator,administrator,administrator,system:masters\n");
        self.folder.write(
            "kubeconfig",
            format!(
                r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "real",
  "contexts": [{{"name": "real", "context": {{"cluster": "real", "user": "real"}}}}],
  "clusters": [{{"name": "real", "cluster": {{"server": "https://127.0.0.1:{port}",
    "certificate-authority": "certificates/apiserver.crt"}}}}],
  "users": [{{"name": "real", "user": {{"token": "administrator"}}}}]}}"#
            ),
        );
    }

    fn run(&mut self, program: &str, arguments: &[&str]) {
        let log = std::fs::File::create(self.folder.path().join(format!("{program}.log"))).unwrap();
        let child = Command::new(self.programs.join(program))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.parts.push(child);
    }

    /// Asks until the answer is yes; a question takes some tenths of a second.
    fn wait_for(&mut self, arguments: &[&str]) {
        for _ in 0..2_000 {
            let mut asked = self.folder.foreign("kubectl", arguments);
            if asked.env("KUBECONFIG", self.kubeconfig()).output().unwrap().status.success() {
                return;
            }
            for part in &mut self.parts {
                if let Some(status) = part.try_wait().unwrap() {
                    panic!("a part of the control plane ended, {status}: {}", self.logs());
                }
            }
        }
        panic!("the control plane does not answer {arguments:?}: {}", self.logs());
    }

    /// The last words of each part.
    fn logs(&self) -> String {
        ["etcd", "apiserver", "controller-manager", "scheduler", "kwok"]
            .iter()
            .filter_map(|part| {
                let log = self.folder.path().join(format!("{part}.log"));
                let text = std::fs::read_to_string(log).ok()?;
                let last: Vec<&str> = text.lines().rev().take(5).collect();
                Some(format!("\n{part}: {}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
            })
            .collect()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for part in self.parts.iter_mut().rev() {
            // It may have ended by itself.
            let _ = part.kill();
            let _ = part.wait();
        }
    }
}
