//! Controls of a webcam: their names, what they take, and setting them.

use std::fmt;

use rustix::io::Errno;
use sys::webcam::{Control, Kind};

use crate::Error;

/// What kind of value a control takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A number.
    Number,
    /// 0 or 1.
    Switch,
    /// One of several words, or its number.
    Menu,
    /// Setting it does something, once.
    Button,
}

/// A control of a webcam, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What it is set by: `white_balance_temperature`, as v4l2-ctl has it.
    pub name: String,
    /// What it takes.
    pub kind: SettingKind,
    /// The least value.
    pub least: i32,
    /// The greatest.
    pub most: i32,
    /// What it is after it is plugged in.
    pub default: i32,
    /// What it is now, where that can be told.
    pub value: Option<i32>,
    /// The words of a menu, by their numbers.
    pub words: Vec<(i32, String)>,
    /// It can only be read.
    pub is_fixed: bool,
    /// It has no effect now, because of what another one says: a manual value beside an automatic.
    pub is_inactive: bool,
    id: u32,
}

/// A name in small letters, with `_` for all that is none.
pub(super) fn key(name: &str) -> String {
    let mut key = String::new();
    for c in name.chars() {
        match c.is_alphanumeric() {
            true => key.extend(c.to_lowercase()),
            false if key.is_empty() || key.ends_with('_') => {}
            false => key.push('_'),
        }
    }
    key.truncate(key.trim_end_matches('_').len());
    key
}

/// What can be set; numbers of more than 32 bits, texts and arrays are left out.
pub(super) fn settings(controls: Vec<Control>) -> Vec<Setting> {
    let setting = |control: Control| {
        let kind = match control.kind {
            Kind::Number => SettingKind::Number,
            Kind::Switch => SettingKind::Switch,
            Kind::Menu => SettingKind::Menu,
            Kind::Button => SettingKind::Button,
            Kind::Other => return None,
        };
        Some(Setting {
            name: key(&control.name),
            kind,
            least: control.least,
            most: control.most,
            default: control.default,
            value: control.value,
            words: control.words.into_iter().map(|(number, word)| (number, key(&word))).collect(),
            is_fixed: control.fixed,
            is_inactive: control.inactive,
            id: control.id,
        })
    };
    controls.into_iter().filter_map(setting).collect()
}

impl Setting {
    /// What it takes, as in `-64 to 64`.
    #[must_use]
    pub fn takes(&self) -> String {
        match self.kind {
            SettingKind::Number => format!("{} to {}", self.least, self.most),
            SettingKind::Switch => "0 or 1".into(),
            SettingKind::Button => "1".into(),
            SettingKind::Menu => {
                let words: Vec<_> = self.words.iter().map(|(number, word)| format!("{number} {word}")).collect();
                words.join(", ")
            }
        }
    }

    /// The value that `text` means: a number, a word of a menu, a part of the range (`50%`), or
    /// `default`.
    fn read(&self, text: &str) -> Option<i32> {
        let word = key(text);
        if word == "default" {
            return Some(self.default);
        }
        let number = text.trim().parse::<i32>().ok();
        match self.kind {
            SettingKind::Number => {
                let part = || {
                    let part = text.trim().strip_suffix('%')?.parse::<f64>().ok()?;
                    let range = f64::from(self.most) - f64::from(self.least);
                    (0.0..=100.0).contains(&part).then(|| (f64::from(self.least) + range * part / 100.0).round() as i32)
                };
                number.filter(|number| (self.least..=self.most).contains(number)).or_else(part)
            }
            SettingKind::Switch | SettingKind::Button => match &*word {
                "0" | "off" | "false" | "no" if self.kind == SettingKind::Switch => Some(0),
                "1" | "on" | "true" | "yes" => Some(1),
                _ => None,
            },
            SettingKind::Menu => {
                let is_meant = |(known, name): &&(i32, String)| Some(*known) == number || *name == word;
                self.words.iter().find(is_meant).map(|(known, _)| *known)
            }
        }
    }
}

impl fmt::Display for Setting {
    /// `brightness=0 (-64 to 64)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.value.iter().try_for_each(|value| write!(f, "={value}"))?;
        write!(f, " ({}", self.takes())?;
        if self.is_fixed {
            f.write_str("; cannot be set")?;
        }
        if self.is_inactive {
            f.write_str("; without effect now")?;
        }
        f.write_str(")")
    }
}

/// Where controls are set.
pub(super) trait Device {
    fn set(&self, id: u32, value: i32) -> std::io::Result<()>;
}

impl Device for sys::webcam::Webcam {
    fn set(&self, id: u32, value: i32) -> std::io::Result<()> {
        self.set(id, value)
    }
}

