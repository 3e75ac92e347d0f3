//! One worker process: started, spoken to, and never left behind.
//!
//! Requests go to its standard input, replies come from its standard output, both pipes. They have a header of 16 bytes,
//! little-endian, and a payload:
//!
//! | request | reply |
//! | --- | --- |
//! | operation u8, flag u8, 0 u16, payload's length u32, argument u64 | status u8, ending u8, 0 u16, payload's length u32, reward f64 |
//!
//! The first request is a length (u32) and JSON, [`Hello`]; the first reply's payload a length (u32), JSON, and the bounds. A
//! payload of status 1 is a [`Failure`] as JSON. Operations: reset, step (whose payload is the observation, then the mask),
//! render, save, load.

use std::cell::Cell;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

/// The version of the protocol; both sides have to speak the same.
pub(super) const PROTOCOL: u32 = 1;
/// The worker's program.
const PROGRAM: &str = include_str!("worker.py");
/// How long starting may take at least: importing a large package from a cold disk is no fault.
const START_UP: Duration = Duration::from_secs(120);
/// How long a worker may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest payload that is believed: a picture of 8192 x 8192.
const LONGEST: usize = 1 << 28;
/// How long to stay awake for an answer: going to sleep and being woken costs about as much as half a step of CartPole.
const SOON: Duration = Duration::from_micros(100);
const HEADER: usize = 16;

pub(super) const RESET: u8 = 1;
pub(super) const STEP: u8 = 2;
pub(super) const RENDER: u8 = 3;
pub(super) const SAVE: u8 = 4;
pub(super) const LOAD: u8 = 5;

/// What a worker is told first.
#[derive(Serialize)]
pub(super) struct Hello<'a> {
    pub(super) protocol: u32,
    /// Without `gym:`; empty to ask for all ids.
    pub(super) id: &'a str,
    pub(super) args: &'a toml::Table,
    pub(super) imports: &'a [String],
    pub(super) render: bool,
}

/// Why a worker cannot do what it was asked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: String,
    #[serde(rename = "type")]
    pub(super) exception: String,
    pub(super) message: String,
    pub(super) at: String,
}

/// How an exchange failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The worker answered that it cannot.
    Failed(Failure),
    /// The worker is gone; how it ended.
    Lost(String),
    /// There was no answer in time.
    Late(Duration),
}

/// An answer, without its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) ending: u8,
    pub(super) reward: f64,
}

/// A running worker. Dropping it ends the process.
pub(super) struct Worker {
    child: Child,
    requests: Option<ChildStdin>,
    /// Does not block: how long to wait, and how, is [`Worker::wait`]'s.
    replies: PipeReader,
    patience: Duration,
    /// Whether the last answer came soon. Where answers take long, staying awake would only keep a core busy.
    soon: Cell<bool>,
}

impl Worker {
    /// Starts the program in `python`, which may take a while to answer first; later answers are due within `patience`.
    pub(super) fn start(python: &str, patience: Duration) -> std::io::Result<Self> {
        let (replies, theirs) = std::io::pipe()?;
        rustix::io::ioctl_fionbio(&replies, true)?;
        let mut child =
            Command::new(python).args(["-u", "-c", PROGRAM]).stdin(Stdio::piped()).stdout(theirs).spawn()?;
        let requests = child.stdin.take();
        Ok(Self { child, requests, replies, patience, soon: Cell::new(false) })
    }

    /// Says hello; gives the payload of the answer.
    pub(super) fn greet(&mut self, hello: &Hello) -> Result<Vec<u8>, Trouble> {
        let text = serde_json::to_vec(hello).unwrap_or_default();
        let start_up = START_UP.max(self.patience);
        self.send(&[&(text.len() as u32).to_le_bytes()[..], &text].concat())?;
        let mut payload = Vec::new();
        self.receive(&mut payload, start_up)?;
        Ok(payload)
    }

    /// Sends a request without waiting for its answer.
    pub(super) fn request(&mut self, operation: u8, flag: bool, argument: u64) -> Result<(), Trouble> {
        self.send(&header(operation, flag, 0, argument))
    }

