//! The HTTP server: feeds out to browsers, players and programs.
