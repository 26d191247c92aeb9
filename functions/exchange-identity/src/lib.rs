//! The Puzzel routes: exchange the caller's token for a Puzzel identity, and start or identify a
//! chat with one.

mod body;
mod config;
mod forwarded;
mod route;
mod unverified;

use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::http::client::TransportError;
use shared::identity::caller::{Caller, Callers};
use shared::lambda::check::{Check, Checks};
use shared::lambda::deadline::Deadline;
use shared::lambda::http::{Request, Response};
use shared::lambda::metrics::Metric;
use shared::lambda::problem::{Code, Problem};
use shared::puzzel::{ChatIdentity, CodeVerifier, Puzzel, TokenKind};

use crate::body::{ChatBody, ExchangeBody, TokenFields};
use crate::forwarded::Forwarded;
use crate::route::{Route, parameter};

pub use config::{Config, Providers};
pub use unverified::UnverifiedClaims;

/// The function, ready for requests.
pub struct ExchangeIdentity {
    callers: Callers,
    puzzel: Puzzel,
    providers: Option<Providers>,
    token_kind: TokenKind,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExchangeResponse<'a> {
    user_info_id: &'a str,
}

#[derive(Serialize)]
struct StartChatResponse {
    conversation: Option<Box<RawValue>>,
}

impl ExchangeIdentity {
    /// Prepares everything that needs no request: the issuer's keys, and a connection to Puzzel.
    ///
    /// # Errors
    /// If the system has no root certificates.
    pub async fn start(config: Config) -> Result<Self, TransportError> {
        let function = Self {
            callers: config.callers,
            puzzel: Puzzel::new(config.hosts, config.customer)?,
            providers: config.providers,
            token_kind: config.token_kind,
        };
        tokio::join!(function.callers.warm_up(), function.puzzel.warm_up());
        Ok(function)
    }

    /// Whether an identity could be exchanged now.
    pub async fn check(&self, deadline: Deadline) -> Checks {
        let (puzzel, issuer) =
            tokio::join!(self.puzzel.check(deadline), self.callers.check(deadline));
        let checks = [Check::configuration(), puzzel].into_iter();
        checks.chain(issuer).collect()
    }

    /// Handles a request to one of the three routes.
    pub async fn handle(&self, request: &Request) -> Result<Response, Problem> {
        let route = Route::of(request)?;
        let caller = self.callers.identify(request).await?;
        match route {
            Route::Exchange => self.exchange(request, &caller).await,
            Route::StartChat {
                conversation,
                queue,
            } => self.start_chat(request, &caller, conversation, queue).await,
            Route::SetIdentity { conversation } => {
                self.set_identity(request, &caller, conversation).await
            }
        }
    }

    /// The client-held flow: the browser made the challenge and keeps the verifier.
    async fn exchange(&self, request: &Request, caller: &Caller) -> Result<Response, Problem> {
        let body: ExchangeBody = request.json(ExchangeBody::TAKES)?;
        let challenge = body.challenge()?;
        let forwarded = self.forwarded(request, body.token_fields(), caller)?;
        let id = self
            .puzzel
            .authenticate(
                &forwarded.token,
                &challenge,
                forwarded.provider,
                request.deadline,
            )
            .await?;
        let response = ExchangeResponse {
            user_info_id: id.expose(),
        };
        Ok(Response::json(StatusCode::OK, &response)?.metric(Metric::once("Exchanged")))
    }

    async fn start_chat(
        &self,
        request: &Request,
        caller: &Caller,
        conversation: &str,
        queue: &str,
    ) -> Result<Response, Problem> {
        let conversation = parameter(request, "conversationId", conversation)?;
        let queue = parameter(request, "queueKey", queue)?;
        let body: ChatBody = request.json(ChatBody::TAKES)?;
        let visitor = body.visitor()?;
        let identity = self.identity(request, &body, caller).await?;
        let conversation = self
            .puzzel
            .start_chat(
                &conversation,
                &queue,
                &identity,
                visitor.as_ref(),
                request.deadline,
            )
            .await?;
        let response = StartChatResponse { conversation };
        Ok(Response::json(StatusCode::OK, &response)?.metric(Metric::once("Started")))
    }

    async fn set_identity(
        &self,
        request: &Request,
        caller: &Caller,
        conversation: &str,
    ) -> Result<Response, Problem> {
        let conversation = parameter(request, "conversationId", conversation)?;
        let body: ChatBody = request.json(ChatBody::TAKES)?;
        let visitor = body.visitor()?;
        let identity = self.identity(request, &body, caller).await?;
        self.puzzel
            .set_identity(&conversation, &identity, visitor.as_ref(), request.deadline)
            .await?;
        Ok(Response::no_content().metric(Metric::once("Identified")))
    }

    /// The server-held flow: gets an identity with a verifier that is made here, for this request
    /// only.
    async fn identity(
        &self,
        request: &Request,
        body: &ChatBody,
        caller: &Caller,
    ) -> Result<ChatIdentity, Problem> {
        let forwarded = self.forwarded(request, body.token_fields(), caller)?;
        let code_verifier = CodeVerifier::generate().map_err(|error| {
            Problem::new(
                Code::InternalError,
                "a verifier could not be made; try again",
            )
            .because(error)
        })?;
        let user_info_id = self
            .puzzel
            .authenticate(
                &forwarded.token,
                &code_verifier.challenge(),
                forwarded.provider,
                request.deadline,
            )
            .await?;
        Ok(ChatIdentity {
            user_info_id,
            code_verifier,
        })
    }

    fn forwarded(
        &self,
        request: &Request,
        fields: TokenFields<'_>,
        caller: &Caller,
    ) -> Result<Forwarded, Problem> {
        Forwarded::new(
            self.callers.token(request),
            fields,
            caller,
            self.providers.as_ref(),
            self.token_kind,
        )
    }
}
