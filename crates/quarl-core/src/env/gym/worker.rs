//! One worker process with its environments: its start, the requests and answers, and its end.
//!
//! Requests are written to the worker's standard input, and replies are read from its standard output, both pipes. Each has
//! a header of 16 bytes, little-endian, and a payload:
//!
//! | request | reply |
//! | --- | --- |
//! | operation u8, flag u8, environment u16, payload's length u32, argument u64 | status u8, ending u8, environment u16, payload's length u32, reward f64 |
//!
//! The first request is a length (u32) and JSON, [`Handshake`]. The payload of the first reply is a length (u32), JSON, and the
//! observation bounds. Before it, replies of status 2 report the current activity as text. The payload of a reply of status
//! 1 is a [`Failure`] as JSON. Operations: reset, step (the reply's payload is the observation, then the mask), render,
//! save, load. Each environment has at most one outstanding request; requests are answered in their order.
//!
//! Each worker has its own process group. Ending a worker ends the group, and with it the processes that its environments
//! started.

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

/// The version of the protocol; both sides must have the same.
pub(super) const PROTOCOL: u32 = 3;
/// The worker's program. `worker.py` uses the definitions of `spaces.py`.
const PROGRAM: &str = concat!(include_str!("spaces.py"), include_str!("worker.py"));
/// The minimum timeout for starting: importing a large package from a cold disk takes long.
const MIN_START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a worker may take to end by itself, for example to close its environments.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for a worker that has not answered a request, which is probably stuck, and after a stop was requested.
const SHORT_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);
/// The largest payload accepted: an image of 8192 x 8192 pixels in four bytes each.
const MAX_PAYLOAD: usize = 1 << 28;
/// The largest number of characters of a reported activity that is kept.
const MAX_ACTIVITY: usize = 200;
/// How much the buffer of a payload grows at a time.
const CHUNK: usize = 1 << 16;
/// How long to poll for an answer before sleeping: sleeping and waking up costs about half a step of CartPole.
const POLL_TIME: Duration = Duration::from_micros(100);
/// How long to sleep before checking whether a stop was requested.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);
const HEADER: usize = 16;
/// Looks whether a worker has ended. Until its status is collected, the system cannot reuse its process id for another group.
const LOOK: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG).union(WaitIdOptions::NOWAIT);

/// Message statuses; any other status is a failure.
const OK: u8 = 0;
const ACTIVITY: u8 = 2;

pub(super) const RESET: u8 = 1;
pub(super) const STEP: u8 = 2;
pub(super) const RENDER: u8 = 3;
pub(super) const SAVE: u8 = 4;
pub(super) const LOAD: u8 = 5;

/// The first message to a worker.
#[derive(Serialize)]
pub(super) struct Handshake<'a> {
    pub(super) protocol: u32,
    /// The id without `gym:`; empty to request all ids.
    pub(super) id: &'a str,
    pub(super) args: &'a toml::Table,
    pub(super) imports: &'a [String],
    pub(super) render: bool,
    /// The number of environments that this worker creates.
    pub(super) environments: usize,
}

/// An exception or refusal that the worker reports.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: String,
    #[serde(rename = "type")]
    pub(super) exception: String,
    pub(super) message: String,
    pub(super) at: String,
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum WorkerError {
    /// The worker reported a failure.
    Failed(Failure),
    /// The worker process has ended; how it ended.
    Lost(String),
    /// A stop was requested, and no answer arrived soon after.
    Stopped,
    /// No answer arrived within the timeout.
    TimedOut(Duration),
    /// The worker process had ended before this request, and another of its environments has reported that; how it ended.
    AlreadyLost(String),
}

/// An answer without its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) ending: u8,
    pub(super) reward: f64,
}

/// A message from the worker.
enum Message {
    /// The answer to a request.
    Answer(Result<Answer, Failure>),
    /// The current activity, before the first answer.
    Activity(String),
}

/// A running worker. Dropping it ends the process.
pub(super) struct Worker {
    /// `None` after the process has ended.
    child: Option<Child>,
    /// Non-blocking; [`Worker::send`] waits.
    requests: Option<ChildStdin>,
    /// Non-blocking; [`Worker::wait`] waits.
    replies: PipeReader,
    timeout: Duration,
    stop: StopFlag,
    /// Whether the last answer arrived within [`POLL_TIME`]. Where answers take longer, polling would only use a core.
    fast_answer: Cell<bool>,
    /// The number of requests without an answer.
    outstanding: Cell<usize>,
    /// One for each environment.
    inboxes: Vec<Inbox>,
}

/// The answer that arrived for one environment while another environment's answer was awaited.
#[derive(Default)]
struct Inbox {
    answer: Option<Result<Answer, Failure>>,
    payload: Vec<u8>,
}

