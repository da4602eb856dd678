//! Names of sources, which are the first part of their URLs.

/// Longest name.
const MOST: usize = 64;

/// First path segments that are not sources.
const RESERVED: &[&str] = &["status", "metrics", "health", "healthz", "assets", "favicon", "index"];

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A character that would need escaping in a URL, or none at all.
    #[error("{name:?} cannot be the name of a source: expected 1 to {MOST} of A-Z a-z 0-9 _ and -, as in front-door")]
    Form {
        /// What stood there, cut short.
        name: String,
    },
    /// A path of the relay's own.
    #[error("a source cannot be called {name}: /{name} is a page of the relay; choose another name, as in cam-{name}")]
    Reserved {
        /// The name.
        name: String,
    },
}

/// Whether `name` can be the name of a source.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > MOST || !name.bytes().all(plain) {
        return Err(NameError::Form { name: name.chars().take(MOST).collect() });
    }
    match RESERVED.contains(&name) {
        true => Err(NameError::Reserved { name: name.into() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_needs_no_escaping() {
        for good in ["cam2", "front-door", "A_1"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "a/b", "a.b", "ä", "a b", "status", "health", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
