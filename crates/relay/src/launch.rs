//! Programs that feed: the one of a `Launch` line, run again and again.
//!
//! The program is run as it is written, without a shell, with the feed's URL behind its
//! arguments. It is a group of processes of its own, so that what it starts ends with it.
//! However short it lived it is run again, after a pause that grows until it has lived for
//! a while. Nothing of a group is left when its [`Program`] is over; what it says is in the
//! log (`lines`).

mod lines;

use std::io::Error as IoError;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use media::Redacted;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::watch;

pub(crate) use self::lines::of as lines_of;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, and the one after a program that cannot be started.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A program that lived as long has worked: the next pause is the first again.
const WORKED: Duration = Duration::from_secs(60);
/// How long a program that was asked to end has for it.
const GRACE: Duration = Duration::from_secs(3);
/// How often it is looked whether a group is gone.
const LOOKING: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Clone)]
pub(crate) struct Order {
    /// The feed, for the log.
    pub(crate) feed: String,
    /// The program and its arguments; never empty.
    pub(crate) words: Vec<String>,
    /// The last argument.
    pub(crate) url: String,
}

impl Order {
    /// All arguments.
    ///
    /// ffmpeg guessed ffserver's own format from the URL, and cannot any more: where no format
    /// is named for it, it is told one.
    fn arguments(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let is_ffmpeg = self.program().rsplit('/').next() == Some("ffmpeg");
        let names_format = matches!(words[..], [_, .., "-f", _]);
        if is_ffmpeg && !names_format {
            words.extend(["-f", "matroska"]);
        }
        words.push(&self.url);
        words.split_off(1)
    }

    fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// A program that is run until it is told to end, or dropped.
pub(crate) struct Program {
    seen: Arc<Seen>,
    stop: watch::Sender<bool>,
}

/// What there is to see of a program.
#[derive(Default)]
struct Seen {
    /// 0: it does not run.
    pid: AtomicU32,
    starts: AtomicU64,
}

impl Program {
    /// Runs it once `before` is gone, which is told to end. Needs a tokio runtime.
    ///
    /// # Errors
    /// When there can be no thread for it.
    pub(crate) fn start(order: Order, before: Option<Self>) -> std::io::Result<Self> {
        let (stop, mut stopping) = watch::channel(false);
        let seen = Arc::<Seen>::default();
        let program = Self { seen: Arc::clone(&seen), stop };
        let runtime = tokio::runtime::Handle::current();
        // A thread of its own, since a program lives as long as the thread that starts it.
        std::thread::Builder::new().name("launch".into()).spawn(move || {
            runtime.block_on(async {
                if let Some(before) = before {
                    before.end();
                    before.ended().await;
                }
                supervise(&order, &seen, &mut stopping).await;
            });
        })?;
        Ok(program)
    }

    /// Tells it to end.
    pub(crate) fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until nothing is left of it. Cancel-safe.
    pub(crate) async fn ended(&self) {
        self.stop.closed().await;
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_closed()
    }

    /// The process that runs now.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.seen.pid.load(Relaxed)).filter(|pid| *pid != 0)
    }

    /// How often it was run again.
    pub(crate) fn restarts(&self) -> u64 {
        self.seen.starts.load(Relaxed).saturating_sub(1)
    }
}

/// Pauses that grow.
struct Pauses(Duration);

impl Pauses {
    /// The pause after a program that lived as long as that.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived >= WORKED {
            self.0 = FIRST_PAUSE;
        }
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// A group of processes. What is left of it is killed when it is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may just have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Group {
    /// Asks all of it to end, waits, and kills what is left after [`GRACE`].
    ///
    /// The number of a group is not given away again while somebody of it is there, and
    /// numbers go round: nobody else has it in the moment after the last one has ended.
    async fn end(mut self, child: &mut Child) {
        let Some(group) = self.0 else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let gone = async {
            // Its own process is waited for, or it would stay in the group as a zombie.
            let _ = child.wait().await;
            while test_kill_process_group(group).is_ok() {
                tokio::time::sleep(LOOKING).await;
            }
        };
        if tokio::time::timeout(GRACE, gone).await.is_ok() {
            // There is nobody to kill any more.
            self.0 = None;
            return;
        }
        drop(self);
        let _ = child.wait().await;
    }
}

/// Waits until it is to end.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // Whose owner is gone is to end, too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Runs the program of `order` again and again, until it is told to end.
async fn supervise(order: &Order, seen: &Seen, stopping: &mut watch::Receiver<bool>) {
    let mut pauses = Pauses(FIRST_PAUSE);
    let mut is_told = false;
    while !*stopping.borrow() {
        let pause = match spawn(order) {
            Ok(mut child) => {
                is_told = false;
                let began = Instant::now();
                let Some(status) = watch_over(order, seen, &mut child, stopping).await else { return };
                let lived = began.elapsed();
                let pause = pauses.after(lived);
                let how = how(status);
                tracing::warn!(
                    feed = order.feed,
                    "{} {how} after {:.1} s; it is run again in {pause:?}",
                    Redacted(order.program()),
                    lived.as_secs_f64()
                );
                pause
            }
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    let why = why(order.program(), &error);
                    tracing::error!(feed = order.feed, "Launch: {why}; tried again every {LONGEST_PAUSE:?}");
                }
                LONGEST_PAUSE
            }
        };
        // Told to end meanwhile, or not: the loop looks.
        let _ = tokio::time::timeout(pause, told(stopping)).await;
        if stopping.has_changed().is_err() {
            return;
        }
    }
}

