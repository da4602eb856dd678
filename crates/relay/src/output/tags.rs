//! What is said of a stream in its container: its title, who made it, and the like.

use std::sync::Arc;

/// Key and value, as `Metadata` of a configuration has them; none for sources without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tags(Arc<[(String, String)]>);

impl Tags {
    /// These.
    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        Self(pairs.into())
    }

    /// What is said under `key`, in letters of either case.
    pub(crate) fn of(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    /// All of them for a muxer of FFmpeg; the title is `name` where there is none.
    pub(crate) fn for_muxer(&self, name: &str) -> Vec<(String, String)> {
        let own = self.of("title").is_none().then(|| ("title".to_owned(), name.to_owned()));
        own.into_iter().chain(self.0.iter().cloned()).collect()
    }

    /// Those that ASF has a place for; the title is `name` where there is none.
    pub(crate) fn for_asf(&self, name: &str) -> asf::mux::Options {
        let told = |keys: &[&str]| keys.iter().find_map(|key| self.of(key)).map(str::to_owned);
        asf::mux::Options {
            title: told(&["title"]).or_else(|| Some(name.to_owned())),
            author: told(&["author", "artist"]),
            copyright: told(&["copyright"]),
            description: told(&["comment", "description"]),
            ..asf::mux::Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_called_by_its_title_and_by_its_name_without_one() {
        let tags = Tags::new(&[("Title".into(), "A show".into()), ("comment".into(), "Words".into())]);
        assert_eq!(tags.for_muxer("s.ts"), [("Title".into(), "A show".into()), ("comment".into(), "Words".into())]);
        let asf = tags.for_asf("s.asf");
        assert_eq!((asf.title.as_deref(), asf.description.as_deref()), (Some("A show"), Some("Words")));
        assert_eq!(Tags::default().for_muxer("s.ts"), [("title".into(), "s.ts".into())]);
        assert_eq!(Tags::default().for_asf("s.asf").title.as_deref(), Some("s.asf"));
    }
}
