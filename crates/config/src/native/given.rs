//! A value as it stands in the file, and ways to read it.

use std::path::PathBuf;
use std::time::Duration;

use std::cell::Cell;

use ::toml::Spanned;
use ::toml::de::DeValue;

use media::quantity;

use super::{Key, Told, in_order};
use crate::At;
use crate::problem::short;

/// Longest list or table that is read.
const MOST: usize = 10_000;

pub(super) struct Given<'a> {
    pub(super) value: &'a Spanned<DeValue<'a>>,
    /// Where it stands.
    pub(super) at: At,
    /// What it is the value of.
    pub(super) key: &'a Key,
    /// The byte at which the part of it stands that is wrong, where only a part is.
    pub(super) wrong_at: Cell<Option<usize>>,
}

impl Given<'_> {
    /// A text that is not empty.
    pub(super) fn text(&self) -> Told<&str> {
        self.value.get_ref().as_str().filter(|text| !text.is_empty()).ok_or_else(String::new)
    }

    pub(super) fn owned(&self) -> Told<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn path(&self) -> Told<PathBuf> {
        self.text().map(PathBuf::from)
    }

    pub(super) fn switch(&self) -> Told<bool> {
        self.value.get_ref().as_bool().ok_or_else(String::new)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn int<T: TryFrom<i64>>(&self, least: i64, most: i64) -> Told<T> {
        let number = self.whole().filter(|number| (least..=most).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(String::new)
    }

    fn whole(&self) -> Option<i64> {
        let number = self.value.get_ref().as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&self, least: f64, most: f64) -> Told<f64> {
        let value = self.value.get_ref();
        let number = match value.as_float() {
            Some(float) => float.as_str().parse().ok(),
            None => self.whole().map(|whole| whole as f64),
        };
        number.filter(|number: &f64| (least..=most).contains(number)).ok_or_else(String::new)
    }

    /// A whole number, or one with a unit of `k`, `M` or `G`, each `step` times the one before.
    pub(super) fn amount(&self, step: u64, least: u64, most: u64) -> Told<u64> {
        let amount = match self.value.get_ref().as_str() {
            Some(text) => with_unit(text, step),
            None => self.whole().and_then(|whole| whole.try_into().ok()),
        };
        amount.filter(|amount| (least..=most).contains(amount)).ok_or_else(String::new)
    }

    /// A time, as [`quantity::time`] reads it.
    pub(super) fn time(&self) -> Told<Duration> {
        quantity::time(self.text()?).ok_or_else(String::new)
    }

    /// A time that is not nothing.
    pub(super) fn some_time(&self) -> Told<Duration> {
        self.time().and_then(|time| if time.is_zero() { Err(String::new()) } else { Ok(time) })
    }

    /// A list of texts.
    pub(super) fn list(&self) -> Told<Vec<String>> {
        self.items(|text| Ok(text.to_owned()))
    }

    /// A list of texts, of which `read` makes what they say. Of an item that it does not take it tells
    /// what is wrong, or with an empty text that it is not what the key wants.
    ///
    /// # Errors
    /// Which item is wrong, what it says and what is expected.
    pub(super) fn items<T>(&self, read: impl Fn(&str) -> Told<T>) -> Told<Vec<T>> {
        let items = self.value.get_ref().as_array().filter(|items| items.len() <= MOST).ok_or_else(String::new)?;
        let item = |(at, item): (usize, &Spanned<DeValue<'_>>)| {
            let read = item.get_ref().as_str().ok_or_else(String::new).and_then(&read);
            read.map_err(|what| {
                self.wrong_at.set(Some(item.span().start));
                let (which, said, example) = (nth(at + 1), said(item.get_ref()), self.key.example);
                let (wanted, _) = self.key.value.split_once(';').unwrap_or((self.key.value, ""));
                match (what.is_empty(), wanted.strip_prefix("a list of ")) {
                    (false, _) => format!("the {which} item, {said}: {what}"),
                    (true, Some(wanted)) if !wanted.starts_with("texts") => {
                        format!("the {which} item is {said}: expected {wanted}, as in {example}")
                    }
                    _ => format!("the {which} item is {said}: expected a text in quotes, as in {example}"),
                }
            })
        };
        items.iter().enumerate().map(item).collect()
    }

    /// A list of `NAME=VALUE`.
    pub(super) fn pairs(&self) -> Told<Vec<(String, String)>> {
        self.items(|item| {
            let (name, value) = item.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(String::new)?;
            Ok((name.to_owned(), value.to_owned()))
        })
    }

    /// A table of texts, in the order of the file.
    pub(super) fn table(&self) -> Told<Vec<(String, String)>> {
        let table = self.value.get_ref().as_table().ok_or_else(String::new)?;
        let entries = in_order(table).into_iter();
        let entries =
            entries.map(|(key, value)| Some((key.get_ref().to_string(), value.get_ref().as_str()?.to_owned())));
        entries.take(MOST).collect::<Option<_>>().ok_or_else(String::new)
    }
}

fn nth(number: usize) -> String {
    match number {
        1 => "first".into(),
        2 => "second".into(),
        3 => "third".into(),
        // 21st, 112th.
        _ => match (number % 10, number / 10 % 10) {
            (1, tens) if tens != 1 => format!("{number}st"),
            (2, tens) if tens != 1 => format!("{number}nd"),
            (3, tens) if tens != 1 => format!("{number}rd"),
            _ => format!("{number}th"),
        },
    }
}

/// An amount with a unit of `k`, `M`, `G` or `T`, each `step` times the one before; of bytes as
/// [`media::quantity::bytes`] reads them.
pub(super) fn with_unit(text: &str, step: u64) -> Option<u64> {
    if step == 1024 {
        return media::quantity::bytes(text);
    }
    let (digits, times) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 2),
        b'g' => (&text[..text.len() - 1], 3),
        _ => (text, 0),
    };
    let unit = step.checked_pow(times)?;
    match digits.split_once('.') {
        None => digits.parse::<u64>().ok()?.checked_mul(unit),
        Some(_) => {
            let amount = digits.parse::<f64>().ok()? * unit as f64;
            (0.0..=1e15).contains(&amount).then_some(amount as u64)
        }
    }
}

