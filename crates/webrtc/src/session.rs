//! One peer: datagrams and time in; datagrams, events and deadlines out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use media::{Codec, Packet, Track, Unit};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::from_feature_flags;
use str0m::media::{Frequency, KeyframeRequestKind, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::{Event as Happened, IceConnectionState, Input, Output as Polled, Rtc, RtcConfig, RtcError};

use crate::consent::Consent;
use crate::intake::Intake;
use crate::negotiate::{self, named};
use crate::{Error, dtls, h264, opus, stun};

/// Datagrams of DTLS from an address that has not answered yet: they may overtake its answer.
const MOST_EARLY: usize = 4;

/// What a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It sends, and we take.
    Publisher,
    /// It is sent to.
    Viewer,
}

/// Who we are to peers: a certificate of our own for DTLS, whose fingerprint stands in answers.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCert,
    provider: Arc<CryptoProvider>,
    /// Bytes that its sessions hold of pictures that have not ended.
    held: Arc<AtomicU64>,
}

impl Identity {
    /// Makes a new one, by random numbers of the system.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn new() -> Result<Self, Error> {
        let provider = from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate().ok_or(Error::Certificate)?;
        Ok(Self { certificate, provider: Arc::new(provider), held: Arc::default() })
    }

    pub(crate) fn config(&self) -> RtcConfig {
        RtcConfig::new().set_crypto_provider(Arc::clone(&self.provider)).set_dtls_cert(self.certificate.clone())
    }
}

/// What is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Datagram {
    /// From which of the addresses that the session was made with.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it says.
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Datagram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Datagram({} to {}, {} bytes)", self.from, self.to, self.data.len())
    }
}

/// What has come of a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// The peer is there, and what is said is encrypted.
    Connected,
    /// What a publisher sends, before its first unit and when it changes.
    Tracks(Vec<Track>),
    /// A picture of a publisher, or a packet of sound. What refers to something that was lost is
    /// marked as corrupt.
    Unit(Unit),
    /// A viewer cannot go on without a keyframe.
    WantsKeyframe,
    /// The peer has left, or does not answer any more.
    Gone,
}

/// The next thing to do.
#[derive(Debug)]
pub enum Output {
    /// To be sent at once.
    Transmit(Datagram),
    /// To be told.
    Event(Event),
    /// Nothing until the next input; by then [`Session::handle_timeout`] is due.
    Wait(Instant),
}

/// One peer. After each input it is polled until it says [`Output::Wait`].
pub struct Session {
    rtc: Rtc,
    role: Role,
    name: String,
    intake: Intake,
    /// Where pictures, and sound, are sent.
    video: Option<Mid>,
    audio: Option<Mid>,
    events: VecDeque<Event>,
    is_gone: bool,
    consent: Consent,
    /// Why the peer does not go on with the handshake, if it has said so.
    refusal: Option<dtls::Refusal>,
    /// What came too early, from where, at which of our addresses.
    early: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// The time, as far as it was told.
    now: Instant,
}

