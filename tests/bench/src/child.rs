//! A process of this program that serves another one: it says its address first, and ends with its
//! input.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{Failure, cpu, say};

/// A process that serves this one. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The address at which it serves.
    pub(crate) url: String,
}

impl Serving {
    /// Starts this program with arguments that make it serve.
    pub(crate) fn start<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the child has no output")?;
        let mut serving = Self {
            child,
            output: BufReader::new(output),
            url: String::new(),
        };
        serving.url = serving.line()?;
        Ok(serving)
    }

    /// Waits for the next line that it says.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("a process that serves ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim().to_owned())
    }

    /// Seconds of processor time that it has used so far.
    pub(crate) fn used(&self) -> f64 {
        cpu::own(self.child.id())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already; nothing that it knows is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says the address at which this process serves, then waits until its input ends.
pub(crate) async fn serve_at(url: &str) -> Result<(), Failure> {
    say(url);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    Ok(())
}