    /// The answer to the last request; its payload replaces what `payload` held.
    pub(super) fn answer(&mut self, payload: &mut Vec<u8>) -> Result<Answer, Trouble> {
        self.receive(payload, self.patience)
    }

    /// One whole exchange with payloads both ways, for what is rare.
    pub(super) fn exchange(&self, operation: u8, payload: &[u8]) -> Result<Vec<u8>, Trouble> {
        let request = [&header(operation, false, payload.len() as u32, 0)[..], payload].concat();
        self.send(&request)?;
        let mut answer = Vec::new();
        self.receive(&mut answer, self.patience)?;
        Ok(answer)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Trouble> {
        let gone = || Trouble::Lost(String::new());
        let mut requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.write_all(bytes).map_err(|_| gone())
    }

    fn receive(&self, payload: &mut Vec<u8>, patience: Duration) -> Result<Answer, Trouble> {
        // Where the payload is as long as the last one, header and payload come with a single read.
        payload.resize(payload.len().max(HEADER), 0);
        let mut have = 0;
        let asked = Instant::now();
        let fill = |buffer: &mut [u8]| -> Result<usize, Trouble> {
            loop {
                match (&self.replies).read(buffer) {
                    Ok(0) => return Err(Trouble::Lost(String::new())),
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(asked, patience)?,
                    Err(_) => return Err(Trouble::Lost(String::new())),
                }
            }
        };
        while have < HEADER {
            have += fill(&mut payload[have..])?;
        }
        self.soon.set(asked.elapsed() < SOON);
        let (status, ending) = (payload[0], payload[1]);
        let length = u32::from_le_bytes([payload[4], payload[5], payload[6], payload[7]]) as usize;
        let reward = f64::from_le_bytes(std::array::from_fn(|i| payload[8 + i]));
        if length > LONGEST || have > HEADER + length {
            return Err(Trouble::Lost("it answered nonsense".to_owned()));
        }
        payload.resize(HEADER + length, 0);
        while have < HEADER + length {
            have += fill(&mut payload[have..])?;
        }
        if status == 0 {
            return Ok(Answer { ending, reward });
        }
        let damaged = |error: serde_json::Error| Trouble::Lost(format!("it answered nonsense ({error})"));
        Err(Trouble::Failed(serde_json::from_slice(&payload[HEADER..]).map_err(damaged)?))
    }

    /// Returns when there may be something to read.
    fn wait(&self, asked: Instant, patience: Duration) -> Result<(), Trouble> {
        let waited = asked.elapsed();
        if self.soon.get() && waited < SOON {
            // Whoever else wants this core may have it: on a single one, that is the worker.
            std::thread::yield_now();
            return Ok(());
        }
        let left = Timespec::try_from(patience.saturating_sub(waited)).ok();
        match poll(&mut [PollFd::new(&self.replies, PollFlags::IN)], left.as_ref()) {
            Ok(0) => Err(Trouble::Late(patience)),
            // There is something, or it is over, or a signal came: reading will tell.
            _ => Ok(()),
        }
    }

    /// Ends the process; how it ended, or what ended it.
    pub(super) fn end(mut self) -> String {
        self.farewell(Duration::from_millis(500)).map_or("it did not end by itself".to_owned(), how)
    }

    /// Lets go of it, and waits for it to end; after `patience` it is killed, and `None` says so.
    fn farewell(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.requests = None;
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                _ => break,
            }
        }
        // Whether or not it was still there: nothing more can be done.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.farewell(FAREWELL);
    }
}

/// A payload without the header that it was received with.
pub(super) fn body(payload: &[u8]) -> &[u8] {
    payload.get(HEADER..).unwrap_or(&[])
}

fn header(operation: u8, flag: bool, length: u32, argument: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = operation;
    header[1] = u8::from(flag);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..].copy_from_slice(&argument.to_le_bytes());
    header
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("it was killed by signal {signal}"),
        (None, Some(code)) => format!("it ended with status {code}"),
        _ => "it ended".to_owned(),
    }
}
