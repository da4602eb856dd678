//! Which of a camera's profiles is meant.

use ::onvif::media::Profile;
use media::unescaped;

use crate::Error;
use crate::location::Location;

/// What a URL says behind the host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wish {
    /// Token, name or number of a profile.
    pub(super) profile: Option<String>,
    /// The smallest picture.
    pub(super) sub: bool,
    /// Single pictures in place of the stream.
    pub(super) snapshot: bool,
}

impl Wish {
    pub(super) fn of(location: &Location) -> Result<Self, Error> {
        let (path, query) = location.path_and_query.split_once('?').unwrap_or((&location.path_and_query, ""));
        let bad = |what: String| Error::BadUrl {
            what: format!("{location}: {what}"),
            hint: "expected onvif://host/PROFILE, ?profile=, ?stream=main or sub, ?snapshot".into(),
        };
        let path = unescaped(path.trim_matches('/'));
        let mut wish = Self { profile: Some(path).filter(|path| !path.is_empty()), ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("profile", name) if !name.is_empty() => wish.profile = Some(unescaped(name)),
                ("stream", "main") => wish.sub = false,
                ("stream", "sub") => wish.sub = true,
                ("snapshot", "" | "1") => wish.snapshot = true,
                _ => return Err(bad(format!("nothing is known of {:?}", pair.chars().take(40).collect::<String>()))),
            }
        }
        Ok(wish)
    }

    /// The profile that is meant, of those with pictures: by token, by name, by number from 1; the
    /// first one, or the one with the smallest picture.
    pub(super) fn choose<'a>(&self, profiles: &'a [Profile], camera: &str) -> Result<&'a Profile, Error> {
        let with_picture: Vec<&Profile> = profiles.iter().filter(|profile| profile.encoding.is_some()).collect();
        // Where no profile tells its encoder, all may have one.
        let all: Vec<&Profile> = if with_picture.is_empty() { profiles.iter().collect() } else { with_picture };
        if let Some(wanted) = &self.profile {
            let by_token = profiles.iter().find(|profile| profile.token == *wanted);
            let by_name = || profiles.iter().find(|profile| profile.name.eq_ignore_ascii_case(wanted));
            let by_number = || wanted.parse::<usize>().ok().and_then(|number| all.get(number.checked_sub(1)?).copied());
            return by_token.or_else(by_name).or_else(by_number).ok_or_else(|| {
                let known: Vec<_> = all.iter().take(16).map(|profile| told(profile)).collect();
                Error::NotFound {
                    status: 0,
                    what: format!("{camera} has no profile {wanted:?}; it has {}", known.join(", ")),
                }
            });
        }
        let area = |profile: &&&Profile| profile.size.map_or(u64::MAX, |(w, h)| u64::from(w) * u64::from(h));
        let chosen = if self.sub { all.iter().min_by_key(area) } else { all.first() };
        chosen.copied().ok_or_else(|| Error::NotVideo {
            what: format!("{camera} has no profile, so there is no picture"),
            page: false,
        })
    }
}

/// A profile in words.
pub(super) fn told(profile: &Profile) -> String {
    let mut text = format!("{:?}", profile.token);
    if !profile.name.is_empty() && profile.name != profile.token {
        text.push_str(&format!(" ({})", profile.name));
    }
    text.extend(profile.encoding.iter().map(|encoding| format!(" {encoding}")));
    text.extend(profile.size.iter().map(|(width, height)| format!(" {width}x{height}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str) -> String {
        let profile = |token: &str, name: &str, size: Option<(u32, u32)>| Profile {
            token: token.into(),
            name: name.into(),
            encoding: size.map(|_| "H264".into()),
            size,
            ..Profile::default()
        };
        let profiles = [
            profile("snd", "sound only", None),
            profile("P1", "Main", Some((1920, 1080))),
            profile("P2", "Sub", Some((640, 360))),
            profile("1", "Third", Some((1280, 720))),
        ];
        let wish = Location::parse(url).and_then(|location| Wish::of(&location));
        match wish.and_then(|wish| wish.choose(&profiles, "cam").map(|profile| profile.token.clone())) {
            Ok(token) => token,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn profiles_are_chosen_by_token_name_and_number() {
        for (url, token) in [
            ("onvif://cam", "P1"),
            ("onvif://cam/", "P1"),
            ("onvif://cam/P2", "P2"),
            ("onvif://cam/sub", "P2"),
            ("onvif://cam?profile=Third", "1"),
            ("onvif://cam?profile=1", "1"),
            ("onvif://cam?profile=2", "P2"),
            ("onvif://cam?stream=sub", "P2"),
            ("onvif://cam?stream=main&snapshot", "P1"),
            ("onvif://cam/sound%20only", "snd"),
        ] {
            assert_eq!(chosen(url), token, "{url}");
        }
        assert!(chosen("onvif://cam/9").contains("has no profile \"9\"; it has \"P1\" (Main) H264 1920x1080"));
        assert!(chosen("onvif://u:hunter2@cam?channel=2").starts_with("onvif://cam/?channel=2: nothing is known"));
    }
}
