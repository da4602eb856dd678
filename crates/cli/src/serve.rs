//! `headwater serve`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use media::Redacted;
use relay::{Config, Relay, Server, SourceConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

use crate::args::Serve;
use crate::{configured, names};

pub fn run(args: &Serve) -> anyhow::Result<()> {
    if let Some(file) = &args.file {
        return configured::run(&configured::Call {
            file: file.clone(),
            listen: args.listen.clone(),
            rtsp: args.rtsp.clone(),
            rtmp: args.rtmp.clone(),
            srt: (args.srt.clone(), args.srt_passphrase.clone()),
            webrtc: args.webrtc.config(),
            hosts: args.host.clone(),
            trusted_proxies: args.trusted_proxy.clone(),
            no_launch: args.no_launch,
            is_debugging: false,
        });
    }
    let mut config = config(args)?;
    config.max_connections = affordable(config.max_connections, config.sources.len());
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(serve(&config));
    // A resolver that still blocks some thread does not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(50));
    result
}

/// As many of `wanted` connections as the system allows beside `sources` sources.
pub fn affordable(wanted: usize, sources: usize) -> usize {
    let Some(limit) = raise_descriptors() else { return wanted };
    let most = connections_within(limit, sources);
    if most < wanted {
        tracing::warn!(
            "{wanted} connections need more open files than the {limit} this system allows; \
             serving {most} at most (raise `ulimit -n`, or LimitNOFILE= of the service)"
        );
    }
    wanted.min(most)
}

fn config(args: &Serve) -> Result<Config, crate::exit::Failure> {
    let mut taken = BTreeSet::new();
    let options = source::Options {
        linger: args.linger,
        always_on: args.always_on,
        repeat_files: !args.once,
        manners: source::Manners {
            connections: args.host_connections.map(usize::from),
            apart: std::time::Duration::from_secs(1) / u32::from(args.host_rate.max(1)),
            ..source::Manners::default()
        },
        ..args.opening.options()?
    };
    let shared = args.opening.capture.as_ref().filter(|path| !path.to_string_lossy().contains("%s"));
    if let Some(path) = shared.filter(|_| args.sources.len() > 1) {
        return Err(crate::exit::Failure::Usage(format!(
            "--capture {}: each of several sources needs a file of its own; put %s where its name is to stand, as \
             captures/%s.hwc",
            path.display()
        )));
    }
    let sources = args.sources.iter().map(|text| {
        let (name, url) = names::split(text, &taken);
        taken.insert(name.clone());
        let record = args.record.as_ref().map(|folder| source::Record {
            path: folder.join(&name),
            bytes: args.record_size,
            read_only: false,
        });
        let capture = options.capture.clone().map(|capture| named(capture, &name));
        SourceConfig { name, url, options: source::Options { record, capture, ..options.clone() } }
    });
    Ok(Config {
        sources: sources.collect(),
        listen: if args.listen.is_empty() { vec![Config::LISTEN] } else { args.listen.clone() },
        mms: args.mms.clone(),
        rtsp: args.rtsp.clone(),
        rtmp: args.rtmp.clone(),
        srt: args.srt.clone(),
        srt_passphrase: args.srt_passphrase.clone(),
        webrtc: args.webrtc.config(),
        rtsp_timeout: args.rtsp_timeout,
        multicast: args.multicast.clone(),
        max_connections: args.max_connections,
        ptz: args.ptz,
        hosts: args.host.clone(),
        trusted_proxies: args.trusted_proxy.clone(),
        ..Config::default()
    })
}

/// The capture of the source called `name`.
fn named(capture: source::Capture, name: &str) -> source::Capture {
    match capture.path.to_str().filter(|path| path.contains("%s")) {
        Some(path) => source::Capture { path: path.replace("%s", name).into(), ..capture },
        None => capture,
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let relay = Relay::new(&config.sources)?;
    let server = Server::bind(relay, config)?;
    announce(config, &server);
    let stop = async {
        match crate::signals::ended().await {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "cannot watch for signals"),
        }
    };
    server.run(stop).await;
    Ok(())
}

/// Says where to look, in a form that can be clicked in a terminal.
fn announce(config: &Config, server: &Server) {
    let (addresses, mms, rtsp) = (server.addresses(), server.mms_addresses(), server.rtsp_addresses());
    let Some(first) = addresses.first() else { return };
    // 0.0.0.0 is where to listen, not where to go.
    let host = if first.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { first.ip() };
    let base = format!("http://{}", SocketAddr::new(host, first.port()));
    let width = config.sources.iter().map(|source| source.name.len()).max().unwrap_or(0);
    let (bold, dim) = (anstyle::Style::new().bold(), anstyle::Style::new().dimmed());
    anstream::println!("{bold}{base}/{bold:#}  all pictures; {base}/status  what everything is doing");
    for source in &config.sources {
        let url = Redacted(&source.url);
        // One that is opened at once tells so itself.
        let is_opened = source.options.always_on || source.options.record.is_some();
        if !is_opened && source::is_missing_file(&source.url) {
            tracing::warn!("{}: {url}: there is no such file yet", source.name);
        }
        if source.url.starts_with("exec:") && !source.options.allow_exec {
            tracing::warn!("{}: it gives no picture, since exec: runs a program only with --allow-exec", source.name);
        }
        let what = match source.url.starts_with("push:") {
            true => format!("sent to with PUT or POST {base}/{}.ffm", source.name),
            false => url.to_string(),
        };
        anstream::println!("  {:width$}  {base}/{}.mjpeg  {dim}{what}{dim:#}", source.name, source.name);
    }
    for other in &addresses[1..] {
        anstream::println!("Also on http://{other}/");
    }
    let example = config.sources.first().map_or("NAME", |source| &source.name);
    for address in &mms {
        anstream::println!("For players of Windows Media also mms://{address}/{example}");
    }
    let by_rtsp = config.sources.iter().find(|source| !is_windows_media(&source.url));
    for address in &rtsp {
        match by_rtsp {
            Some(source) => anstream::println!("By RTSP also rtsp://{address}/{}", source.name),
            None => anstream::println!(
                "By RTSP also rtsp://{address}/, but nothing of Windows Media, for which RTP has no place"
            ),
        }
    }
    let feed = config.sources.iter().find(|source| source.url.starts_with("push:"));
    for address in server.rtmp_addresses() {
        let name = feed.map_or("NAME", |feed| &feed.name);
        anstream::println!("Encoders may send by RTMP to rtmp://{address}/live/{name}");
    }
    for address in server.srt_addresses() {
        let name = feed.map_or("NAME", |feed| &feed.name);
        anstream::println!("Encoders may send by SRT to srt://{address}?streamid={name}");
    }
    for address in server.webrtc_addresses() {
        anstream::println!("By WebRTC to and from udp://{address}");
    }
    for (name, group) in &config.multicast {
        let to = SocketAddr::new(group.address, group.port);
        anstream::println!("{name} is sent to {to} with a TTL of {}: {base}/{name}.sdp", group.ttl);
    }
    tell_reach(&format!("--listen 0.0.0.0:{}", first.port()), addresses.iter().chain(&mms).chain(&rtsp));
}

/// Says who gets at what listens at `addresses`, and what opens it to others.
pub fn tell_reach<'a>(opens: &str, mut addresses: impl Iterator<Item = &'a SocketAddr>) {
    if addresses.all(|address| address.ip().is_loopback()) {
        anstream::println!("For this machine only; open it to the network with {opens}");
    } else {
        anstream::println!("Open to the network, without passwords: everybody who reaches this port sees the pictures");
    }
}

