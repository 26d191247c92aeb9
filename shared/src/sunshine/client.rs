//! The calls of the API, one method each. All of them are sent by one function.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::breaker::Breaker;
use super::credentials::Credentials;
use super::error::Error;
use super::ids::{AppId, BrandId, ConversationId, Cursor, LookupExternalId, UserId, ZendeskId};
use super::model::{Conversation, Item, Message, User, UserClient, UserPatch};
use super::pacer::Pacer;
use super::page::{self, Direction, Page};
use crate::http::client::HttpClient;
use crate::http::upstream_url::UpstreamUrl;
use crate::lambda::deadline::Deadline;

mod send;
#[cfg(test)]
mod tests;

/// An email that no one can have (RFC 2606).
const UNUSED_EMAIL: &str = "nobody@chat-identity.invalid";

/// The app, and the key to it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The base URL, for example `https://acme.zendesk.com/sc`; `/v2/apps/…` is appended.
    pub base_url: UpstreamUrl,
    /// The app.
    pub app_id: AppId,
    /// The brand, if users are separated by brand.
    pub brand_id: Option<BrandId>,
    /// The API key.
    pub credentials: Credentials,
}

/// How calls are paced and retried.
#[derive(Debug, Clone)]
pub struct Options {
    /// Maximum requests per second of the run; default 5.
    pub requests_per_second: NonZeroU32,
    /// Maximum time of one attempt, within the deadline of its call; default 10 s.
    pub attempt_timeout: Duration,
    /// Maximum retries of a call; default 5.
    pub max_retries: usize,
    /// The wait before the first retry; it doubles with each retry, plus a jitter of up to as much
    /// again; default 250 ms.
    pub first_backoff: Duration,
    /// Maximum wait before a retry, without the jitter; default 8 s. A longer `Retry-After` is
    /// honoured.
    pub longest_backoff: Duration,
    /// Maximum bytes read of a response body; default 16 MiB, more than 100 messages of 100 kB.
    pub body_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::MIN.saturating_add(4),
            attempt_timeout: Duration::from_secs(10),
            max_retries: 5,
            first_backoff: Duration::from_millis(250),
            longest_backoff: Duration::from_secs(8),
            body_limit: 16 << 20,
        }
    }
}

/// The client of one run: every attempt of every call goes through its pacer and its breaker.
/// Make one for each run; they share the connections of the HTTP client.
///
/// Reads are retried, with backoff, on 429, on 5xx and on transport errors. Calls that change
/// something are retried only if they were certainly not executed: on 429, and if no connection was
/// made. If one may have been executed, it ends with [`Error::Unknown`]. A 401 fetches a fresh key and tries once more.
#[derive(Debug)]
pub struct SunshineClient {
    http: HttpClient,
    account: Account,
    options: Options,
    pacer: Pacer,
    breaker: Arc<Breaker>,
    clock: Arc<Mutex<Option<Duration>>>,
}

impl SunshineClient {
    /// A client for one run.
    pub fn new(http: HttpClient, account: Account, options: Options) -> Self {
        Self {
            pacer: Pacer::new(options.requests_per_second),
            breaker: Arc::new(Breaker::new()),
            clock: Arc::default(),
            http,
            account,
            options,
        }
    }

    /// The breaker of the run. Once it has halted the run, no call is sent.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The number of requests that were sent, retries included.
    pub fn requests(&self) -> u64 {
        self.pacer.granted()
    }

    /// The difference between our clock and Sunshine's at its last response, if that had a date.
    pub fn clock_difference(&self) -> Option<Duration> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All users that have `email` as an identity. The upstream filters them, so compare their
    /// [`User::identities`] before you decide anything.
    pub async fn list_users_by_email(
        &self,
        email: &str,
        deadline: Deadline,
    ) -> Result<Vec<User>, Error> {
        let mut call = ApiCall::get(["users"]).query("filter[identities.email]", email);
        call = self.of_brand(call);
        page::list(&self.send(call, deadline).await?, "users")
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`Error::AnotherUser`] if the response is about another one: this user was merged into it, or
    /// its external id has the form of this user id.
    pub async fn user(&self, id: &UserId, deadline: Deadline) -> Result<User, Error> {
        let call = ApiCall::get(["users", id.as_str()]);
        let user: User = page::one(&self.send(call, deadline).await?, "user")?;
        if user.id != *id {
            return Err(Error::AnotherUser);
        }
        Ok(user)
    }

    /// The user that the upstream finds by an external id. It also accepts user ids in that place,
    /// so compare [`User::external_id`] before you decide anything.
    pub async fn user_by_external_id(
        &self,
        id: &LookupExternalId,
        deadline: Deadline,
    ) -> Result<User, Error> {
        let call = self.of_brand(ApiCall::get(["users", id.as_str()]));
        page::one(&self.send(call, deadline).await?, "user")
    }

    /// Writes profile fields and metadata.
    pub async fn update_user(
        &self,
        id: &UserId,
        patch: &UserPatch,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let body = json!(patch);
        self.change(
            ApiCall::new(Method::PATCH, ["users", id.as_str()]).body(body),
            deadline,
        )
        .await
    }

    /// Deletes a user, its clients and all its conversations. The upstream deletes later: success
    /// means that it accepted the call.
    pub async fn delete_user(&self, id: &UserId, deadline: Deadline) -> Result<(), Error> {
        self.change(
            ApiCall::new(Method::DELETE, ["users", id.as_str()]),
            deadline,
        )
        .await
    }

