//! Sends a call: in its turn, again if that is safe, and never after the run was halted.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use backon::{ExponentialBuilder, Retryable};
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::{sleep, timeout_at};
use url::Url;

use super::{ApiCall, SunshineClient};
use crate::http::client::{Received, TransportError};
use crate::lambda::deadline::Deadline;
use crate::sunshine::breaker::{Breaker, Halt};
use crate::sunshine::credentials::ApiKey;
use crate::sunshine::error::Error;
use crate::sunshine::pacer::OutOfTime;

/// Maximum failures of one call that the breaker counts. One user whose reads always fail must not
/// look like an upstream that fails: with every retry counted it would halt each run, and no one
/// else would get a turn.
const COUNTED_FAILURES: u32 = 2;

impl SunshineClient {
    /// Sends `call`, with retries, and returns the body of the successful response.
    pub(super) async fn send(
        &self,
        call: ApiCall<'_>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Error> {
        let app = [call.version, "apps", self.account.app_id.as_str()];
        let path = [app.as_slice(), &call.path].concat();
        let url = self.account.base_url.join(&path, &call.query)?;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(self.options.first_backoff)
            .with_max_delay(self.options.longest_backoff)
            .with_max_times(self.options.max_retries)
            .with_jitter();
        let breaker = Arc::clone(&self.breaker);
        (|| self.attempt(&call, &url, deadline))
            .retry(backoff)
            .sleep(move |wait| {
                let breaker = Arc::clone(&breaker);
                async move {
                    tokio::select! {
                        () = sleep(wait) => {}
                        _ = breaker.wait() => {}
                    }
                }
            })
            .when(|error| call.is_retried && call.may_be_repeated(error))
            .adjust(|error, backoff| {
                let wait = backoff?.max(error.retry_after().unwrap_or_default());
                (wait < deadline.remaining()).then_some(wait)
            })
            .await
            .map_err(|error| call.outcome(error))
    }

    /// One attempt, and a second one with a fresh key if the first key is refused: after a 401,
    /// nothing was executed.
    async fn attempt(
        &self,
        call: &ApiCall<'_>,
        url: &Url,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Error> {
        let key = self.key(None, deadline).await?;
        match self.exchange(call, url, &key, deadline).await {
            Err(Error::Unauthorized) => {}
            done => return done,
        }
        let result = match self.key(Some(key), deadline).await {
            Ok(fresh) => self.exchange(call, url, &fresh, deadline).await,
            Err(error) => {
                call.halt_unless_refusable(&self.breaker);
                return Err(error);
            }
        };
        if matches!(result, Err(Error::Unauthorized)) {
            call.halt_unless_refusable(&self.breaker);
        }
        result
    }

    async fn key(&self, refused: Option<ApiKey>, deadline: Deadline) -> Result<ApiKey, Error> {
        let key = timeout_at(
            deadline.instant(),
            self.account.credentials.key(refused, deadline),
        )
        .await;
        Ok(key.map_err(|_| OutOfTime)??)
    }

    fn note_clock(&self, response: &Received) {
        let now = SystemTime::now();
        let difference = response.date.map(|date| {
            let ahead = date.duration_since(now);
            ahead.unwrap_or_else(|behind| behind.duration())
        });
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = difference;
    }

    /// One request. Nothing is sent before the pacer grants it, or after the breaker has stopped.
    async fn exchange(
        &self,
        call: &ApiCall<'_>,
        url: &Url,
        key: &ApiKey,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Error> {
        let grant = tokio::select! {
            biased;
            reason = self.breaker.wait() => return Err(reason.into()),
            grant = self.pacer.acquire(deadline) => grant?,
        };
        let mut request = self.http.request(call.method.clone(), url.clone());
        request = key.authorize(request);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let by = deadline.capped(self.options.attempt_timeout);
        let response = self.http.send(request, by, self.options.body_limit).await;
        if let Ok(response) = &response {
            self.note_clock(response);
        }
        let result = response.map_err(Error::from).and_then(success);

        if let Err(Error::RateLimited { retry_after }) = result {
            self.pacer.throttled(&grant, retry_after);
        }
        let failed = result.as_ref().is_err_and(Error::is_failure);
        if !failed || call.failures.fetch_add(1, Ordering::Relaxed) < COUNTED_FAILURES {
            self.breaker.record(failed);
        }
        result
    }
}

impl ApiCall<'_> {
    /// Halts the run after a 401 that no fresh key has cured: every other call would be refused
    /// too. Does nothing if it is unknown whether keys of this kind allow the call at all.
    fn halt_unless_refusable(&self, breaker: &Breaker) {
        if !self.is_refusable {
            breaker.stop(Halt::Unauthorized);
        }
    }

    fn changes(&self) -> bool {
        self.method != Method::GET
    }

    fn may_be_repeated(&self, error: &Error) -> bool {
        // A body that is too large once is too large again.
        let too_large = matches!(error, Error::Transport(TransportError::BodyTooLarge));
        let executed = error.may_have_been_executed();
        error.was_not_executed() || (executed && !self.changes() && !too_large)
    }

    /// The error of the call, from that of its last attempt.
    fn outcome(&self, error: Error) -> Error {
        if self.changes() && error.may_have_been_executed() {
            return Error::Unknown(Box::new(error));
        }
        error
    }
}

fn success(response: Received) -> Result<Vec<u8>, Error> {
    match response.status {
        status if status.is_success() => Ok(response.body),
        StatusCode::UNAUTHORIZED => Err(Error::Unauthorized),
        StatusCode::FORBIDDEN => Err(Error::Forbidden),
        StatusCode::NOT_FOUND if !is_about_the_app(&response.body) => Err(Error::NotFound),
        StatusCode::TOO_MANY_REQUESTS => Err(Error::RateLimited {
            retry_after: response.retry_after,
        }),
        status => Err(Error::Upstream {
            status: status.as_u16(),
            retry_after: response.retry_after,
        }),
    }
}

/// A 404 because the app does not exist says nothing about the user.
fn is_about_the_app(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ErrorBody {
        errors: Vec<ErrorEntry>,
    }
    #[derive(Deserialize)]
    struct ErrorEntry {
        code: String,
    }
    serde_json::from_slice(body)
        .is_ok_and(|ErrorBody { errors }| errors.iter().any(|cause| cause.code == "app_not_found"))
}