impl Worker {
    /// Starts the worker's program in `python`. The first answer may take longer than `timeout`, later ones may not.
    pub(super) fn start(python: &str, timeout: Duration, stop: StopFlag) -> std::io::Result<Self> {
        let (replies, theirs) = std::io::pipe()?;
        rustix::io::ioctl_fionbio(&replies, true)?;
        let mut command = Command::new(python);
        command.args(["-u", "-c", PROGRAM]).stdin(Stdio::piped()).stdout(theirs).process_group(0);
        let mut child = command.spawn()?;
        let requests = child.stdin.take();
        if let Some(requests) = &requests {
            rustix::io::ioctl_fionbio(requests, true)?;
        }
        let (fast_answer, outstanding) = (Cell::new(false), Cell::new(0));
        Ok(Self { child: Some(child), requests, replies, timeout, stop, fast_answer, outstanding, inboxes: Vec::new() })
    }

    /// Sends the first message, which creates the environments, and returns the answer's payload. `activity` is updated
    /// meanwhile.
    pub(super) fn handshake(&mut self, handshake: &Handshake, activity: &Activity) -> Result<Vec<u8>, WorkerError> {
        let text = serde_json::to_vec(handshake).unwrap_or_default();
        let (timeout, asked) = (MIN_START_TIMEOUT.max(self.timeout), Instant::now());
        self.send(&[&(text.len() as u32).to_le_bytes()[..], &text].concat(), timeout)?;
        self.inboxes.resize_with(handshake.environments, Inbox::default);
        loop {
            let mut payload = Vec::new();
            // Reports that follow each other without a pause never wait.
            self.check_limits(asked, timeout)?;
            match self.receive(&mut payload, asked, timeout)?.1 {
                Message::Activity(what) => activity.set(what),
                Message::Answer(answer) => {
                    answer.map_err(WorkerError::Failed)?;
                    return Ok(payload);
                }
            }
        }
    }

    /// Sends a request for environment `index` without waiting for the answer.
    pub(super) fn request(&self, index: usize, operation: u8, flag: bool, argument: u64) -> Result<(), WorkerError> {
        self.send(&header(index, operation, flag, 0, argument), self.timeout)
    }

    /// Waits for the answer to the last request of environment `index`; its payload replaces the contents of `payload`.
    pub(super) fn answer(&mut self, index: usize, payload: &mut Vec<u8>) -> Result<Answer, WorkerError> {
        loop {
            if let Some(answer) = self.inboxes[index].answer.take() {
                std::mem::swap(payload, &mut self.inboxes[index].payload);
                return answer.map_err(WorkerError::Failed);
            }
            let (from, Message::Answer(answer)) = self.receive(payload, Instant::now(), self.timeout)? else {
                return Err(protocol_error());
            };
            // An environment has at most one request to answer.
            let inbox = self.inboxes.get_mut(from).filter(|inbox| inbox.answer.is_none()).ok_or_else(protocol_error)?;
            std::mem::swap(payload, &mut inbox.payload);
            inbox.answer = Some(answer);
        }
    }

    /// Sends a request with a payload and waits for the answer. For rare operations: it allocates.
    pub(super) fn exchange(&mut self, index: usize, operation: u8, payload: &[u8]) -> Result<Vec<u8>, WorkerError> {
        let header = header(index, operation, false, payload.len() as u32, 0);
        self.send(&[&header[..], payload].concat(), self.timeout)?;
        let mut answer = Vec::new();
        self.answer(index, &mut answer)?;
        Ok(answer)
    }