/// Whether what is at `url` is Windows Media by its name, which RTSP clients cannot be given.
fn is_windows_media(url: &str) -> bool {
    let url = url.split('?').next().unwrap_or_default().to_ascii_lowercase();
    url.starts_with("mms") || [".wmv", ".asf", ".wma", ".asx", ".wvx"].iter().any(|ending| url.ends_with(ending))
}

/// Descriptors for everything but connections and sources: listeners, the runtime, logs,
/// libraries, and connections that are told that there is no place for them.
const RESERVE: u64 = 64;
/// Descriptors of a source: its connections, a file, and what FFmpeg opens for it.
const PER_SOURCE: u64 = 4;

/// Most clients of `sources` sources with `limit` descriptors.
fn connections_within(limit: u64, sources: usize) -> usize {
    let kept = RESERVE + PER_SOURCE * sources as u64;
    usize::try_from(limit.saturating_sub(kept).max(1)).unwrap_or(usize::MAX)
}

/// Takes as many descriptors as the system gives, one per client, and returns how many
/// there are; nothing when there is no limit.
fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_media_is_told_by_its_name() {
        let is = |urls: [&str; 3]| urls.map(is_windows_media);
        assert_eq!(is(["mms://host/x", "mmsh://host/x", "Clip.WMV"]), [true; 3]);
        assert_eq!(is(["rtsp://host/x", "clip.mp4", "http://host/x.mjpg"]), [false; 3]);
    }

    #[test]
    fn descriptors_are_kept_for_sources_and_the_program_itself() {
        assert_eq!(connections_within(1024, 10), 1024 - 64 - 40);
        assert_eq!(connections_within(20, 1), 1);
    }
}
