//! An ONVIF camera that does as it is told, and checks who asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use onvif::xml::{self, Element};
use onvif::{Login, Utc, envelope, read_body};

/// What it is like.
#[derive(Clone, Debug)]
pub struct Manner {
    /// What it says the address of its stream is.
    pub stream: String,
    /// What it says the address of its snapshots is.
    pub snapshot: String,
    /// User and password by WS-Security.
    pub login: Option<(&'static str, &'static str)>,
    /// User and password by HTTP's Digest, for all but the time.
    pub digest: Option<(&'static str, &'static str)>,
    /// How far its clock is ahead, in seconds.
    pub ahead: i64,
    /// It knows only the older requests.
    pub old: bool,
    /// Its first answer in place of the time.
    pub hostile: Option<Hostile>,
}

impl Default for Manner {
    fn default() -> Self {
        let here = "http://0.0.0.0/".to_owned();
        Self { stream: here.clone(), snapshot: here, login: None, digest: None, ahead: 0, old: false, hostile: None }
    }
}

/// How it does harm.
#[derive(Clone, Copy, Debug)]
pub enum Hostile {
    /// A gigabyte is announced.
    Gigabyte,
    /// A body without end.
    Endless,
    /// Entities that grow.
    Bomb,
    /// Header lines without end.
    Headers,
    /// A redirect to a file.
    File,
}

/// A camera on a port of its own; gone when dropped.
pub struct Onvif {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Manner,
    off: AtomicBool,
    /// Names of the requests that were answered, and what was in them.
    asked: Mutex<Vec<(String, Element)>>,
}

impl Onvif {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { manner, off: AtomicBool::new(false), asked: Mutex::default() });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.off.load(SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || {
                    // A client that hangs up in between is in order.
                    let _ = shared.serve(&stream, address);
                });
            }
        });
        Self { address, shared }
    }

    /// Its URL, for this user and with that behind the host.
    pub fn url(&self, user: &str, rest: &str) -> String {
        format!("onvif://{user}{}{rest}", self.address)
    }

    /// The requests that it has answered, by name.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// What was in the last request called `name`.
    #[track_caller]
    pub fn last(&self, name: &str) -> Element {
        let asked = self.shared.asked.lock().unwrap();
        let found = asked.iter().rev().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("nobody asked for {name}: {asked:?}")).1.clone()
    }
}

/// Answers probes of WS-Discovery, one host at a time, with what `scopes` says of the camera at
/// `address`, until dropped.
pub struct Probed {
    pub address: SocketAddr,
    off: Arc<AtomicBool>,
}

impl Probed {
    pub fn start(camera: SocketAddr, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let off = Arc::new(AtomicBool::new(false));
        let (theirs, name) = (Arc::clone(&off), name.to_owned());
        std::thread::spawn(move || {
            let mut datagram = [0; 8192];
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                if theirs.load(SeqCst) {
                    return;
                }
                let probe = xml::parse(&datagram[..length]).expect("a probe");
                assert!(probe.at(&["Body", "Probe"]).is_some() && probe.text_at(&["Header", "MessageID"]).is_some());
                let answer = format!(
                    "<d:ProbeMatches xmlns:d=\"d\" xmlns:a=\"a\"><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address></a:EndpointReference>\
                     <d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/name/{name} onvif://www.onvif.org/hardware/Q7</d:Scopes>\
                     <d:XAddrs>http://192.0.2.1/x http://{camera}/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches>"
                );
                // Nonsense of another device, which must do no harm.
                for answer in ["<nonsense".to_owned(), envelope(None, &answer)] {
                    let _ = socket.send_to(answer.as_bytes(), from);
                }
            }
        });
        Self { address, off }
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        self.off.store(true, SeqCst);
        let _ = UdpSocket::bind("127.0.0.1:0").map(|socket| socket.send_to(b"", self.address));
    }
}

