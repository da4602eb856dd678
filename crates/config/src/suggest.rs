//! "Did you mean".

/// Longest word that is compared; longer ones are not slips of a directive.
const LONGEST: usize = 48;

/// The nearest of `words` to `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let most = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=10 => 2,
        _ => 3,
    };
    let word = word.to_lowercase();
    let found = words
        .map(|other| (media::distance(&word, &other.to_lowercase()), other))
        .min_by_key(|(distance, _)| *distance)?;
    (found.0 <= most).then_some(found.1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let words = ["VideoQMin", "VideoQMax", "VideoSize", "ACL", "File", "Feed"];
        let nearest = |word| super::nearest(word, words.into_iter());
        assert_eq!(nearest("VideoQMim"), Some("VideoQMin"));
        assert_eq!(nearest("videosise"), Some("VideoSize"));
        assert_eq!(nearest("ALC"), Some("ACL"));
        assert_eq!(nearest("Fied"), Some("Feed"));
        assert_eq!(nearest("Resolution"), None);
        assert_eq!(nearest(""), None);
        assert_eq!(nearest(&"V".repeat(5000)), None);
    }
}
