//! `headwater serve --file`: what a configuration says, as ffserver did.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::config::{Config, Listen, LogFile, Problem};
use anyhow::Context;
use relay::{Relay, Server};
use tokio::runtime::Builder;

use crate::config::Detail;
use crate::exit::Failure;
use crate::signals::{Orders, Told};

/// What is wanted.
pub struct Call {
    pub file: PathBuf,
    /// In place of the addresses in the file.
    pub listen: Vec<SocketAddr>,
    /// The same, for RTSP.
    pub rtsp: Vec<SocketAddr>,
    /// The same, for RTMP.
    pub rtmp: Vec<SocketAddr>,
    /// How WebRTC is reached.
    pub webrtc: relay::WebRtcConfig,
    /// The same by SRT, and what they have to know.
    pub srt: (Vec<SocketAddr>, Option<relay::SrtPassphrase>),
    /// Names by which browsers may ask, in place of those in the file.
    pub hosts: Vec<String>,
    /// Proxies that are believed who asks, in place of those in the file.
    pub trusted_proxies: Vec<::config::Network>,
    pub no_launch: bool,
    /// ffserver's `-d`: requests are logged to standard output, whatever the file says.
    pub is_debugging: bool,
}

pub fn run(call: &Call) -> anyhow::Result<()> {
    let config = read(call, Detail::Start)?;
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(serve(call, &config));
    // A resolver that still blocks some thread does not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(50));
    result
}

/// Reads the file and tells what there is to tell about it.
fn read(call: &Call, detail: Detail) -> anyhow::Result<Config> {
    let mut config = crate::config::read(&call.file, detail)?;
    if call.no_launch {
        config.feeds.iter_mut().for_each(|feed| feed.launch.clear());
    }
    if call.is_debugging {
        config.custom_log = Some(LogFile::Stdout);
    }
    Ok(config)
}

/// Tells why a configuration cannot be served.
fn refused(call: &Call, problems: &[Problem]) -> anyhow::Error {
    match crate::config::tell(&call.file, problems, Detail::All) {
        Ok(()) => Failure::Config(call.file.display().to_string()).into(),
        Err(error) => error.into(),
    }
}

/// The addresses that a place to listen means.
fn addresses(listen: &Listen) -> anyhow::Result<Vec<SocketAddr>> {
    let Some(host) = &listen.host else {
        // One socket for both families, where the system has the newer one.
        let has_ipv6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
        let all = if has_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        return Ok(vec![SocketAddr::new(all, listen.port)]);
    };
    let found = (host.trim_matches(['[', ']']), listen.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.with_context(|| format!("cannot listen on {host}"))?.collect();
    anyhow::ensure!(!found.is_empty(), "cannot listen on {host}: it has no address");
    Ok(found)
}

/// The addresses that several places to listen mean.
fn all_addresses(places: &[Listen]) -> anyhow::Result<Vec<SocketAddr>> {
    let found = places.iter().map(addresses).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(found.concat())
}

async fn serve(call: &Call, config: &Config) -> anyhow::Result<()> {
    let relay = Relay::configured(config).await.map_err(|problems| refused(call, &problems))?;
    let listen = if call.listen.is_empty() { all_addresses(&config.http)? } else { call.listen.clone() };
    let inputs = config.sources.len() + config.feeds.len();
    let places = relay::Config {
        listen,
        mms: all_addresses(&config.mms)?,
        rtsp: if call.rtsp.is_empty() { all_addresses(&config.rtsp)? } else { call.rtsp.clone() },
        srt: if call.srt.0.is_empty() { all_addresses(&config.srt)? } else { call.srt.0.clone() },
        srt_passphrase: call.srt.1.clone().or_else(|| config.srt_passphrase.clone()),
        rtmp: if call.rtmp.is_empty() { all_addresses(&config.rtmp)? } else { call.rtmp.clone() },
        rtsp_timeout: config.rtsp_timeout.unwrap_or(relay::Config::RTSP_TIMEOUT),
        webrtc: call.webrtc.clone(),
        hosts: if call.hosts.is_empty() { config.hosts.clone() } else { call.hosts.clone() },
        trusted_proxies: match call.trusted_proxies.is_empty() {
            true => config.trusted_proxies.clone(),
            false => call.trusted_proxies.clone(),
        },
        sources: Vec::new(),
        max_connections: crate::serve::affordable(config.max_connections as usize, inputs),
        ..relay::Config::default()
    };
    let server = Server::bind(Arc::clone(&relay), &places)?;
    announce(call, config, &server.addresses(), &server.rtsp_addresses());
    tell_reach(call, &server);
    for address in server.rtmp_addresses() {
        anstream::println!("Encoders may send by RTMP to rtmp://{address}/live/NAME, where NAME is a feed");
    }
    for address in server.webrtc_addresses() {
        anstream::println!("By WebRTC to and from udp://{address}");
    }
    for address in server.srt_addresses() {
        anstream::println!("Encoders may send by SRT to srt://{address}?streamid=NAME, where NAME is a feed");
    }
    let mut orders = Orders::new().context("cannot watch for signals")?;
    let stop = async {
        let ended = crate::signals::ended();
        tokio::pin!(ended);
        loop {
            let told = tokio::select! {
                ended = &mut ended => match ended {
                    Ok(()) => return tracing::info!("stopping"),
                    Err(error) => return tracing::error!(%error, "cannot watch for signals"),
                },
                told = orders.next() => told,
            };
            match told {
                Told::Reload => reload(call, &relay, config).await,
                Told::Reopen => match relay.reopen_log() {
                    Ok(()) => tracing::info!("the log of requests is opened anew"),
                    Err(error) => tracing::error!(%error, "the log of requests cannot be opened anew"),
                },
            }
        }
    };
    server.run(stop).await;
    Ok(())
}

/// Reads the file again, and serves what it says now if that can be served. What only a new start
/// brings is told; `served` is what the start had.
async fn reload(call: &Call, relay: &Arc<Relay>, served: &Config) {
    let result = async {
        let config = read(call, Detail::Errors)?;
        relay.reload(&config).await.map_err(|problems| refused(call, &problems))?;
        anyhow::Ok(config)
    };
    match result.await {
        Ok(config) => {
            tracing::info!("{} is read again", call.file.display());
            let stays = of_the_start(call, served, &config);
            if !stays.is_empty() {
                let (name, stays) = (call.file.display(), stays.join(", "));
                tracing::warn!("{name}: what it says now of {stays} holds from the next start on");
            }
        }
        Err(error) => tracing::error!("{error:#}; what was served before is served on"),
    }
}

/// What `now` says otherwise than `served`, and a reload leaves as it is.
fn of_the_start(call: &Call, served: &Config, now: &Config) -> Vec<&'static str> {
    let changed = [
        ("the addresses of HTTP", call.listen.is_empty() && served.http != now.http),
        ("the addresses of RTSP", call.rtsp.is_empty() && served.rtsp != now.rtsp),
        ("the addresses of MMS", served.mms != now.mms),
        ("the addresses of RTMP", call.rtmp.is_empty() && served.rtmp != now.rtmp),
        ("the addresses of SRT", call.srt.0.is_empty() && served.srt != now.srt),
        ("srt_passphrase", call.srt.1.is_none() && served.srt_passphrase != now.srt_passphrase),
        ("rtsp_timeout", served.rtsp_timeout != now.rtsp_timeout),
        ("hosts", call.hosts.is_empty() && served.hosts != now.hosts),
        ("trusted_proxies", call.trusted_proxies.is_empty() && served.trusted_proxies != now.trusted_proxies),
        ("the most connections", served.max_connections != now.max_connections),
    ];
    changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(what, _)| what).collect()
}

