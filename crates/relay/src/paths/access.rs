//! Who may: the rules of a configuration, and files of rules that may change.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use ::config::Acl;

use super::resolver;

/// Most bytes of a file of rules.
const MOST_BYTES: u64 = 1 << 20;

/// Who may see something.
pub(crate) struct Access {
    acl: Acl,
    dynamic: Option<Dynamic>,
}

/// A file of rules, read again when it has changed.
struct Dynamic {
    path: PathBuf,
    read: Mutex<Option<Reading>>,
}

/// What was read of a file. Nobody may, where it could not be.
struct Reading {
    /// When it was changed, and its length; nothing where there is none.
    version: Option<(SystemTime, u64)>,
    acl: Acl,
}

impl Access {
    /// The rules `acl`, whose names are resolved, or those of a file in their place.
    pub(super) fn new(acl: Acl, file: Option<PathBuf>) -> Self {
        Self { acl, dynamic: file.map(|path| Dynamic { path, read: Mutex::default() }) }
    }

    /// Whether `address` may.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        match &self.dynamic {
            Some(dynamic) => dynamic.allows(address),
            None => self.acl.allows(address),
        }
    }
}

impl Dynamic {
    fn allows(&self, address: IpAddr) -> bool {
        let version = std::fs::metadata(&self.path).ok().and_then(|about| Some((about.modified().ok()?, about.len())));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*read
            && known.version == version
        {
            return known.acl.allows(address);
        }
        let told = rules(&self.path).and_then(|mut acl| {
            let unknown: Vec<_> = resolver::names(&acl).filter(|name| resolver::known(name).is_none()).collect();
            if !unknown.is_empty() {
                // What was there before holds until they are known.
                resolver::begin(unknown);
                return Ok(None);
            }
            match acl.resolve(|name| resolver::known(name).unwrap_or_default()) {
                unknown if unknown.is_empty() => Ok(Some(acl)),
                unknown => Err(format!("unknown names: {}", unknown.join(", "))),
            }
        });
        let acl = match told {
            Ok(Some(acl)) => acl,
            Ok(None) => return read.as_ref().is_some_and(|known| known.acl.allows(address)),
            Err(reason) => {
                tracing::warn!("{}: {reason}; nobody is let in", self.path.display());
                Acl::nobody()
            }
        };
        read.insert(Reading { version, acl }).acl.allows(address)
    }
}

/// The rules in the file at `path`, whose names are not looked up.
///
/// # Errors
/// Why nobody is to be let in.
pub(super) fn rules(path: &Path) -> Result<Acl, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let count = file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if count as u64 > MOST_BYTES {
        return Err(format!("more than {MOST_BYTES} bytes"));
    }
    let acl = Acl::parse(&text)
        .map_err(|problems| problems.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    // One that was cut to be written anew is not one that lets everybody in.
    if acl.rules.is_empty() { Err("no rule in it".into()) } else { Ok(acl) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_rules_is_read_again_when_it_changes_and_lets_nobody_in_when_it_cannot_be_read() {
        let folder = std::env::temp_dir().join(format!("headwater-acl-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("acl");
        // What stands in the configuration is not asked.
        let access = Access::new(Acl::default(), Some(path.clone()));
        let allows = || ["10.0.0.1", "10.0.0.22"].map(|address| access.allows(address.parse().unwrap()));
        assert_eq!(allows(), [false, false]);
        for (text, may) in [
            ("ACL allow 10.0.0.1\n", [true, false]),
            ("# nobody else\nACL allow 10.0.0.22\n", [false, true]),
            ("ACL alow 10.0.0.1 a\n", [false, false]),
            ("ACL allow 10.0.0.1\nACL allow 10.0.0.22\n", [true, true]),
            // Cut to be written anew.
            ("", [false, false]),
            ("# only a remark\n", [false, false]),
            ("ACL allow 0.0.0.0/0\n", [true, true]),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(allows(), may, "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(allows(), [false, false]);
    }
}
