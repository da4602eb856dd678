//! `headwater probe`.

use std::io::Write;
use std::time::{Duration, Instant};

use feed::Start;
use media::{Kind, Redacted, Track};
use serde_json::json;
use source::webcam::Webcam;
use source::{Counters, State, Status, Supervisor};
use tokio::runtime::Builder;

use crate::args::Probe;
use crate::doctor::single;
use crate::exit::Failure;
use crate::printable;
use crate::progress::Spinner;

/// `detail`: a webcam is asked what else it can do, too.
pub fn run(args: &Probe, detail: bool) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(probe(args));
    runtime.shutdown_background();
    let mut found = result?;
    if detail || args.json {
        found.webcam = source::webcam::of_url(&args.url).and_then(Result::ok);
    }
    let mut out = anstream::stdout().lock();
    match args.json {
        true => writeln!(out, "{:#}", found.json())?,
        false => write!(out, "{}", found.text())?,
    }
    Ok(())
}

struct Found {
    url: String,
    opened_in: Duration,
    measured: Duration,
    status: Status,
    counters: Counters,
    /// How long after one single picture the next is asked for, and how often it was the same.
    asked: (Duration, u64),
    webcam: Option<Webcam>,
}

async fn probe(args: &Probe) -> anyhow::Result<Found> {
    let url = Redacted(&args.url).to_string();
    let fail = |error| Failure::Source { url: url.clone(), error: printable_error(error) };
    let began = Instant::now();
    let options = source::Options { sound_alone: true, ..args.opening.options()? };
    let poll = options.poll;
    let source = Supervisor::new("probe", &args.url, options).map_err(fail)?;
    let _reader = source.feed().cursor(Start::Live);
    let mut status = source.status();
    let spinner = Spinner::start(&format!("opening {url}"));
    let settled = |status: &Status| matches!(status.state, State::Live | State::Waiting(_) | State::Ended);
    let first = status.wait_for(settled).await?.clone();
    spinner.clear();
    // A file of one picture may be over before anybody looks.
    let is_over = matches!(first.state, State::Ended) && source.counters().packets > 0;
    if !is_over && !matches!(first.state, State::Live) {
        return Err(fail(first.error.unwrap_or(source::Error::Ended { what: None })).into());
    }
    let opened_in = began.elapsed();
    let spinner = Spinner::start("measuring");
    let measuring = Instant::now();
    let over = status.wait_for(|status| !matches!(status.state, State::Live));
    let _ = tokio::time::timeout(args.measure, over).await;
    spinner.clear();
    let (status, counters) = (source.status().borrow().clone(), source.counters());
    let asked = (poll, source.vitals().unchanged);
    Ok(Found { url, opened_in, measured: measuring.elapsed(), status, counters, asked, webcam: None })
}

impl Found {
    fn bit_rate(&self) -> f64 {
        let Counters { bytes, pictures, fps, .. } = self.counters;
        // What came in a burst is longer than the time that it took.
        let content = if fps > 0.0 { pictures as f64 / fps } else { 0.0 };
        bytes as f64 * 8.0 / self.measured.as_secs_f64().max(content).max(0.001)
    }

