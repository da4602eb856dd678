//! Serves the ASF, WMV and WMA files of a folder over HTTP to players of Windows Media:
//! `mmsh_server FOLDER [ADDRESS:PORT]`, and then `ffplay mmsh://127.0.0.1:8080/NAME.wmv`.

#![allow(clippy::disallowed_types, reason = "the sockets are here")]

use std::error::Error;
use std::net::TcpListener;
use std::path::PathBuf;

mod serve;

fn main() {
    if let Err(error) = run() {
        eprintln!("mmsh_server: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: mmsh_server FOLDER [ADDRESS:PORT]")?);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("mmsh://{}/", listener.local_addr()?);
    serve::run(&listener, &folder, &|line| eprintln!("{line}"))?;
    Ok(())
}
