//! The state that the chapters share: the logged-in user, and the ways to call the stack.

use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};

use crate::issuer::Tokens;
use crate::stack::Stack;

/// The observation of a step, or the unexpected observation if it failed.
pub(super) type Seen = Result<String, String>;
pub(super) type Step = for<'a> fn(&'a mut Story) -> Pin<Box<dyn Future<Output = Seen> + 'a>>;
pub(super) type Chapter = (&'static str, &'static [(&'static str, Step)]);

/// Maximum time of one invocation.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);

/// The state that one step leaves to the next.
pub(super) struct Story<'a> {
    pub(super) stack: &'a Stack,
    pub(super) client: reqwest::Client,
    /// The user who is logged in at the company's own login.
    pub(super) user: Value,
    pub(super) tokens: Option<Tokens>,
    pub(super) messaging_token: String,
    /// The messaging user of the person before the external id changed.
    pub(super) zendesk_user: String,
    pub(super) conflict: String,
}

impl<'a> Story<'a> {
    /// The story before its first step.
    pub(super) fn new(stack: &'a Stack) -> Self {
        Self {
            stack,
            client: reqwest::Client::new(),
            user: Stack::user(),
            tokens: None,
            messaging_token: String::new(),
            zendesk_user: String::new(),
            conflict: String::new(),
        }
    }

    /// Logs a user in at the company's own login.
    pub(super) async fn log_in(&mut self, user: Value) -> Result<&Tokens, String> {
        let url = format!("{}/token", self.stack.backends.issuer.url());
        let (status, tokens) = send(self.client.post(url).json(&user)).await?;
        expect(status == 200, &format!("{status} {tokens}"))?;
        self.user = user;
        let tokens = serde_json::from_value(tokens).map_err(|error| error.to_string())?;
        Ok(self.tokens.insert(tokens))
    }

    pub(super) fn id_token(&self) -> &str {
        self.tokens.as_ref().map_or("", |tokens| &tokens.id_token)
    }

    pub(super) fn access_token(&self) -> &str {
        let tokens = self.tokens.as_ref();
        tokens.map_or("", |tokens| &tokens.access_token)
    }

    /// The external id of the logged-in user.
    pub(super) fn external_id(&self) -> &str {
        self.user["sub"].as_str().unwrap_or_default()
    }

    pub(super) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.stack.url()))
    }

    /// A request of the logged-in user.
    pub(super) fn as_user(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).bearer_auth(self.id_token())
    }

    /// Gets a messaging token from sign-token.
    pub(super) async fn sign(&mut self, body: &Value) -> Result<Value, String> {
        let request = self.as_user("POST", "/zendesk/token").json(body);
        let (status, signed) = send(request).await?;
        expect(status == 200, &format!("{status} {signed}"))?;
        self.messaging_token = text(&signed, "token")?;
        Ok(signed)
    }

    /// Logs in at Zendesk with a messaging token, as its SDK does, on a new device.
    pub(super) async fn zendesk_login(&self, jwt: &str) -> Result<(u16, Value), String> {
        let url = format!("{}/_login", self.stack.backends.sunshine.url());
        let login = json!({"jwt": jwt, "deviceId": self.user["email"]});
        send(self.client.post(url).json(&login)).await
    }
}

pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(|error| error.to_string())?;
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Ok((status, body))
}

pub(super) fn text(response: &Value, field: &str) -> Seen {
    let text = response[field].as_str().map(str::to_owned);
    text.ok_or_else(|| format!("no {field} in {response}"))
}

pub(super) fn expect(holds: bool, seen: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| seen.to_owned())
}