impl Drop for Onvif {
    fn drop(&mut self) {
        self.shared.off.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream, address: SocketAddr) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        loop {
            let (mut length, mut authorization, mut first) = (0, String::new(), String::new());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let line = line.trim_end();
                if first.is_empty() {
                    line.clone_into(&mut first);
                }
                match line.split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().unwrap();
                    }
                    Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                        value.clone_into(&mut authorization);
                    }
                    _ if line.is_empty() => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            if let Some(hostile) = self.manner.hostile {
                return harm(writer, hostile);
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            let (status, answer) = self.answer(path, &body, &authorization, address);
            let more = if status == "401 Unauthorized" {
                "WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\", algorithm=MD5\r\n"
            } else {
                ""
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\n{more}Content-Length: {}\r\n\r\n",
                answer.len()
            );
            writer.write_all(head.as_bytes())?;
            writer.write_all(answer.as_bytes())?;
        }
    }

    fn answer(&self, path: &str, body: &[u8], authorization: &str, address: SocketAddr) -> (&'static str, String) {
        let question = read_body(body).expect("a question of SOAP");
        let name = question.name.clone();
        if name != "GetSystemDateAndTime" {
            if let Some(login) = self.manner.digest
                && !digest_is_right(login, path, authorization)
            {
                return ("401 Unauthorized", String::new());
            }
            if let Some(login) = self.manner.login
                && let Err(why) = self.token_is_right(login, body)
            {
                return ("400 Bad Request", fault("NotAuthorized", &why));
            }
        }
        let known = !self.manner.old || !["GetServices"].contains(&&*name);
        let Some(answer) = self.said(&name, &question, address).filter(|_| known) else {
            return ("500 Internal Server Error", fault("ActionNotSupported", "not known here"));
        };
        self.asked.lock().unwrap().push((name.clone(), question));
        ("200 OK", envelope(None, &format!("<tds:{name}Response xmlns:tds=\"t\">{answer}</tds:{name}Response>")))
    }

    fn said(&self, name: &str, question: &Element, address: SocketAddr) -> Option<String> {
        // By its own account it is somewhere behind a router.
        let inner = format!("http://192.0.2.1:{}", address.port());
        Some(match name {
            "GetSystemDateAndTime" => time(now() + self.manner.ahead),
            "GetServices" => ["ver10/media", "ver20/media", "ver20/ptz"]
                .map(|service| {
                    format!(
                        "<Service><Namespace>http://www.onvif.org/{service}/wsdl</Namespace><XAddr>{inner}/onvif/{service}</XAddr></Service>"
                    )
                })
                .concat(),
            "GetCapabilities" => format!(
                "<Capabilities><Media><XAddr>{inner}/onvif/media</XAddr></Media><PTZ><XAddr>{inner}/onvif/ptz</XAddr></PTZ></Capabilities>"
            ),
            "GetDeviceInformation" => {
                "<Manufacturer>Acme</Manufacturer><Model>Q7</Model><FirmwareVersion>5.50</FirmwareVersion>".into()
            }
            "GetProfiles" => ["main", "sub"]
                .map(|token| {
                    let (width, height) = if token == "main" { (1920, 1080) } else { (320, 240) };
                    let encoder = format!(
                        "<Encoding>H264</Encoding><Resolution><Width>{width}</Width><Height>{height}</Height></Resolution>"
                    );
                    match self.manner.old {
                        true => format!(
                            "<Profiles token=\"{token}\"><Name>{token}</Name><VideoEncoderConfiguration>{encoder}</VideoEncoderConfiguration></Profiles>"
                        ),
                        false => format!(
                            "<Profiles token=\"{token}\"><Name>{token}</Name><Configurations><VideoEncoder>{encoder}</VideoEncoder></Configurations></Profiles>"
                        ),
                    }
                })
                .concat(),
            "GetStreamUri" => {
                let token = question.text_at(&["ProfileToken"]).unwrap_or_default();
                let uri = xml::escape(&self.manner.stream.replace("{token}", token));
                match self.manner.old {
                    true => format!("<MediaUri><Uri>{uri}</Uri></MediaUri>"),
                    false => format!("<Uri>{uri}</Uri>"),
                }
            }
            "GetSnapshotUri" => format!("<MediaUri><Uri>{}</Uri></MediaUri>", xml::escape(&self.manner.snapshot)),
            "GetPresets" => "<Preset token=\"7\"><Name>Gate</Name></Preset><Preset token=\"8\"><Name>Yard</Name></Preset>".into(),
            "GetStatus" => "<PTZStatus><Position><PanTilt x=\"0.25\" y=\"-0.5\"/><Zoom x=\"0\"/></Position><MoveStatus><PanTilt>IDLE</PanTilt></MoveStatus></PTZStatus>".into(),
            "ContinuousMove" | "Stop" | "AbsoluteMove" | "RelativeMove" | "GotoHomePosition" | "GotoPreset" => String::new(),
            _ => return None,
        })
    }

    /// Whether a UsernameToken is of that user, and of now by this camera's clock.
    fn token_is_right(&self, (user, password): (&str, &str), body: &[u8]) -> Result<(), String> {
        let tree = xml::parse(body).unwrap();
        let token = tree.at(&["Header", "Security", "UsernameToken"]).ok_or("no token")?;
        let text = |name: &str| token.text_at(&[name]).unwrap_or_default();
        let nonce = STANDARD.decode(text("Nonce")).ok().and_then(|nonce| nonce.try_into().ok()).ok_or("no nonce")?;
        let here = now() + self.manner.ahead;
        let created = (here - 60..=here + 60).map(Utc).find(|time| time.to_string() == text("Created"));
        let created = created.ok_or_else(|| format!("{} is not now", text("Created")))?;
        let login = Login { user, password, nonce, created };
        match text("Username") == user && text("Password") == login.digest() {
            true => Ok(()),
            false => Err("the password is wrong".into()),
        }
    }
}