    /// Sends a message. A worker that does not read its input is given up after `timeout`. Other errors are ignored here: a lost
    /// worker is always reported where its answer is awaited, however early it ended.
    fn send(&self, mut bytes: &[u8], timeout: Duration) -> Result<(), WorkerError> {
        self.outstanding.set(self.outstanding.get() + 1);
        let Some(mut requests) = self.requests.as_ref() else { return Ok(()) };
        let mut asked = None;
        while !bytes.is_empty() {
            match requests.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.check_limits(*asked.get_or_insert_with(Instant::now), timeout)?;
                    let slice = Timespec::try_from(STOP_CHECK_INTERVAL).ok();
                    let _ = poll(&mut [PollFd::new(requests, PollFlags::OUT)], slice.as_ref());
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether a worker may go on with what was asked at this time. Checked where messages that arrive without a pause would
    /// otherwise never be waited for.
    fn check_limits(&self, asked: Instant, timeout: Duration) -> Result<(), WorkerError> {
        let waited = asked.elapsed();
        if waited > timeout {
            return Err(WorkerError::TimedOut(timeout));
        }
        if waited > STOP_CHECK_INTERVAL && self.stop.is_requested() { Err(WorkerError::Stopped) } else { Ok(()) }
    }

    /// Receives the next message and the index of the environment that it belongs to.
    fn receive(
        &self,
        payload: &mut Vec<u8>,
        asked: Instant,
        timeout: Duration,
    ) -> Result<(usize, Message), WorkerError> {
        // With one environment, header and payload are read with a single call if the payload is as long as the last one.
        // With several environments, that read could include the beginning of the next message.
        let most = if self.inboxes.len() == 1 { payload.len().max(HEADER) } else { HEADER };
        payload.resize(most, 0);
        let mut have = 0;
        let fill = |buffer: &mut [u8]| -> Result<usize, WorkerError> {
            loop {
                match (&self.replies).read(buffer) {
                    Ok(0) => return Err(WorkerError::Lost(String::new())),
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(asked, timeout)?,
                    Err(_) => return Err(WorkerError::Lost(String::new())),
                }
            }
        };
        while have < HEADER {
            have += fill(&mut payload[have..])?;
        }
        self.fast_answer.set(asked.elapsed() < POLL_TIME);
        let (status, ending) = (payload[0], payload[1]);
        let from = usize::from(u16::from_le_bytes([payload[2], payload[3]]));
        let length = u32::from_le_bytes([payload[4], payload[5], payload[6], payload[7]]) as usize;
        let reward = f64::from_le_bytes(std::array::from_fn(|i| payload[8 + i]));
        if length > MAX_PAYLOAD || have > HEADER + length {
            return Err(protocol_error());
        }
        // Grows with what arrives, so that an announced length alone takes no memory.
        while have < HEADER + length {
            payload.resize((HEADER + length).min(have + CHUNK), 0);
            have += fill(&mut payload[have..])?;
            self.check_limits(asked, timeout)?;
        }
        payload.truncate(HEADER + length);
        if status == ACTIVITY {
            let text = String::from_utf8_lossy(&payload[HEADER..]);
            return Ok((from, Message::Activity(text.chars().take(MAX_ACTIVITY).collect())));
        }
        self.outstanding.set(self.outstanding.get().saturating_sub(1));
        let answer = match status {
            OK => Ok(Answer { ending, reward }),
            _ => Err(serde_json::from_slice(&payload[HEADER..]).map_err(|_| protocol_error())?),
        };
        Ok((from, Message::Answer(answer)))
    }

    /// Returns when there may be something to read.
    fn wait(&self, asked: Instant, timeout: Duration) -> Result<(), WorkerError> {
        let waited = asked.elapsed();
        if self.fast_answer.get() && waited < POLL_TIME {
            // Lets other threads use this core; on a single core, the worker needs it.
            std::thread::yield_now();
            return Ok(());
        }
        let left = timeout.saturating_sub(waited);
        let slice = Timespec::try_from(left.min(STOP_CHECK_INTERVAL)).ok();
        let look = |slice| poll(&mut [PollFd::new(&self.replies, PollFlags::IN)], slice);
        match look(slice.as_ref()) {
            Ok(0) if self.stop.is_requested() => Err(WorkerError::Stopped),
            Ok(0) if left <= STOP_CHECK_INTERVAL => Err(WorkerError::TimedOut(timeout)),
            // A process that the worker has started may keep the pipe open.
            Ok(0) if self.has_ended() && look(Some(&Timespec::default())) == Ok(0) => {
                Err(WorkerError::Lost(String::new()))
            }
            // Data, the end of the stream, or a signal: the following read tells which.
            _ => Ok(()),
        }
    }

    /// Whether the process has ended.
    fn has_ended(&self) -> bool {
        let id = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        id.is_none_or(|id| !matches!(waitid(WaitId::Pid(id), LOOK), Ok(None)))
    }

    /// Ends the process group. Returns how the worker ended.
    pub(super) fn end(mut self) -> String {
        self.shut_down(Duration::from_millis(500)).map_or("it closed its output".to_owned(), exit_description)
    }

    /// Kills the process group.
    pub(super) fn kill(mut self) {
        self.shut_down(Duration::ZERO);
    }

    /// Closes the worker's input, waits for it to end, and kills what is left of its process group. After `timeout` the
    /// worker is killed too, and `None` is returned.
    fn shut_down(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        self.requests = None;
        let Ok(Some(group)) = i32::try_from(child.id()).map(Pid::from_raw) else { return child.wait().ok() };
        let deadline = Instant::now() + timeout;
        let ended = loop {
            match waitid(WaitId::Pid(group), LOOK) {
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
        // After a requested stop, do not wait long.
        let short = self.stop.is_requested() || self.outstanding.get() > 0;
        self.shut_down(if short { SHORT_SHUTDOWN_TIMEOUT } else { SHUTDOWN_TIMEOUT });
    }
}

/// The payload of a received message without its header.
pub(super) fn body(payload: &[u8]) -> &[u8] {
    payload.get(HEADER..).unwrap_or(&[])
}

pub(super) fn protocol_error() -> WorkerError {
    WorkerError::Lost("it sent an invalid answer".to_owned())
}

fn header(index: usize, operation: u8, flag: bool, length: u32, argument: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = operation;
    header[1] = u8::from(flag);
    header[2..4].copy_from_slice(&(index as u16).to_le_bytes());
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..].copy_from_slice(&argument.to_le_bytes());
    header
}

fn exit_description(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("it was killed by signal {signal}"),
        (None, Some(code)) => format!("it ended with status {code}"),
        _ => "it ended".to_owned(),
    }
}
