//! `headwater grab`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use jiff::Zoned;
use jiff::tz::TimeZone;
use media::Redacted;
use source::{Picture, State, Supervisor};
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::Grab;
use crate::exit::Failure;
use crate::progress::Spinner;

pub fn run(args: &Grab) -> anyhow::Result<()> {
    let variant = args.variant()?;
    let extension = Path::new(&args.output).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    if args.output != "-" && !matches!(extension.as_deref(), Some("jpg" | "jpeg")) {
        let what = format!(
            "-o {}: pictures are written as JPEG; expected a name that ends in .jpg, or - for stdout",
            args.output
        );
        return Err(Failure::Usage(what).into());
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = grab(args, variant) => result,
            result = crate::signals::ended() => Ok(result?),
        }
    });
    runtime.shutdown_background();
    result
}

async fn grab(args: &Grab, variant: media::Variant) -> anyhow::Result<()> {
    let url = Redacted(&args.url).to_string();
    let mut options = args.opening.options()?;
    // A series from a file goes on as one from a camera does.
    options.repeat_files = args.every.is_some();
    // Between two pictures that are far apart the camera is left alone.
    options.linger = Duration::from_secs(5);
    let source =
        Supervisor::new("grab", &args.url, options).map_err(|error| Failure::Source { url: url.clone(), error })?;
    let spinner = Spinner::start(&format!("opening {url}"));
    let Some(every) = args.every else {
        let picture = first(&source, variant, &url).await?;
        spinner.clear();
        return save(&args.output, &picture).map(|_| ());
    };

    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Kept open where opening anew would cost more than going on.
    let stays_open = every < KEEP_OPEN;
    let mut reader = None;
    let (mut saved, mut failed) = (0, 0u64);
    loop {
        ticks.tick().await;
        let pictures = reader.take().unwrap_or_else(|| source.variants().pictures(variant));
        match next(pictures, &source, &url, every).await {
            Ok((pictures, picture)) => {
                let path = save(&args.output, &picture)?;
                saved += 1;
                spinner.say(format!("{saved} pictures, {failed} missed; last: {}", path.display()));
                reader = stays_open.then_some(pictures);
            }
            Err(error) => {
                failed += 1;
                spinner.say(format!("{saved} pictures, {failed} missed"));
                anstream::eprintln!("headwater: {error:#}");
            }
        }
        if args.count == Some(saved) {
            return Ok(());
        }
    }
}

/// Series faster than this keep the camera open.
const KEEP_OPEN: Duration = Duration::from_secs(30);

async fn first(source: &Supervisor, variant: media::Variant, url: &str) -> anyhow::Result<Picture> {
    let pictures = source.variants().pictures(variant);
    next(pictures, source, url, Duration::MAX).await.map(|(_, picture)| picture)
}

/// A picture that arrives from now on, or why there is none.
async fn next(
    mut pictures: source::Pictures,
    source: &Supervisor,
    url: &str,
    most: Duration,
) -> anyhow::Result<(source::Pictures, Picture)> {
    let mut status = source.status();
    let asked = Instant::now();
    let fail = |error| Failure::Source { url: url.into(), error };
    let failed = status.wait_for(|status| match status.state {
        State::Waiting(_) => true,
        // A short clip is over before its pictures are decoded: they tell when they are.
        State::Ended => status.error.is_some(),
        _ => false,
    });
    // With a reader that was kept, what it missed meanwhile is old.
    let fresh = async {
        loop {
            match pictures.newest().await {
                Ok(picture) if picture.received + Duration::from_secs(1) < asked => {}
                other => return other,
            }
        }
    };
    let picture = tokio::select! {
        biased;
        picture = fresh => picture.map_err(fail)?,
        status = failed => {
            let error = status?.error.clone();
            return Err(fail(error.unwrap_or(source::Error::Ended { what: None })).into());
        }
        () = tokio::time::sleep(most.min(Duration::from_secs(86_400))) => {
            let error = source::Error::Timeout { phase: source::Phase::Streaming, after: most, tried: None };
            return Err(fail(error).into());
        }
    };
    Ok((pictures, picture))
}

/// Writes a picture; a file is there whole or not at all.
fn save(output: &str, picture: &Picture) -> anyhow::Result<PathBuf> {
    if output == "-" {
        let mut out = std::io::stdout().lock();
        out.write_all(&picture.data).and_then(|()| out.flush()).context("cannot write to stdout")?;
        return Ok("-".into());
    }
    let taken = picture.captured.unwrap_or_else(|| SystemTime::now() - picture.received.elapsed());
    let path = PathBuf::from(named(output, taken)?);
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    }
    let part = path.with_extension("jpg.part");
    std::fs::write(&part, &picture.data)
        .and_then(|()| std::fs::rename(&part, &path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The name with the time filled in.
fn named(output: &str, taken: SystemTime) -> anyhow::Result<String> {
    if !output.contains('%') {
        return Ok(output.into());
    }
    let local: Zoned =
        jiff::Timestamp::try_from(taken).context("the picture's time is out of range")?.to_zoned(TimeZone::system());
    jiff::fmt::strtime::format(output, &local).map_err(|error| {
        Failure::Usage(format!("-o {output}: {error}; expected strftime's letters, as in %Y%m%d-%H%M%S.jpg")).into()
    })
}
