//! The frames of a body ([MS-WMSP] 2.2.3.1.1).

/// What every frame begins with.
pub(super) const FRAME: u8 = 0x24;
/// Bytes of a frame before what its length counts.
pub(super) const HEAD: usize = 4;
/// Bytes of an MMS data packet before its payload ([MS-WMSP] 2.2.3.1.2).
pub(super) const MMS_HEAD: usize = 8;
/// The first of several pieces of a header ([MS-WMSP] 2.2.3.1.2, AFFlags).
pub(super) const FIRST: u8 = 0x04;
/// The last piece; [`FIRST`] and this together when there is only one.
pub(super) const LAST: u8 = 0x08;
