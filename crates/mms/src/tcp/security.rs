//! Answers to SecurityChallenge ([MS-MMSP] 3.1.5.8).

use base64::Engine;

use crate::wire::{Token, TokenKind};
use crate::{Config, Error, Ntlm};

/// How often the same credentials are sent: a second time, since a server may have lost the
/// first exchange, or want NTLM in the other form.
const MOST_TRIES: u8 = 2;

/// What has been told of ourselves on this connection.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// How often user and password, or what proves them, have been sent.
    tries: u8,
    /// An NTLM negotiate message is out, and the server's challenge is to come.
    is_negotiating: bool,
}

/// What ReportConnectedEX tells of the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server<'a> {
    pub(super) major: Option<u32>,
    pub(super) authen_package: Option<&'a str>,
}

impl Security {
    /// Whether user and password have been sent, so that a refusal is about those.
    pub(super) fn has_told(&self) -> bool {
        self.tries > 0
    }

    /// The pToken that answers the challenge `token`.
    ///
    /// # Errors
    /// When there are no credentials, when they have been refused, or when the challenge is broken.
    pub(super) fn answer(&mut self, token: &[u8], server: Server<'_>, config: &Config) -> Result<Vec<u8>, Error> {
        let token = Token::decode(token);
        let scheme = scheme(&token, server);
        let Some(user) = &config.user else {
            let realm = match scheme {
                TokenKind::Basic if !token.realm().is_empty() => format!(" for {:?}", token.realm()),
                _ => String::new(),
            };
            let what =
                format!("the server asks who you are{realm}; give user and password, as in mms://user:password@host/");
            return Err(Error::Unauthorized { status: 0, what });
        };
        let password = config.password.as_deref().unwrap_or_default();
        match scheme {
            TokenKind::Basic => {
                self.count(user)?;
                let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                Ok(format!("{credentials}\0").into_bytes())
            }
            TokenKind::Ntlm { wrapped } => {
                let ntlm = Ntlm::new(user, password, config.random, config.unix_time);
                if !token.message.is_empty() && self.is_negotiating {
                    self.count(user)?;
                    self.is_negotiating = false;
                    return Ok(Token::ntlm(wrapped, &ntlm.authenticate(token.message)?));
                }
                // A second exchange, after the first was refused, is held in the other form.
                if self.tries >= MOST_TRIES || self.is_negotiating {
                    return Err(refused(user));
                }
                self.is_negotiating = true;
                Ok(Token::ntlm(wrapped || self.has_told(), &ntlm.negotiate()))
            }
        }
    }

    fn count(&mut self, user: &str) -> Result<(), Error> {
        if self.tries >= MOST_TRIES {
            return Err(refused(user));
        }
        self.tries += 1;
        Ok(())
    }
}

/// That the server does not take `user` and the password.
pub(super) fn refused(user: &str) -> Error {
    Error::Unauthorized {
        status: 0,
        what: format!("the server refuses user {user:?} with this password; are both right?"),
    }
}

/// Servers before version 9 say the scheme by AuthenPackage, unless the token cannot be NTLM's.
fn scheme(token: &Token<'_>, server: Server<'_>) -> TokenKind {
    let says = |package: &str| server.authen_package.is_some_and(|name| name.trim().eq_ignore_ascii_case(package));
    let is_old = server.major.is_some_and(|major| major < 9);
    match token.kind {
        TokenKind::Ntlm { .. } if is_old && token.message.is_empty() && says("BASIC") => TokenKind::Basic,
        TokenKind::Basic if token.message.is_empty() && says("NTLM") => TokenKind::Ntlm { wrapped: false },
        kind => kind,
    }
}
