//! One decode per source, one scale and encode per distinct variant, only while read.
//!
//! The decoder thread reads the source's feed through a cursor of its own and hands
//! frames (by reference) to the newest-only mailbox of each variant that is due; a
//! thread per variant scales, encodes and publishes into the variant's own feed. The
//! rest of headwater sees [`Lease`]s and feeds only, so that this work can move into a
//! child process without anybody noticing.
//!
//! No more is decoded than the readers need:
//!
//! | every reader wants | decoded |
//! |---|---|
//! | keyframes, or a rate at or under the keyframe rate | keyframes |
//! | a lower rate than the source's | pictures that are due, and those they refer to |
//! | everything | everything |
//!
//! Sound is coded by a thread of its own for each way it is wanted ([`audio`]).
//!
//! Live decoding uses no frame threads: each would add one picture of delay.

mod audio;
mod decode;
mod encode;
mod job;

pub(crate) use audio::{AudioLease, Shared as SharedSound, Sounds, lease as lease_audio};
pub(crate) use decode::start;
pub(crate) use encode::Maker;
pub(crate) use job::{Demand, Job, Lease};
