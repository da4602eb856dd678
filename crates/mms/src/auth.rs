//! User and password for HTTP, RTSP and MMS: NTLM, Digest and Basic.
//!
//! [`HttpAuth`] is for the protocols with a head: values of `WWW-Authenticate` go in, the value
//! of `Authorization` comes out. [`Ntlm`] alone is for MMS over TCP, which wraps the same three
//! messages in its own ([MS-MMSP] 3.1.5.8).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http_auth::digest::{Algorithm, DigestClient, Qop};
use http_auth::{ChallengeParser, PasswordParams};
use md5::{Digest as _, Md5};

use crate::Error;

mod ntlm;

pub use ntlm::Ntlm;

/// What to answer to 401 (or, with the headers of proxies, 407).
///
/// Of what the server offers, the strongest is taken: NTLM, then Digest (SHA-256, then MD5),
/// then Basic. Credentials that are refused are tried once more if they were taken before, with Basic
/// not at all.
///
/// NTLM authenticates a connection and not a request: tell [`HttpAuth::handle_connected`] of
/// each new one, and mind [`HttpAuth::same_connection`].
///
/// ```
/// # fn main() -> Result<(), mms::Error> {
/// let mut auth = mms::HttpAuth::new(Some("eve"), Some("secret"), [7; 32], 1_700_000_000);
/// assert_eq!(auth.authorization("GET", "/cam?x=1"), None);
/// // 401:
/// auth.handle_unauthorized(["Basic realm=\"cameras\""])?;
/// assert_eq!(auth.authorization("GET", "/cam?x=1").as_deref(), Some("Basic ZXZlOnNlY3JldA=="));
/// // 200:
/// auth.handle_accepted();
/// # Ok(())
/// # }
/// ```
pub struct HttpAuth {
    user: Option<String>,
    password: String,
    random: [u8; 32],
    unix_time: u64,
    scheme: Scheme,
    sent: Sent,
    /// Refusals since the last answer that was none.
    refused: u8,
    /// They were taken once.
    accepted: bool,
    /// Nonces that were too old, since then.
    stale: u8,
    /// Requests so far: no two have the same client nonce.
    requests: u64,
}

impl HttpAuth {
    /// For one session; `random` and `unix_time` as in [`crate::Config`].
    #[must_use]
    pub fn new(user: Option<&str>, password: Option<&str>, random: [u8; 32], unix_time: u64) -> Self {
        Self {
            user: user.map(str::to_owned),
            password: password.unwrap_or_default().to_owned(),
            random,
            unix_time,
            scheme: Scheme::Unknown,
            sent: Sent::Nothing,
            refused: 0,
            accepted: false,
            stale: 0,
            requests: 0,
        }
    }

    /// A new connection stands: NTLM begins anew on it.
    pub fn handle_connected(&mut self) {
        if let Scheme::Ntlm(_, step) = &mut self.scheme {
            *step = Step::Negotiate;
            self.sent = Sent::Nothing;
        }
    }

