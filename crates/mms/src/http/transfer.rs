//! Where the body of an answer ends.

use formats::http::{Dechunker, Head};

use crate::Error;

/// How the body of an answer is delimited.
#[derive(Debug)]
pub(super) enum Transfer {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Dechunker),
    /// The connection ends with it.
    UntilClose,
}

impl Transfer {
    /// As the head says.
    pub(super) fn of(head: &Head) -> Self {
        match head.content_length() {
            _ if head.is_chunked() => Self::Chunked(Dechunker::new()),
            _ if matches!(head.status, 204 | 304) => Self::Length(0),
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        }
    }

    /// Takes bytes from the front of `input` up to the end of the next piece of the body and
    /// returns that; nothing when all are taken or the body has ended.
    ///
    /// # Errors
    /// When the chunks make no sense.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        let now = match self {
            Self::Length(left) => {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= now as u64;
                now
            }
            Self::Chunked(dechunker) => {
                let next = dechunker.next(input);
                return next.map_err(|error| Error::Malformed { message: "chunk", what: error.to_string() });
            }
            Self::UntilClose => input.len(),
        };
        let (piece, rest) = input.split_at(now);
        *input = rest;
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// Whether the body is over although the connection is open.
    pub(super) fn is_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(dechunker) => dechunker.is_ended(),
            Self::UntilClose => false,
        }
    }
}

/// Whether the server keeps the connection for another request.
pub(super) fn keeps_connection(head: &Head) -> bool {
    let says = |name: &str| head.all(name).any(|value| value.to_ascii_lowercase().contains("keep-alive"));
    says("connection") || says("proxy-connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Head { status: 200, reason: "OK".into(), headers }
    }

    /// The body in the bytes, and whether it ended in them.
    fn read(headers: &[(&str, &str)], bytes: &[u8], size: usize) -> (Vec<u8>, bool) {
        let mut transfer = Transfer::of(&head(headers));
        let mut body = Vec::new();
        for mut slice in bytes.chunks(size) {
            while let Some(piece) = transfer.next(&mut slice).unwrap() {
                body.extend_from_slice(piece);
            }
        }
        (body, transfer.is_ended())
    }

    #[test]
    fn a_body_ends_where_its_head_says_in_any_slices() {
        for size in 1..20 {
            assert_eq!(read(&[("Content-Length", "3")], b"abcdef", size), (b"abc".to_vec(), true));
            assert_eq!(read(&[("content-length", "9")], b"abcdef", size), (b"abcdef".to_vec(), false));
            assert_eq!(read(&[], b"abcdef", size), (b"abcdef".to_vec(), false));
            let chunked = [("Transfer-Encoding", "chunked"), ("Content-Length", "1")];
            assert_eq!(read(&chunked, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", size), (b"abc".to_vec(), true));
        }
        assert!(Transfer::of(&head(&[("Content-Length", "0")])).is_ended());
        assert!(Transfer::of(&Head { status: 204, ..head(&[]) }).is_ended());
    }

    #[test]
    fn only_who_says_so_keeps_the_connection() {
        assert!(keeps_connection(&head(&[("Connection", "Keep-Alive")])));
        assert!(keeps_connection(&head(&[("Proxy-Connection", "keep-alive")])));
        assert!(!keeps_connection(&head(&[])) && !keeps_connection(&head(&[("Connection", "close")])));
    }
}
