//! The story, played through the running functions. Each step says what it saw.

mod cleanup;
mod puzzel;
mod sign;
mod webhook;

use std::io::{self, Write};
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::issuer::Tokens;
use crate::stack::Stack;

/// What a step saw, or what it saw instead.
type Seen = Result<String, String>;
type Step = for<'a> fn(&'a mut Story) -> Pin<Box<dyn Future<Output = Seen> + 'a>>;
type Chapter = (&'static str, &'static [(&'static str, Step)]);

/// The chapters, in the order of the story. Each has a person of its own.
const CHAPTERS: [Chapter; 6] = [
    sign::CHAPTER,
    cleanup::RELEASE,
    cleanup::MERGE,
    cleanup::DELETE,
    webhook::CHAPTER,
    puzzel::CHAPTER,
];

/// How long one invocation may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Plays every step and writes a line for each. Stops at the first that fails, with `false`.
pub async fn play(stack: &Stack, out: &mut impl Write) -> io::Result<bool> {
    let mut story = Story {
        stack,
        client: reqwest::Client::new(),
        user: Stack::user(),
        tokens: None,
        messaging_token: String::new(),
        zendesk_user: String::new(),
        conflict: String::new(),
    };
    let began = Instant::now();
    let mut number = 0;
    for (title, steps) in CHAPTERS {
        writeln!(out, "\n{title}")?;
        for (title, step) in steps {
            number += 1;
            let began = Instant::now();
            let seen = step(&mut story).await;
            let took = began.elapsed().as_millis();
            let (sign, text) = match &seen {
                Ok(text) => ("ok", text),
                Err(text) => ("FAILED", text),
            };
            let text = text.replace('\n', "\n    ");
            writeln!(
                out,
                "{number:2}  {title:<60} {took:>5} ms  {sign}\n    {text}"
            )?;
            if seen.is_err() {
                return Ok(false);
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    writeln!(out, "\n{number} steps in {seconds:.1} s")?;
    Ok(true)
}

/// What one step leaves to the next.
struct Story<'a> {
    stack: &'a Stack,
    client: reqwest::Client,
    /// Who is logged in at the company's own login.
    user: Value,
    tokens: Option<Tokens>,
    messaging_token: String,
    /// The messaging user that the person was before the external id changed.
    zendesk_user: String,
    conflict: String,
}

impl Story<'_> {
    /// Somebody logs in at the company's own login.
    async fn log_in(&mut self, user: Value) -> Result<&Tokens, String> {
        let url = format!("{}/token", self.stack.backends.issuer.url());
        let (status, tokens) = answer(self.client.post(url).json(&user)).await?;
        expect(status == 200, &format!("{status} {tokens}"))?;
        self.user = user;
        let tokens = serde_json::from_value(tokens).map_err(|error| error.to_string())?;
        Ok(self.tokens.insert(tokens))
    }

    fn id_token(&self) -> &str {
        self.tokens.as_ref().map_or("", |tokens| &tokens.id_token)
    }

    fn access_token(&self) -> &str {
        let tokens = self.tokens.as_ref();
        tokens.map_or("", |tokens| &tokens.access_token)
    }

    /// The external id of who is logged in.
    fn external_id(&self) -> &str {
        self.user["sub"].as_str().unwrap_or_default()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.stack.url()))
    }

    /// A request of who is logged in.
    fn as_user(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).bearer_auth(self.id_token())
    }

    /// Gets a messaging token from sign-token.
    async fn sign(&mut self, body: &Value) -> Result<Value, String> {
        let request = self.as_user("POST", "/zendesk/token").json(body);
        let (status, signed) = answer(request).await?;
        expect(status == 200, &format!("{status} {signed}"))?;
        self.messaging_token = text(&signed, "token")?;
        Ok(signed)
    }

    /// Shows a messaging token to Zendesk, as its SDK does, on a device of the person's own.
    async fn zendesk_login(&self, jwt: &str) -> Result<(u16, Value), String> {
        let url = format!("{}/_login", self.stack.backends.sunshine.url());
        let login = json!({"jwt": jwt, "deviceId": self.user["email"]});
        answer(self.client.post(url).json(&login)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value), String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|error| error.to_string())?;
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Ok((status, body))
}

fn text(answer: &Value, field: &str) -> Seen {
    let text = answer[field].as_str().map(str::to_owned);
    text.ok_or_else(|| format!("no {field} in {answer}"))
}

fn expect(holds: bool, seen: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| seen.to_owned())
}