    /// The server answered 401 with these values of `WWW-Authenticate`, one a header line. The
    /// request is to be sent again, with [`HttpAuth::authorization`].
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if there are no credentials, or they were refused before;
    /// [`Error::Unsupported`] if the server offers no scheme that we speak.
    pub fn handle_unauthorized<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let offers = Offers::parse(values);
        let sent = std::mem::take(&mut self.sent);
        if self.user.is_none() {
            return Err(Error::Unauthorized {
                status: 401,
                what: format!(
                    "the server wants user and password{}; give them in the URL, as in scheme://user:password@host",
                    offers.realm()
                ),
            });
        }
        if let (Scheme::Ntlm(ntlm, step), Sent::Negotiation, Some(Some(token))) =
            (&mut self.scheme, &sent, &offers.ntlm)
        {
            *step = Step::Authenticate(ntlm.authenticate(token)?);
            return Ok(());
        }
        let fresh = offers.digest.as_ref().is_some_and(DigestClient::stale) && self.stale < MOST_STALE;
        match sent {
            Sent::Nothing => (),
            Sent::Credentials if fresh && matches!(self.scheme, Scheme::Digest(_)) => self.stale += 1,
            // A nonce, or what a connection is known by, may have grown old without a word of it;
            // but what was never good is not tried twice, since servers lock accounts.
            Sent::Credentials if !self.accepted || matches!(self.scheme, Scheme::Basic) => {
                return Err(self.refusal(&offers));
            }
            Sent::Negotiation | Sent::Credentials if self.refused > 0 => return Err(self.refusal(&offers)),
            Sent::Negotiation | Sent::Credentials => self.refused += 1,
        }
        self.choose(offers)
    }

    /// The server answered with anything but 401: the credentials are good.
    pub fn handle_accepted(&mut self) {
        (self.refused, self.stale) = (0, 0);
        self.accepted |= matches!(self.sent, Sent::Credentials);
        if let (Scheme::Ntlm(_, step), Sent::Credentials) = (&mut self.scheme, &self.sent) {
            *step = Step::Done;
        }
        self.sent = Sent::Nothing;
    }

    /// The value of `Authorization` for the next request; nothing as long as the server did not
    /// ask, or when it knows the connection already. `uri` as it stands in the request line.
    pub fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        let user = self.user.as_deref()?;
        self.requests += 1;
        let (value, sent) = match &mut self.scheme {
            Scheme::Unknown | Scheme::Ntlm(_, Step::Done) => return None,
            Scheme::Basic => (http_auth::basic::encode_credentials(user, &self.password), Sent::Credentials),
            Scheme::Digest(client) => {
                let cnonce = cnonce(&self.random, self.requests);
                // The body of a GET is empty; only servers that insist hear of it.
                let body = if client.qop() & Qop::Auth { None } else { Some(&b""[..]) };
                let params = PasswordParams { username: user, password: &self.password, uri, method, body };
                // Its name fears for callers with a constant; ours is new for each request,
                // and comes from the session's randomness, as everything else here.
                (client.respond_with_testing_cnonce(&params, &cnonce).ok()?, Sent::Credentials)
            }
            Scheme::Ntlm(ntlm, Step::Negotiate) => {
                (format!("NTLM {}", STANDARD.encode(ntlm.negotiate())), Sent::Negotiation)
            }
            Scheme::Ntlm(_, Step::Authenticate(answer)) => {
                (format!("NTLM {}", STANDARD.encode(answer)), Sent::Credentials)
            }
        };
        self.sent = sent;
        Some(value)
    }

    /// The next request must go on the connection on which the last answer came, since it
    /// answers a challenge made for that connection.
    #[must_use]
    pub fn same_connection(&self) -> bool {
        matches!(self.scheme, Scheme::Ntlm(_, Step::Authenticate(_)))
    }

    fn choose(&mut self, offers: Offers) -> Result<(), Error> {
        let user = self.user.as_deref().unwrap_or_default();
        self.scheme = if offers.ntlm.is_some() {
            Scheme::Ntlm(Ntlm::new(user, &self.password, self.random, self.unix_time), Step::Negotiate)
        } else if let Some(client) = offers.digest {
            Scheme::Digest(client)
        } else if offers.basic {
            Scheme::Basic
        } else {
            let others = match &offers.others[..] {
                [] => "in a way that it does not name".to_owned(),
                others => format!("by {}", others.join(" or ")),
            };
            return Err(Error::Unsupported {
                what: format!("the server wants user and password {others}; only NTLM, Digest and Basic are spoken"),
            });
        };
        Ok(())
    }

    fn refusal(&self, offers: &Offers) -> Error {
        let scheme = match self.scheme {
            Scheme::Unknown => "",
            Scheme::Basic => " by Basic",
            Scheme::Digest(_) => " by Digest",
            Scheme::Ntlm(..) => " by NTLM",
        };
        Error::Unauthorized {
            status: 401,
            what: format!(
                "the server refuses user {:?} and the password given{scheme}{}; are they right?",
                self.user.as_deref().unwrap_or_default(),
                offers.realm()
            ),
        }
    }
}