/// Sets what is wished, in that order, if all of it can be; what was set, as in `brightness=10`.
///
/// # Errors
/// [`Error::Setting`] with what there is.
pub(super) fn set(
    path: &str,
    device: &impl Device,
    settings: &[Setting],
    wishes: &[(String, String)],
) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for (name, text) in wishes {
        let bad = |what: &str, hint: String| Error::Setting { what: format!("{path}: {name}={text}: {what}"), hint };
        let Some(setting) = settings.iter().find(|setting| setting.name == *name) else {
            return Err(bad("the webcam has no such control", known(name, settings)));
        };
        if setting.is_fixed {
            return Err(bad("it cannot be set", "leave it out".into()));
        }
        let value =
            setting.read(text).ok_or_else(|| bad("not what it takes", format!("expected {}", setting.takes())))?;
        all.push((setting, value));
    }
    let mut told = Vec::new();
    for (setting, value) in all {
        let name = &setting.name;
        device.set(setting.id, value).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NODEV | Errno::NXIO | Errno::NOENT) => super::unplugged(path),
            _ => Error::Setting {
                what: format!("{path}: {name}={value}: the webcam refuses it: {error}"),
                hint: match setting.is_inactive {
                    true => "another control is in its way: give the one that makes it manual before it".into(),
                    false => format!("it should take {}", setting.takes()),
                },
            },
        })?;
        told.push(format!("{name}={value}"));
    }
    Ok(told)
}

/// What there is in place of a control that there is not.
fn known(name: &str, settings: &[Setting]) -> String {
    /// Longest word that is compared.
    const LONGEST: usize = 64;
    let names = settings.iter().map(|setting| &*setting.name).chain(["format", "size", "rate"]);
    let name: String = name.chars().take(LONGEST).collect();
    let nearest = names.clone().map(|known| (media::distance(&name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2 => format!("did you mean {known}?"),
        _ => format!("there is {}", names.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use super::*;

    fn control(id: u32, name: &str, kind: Kind, least: i32, most: i32) -> Control {
        let words = match kind {
            Kind::Menu => vec![(1, "Manual Mode".into()), (3, "Aperture Priority Mode".into())],
            _ => Vec::new(),
        };
        let (step, default, value, name) = (1, 0, Some(0), name.into());
        Control { id, name, kind, least, most, step, default, value, words, fixed: false, inactive: false }
    }

    fn settings() -> Vec<Setting> {
        let mut all = vec![
            control(1, "Brightness", Kind::Number, -64, 64),
            control(2, "White Balance, Automatic", Kind::Switch, 0, 1),
            control(3, "Auto Exposure", Kind::Menu, 0, 3),
            control(4, "Exposure Time, Absolute", Kind::Number, 1, 5000),
            control(5, "Model", Kind::Number, 0, 9),
            control(6, "Blob", Kind::Other, 0, 0),
        ];
        (all[3].inactive, all[4].fixed) = (true, true);
        super::settings(all)
    }

    #[derive(Default)]
    struct Fake(RefCell<Vec<(u32, i32)>>);

    impl Device for Fake {
        fn set(&self, id: u32, value: i32) -> io::Result<()> {
            self.0.borrow_mut().push((id, value));
            if id == 4 { Err(Errno::ACCESS.into()) } else { Ok(()) }
        }
    }

    fn wishes(text: &str) -> Vec<(String, String)> {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn controls_are_set_in_order_by_number_word_or_part() {
        let fake = Fake::default();
        let told = set(
            "cam",
            &fake,
            &settings(),
            &wishes("auto_exposure=manual mode&brightness=75%&white_balance_automatic=off"),
        );
        assert_eq!(told.unwrap(), ["auto_exposure=1", "brightness=32", "white_balance_automatic=0"]);
        assert_eq!(*fake.0.borrow(), [(3, 1), (1, 32), (2, 0)]);
    }

    #[test]
    fn nothing_is_set_where_something_is_wrong_and_that_is_told() {
        let fake = Fake::default();
        for (text, told) in [
            ("brightness=1&brightnes=1", "cam: brightnes=1: the webcam has no such control; did you mean brightness?"),
            (
                "zoom=1",
                "cam: zoom=1: the webcam has no such control; there is brightness, white_balance_automatic, \
                 auto_exposure, exposure_time_absolute, model, format, size, rate",
            ),
            ("brightness=65", "cam: brightness=65: not what it takes; expected -64 to 64"),
            ("brightness=101%", "cam: brightness=101%: not what it takes; expected -64 to 64"),
            (
                "auto_exposure=2",
                "cam: auto_exposure=2: not what it takes; expected 1 manual_mode, 3 aperture_priority_mode",
            ),
            ("white_balance_automatic=2", "cam: white_balance_automatic=2: not what it takes; expected 0 or 1"),
            ("model=1", "cam: model=1: it cannot be set; leave it out"),
        ] {
            assert_eq!(set("cam", &fake, &settings(), &wishes(text)).unwrap_err().to_string(), told);
        }
        assert!(fake.0.borrow().is_empty());
    }

    #[test]
    fn a_control_that_another_one_blocks_is_told() {
        let error = set("cam", &Fake::default(), &settings(), &wishes("exposure_time_absolute=100")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("refuses it") && told.contains("another control is in its way"), "{told}");
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(key("White Balance Temperature, Auto"), "white_balance_temperature_auto");
        assert_eq!(key(" Pan (Absolute) "), "pan_absolute");
    }
}
