//! The media services: profiles, and where their streams and snapshots are. Version 1
//! (`http://www.onvif.org/ver10/media/wsdl`) and version 2 (`http://www.onvif.org/ver20/media/wsdl`).

use crate::Error;
use crate::device::name;
use crate::soap::read;
use crate::xml::{Element, escape};

/// Most profiles that are taken from an answer.
pub const MAX_PROFILES: usize = 512;
/// Longest token and URI, in bytes; what is longer is left out.
const MAX_TEXT: usize = 4096;

/// Which media service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// `ver10`.
    One,
    /// `ver20`.
    Two,
}

impl Version {
    fn namespace(self) -> &'static str {
        match self {
            Self::One => "http://www.onvif.org/ver10/media/wsdl",
            Self::Two => "http://www.onvif.org/ver20/media/wsdl",
        }
    }
}

/// A way in which the camera codes its picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What requests call it.
    pub token: String,
    /// What people call it.
    pub name: String,
    /// `H264`, `H265`, `JPEG`, `MPEG4`, in capitals; `None` where no encoder belongs to it.
    pub encoding: Option<String>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Pictures a second at most.
    pub fps: Option<f32>,
    /// The camera's eye that it looks through; those of a recorder have many.
    pub source: Option<String>,
    /// Whether it can be moved.
    pub ptz: bool,
}

/// `GetProfiles`.
#[must_use]
pub fn profiles(version: Version) -> String {
    let namespace = version.namespace();
    match version {
        Version::One => format!("<GetProfiles xmlns=\"{namespace}\"/>"),
        Version::Two => format!("<GetProfiles xmlns=\"{namespace}\"><Type>All</Type></GetProfiles>"),
    }
}

/// The profiles, in the camera's order.
///
/// # Errors
/// As [`crate::read_body`].
pub fn read_profiles(answer: &[u8]) -> Result<Vec<Profile>, Error> {
    let response = read(answer, "GetProfilesResponse")?;
    let profiles = response.all("Profiles").filter_map(read_profile);
    Ok(profiles.take(MAX_PROFILES).collect())
}

fn read_profile(profile: &Element) -> Option<Profile> {
    let token = profile.attribute("token").filter(|token| !token.is_empty() && token.len() <= MAX_TEXT)?;
    // Version 2 has all of it one level deeper and with shorter names.
    let inner = profile.child("Configurations");
    let part = |old: &str, new: &str| profile.child(old).or_else(|| inner?.child(new));
    let encoder = part("VideoEncoderConfiguration", "VideoEncoder");
    let source = part("VideoSourceConfiguration", "VideoSource");
    let size = encoder.and_then(|encoder| {
        let side = |name| encoder.number_at::<u32>(&["Resolution", name]).filter(|side| (1..=65_536).contains(side));
        Some((side("Width")?, side("Height")?))
    });
    let fps = encoder.and_then(|encoder| encoder.number_at::<f32>(&["RateControl", "FrameRateLimit"]));
    Some(Profile {
        token: token.to_owned(),
        name: name(profile.child("Name")),
        encoding: encoder.map(|encoder| name(encoder.child("Encoding")).to_ascii_uppercase()),
        size,
        fps: fps.filter(|fps| fps.is_finite() && *fps > 0.0),
        source: source.and_then(|source| source.text_at(&["SourceToken"])).map(|text| text.chars().take(128).collect()),
        ptz: part("PTZConfiguration", "PTZ").is_some(),
    })
}

/// `GetStreamUri`: RTSP, its transport to be agreed on there.
#[must_use]
pub fn stream_uri(version: Version, token: &str) -> String {
    let (namespace, token) = (version.namespace(), escape(token));
    match version {
        Version::One => format!(
            "<GetStreamUri xmlns=\"{namespace}\"><StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream>\
             <Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol></Transport></StreamSetup>\
             <ProfileToken>{token}</ProfileToken></GetStreamUri>"
        ),
        Version::Two => format!(
            "<GetStreamUri xmlns=\"{namespace}\"><Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken></GetStreamUri>"
        ),
    }
}

