//! How client, content and places are called in messages.

use std::net::IpAddr;

use crate::Config;

/// Version 7.0: Services 9 serve MMS to none that call themselves newer.
const PLAYER: &str = "NSPlayer/7.0.0.1956";
/// The same as four parts of 16 bit.
pub(super) const PLAYER_VERSION: u64 = 0x0007_0000_0000_07A4;
/// A port for funnelName where none is meant; it must not be 0 ([MS-MMSP] 2.2.4.18).
const SOME_PORT: u16 = 1037;

/// subscriberName of Connect ([MS-MMSP] 2.2.4.17).
pub(super) fn subscriber(config: &Config) -> String {
    format!("{PLAYER}; {}; Host: {}", player_id(&config.random), host(config))
}

/// A GUID (RFC 9562, version 4) from the bytes that NTLM leaves alone.
pub(super) fn player_id(random: &[u8; 32]) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(&random[16..]);
    id[6] = id[6] & 0x0F | 0x40;
    id[8] = id[8] & 0x3F | 0x80;
    let hex: String = id.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{{{}-{}-{}-{}-{}}}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Host and port as in a URL.
fn host(config: &Config) -> String {
    let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() };
    if config.port == crate::wire::PORT { host } else { format!("{host}:{}", config.port) }
}

/// The content's URL, for the log.
pub(super) fn url(config: &Config) -> String {
    format!("mms://{}/{}", host(config), config.path.trim_start_matches('/'))
}

/// funnelName of ConnectFunnel ([MS-MMSP] 2.2.4.18).
pub(super) fn funnel(local: IpAddr, udp_port: Option<u16>) -> String {
    let local = local.to_canonical();
    match udp_port {
        Some(port) => format!(r"\\{local}\UDP\{port}"),
        None => format!(r"\\{local}\TCP\{SOME_PORT}"),
    }
}

/// fileName of OpenFile: the path without its leading slash and without escapes, which are
/// forbidden there ([MS-MMSP] 2.2.4.21). The query stays as it is: it belongs to the name,
/// and tokens in it are compared by their letters.
pub(super) fn file_name(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    format!("{}{query}", unescape(path))
}

fn unescape(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.as_bytes();
    while let Some((byte, rest)) = left.split_first() {
        let digit = |at: usize| rest.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, digit(0), digit(1)) {
            // A null would end the name.
            (b'%', Some(high), Some(low)) if high + low > 0 => {
                bytes.push((high * 16 + low) as u8);
                left = &rest[2..];
            }
            _ => {
                bytes.push(*byte);
                left = rest;
            }
        }
    }
    // Windows of that time escaped in its own code page, where it did not use UTF-8.
    String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect())
}

/// The URL of a redirect, which stands there without escapes ([MS-MMSP] 2.2.4.9), as one with
/// them. What looks like an escape is left as it is, since servers' owners write them.
pub(super) fn redirect(location: &str) -> String {
    let mut url = String::with_capacity(location.len());
    for (at, c) in location.trim().char_indices() {
        let is_escape = || {
            let digits = location.trim().as_bytes().get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match c {
            '%' if !is_escape() => url.push_str("%25"),
            c if c == ' ' || c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| url.push_str(&format!("%{byte:02X}")));
            }
            c => url.push(c),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_no_slash_and_no_escapes() {
        assert_eq!(file_name("/a%20b/%C3%A4.wmv"), "a b/ä.wmv");
        assert_eq!(file_name("/%E4.wmv"), "ä.wmv", "Latin-1");
        assert_eq!(file_name("//a"), "/a");
        assert_eq!(file_name("/live?auth=a%3Db&x=%20"), "live?auth=a%3Db&x=%20");
        assert_eq!(file_name("/100%/%zz%0"), "100%/%zz%0");
        assert_eq!(file_name("/a%00b"), "a%00b");
        assert_eq!(file_name(""), "");
    }

    #[test]
    fn redirects_become_urls() {
        assert_eq!(redirect("mmst://h/a b%20c 100%"), "mmst://h/a%20b%20c%20100%25");
        assert_eq!(redirect(" mms://h/ä\n"), "mms://h/ä");
        assert_eq!(redirect("mms://h/\u{1b}[2J\u{9b}"), "mms://h/%1B[2J%C2%9B");
    }

    #[test]
    fn funnels_name_the_address_as_it_is() {
        assert_eq!(funnel("::ffff:1.2.3.4".parse().unwrap(), None), r"\\1.2.3.4\TCP\1037");
        assert_eq!(funnel("fe80::1".parse().unwrap(), Some(7000)), r"\\fe80::1\UDP\7000");
    }
}
