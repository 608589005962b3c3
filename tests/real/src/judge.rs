//! The judge: the built Go program of `karpenter/`, asked question by question.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cases::Case;
use crate::records::Answer;

/// A judge that waits for questions. It ends, and its files go, when it is dropped.
#[derive(Debug)]
pub struct Judge {
    child: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Judge {
    /// Starts the program; it solves each question so many times.
    pub fn start(program: &str, runs: usize) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(program)
            .args(["-runs", &runs.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = child.stdin.take();
        let answers = child.stdout.take().ok_or("the judge has no output")?;
        let folder = std::env::temp_dir().join(format!("karpenter-judge-{}", child.id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { child, questions, answers: BufReader::new(answers).lines(), folder })
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it answers in each run.
    pub fn answers(&mut self, case: &Case) -> Result<Vec<Answer>, Box<dyn Error>> {
        let question = written(&self.folder, case)?;
        self.ask(&question).map_err(|error| format!("{}: {error}", case.name).into())
    }

    /// Asks a question in the judge's own form.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T, Box<dyn Error>> {
        let questions = self.questions.as_mut().ok_or("the judge has no input")?;
        writeln!(questions, "{question}")?;
        let line = self.answers.next().ok_or("the judge ended")??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Judge {
    /// Without input it ends by itself; what cannot be cleaned up is no matter then.
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes the files of a case; the question names them.
fn written(folder: &Path, case: &Case) -> Result<Value, Box<dyn Error>> {
    let folder = folder.join(&case.name);
    fs::create_dir_all(&folder)?;
    let save = |name: String, text: &str| -> std::io::Result<String> {
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let mut pools = Vec::new();
    for (index, pool) in case.node_pools.iter().enumerate() {
        pools.push(save(format!("pool-{index}.json"), pool)?);
    }
    let daemonsets = match &case.daemonsets {
        Some(text) => save("daemonsets.json".to_owned(), text)?,
        None => String::new(),
    };
    Ok(json!({
        "pods": save("pods.json".to_owned(), &case.pods)?,
        "node_pools": pools,
        "daemonsets": daemonsets,
        "instance_types": save("types.csv".to_owned(), &case.instance_types)?,
    }))
}
