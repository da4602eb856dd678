//! Keys of `[server]`.

use super::given::{Given, tell_time};
use super::{Key, Kind, Told, defaults, keys};
use crate::{Config, Listen, LogFile, LogFormat, Network};

/// `127.0.0.1:8090`, `[::1]:8090`, `camera-host:8090`; `:8090` is this machine only, as on the
/// command line, and `0.0.0.0:8090`, `[::]:8090` or `*:8090` all its addresses.
fn listen(text: &str) -> Option<Listen> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok())?,
        None if host.contains(':') => return None,
        None => host,
    };
    let host = match host {
        "" => Some("127.0.0.1".to_owned()),
        "0.0.0.0" | "::" | "*" => None,
        host => Some(host.to_owned()),
    };
    Some(Listen { host, port })
}

fn listens(given: &Given<'_>) -> Told<Vec<Listen>> {
    given.items(|text| listen(text).ok_or_else(String::new))
}

fn tell(listens: &[Listen]) -> ::toml::Value {
    let text = |Listen { host, port }: &Listen| match host {
        None => format!("0.0.0.0:{port}"),
        Some(host) if host.contains(':') => format!("[{host}]:{port}"),
        Some(host) => format!("{host}:{port}"),
    };
    listens.iter().map(text).collect::<Vec<_>>().into()
}

