//! Which streams to play: one of each group whose members exclude each other, by a rule.

use std::fmt;
use std::str::FromStr;

use crate::header::Reason;
use crate::{Error, Header, Stream};

/// By what streams are chosen where several carry the same content.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Rule {
    /// The highest bit rate.
    #[default]
    Best,
    /// The lowest bit rate.
    Smallest,
    /// The highest with which everything chosen stays at or under that many bit/s; the lowest
    /// if there is none.
    Under(u32),
    /// Exactly these numbers, whatever they carry; those that are not there are ignored.
    Streams(Vec<u8>),
}

/// `best`, `smallest`, `max=300k` (bit/s; `k` is 1000, `m` a million), `1,3`.
impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |hint| Error::Rule { given: text.chars().take(100).collect(), hint };
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("best") {
            return Ok(Self::Best);
        }
        if trimmed.eq_ignore_ascii_case("smallest") {
            return Ok(Self::Smallest);
        }
        match trimmed.split_once('=') {
            Some((name, rate)) if name.trim().eq_ignore_ascii_case("max") => {
                bit_rate(rate.trim()).map(Self::Under).ok_or(bad("the bit rate is no number"))
            }
            None if trimmed.starts_with(|c: char| c.is_ascii_digit()) => {
                let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=127).contains(number));
                let numbers: Option<Vec<u8>> = trimmed.split(',').map(number).collect();
                numbers.map(Self::Streams).ok_or(bad("stream numbers are 1 to 127"))
            }
            _ => Err(bad("unknown rule")),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Smallest => f.write_str("smallest"),
            Self::Under(rate) if *rate > 0 && rate.is_multiple_of(1000) => write!(f, "max={}k", rate / 1000),
            Self::Under(rate) => write!(f, "max={rate}"),
            Self::Streams(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(u8::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

/// `300k`, `1.5m`, `64000` in bit/s.
fn bit_rate(text: &str) -> Option<u32> {
    let (number, unit) = match text.chars().last()?.to_ascii_lowercase() {
        'k' => (&text[..text.len() - 1], 1e3),
        'm' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    let plain = number.starts_with(|c: char| c.is_ascii_digit()) && !number.contains(['e', 'E']);
    let rate = number.parse::<f64>().ok().filter(|_| plain)? * unit;
    (rate.round() <= f64::from(u32::MAX)).then_some(rate.round() as u32)
}

/// Which streams are wanted and which are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(Vec<(u8, bool)>);

impl Choice {
    /// Every stream of the header in its order, and whether it is wanted: what a server is told.
    #[must_use]
    pub fn streams(&self) -> &[(u8, bool)] {
        &self.0
    }

    /// The numbers of those that are wanted.
    #[must_use]
    pub fn wanted(&self) -> Vec<u8> {
        self.0.iter().filter(|(_, wanted)| *wanted).map(|(number, _)| *number).collect()
    }

    /// Whether stream `number` is wanted.
    #[must_use]
    pub fn is_wanted(&self, number: u8) -> bool {
        self.0.contains(&(number, true))
    }
}

impl Header {
    /// Which streams to play by `rule`.
    ///
    /// Wanted are pictures and sound of known codecs. Of each group of streams that exclude
    /// each other the rule takes one: the groups of the header and, if no group has pictures in
    /// it, all pictures together, since nobody plays two at once. Where the difference is the
    /// language, the first is taken. What cannot be decoded, or is flagged as encrypted, is
    /// only taken where there is nothing else.
    #[must_use]
    pub fn choose(&self, rule: &Rule) -> Choice {
        let wanted = |test: &dyn Fn(&Stream) -> bool| {
            Choice(self.streams.iter().map(|stream| (stream.number, test(stream))).collect())
        };
        if let Rule::Streams(numbers) = rule {
            return wanted(&|stream| numbers.contains(&stream.number));
        }
        let groups = self.groups();
        let grouped = |number| groups.iter().any(|group| group.has(number));
        let alone = |stream: &&Stream| stream.format.codec().is_some() && !grouped(stream.number);
        let picks =
            pick(&groups, rule, self.streams.iter().filter(alone).map(|stream| u64::from(stream.bit_rate)).sum());
        // A stream of several groups is wanted when each of them takes it.
        let taken = |stream: &Stream| {
            let mut of = groups.iter().zip(&picks).filter(|(group, _)| group.has(stream.number));
            of.all(|(group, pick)| group.alternatives[*pick].streams.contains(&stream.number))
        };
        wanted(&|stream| stream.format.codec().is_some() && taken(stream))
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        for exclusion in &self.exclusions {
            groups.extend(Group::new(self, &exclusion.alternatives, exclusion.reason));
        }
        let pictures: Vec<_> = self.streams.iter().filter(|stream| stream.format.is_video()).collect();
        if !pictures.iter().any(|stream| groups.iter().any(|group| group.has(stream.number))) {
            let each: Vec<_> = pictures.iter().map(|stream| vec![stream.number]).collect();
            groups.extend(Group::new(self, &each, Reason::BitRate).filter(|_| each.len() > 1));
        }
        // Pictures first: of what a limit leaves, they get what they can use.
        groups.sort_by_key(|group| !group.pictures);
        groups
    }
}

/// Streams that exclude each other.
struct Group {
    /// Never empty; rising in bit rate, unless the first is to be taken anyway.
    alternatives: Vec<Alternative>,
    pictures: bool,
    /// The first is taken, whatever the rule.
    fixed: bool,
    /// All streams of the group, those of no use included.
    all: Vec<u8>,
}

struct Alternative {
    streams: Vec<u8>,
    bit_rate: u64,
    /// Where bit rates are unknown or the same, the larger picture is the better one.
    pixels: u64,
}

impl Group {
    /// `None` if no stream of the header is in it.
    fn new(header: &Header, alternatives: &[Vec<u8>], reason: Reason) -> Option<Self> {
        let of = |numbers: &[u8]| {
            header.streams.iter().filter(|stream| numbers.contains(&stream.number)).cloned().collect::<Vec<_>>()
        };
        let there: Vec<_> =
            alternatives.iter().map(|numbers| of(numbers)).filter(|streams| !streams.is_empty()).collect();
        let useful = |streams: &&Vec<Stream>| streams.iter().any(|s| s.format.codec().is_some() && !s.encrypted);
        let mut kept: Vec<_> = there.iter().filter(useful).collect();
        if kept.is_empty() {
            kept = there.iter().collect();
        }
        let all = there.iter().flatten().map(|stream| stream.number).collect();
        let pictures = there.iter().flatten().any(|stream| stream.format.is_video());
        let mut alternatives: Vec<_> = kept.into_iter().map(|streams| Alternative::new(streams)).collect();
        let fixed = reason == Reason::Language;
        if !fixed {
            alternatives.sort_by_key(|alternative| (alternative.bit_rate, alternative.pixels));
        }
        (!alternatives.is_empty()).then_some(Self { alternatives, pictures, fixed, all })
    }

    fn has(&self, number: u8) -> bool {
        self.all.contains(&number)
    }
}

impl Alternative {
    fn new(streams: &[Stream]) -> Self {
        let pixels = |stream: &Stream| match &stream.format {
            crate::Format::Video(video) => video.size.pixels(),
            crate::Format::Jfif(size) => size.pixels(),
            _ => 0,
        };
        Self {
            streams: streams.iter().map(|stream| stream.number).collect(),
            bit_rate: streams.iter().map(|stream| u64::from(stream.bit_rate)).sum(),
            pixels: streams.iter().map(pixels).max().unwrap_or(0),
        }
    }
}

/// The place of the alternative to take of each group; `alone` bit/s are taken already.
fn pick(groups: &[Group], rule: &Rule, alone: u64) -> Vec<usize> {
    let mut picks = vec![0; groups.len()];
    let rate = |group: &Group, pick: usize| group.alternatives[pick].bit_rate;
    let mut total = alone + groups.iter().map(|group| rate(group, 0)).sum::<u64>();
    for (group, pick) in groups.iter().zip(&mut picks).filter(|(group, _)| !group.fixed) {
        match rule {
            Rule::Best => *pick = group.alternatives.len() - 1,
            Rule::Smallest | Rule::Streams(_) => {}
            Rule::Under(most) => {
                let others = total - rate(group, 0);
                let fits = |place: &usize| others + rate(group, *place) <= u64::from(*most);
                *pick = (0..group.alternatives.len()).rev().find(fits).unwrap_or(0);
                total = others + rate(group, *pick);
            }
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guid;
    use crate::testdata::*;

    fn chosen(objects: &[Vec<u8>], rule: &str) -> Vec<u8> {
        let header = Header::parse(&header(&[&[file(100, 0, None)][..], objects].concat())).unwrap();
        let choice = header.choose(&rule.parse().unwrap());
        assert_eq!(choice.streams().len(), header.streams.len());
        assert!(header.streams.iter().all(|s| choice.is_wanted(s.number) == choice.wanted().contains(&s.number)));
        choice.wanted()
    }

    #[test]
    fn one_stream_of_each_group_is_taken() {
        let objects = [
            audio(1, 0x161),
            video(2, b"WMV2", 320, 240),
            video(3, b"WMV2", 640, 480),
            video(4, b"WMV2", 160, 120),
            stream(guid::COMMAND_MEDIA, 5, b"", None),
            bit_rates(&[(1, 32_000), (2, 200_000), (3, 500_000), (4, 50_000)]),
        ];
        let grouped = [&objects[..], &[exclusion(guid::MUTEX_BITRATE, &[2, 3, 4])]].concat();
        // Without an exclusion, pictures are a group all the same.
        for objects in [&objects[..], &grouped] {
            assert_eq!(chosen(objects, "best"), [1, 3]);
            assert_eq!(chosen(objects, "smallest"), [1, 4]);
            assert_eq!(chosen(objects, "max=532k"), [1, 3]);
            assert_eq!(chosen(objects, "max=531999"), [1, 2]);
            assert_eq!(chosen(objects, "max=1k"), [1, 4]);
            assert_eq!(chosen(objects, "5, 2,99"), [2, 5]);
        }
    }

    #[test]
    fn pictures_come_before_sound_when_both_have_a_choice() {
        let objects = [
            exclusion(guid::MUTEX_BITRATE, &[1, 2]),
            exclusion(guid::MUTEX_BITRATE, &[3, 4]),
            audio(1, 0x161),
            audio(2, 0x161),
            video(3, b"WMV2", 320, 240),
            video(4, b"WMV2", 640, 480),
            bit_rates(&[(1, 32_000), (2, 64_000), (3, 200_000), (4, 240_000)]),
        ];
        assert_eq!(chosen(&objects, "best"), [2, 4]);
        assert_eq!(chosen(&objects, "max=272k"), [1, 4]);
        assert_eq!(chosen(&objects, "max=271k"), [2, 3]);
        assert_eq!(chosen(&objects, "max=250k"), [1, 3]);
    }

    #[test]
    fn the_first_language_is_taken_and_unknown_codecs_only_when_nothing_else_is_there() {
        let objects = [
            exclusion(guid::MUTEX_LANGUAGE, &[2, 1]),
            audio(1, 0x161),
            audio(2, 0x161),
            video(3, b"WMV3", 320, 240),
            video(4, b"????", 640, 480),
            video(0x8005, b"WMV3", 640, 480),
        ];
        assert_eq!(chosen(&objects, "best"), [2, 3]);
        assert_eq!(chosen(&[video(1, b"????", 640, 480)], "best"), []);
        assert_eq!(chosen(&[video(0x8001, b"WMV3", 640, 480)], "best"), [1]);
    }

    #[test]
    fn streams_that_belong_together_are_taken_together() {
        let groups =
            [&guid::MUTEX_BITRATE.to_bytes()[..], &le![2_u16, 2_u16, 1_u16, 3_u16, 2_u16, 2_u16, 4_u16]].concat();
        let objects = [
            extension(&[object(guid::GROUP_MUTUAL_EXCLUSION, &groups)]),
            audio(1, 0x161),
            audio(2, 0x161),
            video(3, b"WMV2", 320, 240),
            video(4, b"WMV2", 640, 480),
            bit_rates(&[(1, 32_000), (2, 64_000), (3, 200_000), (4, 240_000)]),
        ];
        assert_eq!(chosen(&objects, "best"), [2, 4]);
        assert_eq!(chosen(&objects, "smallest"), [1, 3]);
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for text in ["best", "smallest", "max=300k", "max=64001", "1,3"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        assert_eq!("max=1.5M".parse::<Rule>().unwrap(), Rule::Under(1_500_000));
        assert_eq!(" BEST ".parse::<Rule>().unwrap(), Rule::Best);
        for (text, hint) in [
            ("", "unknown rule"),
            ("worst", "unknown rule"),
            ("max=", "the bit rate is no number"),
            ("max=1e9", "the bit rate is no number"),
            ("max=nan", "the bit rate is no number"),
            ("max=5000m", "the bit rate is no number"),
            ("max=€", "the bit rate is no number"),
            ("1,,2", "stream numbers are 1 to 127"),
            ("0", "stream numbers are 1 to 127"),
            ("128", "stream numbers are 1 to 127"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is no choice of streams: {hint}; expected best")), "{error}");
        }
    }
}