/// Without the password.
impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpAuth({:?})", self.user.as_deref().unwrap_or_default())
    }
}

/// A server that calls every nonce too old is not served for ever.
const MOST_STALE: u8 = 3;
/// Most characters of a realm, or of a scheme's name, in a message.
const SHOWN: usize = 64;

enum Scheme {
    Unknown,
    Basic,
    Digest(DigestClient),
    Ntlm(Ntlm, Step),
}

enum Step {
    Negotiate,
    /// The authenticate message, ready.
    Authenticate(Vec<u8>),
    Done,
}

/// What the last request carried.
#[derive(Default)]
enum Sent {
    #[default]
    Nothing,
    /// NTLM's first message, which proves nothing.
    Negotiation,
    Credentials,
}

/// What a server offers.
#[derive(Default)]
struct Offers {
    /// NTLM, with the challenge that came along.
    ntlm: Option<Option<Vec<u8>>>,
    digest: Option<DigestClient>,
    basic: bool,
    others: Vec<String>,
    realm: Option<String>,
}

impl Offers {
    fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut offers = Self::default();
        for challenge in values.into_iter().flat_map(challenges) {
            let (scheme, rest) = challenge.split_once(char::is_whitespace).unwrap_or((challenge, ""));
            if scheme.eq_ignore_ascii_case("NTLM") {
                let token = rest.trim().trim_end_matches('=');
                let token = STANDARD_NO_PAD.decode(token).ok().filter(|token| !token.is_empty());
                offers.ntlm = Some(token.or(offers.ntlm.flatten()));
            } else if scheme.eq_ignore_ascii_case("Digest") {
                let Some(Ok(parsed)) = ChallengeParser::new(challenge).next() else { continue };
                let Ok(client) = DigestClient::try_from(&parsed) else { continue };
                offers.note_realm(client.realm());
                let better = |old: &DigestClient| {
                    client.algorithm() == Algorithm::Sha256 && old.algorithm() != Algorithm::Sha256
                };
                if offers.digest.as_ref().is_none_or(better) {
                    offers.digest = Some(client);
                }
            } else if scheme.eq_ignore_ascii_case("Basic") {
                // Some devices forget the realm, which is not needed for an answer.
                offers.basic = true;
                if let Some((_, realm)) = rest.split_once('=') {
                    offers.note_realm(realm.trim().trim_start_matches('"').split(['"', ',']).next().unwrap_or(""));
                }
            } else {
                offers.others.push(shown(scheme));
            }
        }
        offers
    }

    fn note_realm(&mut self, realm: &str) {
        if self.realm.is_none() && !realm.is_empty() {
            self.realm = Some(shown(realm));
        }
    }

    /// For a message.
    fn realm(&self) -> String {
        self.realm.as_ref().map_or_else(String::new, |realm| format!(" for {realm:?}"))
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// The challenges of one value: several may stand in it, with the same commas between them as
/// between their parameters (RFC 9110 section 11.6.1).
fn challenges(value: &str) -> Vec<&str> {
    let mut starts = Vec::new();
    let mut piece = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in value.char_indices().chain([(value.len(), ',')]) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted || at == value.len() => {
                if begins_challenge(&value[piece..at]) {
                    starts.push(piece);
                }
                piece = (at + 1).min(value.len());
            }
            _ => (),
        }
    }
    let ends = starts.iter().skip(1).copied().chain([value.len()]);
    let trim = |c: char| c == ',' || c.is_whitespace();
    starts.iter().zip(ends).map(|(start, end)| value[*start..end].trim_matches(trim)).collect()
}

/// A scheme stands first: a word that no `=` follows.
fn begins_challenge(piece: &str) -> bool {
    let piece = piece.trim();
    let word = piece.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(piece.len());
    word > 0 && !piece[word..].trim_start().starts_with('=')
}

fn cnonce(random: &[u8; 32], request: u64) -> String {
    let hash = Md5::new().chain_update(random).chain_update(request.to_le_bytes()).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