pub(super) static KEYS: &[Key] = keys! { Server on Server;
    "http" / "HTTPPort, HTTPBindAddress": Kind::List, "a list of ADDRESS:PORT; :PORT is this machine only, 0.0.0.0:PORT every network", r#"http = [":8090"]"#,
        "Where HTTP is served. Default: `[\"127.0.0.1:8090\"]`, this machine only; an empty list: nowhere.",
        |config, given| { config.http = listens(given)?; Ok(()) },
        |config| (config.http != defaults().http).then(|| tell(&config.http));
    "rtsp" / "RTSPPort, RTSPBindAddress": Kind::List, "a list of ADDRESS:PORT; :PORT is this machine only, 0.0.0.0:PORT every network", r#"rtsp = [":8554"]"#,
        "Where RTSP is served. Default: nowhere.",
        |config, given| { config.rtsp = listens(given)?; Ok(()) },
        |config| (!config.rtsp.is_empty()).then(|| tell(&config.rtsp));
    "mms" / "": Kind::List, "a list of ADDRESS:PORT; :PORT is this machine only, 0.0.0.0:PORT every network", r#"mms = [":1755"]"#,
        "Where MMS is served to old players of Windows Media, by TCP and UDP. Default: nowhere.",
        |config, given| { config.mms = listens(given)?; Ok(()) },
        |config| (!config.mms.is_empty()).then(|| tell(&config.mms));
    "rtmp" / "": Kind::List, "a list of ADDRESS:PORT; :PORT is this machine only, 0.0.0.0:PORT every network", r#"rtmp = [":1935"]"#,
        "Where encoders may send to feeds by RTMP, to rtmp://HOST:PORT/live/NAME. Default: nowhere.",
        |config, given| { config.rtmp = listens(given)?; Ok(()) },
        |config| (!config.rtmp.is_empty()).then(|| tell(&config.rtmp));
    "srt" / "": Kind::List, "a list of ADDRESS:PORT; :PORT is this machine only, 0.0.0.0:PORT every network", r#"srt = [":9000"]"#,
        "Where encoders may send to feeds by SRT, to srt://HOST:PORT?streamid=NAME. Default: nowhere.",
        |config, given| { config.srt = listens(given)?; Ok(()) },
        |config| (!config.srt.is_empty()).then(|| tell(&config.srt));
    "srt_passphrase" / "": Kind::Text, "10 to 79 characters", r#"srt_passphrase = "ten or more characters""#,
        "What encoders have to know that send by SRT; it encrypts, too. Default: nothing.",
        |config, given| {
            let words = given.text()?;
            config.srt_passphrase = Some(words.parse().map_err(|_| format!("{} characters", words.len()))?);
            Ok(())
        },
        |config| config.srt_passphrase.as_ref().map(|words| words.as_str().into());
    "rtsp_timeout" / "": Kind::Text, "a time such as 60s", r#"rtsp_timeout = "60s""#,
        "How long an RTSP client may be silent that gets its packets by UDP or multicast. Default: 60s.",
        |config, given| { config.rtsp_timeout = Some(given.time()?); Ok(()) },
        |config| config.rtsp_timeout.map(tell_time);
    "hosts" / "": Kind::List, "a list of names; * is any", r#"hosts = ["cams.example.com"]"#,
        "Names by which browsers may ask, beside addresses and names of the local network; also that of a proxy's site. Default: none, and what only reads is not looked at.",
        |config, given| { config.hosts = given.list()?; Ok(()) },
        |config| (!config.hosts.is_empty()).then(|| config.hosts.clone().into());
    "trusted_proxies" / "": Kind::List, "a list of addresses and networks", r#"trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]"#,
        "Proxies that are believed who asks, by X-Forwarded-For: for rules, for what one address may have, for logs. Default: none; whoever connects is the one who asks.",
        |config, given| { config.trusted_proxies = given.items(Network::of_proxies)?; Ok(()) },
        |config| (!config.trusted_proxies.is_empty()).then(|| config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    "max_clients" / "MaxClients": Kind::Integer(1, 65_535), "a number from 1 to 65535", "max_clients = 1000",
        "Most viewers at a time. Default: 16000, where ffserver had 5. Feeders and status pages do not count.",
        |config, given| { config.max_clients = given.int(1, 65_535)?; Ok(()) },
        |config| (config.max_clients != defaults().max_clients).then(|| i64::from(config.max_clients).into());
    "max_connections" / "MaxHTTPConnections": Kind::Integer(1, 65_535), "a number from 1 to 65535", "max_connections = 2000",
        "Most connections at a time. Default: 16000.",
        |config, given| { config.max_connections = given.int(1, 65_535)?; Ok(()) },
        |config| (config.max_connections != defaults().max_connections).then(|| i64::from(config.max_connections).into());
    "max_bandwidth_kbit" / "MaxBandwidth": Kind::Integer(10, i64::MAX), "kbit/s from 10", "max_bandwidth_kbit = 50000",
        "Most kbit/s sent to all viewers together, counted as sent. Default: no bound.",
        |config, given| { config.max_bandwidth_kbit = given.int(10, i64::MAX)?; Ok(()) },
        |config| i64::try_from(config.max_bandwidth_kbit).ok().map(Into::into);
    "log" / "CustomLog": Kind::Text, "a file, or - for standard output", r#"log = "/var/log/headwater.log""#,
        "Log each request there; SIGUSR1 opens the file anew. Default: none are logged.",
        |config, given| {
            let file = given.text()?;
            config.custom_log = Some(if file == "-" { LogFile::Stdout } else { LogFile::File(file.into()) });
            Ok(())
        },
        |config| Some(match config.custom_log.as_ref()? {
            LogFile::Stdout => "-".into(),
            LogFile::File(file) => super::write::path(file),
        });
    "log_format" / "CustomLogFormat": Kind::Choice(&["ffserver", "combined"]), "ffserver or combined", r#"log_format = "combined""#,
        "How lines of the log look: as ffserver's, the default, or as Apache's combined form.",
        |config, given| {
            config.log_format = match given.text()? {
                "ffserver" => LogFormat::Ffserver,
                "combined" => LogFormat::Combined,
                _ => return Err(String::new()),
            };
            Ok(())
        },
        |config: &Config| (config.log_format == LogFormat::Combined).then(|| "combined".into());
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_as_they_are_read() {
        for text in ["0.0.0.0:8090", "127.0.0.1:80", "[::1]:8090", "lan.example:1"] {
            let read = listen(text).unwrap();
            assert_eq!(tell(&[read])[0].as_str(), Some(text));
        }
        assert_eq!(listen("0.0.0.0:1"), listen("[::]:1"));
        assert_eq!(listen("0.0.0.0:1"), listen("*:1"));
        assert_eq!(listen(":1"), listen("127.0.0.1:1"));
        for wrong in ["8090", "::1:8090", "[x]:1", ":0", ":99999", "a:b:1"] {
            assert_eq!(listen(wrong), None, "{wrong}");
        }
    }
}
