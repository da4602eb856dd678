//! What is wrong with an answer.

/// Why an answer tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no XML, or no XML that is safe to read.
    #[error("byte {at}: {what}")]
    NotXml {
        /// Where in the answer, as far as it was read.
        at: u64,
        /// What stood there, and what should have.
        what: String,
    },
    /// It is XML and no SOAP.
    #[error("expected a SOAP envelope, found the element {found:?}; is it an ONVIF service?")]
    NotSoap {
        /// The name of the outermost element.
        found: String,
    },
    /// The camera refuses.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was asked for is not in the answer.
    #[error("the answer has no {what}")]
    Missing {
        /// What is missing, by its element's name.
        what: &'static str,
    },
}

/// A camera's refusal (SOAP 1.2 section 5.4; of SOAP 1.1 as well).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the camera says {reason:?}{}", if .codes.is_empty() { String::new() } else { format!(" ({})", .codes.join(", ")) })]
pub struct Fault {
    /// Code and subcodes without their prefixes, the outermost first: `Sender`, `NotAuthorized`.
    pub codes: Vec<String>,
    /// In words.
    pub reason: String,
}

impl Fault {
    /// Whether another login is needed (ONVIF core specification, section on faults:
    /// `ter:NotAuthorized`; of WS-Security, `FailedAuthentication` and its like).
    #[must_use]
    pub fn is_refused_login(&self) -> bool {
        const CODES: &[&str] = &[
            "NotAuthorized",
            "FailedAuthentication",
            "InvalidSecurity",
            "InvalidSecurityToken",
            "OperationProhibited",
        ];
        let said = self.reason.to_ascii_lowercase();
        let words = ["not authorized", "unauthorized", "not permitted", "authentication", "authority failure"];
        self.codes.iter().any(|code| CODES.contains(&&**code)) || words.iter().any(|word| said.contains(word))
    }

    /// Whether the camera does not know this kind of request (`ter:ActionNotSupported` and its
    /// like), so that an older form of it is worth a try.
    #[must_use]
    pub fn is_unknown_action(&self) -> bool {
        const CODES: &[&str] =
            &["ActionNotSupported", "UnknownAction", "NotImplemented", "OptionalActionNotImplemented"];
        let said = self.reason.to_ascii_lowercase();
        let words = ["not implemented", "not supported", "no such operation", "method"];
        self.codes.iter().any(|code| CODES.contains(&&**code)) || words.iter().any(|word| said.contains(word))
    }
}
