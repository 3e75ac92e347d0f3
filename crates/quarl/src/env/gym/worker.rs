//! One worker process with its environments: started, spoken to, and never left behind.
//!
//! Requests go to its standard input, replies come from its standard output, both pipes. They have a header of 16 bytes,
//! little-endian, and a payload:
//!
//! | request | reply |
//! | --- | --- |
//! | operation u8, flag u8, environment u16, payload's length u32, argument u64 | status u8, ending u8, environment u16, payload's length u32, reward f64 |
//!
//! The first request is a length (u32) and JSON, [`Hello`]; the first reply's payload a length (u32), JSON, and the bounds. A
//! payload of status 1 is a [`Failure`] as JSON. Operations: reset, step (whose payload is the observation, then the mask),
//! render, save, load. Each environment has at most one request on its way; all are answered in their order.

use std::cell::Cell;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::stop::StopFlag;

/// The version of the protocol; both sides have to speak the same.
pub(super) const PROTOCOL: u32 = 2;
/// The worker's program: what spaces.py defines, worker.py uses.
const PROGRAM: &str = concat!(include_str!("spaces.py"), include_str!("worker.py"));
/// How long starting may take at least: importing a large package from a cold disk is no fault.
const START_UP: Duration = Duration::from_secs(120);
/// How long a worker may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest payload that is believed: a picture of 8192 x 8192.
const LONGEST: usize = 1 << 28;
/// How long to stay awake for an answer: going to sleep and being woken costs about as much as half a step of CartPole.
const SOON: Duration = Duration::from_micros(100);
/// How long to wait for an answer without asking whether the run was stopped.
const SLICE: Duration = Duration::from_millis(100);
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
    /// How many of them this worker holds.
    pub(super) environments: usize,
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
    /// Somebody asked to stop, and there was no answer soon after.
    Stopped,
    /// There was no answer in time.
    Late(Duration),
    /// The worker was gone before this, and another of its environments has said so; how it ended.
    Gone(String),
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
    stop: StopFlag,
    /// Whether the last answer came soon. Where answers take long, staying awake would only keep a core busy.
    soon: Cell<bool>,
    /// One for each environment.
    inboxes: Vec<Inbox>,
}

/// What came for one environment while another one's answer was awaited.
#[derive(Default)]
struct Inbox {
    answer: Option<Result<Answer, Failure>>,
    payload: Vec<u8>,
}

impl Worker {
    /// Starts the program in `python`, which may take a while to answer first; later answers are due within `patience`.
    pub(super) fn start(python: &str, patience: Duration, stop: StopFlag) -> std::io::Result<Self> {
        let (replies, theirs) = std::io::pipe()?;
        rustix::io::ioctl_fionbio(&replies, true)?;
        let mut child =
            Command::new(python).args(["-u", "-c", PROGRAM]).stdin(Stdio::piped()).stdout(theirs).spawn()?;
        let requests = child.stdin.take();
        Ok(Self { child, requests, replies, patience, stop, soon: Cell::new(false), inboxes: Vec::new() })
    }

    /// Says hello, which makes the environments; gives the payload of the answer.
    pub(super) fn greet(&mut self, hello: &Hello) -> Result<Vec<u8>, Trouble> {
        let text = serde_json::to_vec(hello).unwrap_or_default();
        self.send(&[&(text.len() as u32).to_le_bytes()[..], &text].concat());
        self.inboxes.resize_with(hello.environments, Inbox::default);
        let mut payload = Vec::new();
        let (_, answer) = self.receive(&mut payload, START_UP.max(self.patience))?;
        answer.map_err(Trouble::Failed)?;
        Ok(payload)
    }

    /// Sends environment `which` a request without waiting for its answer.
    pub(super) fn request(&self, which: usize, operation: u8, flag: bool, argument: u64) {
        self.send(&header(which, operation, flag, 0, argument));
    }