impl Session {
    /// Makes a session of the `offer` of a peer, which is reached at one of `addresses`, and the
    /// answer to it.
    ///
    /// # Errors
    /// [`Error::Offer`], [`Error::Nothing`].
    pub fn new(
        role: Role,
        identity: &Identity,
        offer: &str,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Result<(Self, String), Error> {
        let (mut rtc, answer) = negotiate::answer(role, identity, offer, addresses, now)?;
        let name = rtc.direct_api().local_ice_credentials().ufrag;
        let mut session = Self {
            rtc,
            role,
            name,
            intake: Intake::new(Arc::clone(&identity.held)),
            video: None,
            audio: None,
            events: VecDeque::new(),
            is_gone: false,
            consent: Consent::default(),
            refusal: None,
            early: Vec::new(),
            now,
        };
        // The library tells of them when the peer is there; what can be sent is asked before.
        for (is_video, mid) in negotiate::media(&answer) {
            session.added(is_video, mid);
        }
        Ok((session, answer))
    }

    /// What the peer calls this session in messages of STUN ([`crate::stun::local_name`]).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a datagram that came `from` the peer to one of our addresses. What is none of its
    /// business is passed over.
    ///
    /// # Errors
    /// [`Error::Failed`]: the session is over.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
    ) -> Result<(), Error> {
        self.now = self.now.max(now);
        // What is no message of any protocol that there is here.
        let Ok(received) = Receive::new(Protocol::Udp, from, to, data) else { return Ok(()) };
        let input = Input::Receive(now, received);
        if !self.rtc.accepts(&input) {
            // RFC 7983 section 7: of DTLS.
            let is_early = matches!(data, [20..=63, ..]) && self.consent.is_asked(from);
            if is_early && self.early.len() < MOST_EARLY {
                self.early.push((from, to, data.to_vec()));
            }
            return Ok(());
        }
        if stun::is_stun(data) {
            let had = self.consent.has(now, from);
            if !self.consent.heard(now, from, data) {
                return Ok(());
            }
            self.rtc.handle_input(input).map_err(failed)?;
            if !had && self.consent.has(now, from) {
                for (from, to, data) in std::mem::take(&mut self.early) {
                    self.handle_datagram(now, from, to, &data)?;
                }
            }
            return Ok(());
        }
        // RTCP is not held (RFC 5761 section 4).
        if self.role == Role::Publisher && !(data[0] >= 128 && matches!(data.get(1), Some(192..=223))) {
            self.intake.received(data.len())?;
        }
        if !self.rtc.is_connected() {
            self.refusal = self.refusal.or(dtls::refusal(data));
        }
        self.rtc.handle_input(input).map_err(|error| self.ended(error))
    }

    /// What the peer has said itself of a handshake that failed goes before what the library says.
    fn ended(&self, error: RtcError) -> Error {
        match (&error, self.refusal) {
            (RtcError::Dtls(_), Some(dtls::Refusal::NoCertificate)) => Error::PeerCertificate,
            (RtcError::Dtls(_), Some(dtls::Refusal::Alert(alert))) => {
                Error::Refused { alert, name: dtls::named(alert) }
            }
            _ => failed(error),
        }
    }

    /// Whether the peer has shown that it is at `address`, and lately.
    #[must_use]
    pub fn is_at(&self, address: SocketAddr) -> bool {
        self.consent.has(self.now, address)
    }