/// Streams and feeds that are listed at the start.
const MOST_LISTED: usize = 20;

/// Where to go for what listens at `address`: 0.0.0.0 is no such place.
fn reachable(address: &SocketAddr) -> IpAddr {
    if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() }
}

/// Says whether others than this machine get at it, and what changes that.
fn tell_reach(call: &Call, server: &Server) {
    let addresses = server.addresses();
    let Some(port) = addresses.first().map(SocketAddr::port) else { return };
    let opens = match call.listen.is_empty() {
        false => format!("--listen 0.0.0.0:{port}"),
        true if crate::config::is_native(&call.file) => format!("http = [\"0.0.0.0:{port}\"] under [server]"),
        true => "HTTPBindAddress 0.0.0.0".to_owned(),
    };
    let others = [server.mms_addresses(), server.rtsp_addresses()].concat();
    crate::serve::tell_reach(&opens, addresses.iter().chain(&others));
}

/// Says where to look, in a form that can be clicked in a terminal.
fn announce(call: &Call, config: &Config, addresses: &[SocketAddr], rtsp: &[SocketAddr]) {
    let Some(first) = addresses.first() else { return };
    let base = format!("http://{}", SocketAddr::new(reachable(first), first.port()));
    let (bold, dim) = (anstyle::Style::new().bold(), anstyle::Style::new().dimmed());
    anstream::println!("{bold}{base}/{bold:#}  by {}", call.file.display());
    let width = config.streams.iter().take(MOST_LISTED).map(|stream| stream.name.len()).max().unwrap_or(0);
    for stream in config.streams.iter().take(MOST_LISTED) {
        let format = stream.format.as_deref().unwrap_or_default();
        if format != "rtp" {
            anstream::println!("  {base}/{:width$}  {dim}{format}{dim:#}", stream.name);
        }
    }
    for address in rtsp {
        let address = SocketAddr::new(reachable(address), address.port());
        let by_rtsp = config.streams.iter().filter(|stream| stream.format.as_deref() == Some("rtp"));
        let names: Vec<_> = by_rtsp.take(MOST_LISTED).map(|stream| &*stream.name).collect();
        // Sources of a headwater.toml are there too.
        let first = || config.sources.first().map(|source| source.name.as_str());
        match names.first().copied().or_else(first) {
            Some(_) if names.len() > 1 => anstream::println!("By RTSP also rtsp://{address}/{}", names.join(", ")),
            Some(name) => anstream::println!("By RTSP also rtsp://{address}/{name}"),
            None => anstream::println!("By RTSP also rtsp://{address}/, where nothing is: no stream has Format rtp"),
        }
    }
    if config.streams.len() > MOST_LISTED {
        anstream::println!("  and {} more", config.streams.len() - MOST_LISTED);
    }
    let fed = config.feeds.iter().filter(|feed| feed.source.is_none() && feed.launch.is_empty());
    for feed in fed.take(MOST_LISTED) {
        anstream::println!("To feed it: ffmpeg -i INPUT -f mpegts {base}/{}", feed.name);
    }
}
