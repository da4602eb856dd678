//! What a request asks for ([MS-WMSP] 2.2.2).

use std::time::Duration;

use crate::http::pragma::{number, tokens};
use crate::{Pace, Start, Thinning};

/// The most entries of a stream selection that are read: more than a file has streams.
const MOST_STREAMS: usize = 256;

/// A request, as far as it concerns Windows Media. Whether its path exists is another question.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is asked for.
    pub kind: Kind,
    /// Who asks.
    pub agent: Agent,
    /// The session that it belongs to, if it names one.
    pub client_id: Option<u32>,
    /// The client's own id of the session, as it stands between the braces.
    pub guid: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The ASF header: 200.
    Describe,
    /// The stream: 200.
    Play(Order),
    /// Other streams of a session that plays on another connection.
    SelectStream(Selection),
    /// That the session be kept while nothing plays: 200 without a body.
    KeepAlive,
    /// The end of what plays: 204.
    Stop,
    /// Nothing; statistics and events are told: 204.
    Log,
    /// What the server can do: 200.
    Options,
    /// An encoder wants to send us a stream.
    Push,
    /// Anything else: pipelined requests, which nobody sends unless our answers offer it, and
    /// what is no Windows Media at all.
    Other,
}

/// What is to be played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// The streams. Not said: no streams by the specification, all of them by those who leave
    /// it out.
    pub streams: Option<Selection>,
    /// How fast to begin, where it need not be in real time.
    pub pace: Option<Pace>,
    time_ms: Option<u32>,
    packet: Option<u32>,
    offset: Option<u64>,
}

impl Order {
    /// Where to begin in a file whose packets begin at `data_offset`, in bytes from its begin,
    /// and have `packet_size` bytes each ([MS-WMSP] 3.2.5.6).
    #[must_use]
    pub fn start(&self, data_offset: u64, packet_size: u32) -> Start {
        let by_offset = || {
            let into = self.offset?.checked_sub(data_offset)?;
            u32::try_from(into.checked_div(packet_size.into())?).ok()
        };
        match (self.time_ms, self.packet.or_else(by_offset)) {
            (Some(ms), _) => Start::Time(Duration::from_millis(ms.into())),
            (None, Some(packet)) => Start::Packet(packet),
            (None, None) => Start::Begin,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it is.
    pub product: Product,
    /// Its version; 0 for [`Product::Other`].
    pub major: u32,
    /// The second number of its version.
    pub minor: u32,
}

/// The kinds of clients that speak the protocol ([MS-WMSP] 2.2.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// NSPlayer.
    Player,
    /// NSServer: a server that distributes.
    Server,
    /// WMCacheProxy.
    Cache,
    /// A browser, most likely.
    Other,
}

impl Agent {
    /// Whether it understands frames. Who does not is given a playlist with the stream's URL.
    #[must_use]
    pub const fn speaks(self) -> bool {
        !matches!(self.product, Product::Other)
    }

    fn parse(value: &str) -> Self {
        let products = [("NSPlayer", Product::Player), ("NSServer", Product::Server), ("WMCacheProxy", Product::Cache)];
        let find = |(name, product): (&str, Product)| {
            let version = value.get(..name.len()).filter(|begin| begin.eq_ignore_ascii_case(name));
            version.map(|_| (product, value[name.len()..].trim_start_matches('/')))
        };
        let Some((product, version)) = products.into_iter().find_map(find) else {
            return Self { product: Product::Other, major: 0, minor: 0 };
        };
        let (major, minor) = version.split_once('.').unwrap_or((version, ""));
        Self { product, major: number(major).unwrap_or(0), minor: number(minor).unwrap_or(0) }
    }
}

/// The streams that a client wants, and how much of each ([MS-WMSP] 2.2.1.4.27).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Destination as it was written, and what of it.
    entries: Vec<(String, Thinning)>,
}

impl Selection {
    fn parse(value: &str) -> Self {
        let entry = |text: &str| {
            let mut parts = text.split(':');
            let (source, destination) = (parts.next()?, parts.next()?);
            let thinning = match number(parts.next()?) {
                Some(1) => Thinning::Keyframes,
                Some(2) => Thinning::Nothing,
                _ => Thinning::All,
            };
            // Off is written in two ways: thinning 2, or no destination.
            let (stream, thinning) = match destination.eq_ignore_ascii_case("ffff") {
                true => (source, Thinning::Nothing),
                false => (destination, thinning),
            };
            (1..=4).contains(&stream.len()).then(|| (stream.to_owned(), thinning))
        };
        Self { entries: value.split_ascii_whitespace().filter_map(entry).take(MOST_STREAMS).collect() }
    }

