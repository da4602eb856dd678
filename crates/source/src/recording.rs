//! Recordings for those who read them at a pace of their own: in order, as fast as they like,
//! and from any place.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use asf::{Demuxer, Header, Item, Reader};
use ffmpeg::{Input, InputOptions, Read};
use media::{Timestamp, Track, TrackId, Tracks};

use crate::file::{asf, is_empty, path};
use crate::libav::ending::Ending;
use crate::libav::{explain, file_path, one_video, remote};
use crate::mms::show::failure;
use crate::webcam::device;
use crate::{About, Error, Options, Stop};

/// What is read of a file at once, in bytes.
const READ: usize = 64 << 10;

/// An open recording. Every call may block.
pub struct Recording {
    input: Input,
    url: String,
    protocol: &'static str,
    video_track: usize,
}

/// Ends of the paths of recordings on servers. What may as well be live (`.asf`, `.wmv`, `.ts`,
/// `.m3u8`) is not among them; of the others some are, which is known when they are open.
const REMOTE: &[&str] = &["mp4", "m4v", "mov", "mkv", "webm", "avi", "3gp", "ogv", "mpg", "mpeg"];

impl Recording {
    /// Whether `url` is that of a plain file.
    #[must_use]
    pub fn is_one(url: &str) -> bool {
        device(url).is_none() && path(url).is_some_and(|path| Path::new(path).is_file())
    }

    /// Whether `url` may be that of a recording on a server of HTTP: only opening it tells, by its
    /// having a [`About::duration`].
    #[must_use]
    pub fn may_be_remote(url: &str) -> bool {
        let Some((scheme, rest)) = url.split_once("://") else { return false };
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let end = path.rsplit_once('/').and_then(|(_, name)| name.rsplit_once('.'));
        is_http && end.is_some_and(|(_, end)| REMOTE.iter().any(|known| end.eq_ignore_ascii_case(known)))
    }

    /// Opens the file at `url`, or the recording on a server. `interrupt` is asked from within blocking calls, also later ones:
    /// `true` = give up.
    ///
    /// # Errors
    /// When it is encrypted, or nothing that FFmpeg reads.
    pub fn open(url: &str, options: &Options, interrupt: impl Fn() -> bool + Send + 'static) -> Result<Self, Error> {
        if let Some(path) = path(url).filter(|path| is_empty(Path::new(path))) {
            return Err(Error::empty(path));
        }
        if let Some(path) = path(url).filter(|_| options.libav.is_empty())
            && let Some(file) = asf(path)
        {
            refuse_encrypted(file, path, options)?;
        }
        let (url, opening, protocol) = if Self::may_be_remote(url) {
            let (url, opening) = remote(url, options);
            (url, opening, "http")
        } else {
            let opening = InputOptions { private: options.libav.clone(), ..InputOptions::default() };
            (file_path(url), opening, "file")
        };
        let input = Input::open(&url, &opening, interrupt).map_err(|error| explain(&url, error))?;
        Ok(Self { input, url, protocol, video_track: options.video_track })
    }

    /// What is known of it besides its tracks.
    #[must_use]
    pub fn about(&self) -> About {
        About {
            protocol: self.protocol.into(),
            container: self.input.container(),
            title: self.input.title(),
            duration: self.input.duration(),
            ..About::default()
        }
    }

    /// Its tracks. Of those of video all but the one that was asked for are said to be data.
    ///
    /// # Errors
    /// When there is no such video track.
    pub fn tracks(&self) -> Result<Vec<Track>, Error> {
        one_video(self.input.tracks(), self.video_track)
    }

    /// How many units of `track` the container says there are, if it does.
    #[must_use]
    pub fn unit_count(&self, track: TrackId) -> Option<u64> {
        self.input.unit_count(track)
    }

    /// Reads no other track than `track` from now on.
    pub fn keep_only(&mut self, track: TrackId) {
        self.input.keep_only(track);
    }

    /// The next unit, with the container's times.
    ///
    /// # Errors
    /// What is wrong with the file there; after an [`Error::Ended`] with a reason reading may go on.
    pub fn read(&mut self) -> Result<Read, Error> {
        match self.input.read().map_err(|error| explain(&self.url, error))? {
            Read::Tracks(tracks) => Ok(Read::Tracks(one_video(tracks, self.video_track)?)),
            read => Ok(read),
        }
    }

    /// Reads all that is left until `stop` is set: why a file that is cut off ends as it does, where
    /// that is so.
    pub(crate) fn look_for_cut(mut self, stop: &Stop) -> Option<String> {
        let lead = Tracks::lead_of(&self.tracks().ok()?)?.id;
        let of = self.unit_count(lead);
        self.keep_only(lead);
        let mut ending = Ending::default();
        while !stop.is_set() {
            match self.read() {
                Ok(Read::Unit(unit)) => {
                    ending.goes_on();
                    ending.good += u64::from(!unit.corrupt);
                }
                Ok(Read::Tracks(_)) => {}
                Err(Error::Ended { what: Some(_) }) if ending.passes() => {}
                Ok(Read::End) | Err(Error::Ended { what: Some(_) }) => return ending.what(&self.url, of),
                Err(_) => return None,
            }
        }
        None
    }

    /// Goes to the last place not after `to` from where `track` can be decoded, as far as the
    /// container tells.
    ///
    /// # Errors
    /// When it has no such places.
    pub fn seek(&mut self, track: TrackId, to: Timestamp) -> Result<(), Error> {
        self.input.seek(track, to).map_err(|error| explain(&self.url, error))
    }
}

/// Reads the header of an ASF file: libavformat would give pictures of noise.
fn refuse_encrypted(mut file: File, path: &str, options: &Options) -> Result<(), Error> {
    let mut reader = Reader::new();
    let mut buffer = vec![0; READ];
    loop {
        let count = file.read(&mut buffer).map_err(|error| Error::from_io(path, &error))?;
        // What ends within its header, or has none that we can read, is libavformat's to judge.
        if count == 0 || reader.handle_bytes(&buffer[..count]).is_err() {
            return Ok(());
        }
        if let Some(Item::Header(bytes)) = reader.poll() {
            let Ok(header) = Header::parse(&bytes) else { return Ok(()) };
            let choice = header.choose(&options.streams);
            return match Demuxer::new(&header, &choice.wanted()) {
                Err(error @ asf::Error::Encrypted { .. }) => Err(failure(&error, path)),
                _ => Ok(()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_on_servers_are_told_by_their_names() {
        for (url, expected) in [
            ("http://host/a/clip.mp4", true),
            ("HTTPS://me:pass@host/clip.MKV?token=1", true),
            ("http://host/video.mjpg", false),
            ("http://host.mp4", false),
            ("http://host/live?file=clip.mp4", false),
            ("rtsp://host/clip.mp4", false),
            ("clip.mp4", false),
        ] {
            assert_eq!(Recording::may_be_remote(url), expected, "{url}");
        }
    }
}
