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
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let found = words.map(|other| (distance(&word, other), other)).min_by_key(|(distance, _)| *distance)?;
    (found.0 <= most).then_some(found.1)
}

/// Letters to put in, take out, replace or exchange with their neighbour.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
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