    /// Tells that the time of [`Output::Wait`] has come, or any other.
    ///
    /// # Errors
    /// [`Error::Failed`]: the session is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.now = self.now.max(now);
        if self.consent.ends().is_some_and(|ends| ends <= now) {
            self.go();
        }
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| self.ended(error))
    }

    /// Says farewell; what is to be sent for it comes by polling.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn close(&mut self) -> Result<(), Error> {
        self.rtc.close().map_err(failed)
    }

    /// The next thing to do.
    ///
    /// # Errors
    /// [`Error::Failed`]: the session is over.
    pub fn poll(&mut self) -> Result<Output, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Output::Event(event));
            }
            match self.rtc.poll_output().map_err(|error| self.ended(error))? {
                Polled::Timeout(at) => {
                    let ends = self.consent.ends().filter(|_| !self.is_gone);
                    return Ok(Output::Wait(ends.map_or(at, |ends| ends.min(at))));
                }
                Polled::Transmit(sent) => {
                    let (from, to) = (sent.source, sent.destination);
                    if !self.consent.may_send(self.now, to, &sent.contents) {
                        continue;
                    }
                    return Ok(Output::Transmit(Datagram { from, to, data: sent.contents.into() }));
                }
                Polled::Event(happened) => self.take(happened),
            }
        }
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Connected => self.events.push_back(Event::Connected),
            Happened::IceConnectionStateChange(IceConnectionState::Disconnected) | Happened::Closed => self.go(),
            Happened::MediaData(data) if self.role == Role::Publisher => {
                self.intake.take(&data, &mut self.events);
                if let Some(mid) = self.intake.wants_keyframe() {
                    self.ask_for_keyframe(mid);
                }
            }
            Happened::KeyframeRequest(_) if self.role == Role::Viewer => self.events.push_back(Event::WantsKeyframe),
            _ => {}
        }
    }

    fn go(&mut self) {
        if !std::mem::replace(&mut self.is_gone, true) {
            self.events.push_back(Event::Gone);
        }
    }

    /// The first of pictures and the first of sound count.
    fn added(&mut self, is_video: bool, mid: Mid) {
        let Some(direction) = self.rtc.media(mid).map(str0m::media::Media::direction) else { return };
        let does = match self.role {
            Role::Publisher => direction.is_receiving(),
            Role::Viewer => direction.is_sending(),
        };
        if !does || self.payload_types(mid).is_empty() {
            return;
        }
        let place = if is_video { &mut self.video } else { &mut self.audio };
        place.get_or_insert(mid);
        self.intake.expect(self.video, self.audio);
    }

    /// By number, what was agreed on for a medium.
    fn payload_types(&mut self, mid: Mid) -> Vec<(Pt, str0m::format::CodecSpec)> {
        let Some(writer) = self.rtc.writer(mid) else { return Vec::new() };
        writer.payload_params().map(|params| (params.pt(), params.spec())).collect()
    }

    /// Asks a publisher for a keyframe, unless there was one a moment ago; a viewer of it cannot go
    /// on without one ([`Event::WantsKeyframe`]).
    ///
    /// # Errors
    /// [`Error::Failed`]: the session is over.
    pub fn want_keyframe(&mut self, now: Instant) -> Result<(), Error> {
        if let Some(mid) = self.video.filter(|_| self.role == Role::Publisher && self.intake.may_ask(now)) {
            self.ask_for_keyframe(mid);
            self.handle_timeout(now)?;
        }
        Ok(())
    }

    fn ask_for_keyframe(&mut self, mid: Mid) {
        let Some(mut writer) = self.rtc.writer(mid) else { return };
        let kinds = [KeyframeRequestKind::Pli, KeyframeRequestKind::Fir];
        if let Some(kind) = kinds.into_iter().find(|kind| writer.is_request_keyframe_possible(*kind)) {
            // One whose first packet has not come cannot be asked yet; it is asked again.
            let _ = writer.request_keyframe(None, kind);
        }
    }

    /// Whether the viewer can be sent packets of `codec`.
    #[must_use]
    pub fn takes(&mut self, codec: Codec) -> bool {
        self.number_of(codec).is_some()
    }

    /// Where packets of `codec` go, and under which number.
    fn number_of(&mut self, codec: Codec) -> Option<(Mid, Pt)> {
        let mid = if codec == opus::CODEC { self.audio } else { self.video }?;
        let all = self.payload_types(mid).into_iter().filter(|(_, spec)| named(spec.codec) == Some(codec));
        // Pictures that fill one packet of RTP each are rare.
        all.max_by_key(|(_, spec)| spec.format.packetization_mode.unwrap_or(0)).map(|(number, _)| (mid, number))
    }

    /// Sends a viewer a packet of `track`, which is shown `shown` on a clock that counts on while
    /// it plays; `false` for one that it does not take. Pictures may not be reordered
    /// ([`Packet::dts`] is [`Packet::pts`]): the viewer would show them in the order in which
    /// they come.
    ///
    /// # Errors
    /// [`Error::Failed`]: the session is over.
    pub fn write(&mut self, track: &Track, packet: &Packet, shown: Instant) -> Result<bool, Error> {
        let Some((mid, number)) = self.number_of(track.codec) else { return Ok(false) };
        let (rate, frequency) = match track.codec {
            opus::CODEC => (opus::RATE, Frequency::FORTY_EIGHT_KHZ),
            _ => (90_000, Frequency::NINETY_KHZ),
        };
        let ticks = u64::try_from(packet.pts.to_ticks(1, rate)).unwrap_or(0);
        let needs_sets = track.codec == Codec::H264 && packet.key && !h264::has_parameters(&packet.data);
        let sets = needs_sets.then(|| h264::in_annex_b(&track.extradata)).flatten();
        let data: Arc<[u8]> = match sets {
            Some(sets) => [&sets[..], &packet.data].concat().into(),
            None => packet.data[..].into(),
        };
        let Some(writer) = self.rtc.writer(mid) else { return Ok(false) };
        match writer.write(number, shown, MediaTime::new(ticks, frequency), data) {
            Ok(()) => Ok(true),
            // It was told to pause meanwhile.
            Err(RtcError::NotSendingDirection(_)) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The words of a library for what ends a session.
#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn failed(error: RtcError) -> Error {
    Error::Failed { what: error.to_string() }
}
