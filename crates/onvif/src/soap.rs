//! Envelopes (SOAP 1.2).

use crate::xml::{self, Element};
use crate::{Error, Fault, Login};

const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";

/// `body` in an envelope, with a login if there is one. To be sent by POST as
/// `application/soap+xml; charset=utf-8`.
#[must_use]
pub fn envelope(login: Option<&Login<'_>>, body: &str) -> String {
    let header = login.map(|login| format!("<s:Header>{}</s:Header>", login.header())).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"{ENVELOPE}\">{header}<s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// What is in the body of an answer: the one element there.
///
/// # Errors
/// [`Error::NotXml`], [`Error::NotSoap`]; [`Error::Fault`] where the camera refuses.
pub fn read_body(answer: &[u8]) -> Result<Element, Error> {
    let mut envelope = xml::parse(answer)?;
    if envelope.name != "Envelope" {
        return Err(Error::NotSoap { found: envelope.name.chars().take(40).collect() });
    }
    let body =
        envelope.children.iter_mut().find(|child| child.name == "Body").ok_or(Error::Missing { what: "Body" })?;
    if let Some(fault) = body.child("Fault") {
        return Err(read_fault(fault).into());
    }
    match body.children.is_empty() {
        true => Err(Error::Missing { what: "content of its Body" }),
        false => Ok(body.children.swap_remove(0)),
    }
}

/// The element `name` of an answer's body.
pub(crate) fn read(answer: &[u8], name: &'static str) -> Result<Element, Error> {
    let element = read_body(answer)?;
    if element.name == name { Ok(element) } else { Err(Error::Missing { what: name }) }
}

/// Most characters of a fault's reason.
const MOST_REASON: usize = 200;
/// Most codes of a fault.
const MOST_CODES: usize = 4;

fn read_fault(fault: &Element) -> Fault {
    let mut codes = Vec::new();
    let mut next = fault.child("Code");
    while let Some(code) = next.filter(|_| codes.len() < MOST_CODES) {
        codes.extend(code.text_at(&["Value"]).map(without_prefix));
        next = code.child("Subcode");
    }
    // SOAP 1.1.
    codes.extend(fault.text_at(&["faultcode"]).map(without_prefix));
    let reason = fault
        .text_at(&["Reason", "Text"])
        .or_else(|| fault.text_at(&["faultstring"]))
        .or_else(|| fault.text_at(&["Detail", "Text"]));
    let reason: String =
        reason.unwrap_or("no reason given").chars().filter(|c| !c.is_control()).take(MOST_REASON).collect();
    Fault { codes, reason }
}

fn without_prefix(code: &str) -> String {
    code.rsplit(':').next().unwrap_or(code).chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_codes() {
        let answer = br#"<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"><SOAP-ENV:Body><SOAP-ENV:Fault>
            <SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode><SOAP-ENV:Value>ter:NotAuthorized</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code>
            <SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">Sender not Authorized</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"#;
        let Err(Error::Fault(fault)) = read_body(answer) else { panic!("no fault") };
        assert!(fault.is_refused_login() && !fault.is_unknown_action());
        assert_eq!(fault.to_string(), "the camera says \"Sender not Authorized\" (Sender, NotAuthorized)");
    }

    #[test]
    fn a_refusal_by_soap_1_1_is_understood_too() {
        let answer = b"<Envelope><Body><Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>Method not implemented</faultstring></Fault></Body></Envelope>";
        let Err(Error::Fault(fault)) = read_body(answer) else { panic!("no fault") };
        assert!(fault.is_unknown_action() && !fault.is_refused_login());
    }

    #[test]
    fn what_is_no_answer_is_told() {
        assert_eq!(read_body(b"<html><body/></html>"), Err(Error::NotSoap { found: "html".into() }));
        assert_eq!(read_body(b"<Envelope/>"), Err(Error::Missing { what: "Body" }));
        assert_eq!(read_body(b"<Envelope><Body/></Envelope>"), Err(Error::Missing { what: "content of its Body" }));
        assert_eq!(read(b"<Envelope><Body><a/></Body></Envelope>", "b"), Err(Error::Missing { what: "b" }));
    }

    #[test]
    fn what_is_sent_is_an_envelope() {
        let sent = envelope(None, "<a/>");
        assert_eq!(read_body(sent.as_bytes()).unwrap().name, "a");
        let login = Login { user: "<me>", password: "pw", nonce: [7; 16], created: crate::Utc(0) };
        let tree = xml::parse(envelope(Some(&login), "<a/>").as_bytes()).unwrap();
        let token = ["Header", "Security", "UsernameToken"];
        assert_eq!(tree.at(&token).unwrap().text_at(&["Username"]), Some("<me>"));
    }
}
