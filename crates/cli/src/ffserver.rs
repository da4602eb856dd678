//! ffserver's own command line, for a program that is called so:
//! `ln -s headwater ffserver; ffserver -d -f /etc/ffserver.conf`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{configured, exit};

/// Where ffserver looked when it was not told.
const FILE: &str = "/etc/ffserver.conf";

const USAGE: &str = "\
usage: ffserver [options]
  -f FILE          the configuration, /etc/ffserver.conf unless told otherwise
  -n               run no program of a Launch line
  -d               log requests to standard output, whatever the configuration says
  -loglevel LEVEL  quiet, panic, fatal, error, warning, info, verbose, debug or trace
  -version         say which program this is
  -h, -help        this
This is headwater; see headwater --help, and docs/FFSERVER.md for what it does otherwise.";

/// Whether the program is called by ffserver's name.
pub fn is_meant(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_name());
    name.is_some_and(|name| name == "ffserver")
}

/// What ffserver's arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Serve { file: PathBuf, no_launch: bool, is_debugging: bool, level: &'static str },
    Help,
    Version,
}

/// How much is said where nothing is asked for.
const INFO: &str = "info,ffmpeg=off,retina=error";

/// FFmpeg's words for how much is said, and ours.
const LEVELS: &[(&str, &str)] = &[
    ("quiet", "off"),
    ("panic", "error"),
    ("fatal", "error"),
    ("error", "error"),
    ("warning", "warn"),
    ("info", INFO),
    ("verbose", "debug,ffmpeg=warn,retina=info,hyper=info"),
    ("debug", "debug,hyper=info"),
    ("trace", "trace,hyper=info"),
];

fn level(word: &str) -> Option<&'static str> {
    // `repeat+level+debug`: what stands in front is about repetitions.
    let word = word.rsplit('+').next().unwrap_or(word);
    let named = LEVELS.iter().find(|(known, _)| *known == word).map(|(_, level)| *level);
    named.or_else(|| match word.parse::<i32>().ok()? {
        ..24 => Some("error"),
        24..32 => Some("warn"),
        32..40 => Some(INFO),
        _ => Some("debug,hyper=info"),
    })
}

fn parse(arguments: &[OsString]) -> Result<Asked, String> {
    let (mut file, mut no_launch, mut is_debugging) = (PathBuf::from(FILE), false, false);
    let mut asked = INFO;
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let shown = word.to_string_lossy();
        // FFmpeg takes two dashes for one.
        let option = shown.strip_prefix("--").or_else(|| shown.strip_prefix('-'));
        let Some(option) = option.filter(|option| !option.is_empty()) else {
            return Err(format!("{shown}: expected an option, as -f FILE\n{USAGE}"));
        };
        let mut value = || words.next().ok_or_else(|| format!("-{option} needs a value\n{USAGE}"));
        match option {
            "f" => file = value()?.into(),
            "n" => no_launch = true,
            "d" => is_debugging = true,
            "loglevel" | "v" => {
                let word = value()?.to_string_lossy();
                asked = level(&word).ok_or_else(|| format!("-{option} {word}: unknown level\n{USAGE}"))?;
            }
            "h" | "help" | "?" => return Ok(Asked::Help),
            "version" | "L" | "buildconf" => return Ok(Asked::Version),
            "hide_banner" | "report" => {}
            _ => return Err(format!("-{option}: unknown option\n{USAGE}")),
        }
    }
    Ok(Asked::Serve { file, no_launch, is_debugging, level: asked })
}

/// Runs as ffserver.
pub fn main(arguments: &[OsString]) -> ExitCode {
    match parse(arguments) {
        Ok(Asked::Help) => anstream::println!("{USAGE}"),
        Ok(Asked::Version) => {
            anstream::println!("headwater {} in the place of ffserver, {}", clap::crate_version!(), ffmpeg::version());
        }
        Ok(Asked::Serve { file, no_launch, is_debugging, level }) => {
            crate::log::start_at(level);
            ffmpeg::init();
            return exit::code(configured::run(&configured::Call {
                file,
                listen: Vec::new(),
                rtsp: Vec::new(),
                rtmp: Vec::new(),
                srt: (Vec::new(), None),
                webrtc: relay::WebRtcConfig::default(),
                hosts: Vec::new(),
                trusted_proxies: Vec::new(),
                no_launch,
                is_debugging,
            }));
        }
        Err(message) => {
            anstream::eprintln!("ffserver: {message}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn ffservers_arguments_are_understood() {
        let serve = |file: &str, no_launch, is_debugging, level| {
            Ok(Asked::Serve { file: file.into(), no_launch, is_debugging, level })
        };
        assert_eq!(asked("ffserver"), serve(FILE, false, false, INFO));
        assert_eq!(asked("/usr/bin/ffserver -d -n -f a.conf"), serve("a.conf", true, true, INFO));
        let quiet = "ffserver --f a.conf -hide_banner -loglevel repeat+error";
        assert_eq!(asked(quiet), serve("a.conf", false, false, "error"));
        assert_eq!(asked("ffserver -v 24"), serve(FILE, false, false, "warn"));
        assert_eq!(asked("ffserver -version"), Ok(Asked::Version));
        assert_eq!(asked("ffserver -h"), Ok(Asked::Help));
        for wrong in ["ffserver -f", "ffserver -x", "ffserver a.conf", "ffserver -v loud", "ffserver -"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_meant_by_its_name_alone() {
        assert!(is_meant(&["/usr/local/bin/ffserver".into()]));
        assert!(!is_meant(&["headwater".into(), "ffserver".into()]) && !is_meant(&[]));
    }
}