    fn text(&self) -> String {
        let about = &self.status.about;
        let mut text = format!("{}\n  opened in {:.2} s: ", self.url, self.opened_in.as_secs_f64());
        text.push_str(&printable(&format!("{} over {}", about.container, about.protocol)));
        let extras = [
            about.server.as_ref().map(|server| format!("server {server}")),
            about.title.as_ref().map(|title| format!("title {title:?}")),
            about.duration.map(|length| format!("{:.1} s long", length.as_secs_f64())),
        ];
        for extra in extras.into_iter().flatten() {
            text.push_str(&format!(", {}", printable(&extra)));
        }
        text.push('\n');
        for track in self.status.tracks.iter() {
            text.push_str(&format!("  {}: {}\n", track.id.0, printable(&describe(track))));
        }
        let Counters { fps, key_rate, corrupt, packets, .. } = self.counters;
        if self.status.tracks.video().is_none() {
            text.push_str(&format!(
                "  measured over {:.1} s: {:.2} packets/s, {:.0} kbit/s\n",
                self.measured.as_secs_f64(),
                packets as f64 / self.measured.as_secs_f64().max(0.001),
                self.bit_rate() / 1000.0,
            ));
            return text;
        }
        if self.counters.pictures == 1 {
            let asked = Some(self.asked).filter(|(_, times)| *times > 0);
            text.push_str(&format!("  measured over {:.1} s: {}\n", self.measured.as_secs_f64(), single(asked)));
            return text;
        }
        text.push_str(&format!(
            "  measured over {:.1} s: {fps:.2} pictures/s, {}, {:.0} kbit/s{}\n",
            self.measured.as_secs_f64(),
            if key_rate > 0.0 {
                format!("a keyframe every {:.2} s", 1.0 / key_rate)
            } else {
                "less than two keyframes".into()
            },
            self.bit_rate() / 1000.0,
            if corrupt > 0 { format!(", {corrupt} damaged") } else { String::new() },
        ));
        if let Some(webcam) = &self.webcam {
            let about = printable(&format!("{}, {}", webcam.card, webcam.bus));
            text.push_str(&format!("  the webcam {about}: "));
            webcam.to_string().lines().for_each(|line| text.push_str(&format!("{}\n    ", printable(line))));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let about = &self.status.about;
        let tracks = self.status.tracks.iter().map(track_json);
        json!({
            "url": self.url,
            "opened_in_s": self.opened_in.as_secs_f64(),
            "protocol": about.protocol,
            "container": about.container,
            "server": about.server,
            "title": about.title,
            "duration_s": about.duration.map(|length| length.as_secs_f64()),
            "live": about.live,
            "tracks": tracks.collect::<Vec<_>>(),
            "webcam": self.webcam.as_ref().map(webcam_json),
            "measured": {
                "seconds": self.measured.as_secs_f64(),
                "fps": self.counters.fps,
                "keyframe_rate": self.counters.key_rate,
                "bit_rate": self.bit_rate(),
                "corrupt": self.counters.corrupt,
                "unchanged": self.asked.1,
            },
        })
    }
}

fn webcam_json(webcam: &Webcam) -> serde_json::Value {
    let size = |size: &source::webcam::ModeSize| json!({ "least": size.least.to_string(), "most": size.most.to_string(), "rates": size.rates() });
    let mode = |mode: &source::webcam::Mode| json!({ "format": mode.name, "what": mode.what, "read": mode.is_read, "sizes": mode.sizes.iter().map(size).collect::<Vec<_>>() });
    let control = |setting: &source::webcam::Setting| {
        json!({
            "name": setting.name, "value": setting.value, "default": setting.default,
            "least": setting.least, "most": setting.most,
            "words": setting.words.iter().map(|(number, word)| json!({ "value": number, "name": word })).collect::<Vec<_>>(),
            "fixed": setting.is_fixed, "inactive": setting.is_inactive,
        })
    };
    json!({
        "card": webcam.card,
        "bus": webcam.bus,
        "formats": webcam.modes.iter().map(mode).collect::<Vec<_>>(),
        "controls": webcam.settings.iter().map(control).collect::<Vec<_>>(),
    })
}

/// The same error; its sentence may repeat what the server said.
fn printable_error(mut error: source::Error) -> source::Error {
    use source::Error as E;
    match &mut error {
        E::BadUrl { what, .. }
        | E::NotFound { what, .. }
        | E::Unauthorized { what, .. }
        | E::Unreachable { what }
        | E::Refused { what }
        | E::Tls { what, .. }
        | E::Unplugged { what }
        | E::Setting { what, .. }
        | E::Server { what, .. }
        | E::NotVideo { what, .. }
        | E::Unsupported { what }
        | E::TooMany { what }
        | E::Broken { what }
        | E::Ended { what: Some(what) } => *what = printable(what),
        _ => (),
    }
    error
}

fn describe(track: &Track) -> String {
    match &track.kind {
        Kind::Video(video) => {
            let mut text = format!("video {} {}", track.codec, video.size);
            text.extend(video.pixel_format.iter().map(|format| format!(" {format}")));
            text.extend(video.sane_frame_rate().map(|rate| format!(", {rate:.2} fps declared")));
            if video.rotation != 0 {
                text.push_str(&format!(", turned by {} degrees", video.rotation));
            }
            text
        }
        Kind::Audio(audio) => format!("audio {} {} Hz, {} channels", track.codec, audio.sample_rate, audio.channels),
        Kind::Data => format!("data {}", track.codec),
    }
}

fn track_json(track: &Track) -> serde_json::Value {
    let id = track.id.0;
    let codec = track.codec.name();
    match &track.kind {
        Kind::Video(video) => json!({
            "id": id, "kind": "video", "codec": codec,
            "width": video.size.width, "height": video.size.height,
            "pixel_format": video.pixel_format,
            "fps_declared": video.sane_frame_rate(),
            "sample_aspect": video.sample_aspect.map(|aspect| format!("{}:{}", aspect.num, aspect.den)),
            "rotation": video.rotation,
            "bit_rate_declared": track.bit_rate,
        }),
        Kind::Audio(audio) => json!({
            "id": id, "kind": "audio", "codec": codec,
            "sample_rate": audio.sample_rate, "channels": audio.channels,
            "bit_rate_declared": track.bit_rate,
        }),
        Kind::Data => json!({ "id": id, "kind": "data", "codec": codec }),
    }
}

#[cfg(test)]
mod tests {
    use media::{Codec, Size, Tracks};

    use super::*;

    const EVIL: &str = "\x1b]0;pwned\x07\u{9b}2J\n";

    #[test]
    fn nothing_that_a_server_says_reaches_the_terminal_as_a_command() {
        let status = Status {
            state: State::Live,
            since: std::time::SystemTime::UNIX_EPOCH,
            reached: source::Phase::Streaming,
            error: None,
            failed: None,
            failures: 0,
            reconnects: 0,
            about: source::About {
                protocol: EVIL.into(),
                container: EVIL.into(),
                server: Some(EVIL.into()),
                title: Some(EVIL.into()),
                ..Default::default()
            },
            tracks: Tracks::new(vec![Track { codec: Codec::from_name(EVIL), ..Track::mjpeg(Size::new(2, 2)) }]),
        };
        let url = "http://cam/".to_owned();
        let (opened_in, measured) = (Duration::ZERO, Duration::ZERO);
        let text = Found {
            url,
            opened_in,
            measured,
            status,
            counters: Counters::default(),
            asked: (measured, 0),
            webcam: None,
        }
        .text();
        assert!(text.contains("server ]0;pwned2J") && text.lines().count() == 4, "{text:?}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }

    #[test]
    fn errors_repeat_no_commands_either() {
        for error in [
            source::Error::Server { status: 500, what: EVIL.into() },
            source::Error::Ended { what: Some(EVIL.into()) },
            source::Error::NotVideo { what: EVIL.into(), page: false },
        ] {
            let text = printable_error(error).to_string();
            assert!(text.contains("pwned") && !text.contains(char::is_control), "{text:?}");
        }
    }
}
