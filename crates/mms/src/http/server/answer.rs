//! Heads of answers.

use std::fmt::Write as _;

use super::Agent;

/// What the answers to a session's requests say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The session's id: new for a request without one, repeated for one that has it.
    pub client_id: u32,
    /// A broadcast, without begin and end.
    pub broadcast: bool,
    /// [`crate::Start`] means something.
    pub seekable: bool,
}

/// An encoder that serves its content itself, of the generation that speaks the newest form of
/// the protocol. Servers that call themselves Cougar in this version owe their newer clients
/// metadata ([MS-WMSP] 3.2.5.4), encoders do not.
const SERVER: &str = "Rex/9.0.0.2980";

/// The head of the answer to Describe, whose body has `length` bytes: the frames of
/// [`super::frame_header`]. Whoever sends it closes the connection behind the body.
#[must_use]
pub fn describe_head(answer: Answer, agent: Agent, length: usize) -> Vec<u8> {
    head(answer, agent, "application/vnd.ms.wms-hdr.asfv1", Some(length))
}

/// The head of the answer to Play, whose body ends with [`super::frame_end`] and the connection.
#[must_use]
pub fn play_head(answer: Answer, agent: Agent) -> Vec<u8> {
    head(answer, agent, "application/x-mms-framed", None)
}

fn head(answer: Answer, agent: Agent, content_type: &str, length: Option<usize>) -> Vec<u8> {
    let new = agent.major >= 9;
    // Players of older versions know only the type that the servers of their time sent.
    let content_type = if new { content_type } else { "application/octet-stream" };
    let features = match answer {
        Answer { broadcast: true, .. } => "broadcast",
        Answer { seekable: true, .. } => "seekable",
        _ => "",
    };
    let mut head = format!(
        "HTTP/1.0 200 OK\r\n\
         Content-Type: {content_type}\r\n\
         Server: {SERVER}\r\n\
         Cache-Control: no-cache\r\n\
         Pragma: no-cache\r\n\
         Pragma: client-id={}\r\n\
         Pragma: features=\"{features}\"\r\n\
         Pragma: timeout=60000\r\n",
        answer.client_id
    );
    if new {
        head.push_str("Supported: com.microsoft.wm.predstrm\r\n");
    }
    if let Some(length) = length {
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    head.push_str("Connection: close\r\n\r\n");
    head.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::server::Product;

    #[test]
    fn heads_say_what_each_generation_understands() {
        let agent = |major| Agent { product: Product::Player, major, minor: 0 };
        let answer = Answer { client_id: 7, broadcast: false, seekable: true };
        let describe = String::from_utf8(describe_head(answer, agent(12), 5000)).unwrap();
        assert_eq!(
            describe,
            "HTTP/1.0 200 OK\r\nContent-Type: application/vnd.ms.wms-hdr.asfv1\r\nServer: Rex/9.0.0.2980\r\n\
             Cache-Control: no-cache\r\nPragma: no-cache\r\nPragma: client-id=7\r\nPragma: features=\"seekable\"\r\n\
             Pragma: timeout=60000\r\nSupported: com.microsoft.wm.predstrm\r\nContent-Length: 5000\r\n\
             Connection: close\r\n\r\n"
        );
        let live = Answer { broadcast: true, ..answer };
        let play = String::from_utf8(play_head(live, agent(4))).unwrap();
        assert!(play.contains("Content-Type: application/octet-stream\r\n"), "{play}");
        assert!(play.contains("features=\"broadcast\"") && !play.contains("seekable"), "{play}");
        assert!(!play.contains("Content-Length") && !play.contains("Supported"), "{play}");
    }
}