/// `amount` with the largest unit that loses nothing.
pub(super) fn tell_amount(amount: u64, step: u64) -> ::toml::Value {
    let units = [("G", step.pow(3)), ("M", step.pow(2)), ("k", step)];
    let fits = units.into_iter().find(|(_, unit)| amount >= *unit && amount.is_multiple_of(*unit));
    match (fits, i64::try_from(amount)) {
        (Some((name, unit)), _) => format!("{}{name}", amount / unit).into(),
        (None, Ok(amount)) => amount.into(),
        (None, Err(_)) => amount.to_string().into(),
    }
}

/// `time` as it is read.
pub(super) fn tell_time(time: Duration) -> ::toml::Value {
    match time.subsec_nanos() {
        0 => format!("{}s", time.as_secs()),
        nanos => format!("{}.{}s", time.as_secs(), format!("{nanos:09}").trim_end_matches('0')),
    }
    .into()
}

/// What stood there.
pub(super) fn said(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", short(text)),
        DeValue::Integer(number) => short(number.as_str()),
        DeValue::Float(number) => short(number.as_str()),
        DeValue::Boolean(is) => is.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "[…]".into(),
        DeValue::Table(_) => "{…}".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_are_read_as_they_are_told() {
        for ns in [0, 1, 500_000_000, 5_000_000_000, 3_600_000_000_000, 100_000_000_100_000_000] {
            let told = tell_time(Duration::from_nanos(ns));
            assert_eq!(quantity::time(told.as_str().unwrap()), Some(Duration::from_nanos(ns)), "{told}");
        }
        for (amount, step) in [(0, 1024), (5 << 20, 1024), (5_000_001, 1024), (10_240_000, 1000), (u64::MAX, 1000)] {
            let told = tell_amount(amount, step);
            let read = told
                .as_str()
                .map_or_else(|| told.as_integer().and_then(|n| n.try_into().ok()), |text| with_unit(text, step));
            assert_eq!(read, Some(amount), "{told}");
        }
        assert_eq!(with_unit("1.5M", 1024), Some(3 << 19));
        assert_eq!(with_unit("99999999999999999999G", 1024), None);
    }
}
