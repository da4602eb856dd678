//! Which pictures do not come out as they were taken, since they refer to something that was lost.

use rtsp::unpack::{Picture, Start};

/// A stream that is refreshed part by part instead of by keyframes is whole again at the second
/// point of recovery after a loss, since a whole round lies between the two.
const POINTS: u32 = 1;

/// What refers to something that was lost.
#[derive(Default)]
pub(super) enum Damage {
    /// Nothing has come yet.
    #[default]
    Begin,
    /// Nothing.
    None,
    /// Everything; so many points of recovery have come since.
    All(u32),
    /// Pictures that come behind a point of random access and are shown before it.
    Leading,
}

impl Damage {
    /// Whether a picture, before which something was `lost` or not, is damaged. What is known to be
    /// incomplete does not come here; what refers to that does.
    pub(super) fn of(&mut self, picture: &Picture, lost: bool) -> bool {
        // Before the first packet that came, nobody counts those that did not.
        let is_cut = matches!(self, Self::Begin) && !picture.begun;
        if lost || is_cut {
            *self = Self::All(0);
        }
        let is_whole = !lost && !is_cut || picture.begun;
        match self {
            Self::Begin => *self = Self::None,
            Self::None => {}
            // What was lost may be its own begin.
            _ if !is_whole => {}
            _ if picture.start == Start::Key => *self = Self::None,
            _ if picture.start == Start::Open => *self = Self::Leading,
            Self::All(points) if picture.start == Start::Recovery => {
                *points += 1;
                if *points > POINTS {
                    *self = Self::None;
                }
            }
            _ => {}
        }
        match self {
            Self::All(_) => true,
            Self::Leading => picture.leading,
            Self::Begin | Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn pictures_are_damaged_from_a_loss_to_the_next_that_refers_to_nothing_before() {
        let picture = |start, leading, begun| Picture {
            timestamp: 0,
            data: Bytes::new(),
            start,
            lost: false,
            begun,
            leading,
            changed: false,
        };
        let mut damage = Damage::default();
        for (start, leading, begun, lost, expected) in [
            (Start::Key, false, true, false, false),
            (Start::No, false, true, true, true),
            (Start::Key, false, true, false, false),
            // A keyframe whose first slice was lost.
            (Start::Key, false, false, true, true),
            (Start::No, false, true, false, true),
            (Start::Open, false, true, false, false),
            (Start::No, true, true, false, true),
            (Start::No, false, true, false, false),
            (Start::Key, false, true, true, false),
            (Start::No, false, true, true, true),
            (Start::Recovery, false, true, false, true),
            (Start::Recovery, false, true, false, false),
        ] {
            assert_eq!(damage.of(&picture(start, leading, begun), lost), expected, "{start:?} {leading} {lost}");
        }
        // The first packet of a session was of the second slice.
        let mut damage = Damage::default();
        for (start, begun, expected) in
            [(Start::Key, false, true), (Start::No, true, true), (Start::Key, true, false), (Start::No, false, false)]
        {
            assert_eq!(damage.of(&picture(start, false, begun), false), expected, "{start:?} {begun}");
        }
    }
}
