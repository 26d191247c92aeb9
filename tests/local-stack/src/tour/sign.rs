//! A login becomes a messaging token.

use serde_json::{Value, json};

use super::story::{Chapter, Seen, Story, expect, send};
use crate::issuer::keys::{claims_of, header_of, hs256};
use crate::stack::{KID, Stack};

pub(super) const CHAPTER: Chapter = (
    "Sign the messaging token for the user who is logged in",
    &[
        ("Ada logs in at the company's own login", |s| {
            Box::pin(s.ada_logs_in())
        }),
        ("sign-token signs a messaging token for her", |s| {
            Box::pin(s.sign_for_ada())
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
    ],
);

impl Story<'_> {
    async fn ada_logs_in(&mut self) -> Seen {
        let tokens = self.log_in(Stack::user()).await?;
        let header = header_of(&tokens.id_token).unwrap_or_default();
        Ok(format!("an ID token, header {header}"))
    }

    async fn sign_for_ada(&mut self) -> Seen {
        self.sign(&json!({})).await?;
        let claims = claims_of(&self.messaging_token).unwrap_or_default();
        let of_ada = claims["external_id"] == self.external_id() && claims["scope"] == "user";
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
        let (status, problem) = send(self.request("POST", "/zendesk/token")).await?;
        let code = &problem["code"];
        let is_refused = status == 401 && code == "unauthenticated";
        expect(is_refused, &problem.to_string())?;
        Ok(format!("{status} {code}"))
    }

    async fn wrong_secret(&mut self) -> Seen {
        let claims = claims_of(&self.messaging_token).unwrap_or_default();
        self.refused(b"not the secret that Zendesk knows", &claims)
            .await
    }

    async fn expired(&mut self) -> Seen {
        // The function does not sign expired tokens, so we do, with its secret.
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
        let is_refused = status == 401 && refusal["code"] == "invalid_auth";
        expect(is_refused, &format!("{status} {refusal}"))?;
        Ok(format!("{status} {refusal}"))
    }

    async fn rotate(&mut self) -> Seen {
        let url = format!("{}/rotate", self.stack.backends.issuer.url());
        let (_, key) = send(self.client.post(url)).await?;
        self.ada_logs_in().await?;
        self.sign_for_ada().await?;
        self.enter().await?;
        let kid = &key["kid"];
        Ok(format!("a token of the new key {kid} is taken at once"))
    }
}