/// Follows a program that runs to its end, and leaves nothing of its group. Nothing when it
/// was told to end.
async fn watch_over(
    order: &Order,
    seen: &Seen,
    child: &mut Child,
    stopping: &mut watch::Receiver<bool>,
) -> Option<IoResult> {
    let pid = child.id();
    let group = Group(pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)));
    seen.pid.store(pid.unwrap_or(0), Relaxed);
    seen.starts.fetch_add(1, Relaxed);
    tracing::info!(feed = order.feed, pid, "{} is started", Redacted(order.program()));
    let said = tokio::spawn(lines::log(order.clone(), child.stdout.take(), child.stderr.take()));
    let status = tokio::select! {
        status = child.wait() => Some(status),
        () = told(stopping) => None,
    };
    group.end(child).await;
    seen.pid.store(0, Relaxed);
    // Its last words are there already, unless somebody else has its output open.
    let abort = said.abort_handle();
    if tokio::time::timeout(GRACE, said).await.is_err() {
        abort.abort();
    }
    status
}

type IoResult = std::io::Result<ExitStatus>;

fn spawn(order: &Order) -> std::io::Result<Child> {
    let mut command = Command::new(order.program());
    command.args(order.arguments()).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::end_with_thread(command.as_std_mut());
    command.spawn()
}

/// How a program ended, as what it did.
fn how(status: IoResult) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".into(),
        },
        Err(error) => format!("cannot be waited for ({error})"),
    }
}

/// Why `program` cannot be started.
fn why(program: &str, error: &IoError) -> String {
    let program = Redacted(program);
    match error.kind() {
        std::io::ErrorKind::NotFound if program.0.contains('/') => format!("there is no program {program}"),
        std::io::ErrorKind::NotFound => format!("there is no program {program} in PATH"),
        _ => format!("{program} cannot be started: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_begin_anew_after_a_program_that_worked() {
        let mut pauses = Pauses(FIRST_PAUSE);
        let short: Vec<_> = (0..8).map(|_| pauses.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(short, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(pauses.after(WORKED), FIRST_PAUSE);
        assert_eq!(pauses.after(WORKED - Duration::from_nanos(1)), FIRST_PAUSE * 2);
    }

    fn order(words: &[&str]) -> Order {
        Order {
            feed: "cam2.ffm".into(),
            words: words.iter().map(ToString::to_string).collect(),
            url: "http://127.0.0.1:1/cam2.ffm".into(),
        }
    }

    #[test]
    fn the_url_is_last_and_ffmpeg_is_told_a_format_where_none_is_named() {
        let line = |words: &str| order(&words.split(' ').collect::<Vec<_>>()).arguments().join(" ");
        let url = "http://127.0.0.1:1/cam2.ffm";
        assert_eq!(line("ffmpeg -i x"), format!("-i x -f matroska {url}"));
        assert_eq!(line("/usr/bin/ffmpeg -f v4l2 -i x"), format!("-f v4l2 -i x -f matroska {url}"));
        assert_eq!(line("ffmpeg -i x -f mpegts"), format!("-i x -f mpegts {url}"));
        assert_eq!(line("feed.sh a"), format!("a {url}"));
    }

    /// What `is` finds, sooner or later.
    async fn until<T>(mut is: impl FnMut() -> Option<T>) -> T {
        for _ in 0..2000 {
            match is() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("never");
    }

    fn is_there(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[tokio::test]
    async fn who_does_not_end_when_asked_is_killed_with_what_it_has_started() {
        let folder = std::env::temp_dir().join(format!("headwater-launch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("pid");
        let script = format!("trap '' TERM; (trap '' TERM; exec sleep 600) & echo $! > {}; wait; wait", file.display());
        let program = Program::start(order(&["sh", "-c", &script]), None).unwrap();
        let pid = until(|| program.pid()).await;
        let child = until(|| std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()).await;
        assert!(is_there(pid) && is_there(child));
        program.end();
        program.ended().await;
        assert!(program.pid().is_none() && !is_there(pid));
        // Whoever inherits it has to notice that it is over.
        until(|| (!is_there(child)).then_some(())).await;
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_program_ends_when_nobody_holds_it() {
        let program = Program::start(order(&["sh", "-c", "sleep 600"]), None).unwrap();
        let pid = until(|| program.pid()).await;
        drop(program);
        until(|| (!is_there(pid)).then_some(())).await;
    }

    #[tokio::test]
    async fn the_next_program_waits_until_the_one_before_is_gone() {
        let first = Program::start(order(&["sh", "-c", "sleep 600"]), None).unwrap();
        let pid = until(|| first.pid()).await;
        let second = Program::start(order(&["sh", "-c", "sleep 600"]), Some(first)).unwrap();
        assert_ne!(until(|| second.pid()).await, pid);
        assert!(!is_there(pid));
        second.end();
        second.ended().await;
    }

    #[test]
    fn what_is_not_there_is_said_in_a_sentence() {
        let error = || IoError::from(std::io::ErrorKind::NotFound);
        assert_eq!(why("ffmpegg", &error()), "there is no program ffmpegg in PATH");
        assert_eq!(why("/opt/ffmpeg", &error()), "there is no program /opt/ffmpeg");
        let denied = why("/etc/passwd", &IoError::from(std::io::ErrorKind::PermissionDenied));
        assert_eq!(denied, "/etc/passwd cannot be started: permission denied");
    }
}
