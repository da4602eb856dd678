//! The options of WebRTC.

use std::net::{IpAddr, SocketAddr};

use relay::WebRtcConfig;

const HEADING: &str = "WebRTC";

/// How encoders push and browsers watch by WebRTC.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where WebRTC is, by UDP
    ///
    /// Encoders push to /NAME/whip, browsers watch at /NAME/whep. Without it, it is there where HTTP is,
    /// opened when somebody comes. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::args::address, help_heading = HEADING)]
    webrtc: Vec<SocketAddr>,
    /// Another address of this machine, for peers
    ///
    /// With the same port: that of the router, or of the machine that runs the container. May be
    /// repeated.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_webrtc", help_heading = HEADING)]
    webrtc_host: Vec<IpAddr>,
    /// Let pages of another site push and watch
    ///
    /// Its scheme, host and port, as in the header Origin; * for all. May be repeated.
    #[arg(long, value_name = "ORIGIN", conflicts_with = "no_webrtc", help_heading = HEADING)]
    webrtc_origin: Vec<String>,
    /// No WebRTC
    #[arg(long, conflicts_with = "webrtc", help_heading = HEADING)]
    no_webrtc: bool,
}

impl Args {
    /// What the server is told.
    pub fn config(&self) -> WebRtcConfig {
        WebRtcConfig {
            off: self.no_webrtc,
            listen: self.webrtc.clone(),
            hosts: self.webrtc_host.clone(),
            origins: self.webrtc_origin.clone(),
        }
    }
}
