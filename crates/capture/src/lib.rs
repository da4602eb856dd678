//! Frames for a program: open a URL, read pictures.