    /// Clears the profile, the metadata and the personal data of the clients. The contract does not
    /// promise that the email identity goes too, so check it afterwards.
    pub async fn delete_personal_information(
        &self,
        id: &UserId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let call = ApiCall::new(
            Method::DELETE,
            ["users", id.as_str(), "personalinformation"],
        );
        self.change(call, deadline).await
    }

    /// Brings the messaging user of a Support user up to date: it gets Support's external id and
    /// primary email, and every other user that has one of them is merged into it or loses it.
    pub async fn sync_user(&self, id: &ZendeskId, deadline: Deadline) -> Result<(), Error> {
        let call = ApiCall::new(Method::POST, ["users", id.as_str(), "sync"]);
        self.change(call.body(json!({})), deadline).await
    }

    /// Merges `discarded` into `surviving`, for good. Which keys allow this call is not documented,
    /// so a refusal of it halts no run.
    pub async fn merge_users(
        &self,
        surviving: &UserId,
        discarded: &UserId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let mut call = ApiCall::new(Method::POST, ["appusers", "merge"]);
        call.version = "v1.1";
        call.is_refusable = true;
        let body = json!({"surviving": {"_id": surviving}, "discarded": {"_id": discarded}});
        self.change(call.body(body), deadline).await
    }

    /// Creates a user with nothing but an external id.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`] although the user was created, if the response is malformed.
    pub async fn create_user(
        &self,
        external_id: &LookupExternalId,
        deadline: Deadline,
    ) -> Result<User, Error> {
        let call = ApiCall::new(Method::POST, ["users"]);
        let body = json!({"externalId": external_id.as_str()});
        page::one(&self.send(call.body(body), deadline).await?, "user")
    }

    /// Asks for the users of an email that no one has. After another call failed, this shows
    /// whether Sunshine or the key fails, or only that one call. It is not retried, except with a
    /// fresh key after a 401.
    pub async fn probe(&self, deadline: Deadline) -> Result<(), Error> {
        let mut call = ApiCall::get(["users"]).query("filter[identities.email]", UNUSED_EMAIL);
        call = self.of_brand(call);
        call.is_retried = false;
        page::list::<User>(&self.send(call, deadline).await?, "users").map(drop)
    }

    /// A page of the user's clients, starting after the cursor `after`.
    pub async fn clients(
        &self,
        id: &UserId,
        after: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<Page<UserClient>, Error> {
        let call = ApiCall::get(["users", id.as_str(), "clients"]).query("page[size]", "100");
        self.page(call, "clients", Direction::Forwards, after, deadline)
            .await
    }

    /// A page of the user's conversations, starting after the cursor `after`.
    pub async fn conversations(
        &self,
        user: &UserId,
        after: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<Page<Conversation>, Error> {
        let call = ApiCall::get(["conversations"])
            .query("filter[userId]", user.as_str())
            .query("page[size]", "100");
        self.page(call, "conversations", Direction::Forwards, after, deadline)
            .await
    }

    /// A page of a conversation's messages: the newest 100, or those before `before`.
    pub async fn messages(
        &self,
        conversation: &ConversationId,
        before: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<Page<Message>, Error> {
        let call = ApiCall::get(["conversations", conversation.as_str(), "messages"]);
        self.page(call, "messages", Direction::Backwards, before, deadline)
            .await
    }

    async fn page<'a, T: Item>(
        &self,
        mut call: ApiCall<'a>,
        key: &str,
        direction: Direction,
        cursor: Option<&'a Cursor>,
        deadline: Deadline,
    ) -> Result<Page<T>, Error> {
        if let Some(cursor) = cursor {
            call = call.query(direction.parameter(), cursor.as_str());
        }
        let body = self.send(call, deadline).await?;
        page::page(&body, key, direction, cursor)
    }

    /// Sends a changing call. The body of the response is not used, because callers read the effect
    /// from the upstream.
    async fn change(&self, call: ApiCall<'_>, deadline: Deadline) -> Result<(), Error> {
        self.send(call, deadline).await.map(drop)
    }

    /// Adds the brand: with brands, users can be found by external id or identity only within
    /// theirs.
    fn of_brand<'a>(&'a self, call: ApiCall<'a>) -> ApiCall<'a> {
        match &self.account.brand_id {
            Some(brand) => call.query("brandId", brand.as_str()),
            None => call,
        }
    }
}

/// A call before it becomes a request. Its path is below `/{version}/apps/{appId}`.
struct ApiCall<'a> {
    version: &'static str,
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    body: Option<Value>,
    /// Whether it may be retried after a failure other than a 401.
    is_retried: bool,
    /// Whether a refused key may mean that keys of its kind do not allow this call.
    is_refusable: bool,
    /// The number of its attempts that failed.
    failures: AtomicU32,
}

impl<'a> ApiCall<'a> {
    fn new<const N: usize>(method: Method, path: [&'a str; N]) -> Self {
        Self {
            version: "v2",
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            is_retried: true,
            is_refusable: false,
            failures: AtomicU32::new(0),
        }
    }

    fn get<const N: usize>(path: [&'a str; N]) -> Self {
        Self::new(Method::GET, path)
    }

    fn query(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}
