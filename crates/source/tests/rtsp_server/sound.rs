//! Sound beside the pictures, in every encoding that cameras have: it is decoded, and is the tone that
//! GStreamer made.

use feed::Entry;
use ffmpeg::SoundCoder;
use media::{AudioCoding, Codec, Kind};
use source::Options;

use crate::{Server, next, numbers, open, run_on};

/// What GStreamer's test sound is.
const TONE: f64 = 440.0;

/// How high the tone in `sound` is, in Hz: it crosses zero twice a period.
fn pitch(sound: &[Entry]) -> f64 {
    let track = &sound[0].tracks[1];
    let coding = AudioCoding { channels: Some(1), sample_rate: Some(16_000), ..AudioCoding::default() };
    let mut coder = SoundCoder::new(track, Codec::from_name("pcm_s16le"), coding).unwrap();
    let mut samples = Vec::new();
    for entry in sound {
        coder.push(&entry.packet.data, entry.packet.pts).unwrap();
        while let Some(made) = coder.poll() {
            samples.extend(made.data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        }
    }
    // Decoders begin with silence.
    let loud = &samples[samples.iter().position(|sample| sample.unsigned_abs() > 1000).expect("something is heard")..];
    // A little way around zero is noise.
    let signs: Vec<bool> = loud.iter().filter(|sample| sample.unsigned_abs() > 300).map(|sample| *sample > 0).collect();
    let crossings = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
    crossings as f64 / 2.0 / (loud.len() as f64 / 16_000.0)
}

async fn tone_comes(path: &str, codec: &str, channels: u16) {
    let server = Server::start(&[]);
    let (source, mut cursor) = open(&server.url(path), Options::default());
    let (mut sound, mut pictures) = (Vec::new(), Vec::new());
    while sound.len() < 20 || pictures.len() < 20 {
        let entry = next(&mut cursor).await;
        if entry.packet.track.0 == 0 { pictures.push(entry) } else { sound.push(entry) }
    }
    let track = &sound[0].tracks[1];
    let Kind::Audio(audio) = &track.kind else { panic!("{:?}", track.kind) };
    assert_eq!((track.codec.name(), audio.channels), (codec, channels));
    assert!(run_on(&numbers(&pictures)));
    let (first, heard) = (&pictures[0].packet, &sound[0].packet);
    let apart = heard.pts.as_nanos() - first.pts.as_nanos();
    let arrived = heard.received.saturating_duration_since(first.received).as_nanos().cast_signed() as i64;
    assert!((apart - arrived).abs() < 500_000_000, "{apart} ns apart, {arrived} ns when they arrived");
    let pitch = pitch(&sound);
    assert!((pitch - TONE).abs() < 20.0, "{path}: {pitch} Hz");
    assert_eq!(source.status().borrow().reconnects, 0);
}

#[tokio::test]
async fn g_711_comes_beside_the_picture_by_either_law() {
    tone_comes("sound", "pcm_mulaw", 1).await;
    tone_comes("alaw", "pcm_alaw", 1).await;
}

#[tokio::test]
async fn g_722_comes_beside_the_picture() {
    tone_comes("g722", "adpcm_g722", 1).await;
}

#[tokio::test]
async fn g_726_comes_beside_the_picture() {
    tone_comes("g726", "adpcm_g726le", 1).await;
}

#[tokio::test]
async fn aac_comes_beside_the_picture_as_mpeg_4_generic_and_as_latm() {
    tone_comes("aac", "aac", 2).await;
    tone_comes("latm", "aac", 2).await;
}

#[tokio::test]
async fn opus_comes_beside_the_picture() {
    tone_comes("opus", "opus", 2).await;
}

#[tokio::test]
async fn mpeg_audio_comes_beside_the_picture_under_its_number_and_under_its_name() {
    tone_comes("mp3", "mp3", 2).await;
    tone_comes("mp2", "mp2", 1).await;
}
