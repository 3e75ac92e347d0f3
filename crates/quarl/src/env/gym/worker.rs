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
//! payload of status 1 is a [`Failure`] as JSON. Before the first reply, messages of status 2 say what is being done, as text.
//! Operations: reset, step (whose payload is the observation, then the mask), render, save, load. Each environment has at
//! most one request on its way; all are answered in their order.
//!
//! A worker leads a process group of its own. Ending it ends the group: the processes that its environments have started, too.

use std::cell::Cell;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

use super::startup::Activity;
use crate::stop::StopFlag;

/// The version of the protocol; both sides have to speak the same.
pub(super) const PROTOCOL: u32 = 3;
/// The worker's program: what spaces.py defines, worker.py uses.
const PROGRAM: &str = concat!(include_str!("spaces.py"), include_str!("worker.py"));
/// How long starting may take at least: importing a large package from a cold disk is no fault.
const START_UP: Duration = Duration::from_secs(120);
/// How long a worker may take to end by itself: an environment may have something to close.
const FAREWELL: Duration = Duration::from_secs(2);
/// The same for one that still owes an answer and so is probably stuck, and where somebody has asked to stop.
const SHORT_FAREWELL: Duration = Duration::from_millis(100);
/// The longest payload that is believed: a picture of 8192 x 8192.
const LONGEST: usize = 1 << 28;
/// How long to stay awake for an answer: going to sleep and being woken costs about as much as half a step of CartPole.
const SOON: Duration = Duration::from_micros(100);
/// How long to wait for an answer without asking whether the run was stopped.
const SLICE: Duration = Duration::from_millis(100);
const HEADER: usize = 16;

/// The statuses of messages; any other one is a failure.
const OK: u8 = 0;
const DOING: u8 = 2;

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
pub(super) enum WorkerError {
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

/// What a worker says.
enum Message {
    /// The answer to a request.
    Answer(Result<Answer, Failure>),
    /// What it is doing before its first answer.
    Doing(String),
}

/// A running worker. Dropping it ends the process.
pub(super) struct Worker {
    /// None once it has ended.
    child: Option<Child>,
    requests: Option<ChildStdin>,
    /// Does not block: how long to wait, and how, is [`Worker::wait`]'s.
    replies: PipeReader,
    patience: Duration,
    stop: StopFlag,
    /// Whether the last answer came soon. Where answers take long, staying awake would only keep a core busy.
    soon: Cell<bool>,
    /// How many requests have not been answered.
    owed: Cell<usize>,
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
        let mut command = Command::new(python);
        command.args(["-u", "-c", PROGRAM]).stdin(Stdio::piped()).stdout(theirs).process_group(0);
        let mut child = command.spawn()?;
        let requests = child.stdin.take();
        let (soon, owed) = (Cell::new(false), Cell::new(0));
        Ok(Self { child: Some(child), requests, replies, patience, stop, soon, owed, inboxes: Vec::new() })
    }

    /// Says hello, which makes the environments; gives the payload of the answer. `activity` hears of what is being done.
    pub(super) fn greet(&mut self, hello: &Hello, activity: &Activity) -> Result<Vec<u8>, WorkerError> {
        let text = serde_json::to_vec(hello).unwrap_or_default();
        self.send(&[&(text.len() as u32).to_le_bytes()[..], &text].concat());
        self.inboxes.resize_with(hello.environments, Inbox::default);
        let (patience, asked) = (START_UP.max(self.patience), Instant::now());
        loop {
            let mut payload = Vec::new();
            match self.receive(&mut payload, asked, patience)?.1 {
                Message::Doing(what) => activity.becomes(what),
                Message::Answer(answer) => {
                    answer.map_err(WorkerError::Failed)?;
                    return Ok(payload);
                }
            }
        }
    }

    /// Sends environment `which` a request without waiting for its answer.
    pub(super) fn request(&self, which: usize, operation: u8, flag: bool, argument: u64) {
        self.send(&header(which, operation, flag, 0, argument));
    }

    /// The answer to environment `which`'s last request; its payload replaces what `payload` held.
    pub(super) fn answer(&mut self, which: usize, payload: &mut Vec<u8>) -> Result<Answer, WorkerError> {
        loop {
            if let Some(answer) = self.inboxes[which].answer.take() {
                std::mem::swap(payload, &mut self.inboxes[which].payload);
                return answer.map_err(WorkerError::Failed);
            }
            let (from, Message::Answer(answer)) = self.receive(payload, Instant::now(), self.patience)? else {
                return Err(nonsense());
            };
            let inbox = self.inboxes.get_mut(from).ok_or_else(nonsense)?;
            std::mem::swap(payload, &mut inbox.payload);
            inbox.answer = Some(answer);
        }
    }

