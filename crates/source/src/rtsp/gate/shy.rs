//! Cameras that hang up when they are asked for parameters, as a sign of life.
//!
//! They say that they can be (in their answer to OPTIONS), and close the connection when they
//! are. From then on they are asked for their options only.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many are remembered.
const MOST: usize = 256;

static KNOWN: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Whether the camera at this host and port is one.
pub(super) fn is_known(place: &str) -> bool {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == place)
}

/// Takes note that it is.
pub(super) fn remember(place: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|known| known == place) {
        tracing::info!(place, "the camera hangs up when asked for parameters; it is asked for its options from now on");
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back(place.to_owned());
    }
}
