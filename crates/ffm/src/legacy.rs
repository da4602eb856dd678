//! Parameters as fields of a fixed order: FFM1, and FFM2 of before 2012.

use media::{Rational, Size};

use crate::Error;
use crate::fields::Fields;
use crate::header::Stream;

/// Pictures: STVI, or what stands in its place in FFM1.
pub(crate) fn video(stream: &mut Stream, fields: &mut Fields<'_>) -> Result<(), Error> {
    let (num, den) = (fields.u32()?, fields.u32()?);
    let size = Size::new(fields.u16()?.into(), fields.u16()?.into());
    // Size of a group of pictures, pixel format, quantisers: minimum, maximum, difference.
    fields.take(2 + 4 + 3)?;
    // Quantiser's compression and blur, tolerance of the rate.
    fields.take(2 + 2 + 4)?;
    fields.skip_text()?;
    // Bounds of the rate and its buffer; four factors; nine integers; a factor.
    fields.take(3 * 4 + 4 * 8 + 9 * 4 + 8)?;
    stream.tag = fields.u32()?;
    // Threads, seven integers, two factors, two integers.
    fields.take(1 + 7 * 4 + 2 * 8 + 2 * 4)?;
    if size != Size::default() {
        stream.set("video_size", size.to_string());
    }
    if Rational::new(num, den).is_some() {
        stream.set("time_base", format!("{num}/{den}"));
    }
    Ok(())
}

/// Sound: STAU, or what stands in its place in FFM1.
pub(crate) fn audio(stream: &mut Stream, fields: &mut Fields<'_>) -> Result<(), Error> {
    let (rate, channels) = (fields.u32()?, fields.u16_little()?);
    // Samples of a frame.
    fields.take(2)?;
    stream.set("ar", rate.to_string());
    stream.set("ac", channels.to_string());
    Ok(())
}