    /// Every one of `streams`, which are those of the ASF header, and how much of it is wanted:
    /// nothing of those that the client did not list.
    ///
    /// Numbers are hexadecimal. FFmpeg and libmms write them in decimal, which shows when they
    /// name streams that there are in decimal only.
    #[must_use]
    pub fn of(&self, streams: &[u8]) -> Vec<(u8, Thinning)> {
        let read = |radix| {
            let number =
                move |text: &str| u8::from_str_radix(text, radix).ok().filter(|number| streams.contains(number));
            self.entries.iter().map(move |(text, thinning)| number(text).map(|number| (number, *thinning)))
        };
        let (hexadecimal, decimal): (Option<Vec<_>>, Option<Vec<_>>) = (read(16).collect(), read(10).collect());
        let wanted = hexadecimal.or(decimal).unwrap_or_else(|| read(16).flatten().collect());
        let of = |stream: &u8| wanted.iter().rev().find(|(number, _)| number == stream).map(|(_, thinning)| *thinning);
        streams.iter().map(|stream| (*stream, of(stream).unwrap_or(Thinning::Nothing))).collect()
    }
}

impl Request {
    /// Reads a request: its method, and its headers by name and value. Text that is none is not
    /// an error, it asks for nothing.
    #[must_use]
    pub fn of<'a>(method: &str, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut agent = Agent::parse("");
        let mut content_type = String::new();
        let mut seen = Seen::default();
        for (name, value) in headers {
            let value: String = value.iter().copied().map(char::from).collect();
            match name.to_ascii_lowercase().as_str() {
                "user-agent" => agent = Agent::parse(value.trim()),
                "content-type" => content_type = value.trim().to_ascii_lowercase(),
                "pragma" => tokens(&value).for_each(|(name, value)| seen.token(name, value.unwrap_or_default())),
                _ => (),
            }
        }
        let kind = seen.kind(method, &content_type);
        Self { kind, agent, client_id: seen.client_id, guid: seen.guid }
    }
}

/// Tokens of Pragma headers that decide what a request is.
#[derive(Default)]
struct Seen {
    client_id: Option<u32>,
    guid: Option<String>,
    play: bool,
    keep_alive: bool,
    stop: bool,
    pipelined: bool,
    order: Order,
    accelerate: (u32, u32, u32),
}

impl Seen {
    fn token(&mut self, name: &str, value: &str) {
        // Not given is written as the greatest number.
        let given = |value| number::<u32>(value).filter(|number| *number != u32::MAX);
        let yes = number::<u32>(value).is_none_or(|number| number != 0);
        match name.to_ascii_lowercase().as_str() {
            "client-id" => self.client_id = number(value),
            "xclientguid" => {
                let text = value.trim_matches(['{', '}']);
                self.guid = Some(text.chars().filter(char::is_ascii_graphic).take(36).collect());
            }
            "xplaystrm" => self.play = yes,
            "xkeepaliveinpause" => self.keep_alive = yes,
            "xstopstrm" => self.stop = yes,
            "pipeline-request" | "xplaynextentry" => self.pipelined |= yes,
            "stream-switch-entry" | "switch-stream-entry" => self.order.streams = Some(Selection::parse(value)),
            "stream-time" => self.order.time_ms = given(value).filter(|ms| *ms != 0),
            "packet-num" => self.order.packet = given(value),
            "stream-offset" => {
                let halves = value.split_once(':').and_then(|(high, low)| Some((number(high)?, number(low)?)));
                self.order.offset = halves
                    .filter(|halves| *halves != (u32::MAX, u32::MAX))
                    .map(|(h, l)| u64::from(h) << 32 | u64::from(l));
            }
            "accelbw" => self.accelerate.0 = number(value).unwrap_or(0),
            "accelduration" => self.accelerate.1 = number(value).unwrap_or(0),
            "linkbw" => self.accelerate.2 = number(value).unwrap_or(0),
            _ => (),
        }
    }

    fn kind(&mut self, method: &str, content_type: &str) -> Kind {
        let mut order = std::mem::take(&mut self.order);
        let (accelerate_bandwidth, duration_ms, link_bandwidth) = self.accelerate;
        if accelerate_bandwidth != 0 && duration_ms != 0 {
            let accelerate_duration = Duration::from_millis(duration_ms.into());
            order.pace = Some(Pace { accelerate_bandwidth, accelerate_duration, link_bandwidth });
        }
        match method {
            "OPTIONS" => Kind::Options,
            "POST" if content_type.starts_with("application/x-wms-push") => Kind::Push,
            "POST" if self.keep_alive => Kind::KeepAlive,
            "POST" if self.stop => Kind::Stop,
            "POST" => Kind::Log,
            "GET" if self.pipelined => Kind::Other,
            "GET" if self.play => Kind::Play(order),
            "GET" => match order.streams {
                Some(selection) => Kind::SelectStream(selection),
                None => Kind::Describe,
            },
            _ => Kind::Other,
        }
    }
}

#[cfg(test)]
mod tests;
