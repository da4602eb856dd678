//! Serves the ASF files of a folder by MMS over TCP and UDP, and misbehaves if asked to.
//!
//! ```text
//! cargo run -p mms --example mmst_server -- examples/clips
//! ffplay mmst://127.0.0.1:1755/numbered-wmv2-320x240.wmv
//! ```

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it brings sockets and a clock to the session")]

use std::net::IpAddr;
use std::process::ExitCode;

mod serve;

use serve::{Ask, Listener, Options};

const USAGE: &str = "\
usage: mmst_server [OPTION...] FOLDER

  --bind ADDRESS        listen on ADDRESS; by default 127.0.0.1
  --port PORT           on PORT, TCP and UDP; by default 1755, 0 for any
  --speed N             send packets when they are due, N times as fast as the content goes;
                        by default as fast as they are taken
  --strip               cut the padding off packets
  --next FILE           go on with FILE when something is over, by a stream change
  --ask basic|ntlm      ask for user eve and password 'sécret pass'
  --redirect URL        send players to URL
  --refuse CODE         refuse with CODE, such as 0xC00D001A
  --linger SECONDS      keep a connection after the end for SECONDS; by default 3
  --ping SECONDS        ping after SECONDS; by default 30
  --silent-after N      say nothing more after N packets
  --close-after N       close the connection after N packets
  --drop-udp PERCENT    lose PERCENT of the datagrams
  --reorder-udp PERCENT let PERCENT of the datagrams be overtaken
";

fn main() -> ExitCode {
    let (bind, port, options) = match arguments(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(what) => {
            eprint!("mmst_server: {what}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match Listener::bind(bind, port) {
        Ok(listener) => {
            println!("listening on {}", listener.address());
            listener.serve(&options);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mmst_server: cannot listen on {bind}:{port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<(IpAddr, u16, Options), String> {
    let (mut bind, mut port, mut options) = (IpAddr::from([127, 0, 0, 1]), 1755, Options::default());
    let mut folder = None;
    while let Some(word) = words.next() {
        if !word.starts_with("--") {
            folder = Some(word);
            continue;
        }
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match &word[..] {
            "--bind" => bind = parse(&value()?)?,
            "--port" => port = parse(&value()?)?,
            "--speed" => options.speed = Some(parse(&value()?)?),
            "--strip" => options.strip = true,
            "--next" => options.next = Some(value()?),
            "--ask" => {
                options.ask = match &value()?[..] {
                    "basic" => Ask::Basic,
                    "ntlm" => Ask::Ntlm,
                    other => return Err(format!("--ask {other}: expected basic or ntlm")),
                }
            }
            "--redirect" => options.redirect = Some(value()?),
            "--refuse" => {
                let code = value()?;
                let digits = code.trim_start_matches("0x");
                options.refuse = Some(u32::from_str_radix(digits, 16).map_err(|error| format!("{code}: {error}"))?);
            }
            "--linger" => options.linger_seconds = parse(&value()?)?,
            "--ping" => options.ping_seconds = parse(&value()?)?,
            "--silent-after" => options.silent_after = Some(parse(&value()?)?),
            "--close-after" => options.close_after = Some(parse(&value()?)?),
            "--drop-udp" => options.drop_udp = parse(&value()?)?,
            "--reorder-udp" => options.reorder_udp = parse(&value()?)?,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    options.folder = folder.ok_or("which folder?")?.into();
    Ok((bind, port, options))
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| format!("{text}: {error}"))
}
