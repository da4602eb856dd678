//! `exec:COMMAND`: a program whose standard output is the stream.
//!
//! It is run as it is written, without a shell, in a group of processes of its own that ends
//! with the connection. What it writes is taken apart as what is sent to a feed, so it may be
//! JPEG pictures or any container; what it says on standard error is in the log. The supervisor
//! runs it again, with pauses that grow.
//!
//! Whoever may name a source could run anything by it, so it has to be allowed
//! ([`crate::Options::allow_exec`]).

mod said;
mod words;

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use media::Redacted;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use crate::line::{Line, Stream};
use crate::push::{Ending, Hint, Piped};
use crate::scheme::{Connection, Request, Scheme};
use crate::wire::Wire;
use crate::{Error, Phase, Sink, Stop, on_thread};

use self::said::Said;

/// For the fuzzer: the last line of what a program says.
pub(crate) fn last_line<'a>(now: Instant, slices: impl Iterator<Item = &'a [u8]>) -> String {
    let mut said = Said::new("program");
    slices.for_each(|slice| said.handle(now, slice));
    said.last()
}

/// For the fuzzer: the words of a command.
pub(crate) fn words(command: &str) -> Result<Vec<String>, Error> {
    words::of(command)
}

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["exec"],
    example: "exec:ffmpeg -i input -c copy -f mpegts -",
    doc: "a program whose output is the stream, if --allow-exec allows it",
    port: None,
    captured: true,
    check: |url| words::of(url).map(|_| ()),
    connect,
};

/// How often it is looked whether the program has ended, or is to end.
const LOOKING: Duration = Duration::from_millis(20);
/// How long it has to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);
/// What a capture calls the ends of a program.
const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";
const EXIT: &str = "exit";
/// Bytes read at a time.
const READ: usize = 64 << 10;

/// The ends of a program that has started.
struct Started {
    stdout: ChildStdout,
    stderr: ChildStderr,
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move { run(&request, sink).await })
}

async fn run(request: &Request, sink: Sink) -> Error {
    if !request.options.allow_exec {
        return Error::BadUrl {
            what: "exec: runs a program, which is not allowed here".into(),
            hint: "--allow-exec allows it, or allow_exec = true for this source in headwater.toml".into(),
        };
    }
    let words = match words::of(&request.url) {
        Ok(words) => words,
        Err(error) => return error,
    };
    sink.phase(Phase::Connect);
    let program = Redacted(words.first().map_or("", String::as_str)).to_string();
    let line = sink.line().clone();
    if let Line::Played(play) = line {
        let ends = async { Ok((Stream::output(&play, STDOUT).await?, Stream::output(&play, STDERR).await?)) };
        let (stdout, stderr) = match ends.await {
            Ok(ends) => ends,
            Err(error) => return error,
        };
        let exited = async move {
            let (code, signal) = Stream::output(&play, EXIT).await.ok()?.exited().await;
            // As wait(2) tells of it.
            Some(ExitStatus::from_raw(code.map_or(signal.unwrap_or_default() & 0x7f, |code| (code & 0xff) << 8)))
        };
        return follow(&program, (Wire::played(stdout), Wire::played(stderr)), exited, request, sink).await;
    }
    let (starting, started) = oneshot::channel();
    // A thread of its own, since a program lives as long as the thread that starts it.
    let mut child = Box::pin(on_thread("exec", move |stop| watch_over(&words, starting, &stop)));
    let started = tokio::select! {
        biased;
        started = started => started,
        _ = &mut child => return crate::libav::died(),
    };
    let Started { stdout, stderr } = match started {
        Ok(Ok(started)) => started,
        Ok(Err(error)) => {
            let error = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Error::NotFound { status: 0, what: format!("{program}: there is no such program") }
                }
                _ => Error::from_io(&program, &error),
            };
            line.failed(STDOUT, &error);
            return error;
        }
        Err(_) => return crate::libav::died(),
    };
    let (stdout, stderr) =
        match (tokio::process::ChildStdout::from_std(stdout), tokio::process::ChildStderr::from_std(stderr)) {
            (Ok(stdout), Ok(stderr)) => (stdout, stderr),
            (Err(error), _) | (_, Err(error)) => return Error::from_io(&program, &error),
        };
    let (stdout, stderr) = (line.output(STDOUT, stdout), line.output(STDERR, stderr));
    let exited = async move {
        let status = child.await.flatten();
        if let Some(status) = status {
            line.exited(EXIT, status.code(), status.signal());
        }
        status
    };
    follow(&program, (stdout, stderr), exited, request, sink).await
}