    /// One whole exchange with payloads both ways, for what is rare.
    pub(super) fn exchange(&mut self, which: usize, operation: u8, payload: &[u8]) -> Result<Vec<u8>, WorkerError> {
        self.send(&[&header(which, operation, false, payload.len() as u32, 0)[..], payload].concat());
        let mut answer = Vec::new();
        self.answer(which, &mut answer)?;
        Ok(answer)
    }

    /// A worker that is gone is noticed where its answer is awaited: always at the same place, however fast it went.
    fn send(&self, bytes: &[u8]) {
        self.owed.set(self.owed.get() + 1);
        let _ = self.requests.as_ref().map(|mut requests| requests.write_all(bytes));
    }

    /// The next message: whose it is, and what it says.
    fn receive(
        &self,
        payload: &mut Vec<u8>,
        asked: Instant,
        patience: Duration,
    ) -> Result<(usize, Message), WorkerError> {
        // Where the payload is as long as the last one, header and payload come with a single read. With several environments,
        // that could take the beginning of the next message, too.
        let most = if self.inboxes.len() == 1 { payload.len().max(HEADER) } else { HEADER };
        payload.resize(most, 0);
        let mut have = 0;
        let fill = |buffer: &mut [u8]| -> Result<usize, WorkerError> {
            loop {
                match (&self.replies).read(buffer) {
                    Ok(0) => return Err(WorkerError::Lost(String::new())),
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(asked, patience)?,
                    Err(_) => return Err(WorkerError::Lost(String::new())),
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
        if status == DOING {
            return Ok((from, Message::Doing(String::from_utf8_lossy(&payload[HEADER..]).into_owned())));
        }
        self.owed.set(self.owed.get().saturating_sub(1));
        let answer = match status {
            OK => Ok(Answer { ending, reward }),
            _ => Err(serde_json::from_slice(&payload[HEADER..]).map_err(|_| nonsense())?),
        };
        Ok((from, Message::Answer(answer)))
    }

    /// Returns when there may be something to read.
    fn wait(&self, asked: Instant, patience: Duration) -> Result<(), WorkerError> {
        let waited = asked.elapsed();
        if self.soon.get() && waited < SOON {
            // Whoever else wants this core may have it: on a single one, that is the worker.
            std::thread::yield_now();
            return Ok(());
        }
        let left = patience.saturating_sub(waited);
        let slice = Timespec::try_from(left.min(SLICE)).ok();
        match poll(&mut [PollFd::new(&self.replies, PollFlags::IN)], slice.as_ref()) {
            Ok(0) if self.stop.is_requested() => Err(WorkerError::Stopped),
            Ok(0) if left <= SLICE => Err(WorkerError::Late(patience)),
            // There is something, or it is over, or a signal came: reading will tell.
            _ => Ok(()),
        }
    }

    /// Ends the process group; how the worker ended, or what ended it.
    pub(super) fn end(mut self) -> String {
        self.farewell(Duration::from_millis(500)).map_or("it did not end by itself".to_owned(), how)
    }

    /// Ends the process group now.
    pub(super) fn kill(mut self) {
        self.farewell(Duration::ZERO);
    }

    /// Lets go of it, waits for it to end, and ends what is left of its process group. After `patience` it is killed, and
    /// `None` says so.
    fn farewell(&mut self, patience: Duration) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        self.requests = None;
        let Ok(Some(group)) = i32::try_from(child.id()).map(Pid::from_raw) else { return child.wait().ok() };
        let deadline = Instant::now() + patience;
        // Until the worker's status is taken, its number cannot become another group's.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = loop {
            match waitid(WaitId::Pid(group), look) {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => break false,
                _ => break true,
            }
        };
        let _ = kill_process_group(group, Signal::KILL);
        // The worker itself may have left the group.
        let _ = child.kill();
        let status = child.wait().ok();
        status.filter(|_| ended)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Whoever stopped the run does not want to wait.
        let short = self.stop.is_requested() || self.owed.get() > 0;
        self.farewell(if short { SHORT_FAREWELL } else { FAREWELL });
    }
}

/// A payload without the header that it was received with.
pub(super) fn body(payload: &[u8]) -> &[u8] {
    payload.get(HEADER..).unwrap_or(&[])
}

pub(super) fn nonsense() -> WorkerError {
    WorkerError::Lost("it answered nonsense".to_owned())
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
