//! What the keys mean.

use winit::event::KeyEvent;
use winit::keyboard::{Key, KeyCode, NamedKey, PhysicalKey};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Quit,
    Fullscreen,
    Snapshot,
    Facts,
}

/// What a key means: by its letter, or by its place where the letters are not Latin.
pub(crate) fn command(event: &KeyEvent) -> Option<Command> {
    let letter = match (&event.logical_key, event.physical_key) {
        (Key::Named(NamedKey::Escape), _) => return Some(Command::Quit),
        (Key::Character(text), _) if text.is_ascii() => text.to_ascii_lowercase(),
        (Key::Character(_), PhysicalKey::Code(KeyCode::KeyQ)) => "q".into(),
        (Key::Character(_), PhysicalKey::Code(KeyCode::KeyF)) => "f".into(),
        (Key::Character(_), PhysicalKey::Code(KeyCode::KeyS)) => "s".into(),
        (Key::Character(_), PhysicalKey::Code(KeyCode::KeyI)) => "i".into(),
        _ => return None,
    };
    match letter.as_str() {
        "q" => Some(Command::Quit),
        "f" => Some(Command::Fullscreen),
        "s" => Some(Command::Snapshot),
        "i" => Some(Command::Facts),
        _ => None,
    }
}
