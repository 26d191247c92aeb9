//! The story, played through the running functions. Each step says what it saw.

use std::io::{self, Write};
use std::pin::Pin;
use std::time::Instant;

use serde_json::{Value, json};

use crate::issuer::keys::{claims_of, header_of, hs256};
use crate::stack::{KID, Stack};

/// What a step saw, or what it saw instead.
type Seen = Result<String, String>;
type Step = for<'a> fn(&'a mut Story) -> Pin<Box<dyn Future<Output = Seen> + 'a>>;

/// The steps, in the order of the story.
const STEPS: &[(&str, Step)] = &[
    ("Ada logs in at the company's own login", |s| {
        Box::pin(s.log_in())
    }),
    ("sign-token signs a messaging token for her", |s| {
        Box::pin(s.sign())
    }),
    ("Zendesk accepts the token", |s| Box::pin(s.enter())),
    ("without a login there is no token", |s| {
        Box::pin(s.sign_for_nobody())
    }),
    ("Zendesk refuses a token of another secret", |s| {
        Box::pin(s.wrong_secret())
    }),
    ("Zendesk refuses an expired token", |s| {
        Box::pin(s.expired())
    }),
    ("the login changes its key, and it goes on", |s| {
        Box::pin(s.rotate())
    }),
];

/// Plays every step and writes a line for each. Stops at the first that fails, with `false`.
pub async fn play(stack: &Stack, out: &mut impl Write) -> io::Result<bool> {
    let mut story = Story {
        stack,
        client: reqwest::Client::new(),
        id_token: String::new(),
        messaging_token: String::new(),
    };
    for (number, (title, step)) in (1..).zip(STEPS) {
        let began = Instant::now();
        let seen = step(&mut story).await;
        let took = began.elapsed().as_millis();
        let (sign, text) = match &seen {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILED", text),
        };
        writeln!(
            out,
            "{number:2}  {title:<48} {took:>5} ms  {sign}\n    {text}"
        )?;
        if seen.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What one step leaves to the next.
struct Story<'a> {
    stack: &'a Stack,
    client: reqwest::Client,
    id_token: String,
    messaging_token: String,
}

impl Story<'_> {
    async fn log_in(&mut self) -> Seen {
        let url = format!("{}/token", self.stack.backends.issuer.url());
        let request = self.client.post(url).json(&Stack::user());
        let (status, tokens) = answer(request).await?;
        expect(status == 200, &format!("{status} {tokens}"))?;
        self.id_token = text(&tokens, "id_token")?;
        let header = header_of(&self.id_token).unwrap_or_default();
        Ok(format!("an ID token, header {header}"))
    }

    async fn sign(&mut self) -> Seen {
        let request = self.token_request().bearer_auth(&self.id_token);
        let (status, signed) = answer(request).await?;
        expect(status == 200, &format!("{status} {signed}"))?;
        self.messaging_token = text(&signed, "token")?;
        let claims = claims_of(&self.messaging_token).unwrap_or_default();
        let of_ada = claims["external_id"] == Stack::user()["sub"] && claims["scope"] == "user";
        expect(of_ada, &format!("claims {claims}"))?;
        Ok(format!("claims {claims}"))
    }

    async fn enter(&mut self) -> Seen {
        let (status, session) = self.zendesk_login(&self.messaging_token).await?;
        expect(status == 200, &format!("{status} {session}"))?;
        let who = &session["user"]["externalId"];
        Ok(format!("200, logged in as externalId {who}"))
    }

    async fn sign_for_nobody(&mut self) -> Seen {
        let (status, problem) = answer(self.token_request()).await?;
        let code = &problem["code"];
        expect(
            status == 401 && code == "unauthenticated",
            &problem.to_string(),
        )?;
        Ok(format!("{status} {code}"))
    }

    async fn wrong_secret(&mut self) -> Seen {
        let claims = claims_of(&self.messaging_token).unwrap_or_default();
        self.refused(b"not the secret that Zendesk knows", &claims)
            .await
    }

    async fn expired(&mut self) -> Seen {
        // The function signs no token that is past already, so we do, with its own secret.
        let mut claims = claims_of(&self.messaging_token).unwrap_or_default();
        let issued = claims["iat"].as_i64().unwrap_or_default();
        claims["iat"] = json!(issued - 7200);
        claims["exp"] = json!(issued - 3600);
        let secret = self.stack.backends.signing_secret.as_bytes();
        self.refused(secret, &claims).await
    }

    async fn refused(&self, secret: &[u8], claims: &Value) -> Seen {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": KID});
        let (status, refusal) = self.zendesk_login(&hs256(secret, &header, claims)).await?;
        let code = &refusal["code"];
        expect(
            status == 401 && code == "invalid_auth",
            &format!("{status} {refusal}"),
        )?;
        Ok(format!("{status} {refusal}"))
    }

    async fn rotate(&mut self) -> Seen {
        let url = format!("{}/rotate", self.stack.backends.issuer.url());
        let (_, key) = answer(self.client.post(url)).await?;
        self.log_in().await?;
        self.sign().await?;
        self.enter().await?;
        let kid = &key["kid"];
        Ok(format!("a token of the new key {kid} is taken at once"))
    }

    fn token_request(&self) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/zendesk/token", self.stack.url()))
    }

    async fn zendesk_login(&self, jwt: &str) -> Result<(u16, Value), String> {
        let url = format!("{}/_login", self.stack.backends.sunshine.url());
        let login = json!({"jwt": jwt, "deviceId": "tour"});
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