/// RFC 2617 section 3.2.2, without qop.
fn digest_is_right((user, password): (&str, &str), path: &str, authorization: &str) -> bool {
    let md5 = |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let first = md5(format!("{user}:cam:{password}"));
    let second = md5(format!("POST:{path}"));
    let response = md5(format!("{first}:abc:{second}"));
    authorization.starts_with(&format!("Digest username=\"{user}\"")) && authorization.contains(&response)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn time(at: i64) -> String {
    let text = Utc(at).to_string();
    let numbers: Vec<i64> =
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else { panic!("{text}") };
    format!(
        "<SystemDateAndTime><UTCDateTime><Time><Hour>{hour}</Hour><Minute>{minute}</Minute><Second>{second}</Second></Time>\
         <Date><Year>{year}</Year><Month>{month}</Month><Day>{day}</Day></Date></UTCDateTime></SystemDateAndTime>"
    )
}

fn fault(code: &str, reason: &str) -> String {
    envelope(
        None,
        &format!(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
        ),
    )
}

fn harm(mut to: &TcpStream, hostile: Hostile) -> std::io::Result<()> {
    let xml = "Content-Type: application/soap+xml\r\n";
    match hostile {
        Hostile::Gigabyte => {
            to.write_all(format!("HTTP/1.1 200 OK\r\n{xml}Content-Length: 1073741824\r\n\r\n").as_bytes())?;
            forever(to, b"<a>")
        }
        Hostile::Endless => {
            to.write_all(format!("HTTP/1.1 200 OK\r\n{xml}\r\n<a>").as_bytes())?;
            forever(to, b"<b/>")
        }
        Hostile::Bomb => {
            let mut bomb = String::from("<!DOCTYPE l [<!ENTITY a0 \"aaaaaaaaaa\">");
            for level in 1..20 {
                let inner = format!("&a{};", level - 1).repeat(10);
                bomb.push_str(&format!("<!ENTITY a{level} \"{inner}\">"));
            }
            bomb.push_str("]><l>&a19;</l>");
            to.write_all(format!("HTTP/1.1 200 OK\r\n{xml}Content-Length: {}\r\n\r\n{bomb}", bomb.len()).as_bytes())
        }
        Hostile::Headers => {
            to.write_all(b"HTTP/1.1 200 OK\r\n")?;
            forever(to, b"X-More: and more\r\n")
        }
        Hostile::File => to.write_all(b"HTTP/1.1 307 No\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
    }
}

fn forever(mut to: &TcpStream, what: &[u8]) -> std::io::Result<()> {
    let piece = what.repeat(1024);
    loop {
        to.write_all(&piece)?;
    }
}
