//! The client of Sunshine Conversations v2 (Zendesk messaging).
//!
//! Types close two of its traps. A path accepts a user's id **or** an external id, so calls that
//! change a user address it only by a [`UserId`] or a [`ZendeskId`]. And no id can contain a dot segment,
//! a slash or a control character that reaches a path unencoded.

#[cfg(feature = "sunshine")]
mod breaker;
#[cfg(feature = "sunshine")]
mod client;
#[cfg(feature = "sunshine")]
mod credentials;
#[cfg(feature = "sunshine")]
mod error;
mod ids;
#[cfg(feature = "sunshine")]
mod model;
#[cfg(feature = "sunshine")]
mod pacer;
#[cfg(feature = "sunshine")]
mod page;

pub use ids::{AppId, BrandId, ConversationId, Cursor, LookupExternalId, UserId, ZendeskId};
#[cfg(feature = "sunshine")]
pub use {
    breaker::{Breaker, Halt},
    client::{Account, Options, SunshineClient},
    credentials::{ApiKey, Credentials, InvalidApiKey, KeyUnavailable},
    error::Error,
    model::{
        Conversation, Identity, Message, Profile, ProfilePatch, RawObject, User, UserClient,
        UserPatch,
    },
    pacer::{Grant, OutOfTime, Pacer},
    page::Page,
};
