//! The ways in which a request can go wrong.

use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whatever comes of the answer comes this much later.
    Latency(Duration),
    /// The answer comes so many bytes at a time, with a pause before each.
    Trickle {
        /// How many.
        bytes: usize,
        /// How long.
        pause: Duration,
    },
    /// The connection is reset (RST).
    Reset(When),
    /// The proxy says that it will say no more (FIN), and goes on to listen.
    HalfClose(When),
    /// The connection is closed in an orderly way, with or without the end of the answer.
    Truncate(When),
    /// Nothing more comes, and the connection stays open.
    BlackHole(When),
}

/// When a fault that ends an exchange strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the first byte of the request, none of which is passed on: it has no effect.
    AtOnce,
    /// Once so many bytes of the answer have come through. The request is passed on, and the
    /// service does its work.
    After(usize),
}

impl Fault {
    /// Its name, as it is counted.
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

    /// When it ends the exchange; none where it only slows it.
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
