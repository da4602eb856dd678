//! What the client asks ([MS-RTSP] 2.2.7).

use bytes::Bytes;

use super::{Client, Request, Setup, Writer};
use crate::{Start, Transmit};

/// What we can do that goes beyond RTSP ([MS-RTSP] 2.2.6.10): be told of the end, thin streams,
/// be told the numbers of packets.
const SUPPORTED: &str = "com.microsoft.wm.eosmsg, com.microsoft.wm.sswitch, com.microsoft.wm.locid";
/// The media type of a choice of streams.
const SWITCH: &str = "application/x-wms-streamswitch";
/// The stream number that means none ([MS-RTSP] 2.2.7.10).
const NO_STREAM: u32 = u32::MAX;

impl Client {
    /// Sends a request.
    pub(super) fn request(&mut self, request: Request) {
        self.cseq = self.cseq.wrapping_add(1);
        let message = match request {
            Request::Options => self.writer("OPTIONS", &self.facts.url.clone()).finish(),
            Request::Describe => self.describe(),
            Request::Setup(setup) => self.setup(&setup),
            Request::Play => self.play_request(),
            // Without a body, or it would ask for something ([MS-RTSP] 2.2.7.5).
            Request::KeepAlive => self.writer("GET_PARAMETER", &self.facts.base.clone()).finish(),
            Request::Teardown => {
                let entry = self.entry_header();
                self.writer("TEARDOWN", &self.facts.base.clone()).maybe("X-Playlist-Gen-Id", entry).finish()
            }
        };
        self.transmits.push_back(Transmit::Stream(message));
    }

    /// A request with the headers that all have.
    fn writer(&mut self, method: &str, uri: &str) -> Writer {
        let authorization = self.auth.authorization(method, uri);
        Writer::request(method, uri, self.cseq)
            .header("User-Agent", &self.facts.agent)
            .maybe("Authorization", authorization)
            .maybe("Cookie", self.facts.cookie())
            .maybe("Session", self.facts.session.as_deref())
    }

    fn entry_header(&self) -> Option<u32> {
        Some(self.facts.entry).filter(|entry| *entry != 0)
    }

    fn describe(&mut self) -> Bytes {
        let entry = self.entry_header();
        self.writer("DESCRIBE", &self.facts.url.clone())
            .header("Accept", "application/sdp")
            .header("X-Accept-Authentication", "NTLM, Digest, Basic")
            .header("Supported", SUPPORTED)
            .maybe("X-Playlist-Gen-Id", entry)
            .finish()
    }

    fn setup(&mut self, setup: &Setup) -> Bytes {
        let entry = self.entry_header();
        let writer = self
            .writer("SETUP", &setup.url)
            .header("Transport", setup.transport)
            .header("Supported", SUPPORTED)
            .maybe("X-Playlist-Gen-Id", entry);
        if setup.keyframes {
            let body = format!("SSEntry: {NO_STREAM} {} 1 {}\r\n", setup.number, setup.url);
            writer.body(SWITCH, body.as_bytes())
        } else {
            writer.finish()
        }
    }

    fn play_request(&mut self) -> Bytes {
        let entry = self.entry_header();
        let play = self.play.as_ref();
        let pace = play.and_then(|play| play.pace);
        let start = play.map_or(Start::Begin, |play| play.start);
        let range = match start {
            Start::Begin => "npt=0.000-".to_owned(),
            Start::Time(time) => format!("npt={}.{:03}-", time.as_secs(), time.subsec_millis()),
            Start::Packet(number) => format!("x-asf-packet={number}-"),
        };
        let accelerate = pace.map(|pace| {
            let duration = pace.accelerate_duration.as_millis().min(u32::MAX.into());
            format!("AccelDuration={duration};AccelBandwidth={}", pace.accelerate_bandwidth)
        });
        // Later entries of a playlist begin at their begin ([MS-RTSP] 3.1.5.16.1).
        let range = Some(range).filter(|_| self.entry == 0 || start != Start::Begin);
        self.writer("PLAY", &self.facts.base.clone())
            .maybe("Range", range)
            .maybe("Bandwidth", pace.map(|pace| pace.link_bandwidth))
            .maybe("X-Accelerate-Streaming", accelerate)
            .header("Supported", SUPPORTED)
            .maybe("X-Playlist-Gen-Id", entry)
            .maybe("X-Playlist-Seek-Id", entry)
            .finish()
    }
}
