//! The names of ASF objects and kinds (Advanced Systems Format specification, section 10).

use std::fmt;

/// A GUID as it stands in a file: three little-endian numbers, then eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID of these sixteen bytes of a file.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes that stand in a file.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The GUID of the usual text, `75B22630-668E-11CF-A6D9-00AA0062CE6C`.
    ///
    /// # Panics
    /// When the text is no GUID, which for constants is when they are compiled.
    #[must_use]
    pub const fn parse(text: &str) -> Self {
        let text = text.as_bytes();
        assert!(text.len() == 36, "a GUID has 36 characters");
        let mut bytes = [0; 16];
        let mut i = 0;
        while i < 16 {
            bytes[i] = digit(text[ORDER[i]]) * 16 + digit(text[ORDER[i] + 1]);
            i += 1;
        }
        Self(bytes)
    }
}

/// Where in the text each byte of the file stands.
const ORDER: [usize; 16] = [6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34];

const fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        b'A'..=b'F' => c - b'A' + 10,
        b'a'..=b'f' => c - b'a' + 10,
        _ => panic!("a GUID has hexadecimal digits"),
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].into_iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02X}", self.0[byte])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The GUIDs by the names that the specification gives them.
macro_rules! guids {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Guid = Guid::parse($text);)*

        #[cfg(test)]
        const ALL: &[(&str, &str, Guid)] = &[$((stringify!($name), $text, $name)),*];
    };
}

