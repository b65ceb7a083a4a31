//! The stand-in: a local server that plays the Extruct Deep Search API.