    /// The answer to environment `which`'s last request; its payload replaces what `payload` held.
    pub(super) fn answer(&mut self, which: usize, payload: &mut Vec<u8>) -> Result<Answer, Trouble> {
        loop {
            if let Some(answer) = self.inboxes[which].answer.take() {
                std::mem::swap(payload, &mut self.inboxes[which].payload);
                return answer.map_err(Trouble::Failed);
            }
            let (from, answer) = self.receive(payload, self.patience)?;
            let inbox = self.inboxes.get_mut(from).ok_or_else(nonsense)?;
            std::mem::swap(payload, &mut inbox.payload);
            inbox.answer = Some(answer);
        }
    }

    /// One whole exchange with payloads both ways, for what is rare.
    pub(super) fn exchange(&mut self, which: usize, operation: u8, payload: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.send(&[&header(which, operation, false, payload.len() as u32, 0)[..], payload].concat());
        let mut answer = Vec::new();
        self.answer(which, &mut answer)?;
        Ok(answer)
    }

    /// A worker that is gone is noticed where its answer is awaited: always at the same place, however fast it went.
    fn send(&self, bytes: &[u8]) {
        let _ = self.requests.as_ref().map(|mut requests| requests.write_all(bytes));
    }

    /// The next message: whose it is, and what it says.
    fn receive(&self, payload: &mut Vec<u8>, patience: Duration) -> Result<(usize, Result<Answer, Failure>), Trouble> {
        // Where the payload is as long as the last one, header and payload come with a single read. With several environments,
        // that could take the beginning of the next message, too.
        let most = if self.inboxes.len() == 1 { payload.len().max(HEADER) } else { HEADER };
        payload.resize(most, 0);
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
        let from = usize::from(u16::from_le_bytes([payload[2], payload[3]]));
        let length = u32::from_le_bytes([payload[4], payload[5], payload[6], payload[7]]) as usize;
        let reward = f64::from_le_bytes(std::array::from_fn(|i| payload[8 + i]));
        if length > LONGEST || have > HEADER + length {
            return Err(nonsense());
        }
        payload.resize(HEADER + length, 0);
        while have < HEADER + length {
            have += fill(&mut payload[have..])?;
        }
        if status == 0 {
            return Ok((from, Ok(Answer { ending, reward })));
        }
        Ok((from, Err(serde_json::from_slice(&payload[HEADER..]).map_err(|_| nonsense())?)))
    }

    /// Returns when there may be something to read.
    fn wait(&self, asked: Instant, patience: Duration) -> Result<(), Trouble> {
        let waited = asked.elapsed();
        if self.soon.get() && waited < SOON {
            // Whoever else wants this core may have it: on a single one, that is the worker.
            std::thread::yield_now();
            return Ok(());
        }
        let left = patience.saturating_sub(waited);
        let slice = Timespec::try_from(left.min(SLICE)).ok();
        match poll(&mut [PollFd::new(&self.replies, PollFlags::IN)], slice.as_ref()) {
            Ok(0) if self.stop.is_requested() => Err(Trouble::Stopped),
            Ok(0) if left <= SLICE => Err(Trouble::Late(patience)),
            // There is something, or it is over, or a signal came: reading will tell.
            _ => Ok(()),
        }
    }

    /// Ends the process; how it ended, or what ended it.
    pub(super) fn end(mut self) -> String {
        self.farewell(Duration::from_millis(500)).map_or("it did not end by itself".to_owned(), how)
    }

    /// Ends the process now.
    pub(super) fn kill(mut self) {
        self.farewell(Duration::ZERO);
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
        // Whoever stopped the run does not want to wait.
        self.farewell(if self.stop.is_requested() { SLICE } else { FAREWELL });
    }
}

/// A payload without the header that it was received with.
pub(super) fn body(payload: &[u8]) -> &[u8] {
    payload.get(HEADER..).unwrap_or(&[])
}

pub(super) fn nonsense() -> Trouble {
    Trouble::Lost("it answered nonsense".to_owned())
}

fn header(which: usize, operation: u8, flag: bool, length: u32, argument: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = operation;
    header[1] = u8::from(flag);
    header[2..4].copy_from_slice(&(which as u16).to_le_bytes());
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
