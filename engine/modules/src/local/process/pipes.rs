//! The pipes of a process, served from one thread: what it reads is written, what it writes is read
//! and kept in part, until it has closed them or is given up.

use std::io::{self, ErrorKind, PipeReader, Read, Write as _};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio};

/// How much is kept of what a process writes.
const KEPT: usize = 64 << 10;
/// How much is read at once.
const AT_ONCE: usize = 8 << 10;

/// The pipes of one process.
pub(super) struct Pipes<'a> {
    stdin: Option<(ChildStdin, &'a [u8])>,
    stdout: Output,
    stderr: Output,
}

/// What a process writes to one pipe.
struct Output {
    pipe: Option<Box<dyn Pipe>>,
    kept: Vec<u8>,
    keeps: Keeps,
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

/// Which part is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Beginning,
    End,
}

/// Why serving them ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// The process has closed its pipes.
    Closed,
    /// Nobody waits for it any more.
    Abandoned,
}

impl<'a> Pipes<'a> {
    /// The pipes of a process that reads this.
    pub(super) fn of(child: &mut Child, stdin: Option<&'a str>) -> io::Result<Self> {
        let pipe = child.stdin.take();
        if let Some(pipe) = &pipe {
            ioctl_fionbio(pipe, true)?;
        }
        let boxed = |pipe: Option<Box<dyn Pipe>>, keeps| Output { pipe, kept: Vec::new(), keeps };
        Ok(Self {
            stdin: pipe.zip(stdin.map(str::as_bytes)),
            stdout: boxed(child.stdout.take().map(|pipe| Box::new(pipe) as _), Keeps::Beginning),
            stderr: boxed(child.stderr.take().map(|pipe| Box::new(pipe) as _), Keeps::End),
        })
    }

    /// Serves them to their end, or until something can be read of `abandoned`.
    pub(super) fn serve(&mut self, abandoned: &PipeReader) -> io::Result<Served> {
        loop {
            let reads = [self.stdout.pipe.as_ref(), self.stderr.pipe.as_ref()];
            let mut waits = vec![PollFd::new(abandoned, PollFlags::IN)];
            waits.extend(reads.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            waits.extend(self.stdin.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::OUT)));
            if waits.len() == 1 {
                return Ok(Served::Closed);
            }
            match poll(&mut waits, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let mut ready = waits.iter().map(|one| !one.revents().is_empty());
            if ready.next() == Some(true) {
                return Ok(Served::Abandoned);
            }
            let mut is_ready = |is_open: bool| is_open && ready.next() == Some(true);
            let stdout = is_ready(self.stdout.pipe.is_some());
            let stderr = is_ready(self.stderr.pipe.is_some());
            let stdin = is_ready(self.stdin.is_some());
            if stdout {
                self.stdout.read()?;
            }
            if stderr {
                self.stderr.read()?;
            }
            if stdin {
                self.write()?;
            }
        }
    }

    /// What was kept: of its output and of its errors.
    pub(super) fn kept(mut self) -> (Vec<u8>, Vec<u8>) {
        let errors = self.stderr.kept.len();
        self.stderr.kept.drain(..errors.saturating_sub(KEPT));
        (self.stdout.kept, self.stderr.kept)
    }

    fn write(&mut self) -> io::Result<()> {
        let Some((pipe, rest)) = &mut self.stdin else { return Ok(()) };
        match pipe.write(rest) {
            Ok(written) => *rest = &rest[written..],
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(());
            }
            // It need not read to the end.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => *rest = &[],
            Err(error) => return Err(error),
        }
        if rest.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }
}

impl Output {
    /// Reads what is there. What is not kept is read too: a full pipe would stop the process.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut bytes = [0; AT_ONCE];
        let read = match pipe.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        if read == 0 {
            self.pipe = None;
        }
        let room = match self.keeps {
            Keeps::Beginning => KEPT - self.kept.len(),
            Keeps::End => read,
        };
        self.kept.extend_from_slice(&bytes[..read.min(room)]);
        if self.kept.len() > 2 * KEPT {
            self.kept.drain(..self.kept.len() - KEPT);
        }
        Ok(())
    }
}