/// What the program writes, and what it says.
type Ends = (Wire, Wire);

/// Takes what a program writes to its end, which is told with how it `exited`.
async fn follow(
    program: &str,
    (stdout, stderr): Ends,
    exited: impl Future<Output = Option<ExitStatus>>,
    request: &Request,
    sink: Sink,
) -> Error {
    let said = Arc::new(Mutex::new(Said::new(program)));
    let hint = Hint { by: program.to_owned(), ..Hint::default() };
    let piped = Piped::start("exec", hint, Arc::clone(&request.options), sink);
    let listening = listen(stderr, &said);
    let taking = async {
        let ended = pour(stdout, &piped).await;
        (piped.finish(if ended { Ending::Whole } else { Ending::Broken }).await, ended)
    };
    tokio::pin!(listening, taking);
    let mut heard_all = false;
    let (result, ended) = loop {
        tokio::select! {
            taken = &mut taking => break taken,
            () = &mut listening, if !heard_all => heard_all = true,
        }
    };
    if !ended {
        // What it sends is of no use: it is not waited for.
        return result.err().unwrap_or(Error::Ended { what: None });
    }
    // It has closed its output: it is about to end.
    let last_words = async {
        if !heard_all {
            listening.await;
        }
        exited.await
    };
    let status = tokio::time::timeout(GRACE, last_words).await.ok().flatten();
    let last = said.lock().unwrap_or_else(PoisonError::into_inner).last();
    how(program, status, &last, result.err())
}

/// What it ended with, in a sentence.
fn how(program: &str, status: Option<ExitStatus>, last: &str, error: Option<Error>) -> Error {
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(0), _)) | None => None,
        Some((Some(code), _)) => Some(format!("{program} ended with status {code}")),
        Some((_, signal)) => Some(format!("{program} was ended by signal {}", signal.unwrap_or_default())),
    };
    let how = how.map(|how| if last.is_empty() { how } else { format!("{how}: {last}") });
    match (how, error) {
        (Some(what), Some(Error::NotVideo { .. })) => Error::Broken { what },
        (Some(what), _) => Error::Ended { what: Some(what) },
        (None, Some(error)) => error,
        (None, None) => Error::Ended { what: None },
    }
}

/// Hands over what it writes, to its end; `false` if nothing more is wanted before.
async fn pour(mut stdout: Wire, piped: &Piped) -> bool {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        let count = tokio::select! {
            count = stdout.read_buf(&mut buffer) => count.unwrap_or(0),
            () = piped.unwanted() => return false,
        };
        if count == 0 {
            return true;
        }
        if !piped.write(buffer.split().freeze()).await {
            return false;
        }
    }
}

/// Puts what it says into the log.
async fn listen(mut stderr: Wire, said: &Mutex<Said>) {
    let mut buffer = [0; 1 << 10];
    while let Ok(count) = stderr.read(&mut buffer).await
        && count > 0
    {
        said.lock().unwrap_or_else(PoisonError::into_inner).handle(Instant::now(), &buffer[..count]);
    }
}

/// Starts the program, and leaves nothing of it when it has ended or `stop` is set.
fn watch_over(
    words: &[String],
    starting: oneshot::Sender<std::io::Result<Started>>,
    stop: &Stop,
) -> Option<ExitStatus> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    sys::end_with_thread(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = starting.send(Err(error));
            return None;
        }
    };
    tracing::info!(pid = child.id(), "{} is started", Redacted(program));
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        // If nobody waits for it any more, `stop` is set.
        let _ = starting.send(Ok(Started { stdout, stderr }));
    }
    loop {
        match child.try_wait() {
            Ok(None) if !stop.is_set() => sleep(LOOKING),
            Ok(None) | Err(_) => {
                end(&mut child, group);
                return None;
            }
            Ok(Some(status)) => {
                end(&mut child, group);
                return Some(status);
            }
        }
    }
}

/// Asks all of the group to end, and kills what is left after [`GRACE`].
fn end(child: &mut Child, group: Option<Pid>) {
    let Some(group) = group else { return };
    // It may just have ended.
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    loop {
        // Its own process is waited for, or it would stay in the group as a zombie.
        let _ = child.try_wait();
        if test_kill_process_group(group).is_err() {
            return;
        }
        if Instant::now() >= deadline {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            return;
        }
        sleep(LOOKING);
    }
}
