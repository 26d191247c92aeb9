//! The ways in which a request can go wrong.

use std::time::Duration;

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every part of the response comes this much later.
    Latency(Duration),
    /// The response comes a few bytes at a time, with a pause before each piece.
    Trickle {
        /// The bytes of a piece.
        bytes: usize,
        /// The pause before a piece.
        pause: Duration,
    },
    /// The connection is reset (RST).
    Reset(When),
    /// The proxy closes its sending side (FIN) and keeps listening.
    HalfClose(When),
    /// The connection is closed in an orderly way, possibly before the end of the response.
    Truncate(When),
    /// Nothing more arrives, and the connection stays open.
    BlackHole(When),
}

/// The moment at which a fault ends an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the first byte of the request, of which nothing is passed on: the request has no effect.
    AtOnce,
    /// After this many bytes of the response have passed. The request is passed on, and the service
    /// does its work.
    After(usize),
}

impl Fault {
    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Trickle { .. } => "trickle",
            Self::Reset(_) => "reset",
            Self::HalfClose(_) => "half-close",
            Self::Truncate(_) => "truncation",
            Self::BlackHole(_) => "black hole",
        }
    }

    /// The moment at which it ends the exchange; `None` if it only slows it down.
    pub(super) fn when(self) -> Option<When> {
        match self {
            Self::Latency(_) | Self::Trickle { .. } => None,
            Self::Reset(when)
            | Self::HalfClose(when)
            | Self::Truncate(when)
            | Self::BlackHole(when) => Some(when),
        }
    }
}