/// `GetSnapshotUri`.
#[must_use]
pub fn snapshot_uri(version: Version, token: &str) -> String {
    let (namespace, token) = (version.namespace(), escape(token));
    format!("<GetSnapshotUri xmlns=\"{namespace}\"><ProfileToken>{token}</ProfileToken></GetSnapshotUri>")
}

/// The URI in the answer to [`stream_uri`] or [`snapshot_uri`], as the camera writes it.
///
/// # Errors
/// As [`crate::read_body`]; [`Error::Missing`] where there is no URI in it.
pub fn read_uri(answer: &[u8]) -> Result<String, Error> {
    let response = crate::read_body(answer)?;
    let uri = response.text_at(&["MediaUri", "Uri"]).or_else(|| response.text_at(&["Uri"]));
    let uri = uri.filter(|uri| uri.len() <= MAX_TEXT && !uri.chars().any(|c| c.is_control() || c.is_whitespace()));
    uri.map(str::to_owned).ok_or(Error::Missing { what: "Uri" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Vec<u8> {
        crate::envelope(None, body).into_bytes()
    }

    #[test]
    fn profiles_of_both_versions_are_read() {
        let one = answer(
            "<t:GetProfilesResponse xmlns:t='t'><t:Profiles token='p0' fixed='true'><Name>Main</Name>\
             <VideoSourceConfiguration token='v'><SourceToken>eye</SourceToken></VideoSourceConfiguration>\
             <VideoEncoderConfiguration token='e'><Encoding>H264</Encoding><Resolution><Width>1920</Width><Height>1080</Height></Resolution>\
             <RateControl><FrameRateLimit>25</FrameRateLimit></RateControl></VideoEncoderConfiguration><PTZConfiguration token='z'/></t:Profiles>\
             <t:Profiles token=''/><t:Profiles token='p1'><Name>Sound</Name></t:Profiles></t:GetProfilesResponse>",
        );
        let found = read_profiles(&one).unwrap();
        let main = Profile {
            token: "p0".into(),
            name: "Main".into(),
            encoding: Some("H264".into()),
            size: Some((1920, 1080)),
            fps: Some(25.0),
            source: Some("eye".into()),
            ptz: true,
        };
        assert_eq!(found, [main, Profile { token: "p1".into(), name: "Sound".into(), ..Profile::default() }]);
        let two = answer(
            "<t:GetProfilesResponse xmlns:t='t'><t:Profiles token='a'><Name>m</Name><Configurations>\
             <VideoEncoder><Encoding>h265</Encoding><Resolution><Width>9</Width><Height>99999999</Height></Resolution></VideoEncoder>\
             </Configurations></t:Profiles></t:GetProfilesResponse>",
        );
        let found = read_profiles(&two).unwrap();
        assert_eq!((found[0].encoding.as_deref(), found[0].size, found[0].ptz), (Some("H265"), None, false));
    }

    #[test]
    fn addresses_are_read_from_both_versions() {
        let one = answer(
            "<GetStreamUriResponse><MediaUri><Uri>rtsp://10.0.0.7/a?b=1&amp;c=2</Uri></MediaUri></GetStreamUriResponse>",
        );
        assert_eq!(read_uri(&one).unwrap(), "rtsp://10.0.0.7/a?b=1&c=2");
        let two = answer("<GetStreamUriResponse><Uri>rtsp://10.0.0.7/a</Uri></GetStreamUriResponse>");
        assert_eq!(read_uri(&two).unwrap(), "rtsp://10.0.0.7/a");
        let bad = answer("<GetStreamUriResponse><Uri>rtsp://a/&#10;Host: b</Uri></GetStreamUriResponse>");
        assert_eq!(read_uri(&bad), Err(Error::Missing { what: "Uri" }));
    }

    #[test]
    fn a_token_cannot_leave_its_element() {
        for version in [Version::One, Version::Two] {
            for request in [stream_uri(version, "</a>&"), snapshot_uri(version, "</a>&")] {
                let tree = crate::xml::parse(request.as_bytes()).unwrap();
                assert_eq!(tree.text_at(&["ProfileToken"]), Some("</a>&"));
            }
        }
    }
}
