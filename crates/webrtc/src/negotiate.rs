//! From an offer to its answer: which codecs, which of our addresses.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::Mid;
use str0m::{Candidate, Rtc, RtcConfig};

use crate::offer::Codecs;
use crate::session::{Identity, Role};
use crate::{Error, opus};

/// Most bytes of an offer: browsers that know every codec send 7 KiB a track.
pub const MOST_OFFER: usize = 64 << 10;
/// Addresses of ours in an answer.
const MOST_ADDRESSES: usize = 16;
/// Packets of video that wait to be taken from the session: all of the largest picture.
const SEND_BUFFER: usize = 8192;

/// Makes a session of `offer`, and the answer to it.
pub(crate) fn answer(
    role: Role,
    identity: &Identity,
    offer: &str,
    addresses: &[SocketAddr],
    now: Instant,
) -> Result<(Rtc, String), Error> {
    let bad = |what: String| Error::Offer { what };
    if offer.len() > MOST_OFFER {
        return Err(bad(format!("it has {} bytes, and at most {MOST_OFFER} are read", offer.len())));
    }
    let codecs = Codecs::of(offer);
    let (h264, has_vp8, has_sound) = (codecs.h264(), codecs.has("VP8"), codecs.has("OPUS"));
    if h264.is_none() && !has_vp8 && !has_sound {
        let names = codecs.names();
        let offered = if names.is_empty() { "no codec".into() } else { names.join(", ") };
        return Err(Error::Nothing { offered, wanted: "H.264 or VP8 would do, and Opus" });
    }
    let mut config = identity.config().clear_codecs().set_send_buffer_video(SEND_BUFFER);
    config = config.enable_opus(has_sound, false);
    if let Some(form) = h264 {
        let (number, resent) = (form.number.into(), form.resent.map(Into::into));
        config.codec_config().add_h264(number, resent, form.splits, form.profile);
    }
    // An encoder is answered with one codec of pictures, so that it is known what comes; H.264
    // passes to most outputs.
    if role == Role::Viewer || h264.is_none() {
        config = config.enable_vp8(has_vp8);
    }
    // The library asserts what a session description may well lack, such as that no number stands
    // for two codecs. What it had begun is thrown away.
    let offer = without_candidates(offer);
    let negotiated = AssertUnwindSafe(|| accept(config, &offer, addresses, now));
    catch_unwind(negotiated).unwrap_or_else(|_| Err(bad("it contradicts itself".into())))
}

/// `offer` without the addresses that it names. Those that count are found out by the checks that
/// come from them; whoever writes down the address of somebody else has nothing sent there.
fn without_candidates(offer: &str) -> String {
    let is_kept = |line: &&str| !line.trim_start().starts_with("a=candidate");
    offer.split_inclusive('\n').filter(is_kept).collect()
}

fn accept(config: RtcConfig, offer: &str, addresses: &[SocketAddr], now: Instant) -> Result<(Rtc, String), Error> {
    let bad = |what: String| Error::Offer { what };
    let offer = SdpOffer::from_sdp_string(offer).map_err(|error| bad(error.to_string()))?;
    let mut rtc = config.build(now);
    for address in addresses.iter().take(MOST_ADDRESSES) {
        let candidate = Candidate::host(*address, "udp").map_err(|error| bad(error.to_string()))?;
        rtc.add_local_candidate(candidate);
    }
    let answer = rtc.sdp_api().accept_offer(offer).map_err(|error| bad(error.to_string()))?;
    Ok((rtc, answer.to_sdp_string()))
}

/// The media of our answer by their names, and whether they are pictures (RFC 9143 section 5).
pub(crate) fn media(answer: &str) -> Vec<(bool, Mid)> {
    let (mut all, mut is_video) = (Vec::new(), None);
    for line in answer.lines().map(str::trim) {
        if let Some(medium) = line.strip_prefix("m=") {
            is_video = match medium.split(' ').next() {
                Some("video") => Some(true),
                Some("audio") => Some(false),
                _ => None,
            };
        } else if let (Some(name), Some(is_video)) = (line.strip_prefix("a=mid:"), is_video) {
            all.push((is_video, Mid::from(name)));
        }
    }
    all
}

/// What FFmpeg calls a codec of ours.
pub(crate) fn named(codec: Codec) -> Option<media::Codec> {
    match codec {
        Codec::H264 => Some(media::Codec::H264),
        Codec::Vp8 => Some(media::Codec::from_name("vp8")),
        Codec::Opus => Some(opus::CODEC),
        _ => None,
    }
}
