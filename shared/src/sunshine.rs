//! The client of Sunshine Conversations v2 (Zendesk messaging).
//!
//! Two of its traps are closed by types. A path takes a user's id **or** an external id, so calls
//! that change something take only a [`UserId`] or a [`ZendeskId`]. And no id can hold a dot
//! segment, a slash or a control character that reaches a path unencoded.

mod breaker;
mod client;
mod credentials;
mod error;
mod ids;
mod model;
mod pacer;
mod page;

pub use breaker::{Breaker, StopReason};
pub use client::{Account, Options, SunshineClient};
pub use credentials::{ApiKey, Credentials, InvalidApiKey, KeyUnavailable};
pub use error::Error;
pub use ids::{
    AppId, BrandId, ConversationId, Cursor, InvalidId, LookupExternalId, UserId, ZendeskId,
};
pub use model::{
    Conversation, Identity, Message, Profile, ProfilePatch, RawObject, User, UserClient, UserPatch,
};
pub use pacer::{Grant, OutOfTime, Pacer};
pub use page::Page;
