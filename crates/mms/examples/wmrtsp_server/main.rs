//! Serves Windows Media files by Windows Media RTSP, with blocking sockets and no runtime.
//!
//! ```sh
//! cargo run -p mms --example wmrtsp_server -- FOLDER [--port 8554] [--udp] [--mixed] [--speed 4]
//! ffplay -rtsp_transport tcp rtsp://127.0.0.1:8554/clip.wmv
//! ```
//!
//! `--udp` lets clients choose datagrams; `--mixed` sends the file's packets as they are, where
//! otherwise each packet holds one stream only; `--speed` is how many times faster than in real
//! time packets are sent.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is the part with sockets and a clock")]

use std::net::TcpListener;
use std::path::PathBuf;

mod clip;
mod host;

fn main() -> Result<(), String> {
    let mut folder = None;
    let mut port = 8554;
    let mut options = host::Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--udp" => options.udp = true,
            "--mixed" => options.layout = clip::Layout::Mixed,
            "--port" => port = number(&mut arguments, "--port")?,
            "--speed" => options.speed = number(&mut arguments, "--speed")?,
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.ok_or("which folder? usage: wmrtsp_server FOLDER [--port N] [--udp] [--mixed] [--speed N]")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| format!("port {port}: {error}"))?;
    println!("rtsp://127.0.0.1:{port}/ serves the files of {}", folder.display());
    host::serve(&listener, &options, &folder);
    Ok(())
}

fn number<T: std::str::FromStr>(arguments: &mut impl Iterator<Item = String>, name: &str) -> Result<T, String> {
    let value = arguments.next().ok_or_else(|| format!("{name}: a number is missing"))?;
    value.parse().map_err(|_| format!("{name} {value}: not a number"))
}