guids! {
    /// Header Object (section 3.1).
    HEADER = "75B22630-668E-11CF-A6D9-00AA0062CE6C";
    /// File Properties Object (section 3.2).
    FILE_PROPERTIES = "8CABDCA1-A947-11CF-8EE4-00C00C205365";
    /// Stream Properties Object (section 3.3).
    STREAM_PROPERTIES = "B7DC0791-A9B7-11CF-8EE6-00C00C205365";
    /// Header Extension Object (section 3.4).
    HEADER_EXTENSION = "5FBF03B5-A92E-11CF-8EE3-00C00C205365";
    /// Codec List Object (section 3.5).
    CODEC_LIST = "86D15240-311D-11D0-A3A4-00A0C90348F6";
    /// Script Command Object (section 3.6).
    SCRIPT_COMMAND = "1EFB1A30-0B62-11D0-A39B-00A0C90348F6";
    /// Marker Object (section 3.7).
    MARKER = "F487CD01-A951-11CF-8EE6-00C00C205365";
    /// Bitrate Mutual Exclusion Object (section 3.8).
    BITRATE_MUTUAL_EXCLUSION = "D6E229DC-35DA-11D1-9034-00A0C90349BE";
    /// Error Correction Object (section 3.9).
    ERROR_CORRECTION = "75B22635-668E-11CF-A6D9-00AA0062CE6C";
    /// Content Description Object (section 3.10).
    CONTENT_DESCRIPTION = "75B22633-668E-11CF-A6D9-00AA0062CE6C";
    /// Extended Content Description Object (section 3.11).
    EXTENDED_CONTENT_DESCRIPTION = "D2D0A440-E307-11D2-97F0-00A0C95EA850";
    /// Stream Bitrate Properties Object (section 3.12).
    STREAM_BITRATE_PROPERTIES = "7BF875CE-468D-11D1-8D82-006097C9A2B2";
    /// Content Branding Object (section 3.13).
    CONTENT_BRANDING = "2211B3FA-BD23-11D2-B4B7-00A0C955FC6E";
    /// Content Encryption Object (section 3.14).
    CONTENT_ENCRYPTION = "2211B3FB-BD23-11D2-B4B7-00A0C955FC6E";
    /// Extended Content Encryption Object (section 3.15).
    EXTENDED_CONTENT_ENCRYPTION = "298AE614-2622-4C17-B935-DAE07EE9289C";
    /// Digital Signature Object (section 3.16).
    DIGITAL_SIGNATURE = "2211B3FC-BD23-11D2-B4B7-00A0C955FC6E";
    /// Padding Object (section 3.17).
    PADDING = "1806D474-CADF-4509-A4BA-9AABCB96AAE8";

    /// Extended Stream Properties Object (section 4.1).
    EXTENDED_STREAM_PROPERTIES = "14E6A5CB-C672-4332-8399-A96952065B5A";
    /// Advanced Mutual Exclusion Object (section 4.2).
    ADVANCED_MUTUAL_EXCLUSION = "A08649CF-4775-4670-8A16-6E35357566CD";
    /// Group Mutual Exclusion Object (section 4.3).
    GROUP_MUTUAL_EXCLUSION = "D1465A40-5A79-4338-B71B-E36B8FD6C249";
    /// Stream Prioritization Object (section 4.4).
    STREAM_PRIORITIZATION = "D4FED15B-88D3-454F-81F0-ED5C45999E24";
    /// Bandwidth Sharing Object (section 4.5).
    BANDWIDTH_SHARING = "A69609E6-517B-11D2-B6AF-00C04FD908E9";
    /// Language List Object (section 4.6).
    LANGUAGE_LIST = "7C4346A9-EFE0-4BFC-B229-393EDE415C85";
    /// Metadata Object (section 4.7).
    METADATA = "C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA";
    /// Metadata Library Object (section 4.8).
    METADATA_LIBRARY = "44231C94-9498-49D1-A141-1D134E457054";
    /// Index Parameters Object (section 4.9).
    INDEX_PARAMETERS = "D6E229DF-35DA-11D1-9034-00A0C90349BE";
    /// Compatibility Object (section 4.12). The specification's text misprints it.
    COMPATIBILITY = "26F18B5D-4584-47EC-9F5F-0E651F0452C9";
    /// Advanced Content Encryption Object (section 4.13).
    ADVANCED_CONTENT_ENCRYPTION = "43058533-6981-49E6-9B74-AD12CB86D58C";
    /// The one value of a Header Extension Object's first reserved field (section 3.4).
    RESERVED_1 = "ABD3D211-A9BA-11CF-8EE6-00C00C205365";
    /// The one value of a Codec List Object's reserved field (section 3.5).
    RESERVED_2 = "86D15241-311D-11D0-A3A4-00A0C90348F6";
    /// The one value of a Script Command Object's reserved field (section 3.6).
    RESERVED_3 = "4B1ACBE3-100B-11D0-A39B-00A0C90348F6";
    /// The one value of a Marker Object's first reserved field (section 3.7).
    RESERVED_4 = "4CFEDB20-75F6-11CF-9C0F-00A0C90349CB";

    /// Data Object (section 5.1).
    DATA = "75B22636-668E-11CF-A6D9-00AA0062CE6C";
    /// Simple Index Object (section 6.1).
    SIMPLE_INDEX = "33000890-E5B1-11CF-89F4-00A0C90349CB";
    /// Index Object (section 6.2).
    INDEX = "D6E229D3-35DA-11D1-9034-00A0C90349BE";
    /// Media Object Index Object (section 6.3).
    MEDIA_OBJECT_INDEX = "FEB103F8-12AD-4C64-840F-2A1D2F7AD48C";
    /// Timecode Index Object (section 6.4).
    TIMECODE_INDEX = "3CB73FD0-0C4A-4803-953D-EDF7B6228F0C";

    /// Stream type: sound, described by a WAVEFORMATEX (section 9.1).
    AUDIO_MEDIA = "F8699E40-5B4D-11CF-A8FD-00805F5C442B";
    /// Stream type: pictures, described by a BITMAPINFOHEADER (section 9.2).
    VIDEO_MEDIA = "BC19EFC0-5B4D-11CF-A8FD-00805F5C442B";
    /// Stream type: script commands (section 9.3).
    COMMAND_MEDIA = "59DACFC0-59E6-11D0-A3AC-00A0C90348F6";
    /// Stream type: JFIF pictures (section 9.4.1).
    JFIF_MEDIA = "B61BE100-5B4E-11CF-A8FD-00805F5C442B";
    /// Stream type: JPEG pictures that may lose data (section 9.4.2).
    DEGRADABLE_JPEG_MEDIA = "35907DE0-E415-11CF-A917-00805F5C442B";
    /// Stream type: files (section 9.5).
    FILE_TRANSFER_MEDIA = "91BD222C-F21C-497A-8B6D-5AA86BFC0185";
    /// Stream type: anything; a second GUID inside says what (section 9.5).
    BINARY_MEDIA = "3AFB65E2-47EF-40F2-AC2C-70A90D71D343";
    /// Error correction type: none (section 10.5).
    NO_ERROR_CORRECTION = "20FB5700-5B55-11CF-A8FD-00805F5C442B";
    /// Error correction type: chunks of sound in another order (section 10.5).
    AUDIO_SPREAD = "BFC3CD50-618F-11CF-8BB2-00AA00B4E220";

    /// Mutual exclusion type: languages (section 10.11).
    MUTEX_LANGUAGE = "D6E22A00-35DA-11D1-9034-00A0C90349BE";
    /// Mutual exclusion type: bit rates (section 10.11).
    MUTEX_BITRATE = "D6E22A01-35DA-11D1-9034-00A0C90349BE";
    /// Mutual exclusion type: not told (section 10.11).
    MUTEX_UNKNOWN = "D6E22A02-35DA-11D1-9034-00A0C90349BE";

    /// Payload extension: time code, 14 bytes (section 10.13).
    EXTENSION_TIMECODE = "399595EC-8667-4E2D-8FDB-98814CE76C1E";
    /// Payload extension: name of a file, of any length (section 10.13).
    EXTENSION_FILE_NAME = "E165EC0E-19ED-45D7-B4A7-25CBD1E28E9B";
    /// Payload extension: interlacing, 1 byte (section 10.13).
    EXTENSION_CONTENT_TYPE = "D590DC20-07BC-436C-9CF7-F3BBFBF1A4DC";
    /// Payload extension: shape of a pixel, 2 bytes (section 10.13).
    EXTENSION_PIXEL_ASPECT = "1B1EE554-F9EA-4BC8-821A-376B74E4C4B8";
    /// Payload extension: duration of the object in ms, 2 bytes (section 10.13).
    EXTENSION_SAMPLE_DURATION = "C6BD9450-867F-4907-83A3-C77921B733AD";
    /// Payload extension: id of an encrypted sample, of any length (section 10.13).
    EXTENSION_ENCRYPTION_ID = "6698B84E-0AFA-4330-AEB2-1C0A98D7A44D";
    /// Payload extension of recorded TV: time stamps of its own.
    EXTENSION_RECORDED_TV_TIME = "FD3CC02A-06DB-4CFA-801C-7212D38745E4";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_prints_as_it_is_written() {
        for (name, text, guid) in ALL {
            assert_eq!(guid.to_string(), *text, "{name}");
        }
        assert_eq!(
            HEADER.to_bytes(),
            [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C]
        );
    }

    #[test]
    fn no_guid_has_two_names() {
        for (i, (name, _, guid)) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|(_, _, other)| other != guid), "{name}");
        }
    }
}
