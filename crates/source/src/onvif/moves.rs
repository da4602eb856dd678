//! Moves by a word: left, right, zoom in.

use std::str::FromStr;
use std::time::Duration;

use ::onvif::ptz::{Order, Preset, Vector};

use super::Camera;
use crate::Error;

/// A direction to move in for a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The camera turns to the left.
    Left,
    /// The camera turns to the right.
    Right,
    /// The camera looks up.
    Up,
    /// The camera looks down.
    Down,
    /// Nearer.
    ZoomIn,
    /// Farther.
    ZoomOut,
}

impl Direction {
    /// All of them, with the words for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("left", Self::Left),
        ("right", Self::Right),
        ("up", Self::Up),
        ("down", Self::Down),
        ("zoom-in", Self::ZoomIn),
        ("zoom-out", Self::ZoomOut),
    ];

    /// As a speed, from 0 to 1.
    fn at(self, speed: f32) -> Vector {
        let still = Vector::default();
        match self {
            Self::Left => Vector { pan: -speed, ..still },
            Self::Right => Vector { pan: speed, ..still },
            Self::Up => Vector { tilt: speed, ..still },
            Self::Down => Vector { tilt: -speed, ..still },
            Self::ZoomIn => Vector { zoom: speed, ..still },
            Self::ZoomOut => Vector { zoom: -speed, ..still },
        }
    }
}

/// Of its word; the error lists them.
impl FromStr for Direction {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, direction)| *direction);
        found.ok_or_else(|| Self::ALL.map(|(word, _)| word).join(", "))
    }
}

impl Camera {
    /// Moves for `time` at `speed` (0 to 1), and stops. The camera is told how long, and to stop
    /// after it, since not all of them heed the former; where this future is dropped in between, the
    /// former has to do.
    ///
    /// # Errors
    /// As [`Camera::order`].
    pub async fn go(&mut self, direction: Direction, speed: f32, time: Duration) -> Result<(), Error> {
        self.order(&Order::Continuous { speed: direction.at(speed), time: Some(time) }).await?;
        tokio::time::sleep(time).await;
        self.order(&Order::Stop).await
    }

    /// The preset of this token or name, or else all that there are.
    ///
    /// # Errors
    /// As [`Camera::presets`].
    pub async fn preset(&mut self, name: &str) -> Result<Result<Preset, Vec<Preset>>, Error> {
        let presets = self.presets().await?;
        let by_token = presets.iter().find(|preset| preset.token == name);
        let found = by_token.or_else(|| presets.iter().find(|preset| preset.name.eq_ignore_ascii_case(name)));
        Ok(found.cloned().ok_or(presets))
    }
}
