//! Each row of the table in `docs/identity.md`, with exactly its settings.

use harness::lambda::HttpEvent;
use harness::under_test::Services;
use local_stack::issuer::Issuer;
use local_stack::issuer::keys::claims_of;
use local_stack::issuer::providers::{PROVIDERS, Provider};
use serde_json::{Value, json};

use super::{Logins, send, signed};

#[tokio::test]
async fn each_provider_works_with_the_settings_of_its_row() {
    let logins = Logins::start().await;
    let issuer = Issuer::start().await.unwrap();
    for provider in PROVIDERS.iter() {
        let url = issuer.url();
        let jwks = format!("{url}/jwks");
        let own = provider.settings.iter().map(|(variable, value)| {
            // The row's own URL cannot be reached from here.
            let is_keys = variable == "OIDC_JWKS_URL";
            let value = if is_keys { &jwks } else { value };
            (variable.as_str(), value.as_str())
        });
        let mut settings = vec![
            ("IDENTITY_SOURCE", provider.source.as_str()),
            ("OIDC_ISSUER", &url),
            ("OIDC_AUDIENCE", "shop"),
        ];
        settings.extend(own);
        let function = logins.launch("sign-token", &settings).await;
        let vouches = provider
            .settings
            .get("EMAIL_VERIFIED")
            .is_some_and(|it| it == "always");
        for is_verified in [true, false] {
            let user = json!({"sub": "4711", "email": "ada@example.com", "name": "Ada Example",
                "email_verified": is_verified, "provider": provider.id});
            let event = event(provider, &issuer.id_token(user));
            let claims = signed(&send(&function, &event).await);
            let id = provider.external_id("4711");
            assert_eq!(claims["external_id"], id, "{}", provider.id);
            let has_email = provider.email && (is_verified || vouches);
            let email = has_email.then_some("ada@example.com");
            assert_eq!(claims["email"].as_str(), email, "{}", provider.id);
        }
    }
}

fn event(provider: &Provider, token: &str) -> Value {
    let event = HttpEvent::post("/zendesk/token");
    let claims = claims_of(token).unwrap();
    let event = match provider.source.as_str() {
        "bearer" => event.bearer(token),
        "lambda-authorizer" => event.lambda_context(claims),
        _ => event.claims(spelled(&claims)),
    };
    event.api_gateway()
}

/// Claims as API Gateway's JWT authorizer hands them over.
fn spelled(claims: &Value) -> Value {
    fn text(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Null => "<nil>".to_owned(),
            Value::Array(items) => {
                format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" "))
            }
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, it)| format!("{name}:{}", text(it)));
                format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
            }
            other => other.to_string(),
        }
    }
    let claims = claims.as_object().unwrap().iter();
    claims
        .map(|(name, value)| (name.clone(), json!(text(value))))
        .collect()
}

#[test]
fn the_documentation_has_each_row_with_its_settings() {
    let page = include_str!("../../../docs/identity.md");
    for provider in PROVIDERS.iter() {
        let start = format!(
            "| {} | {} | `{}` |",
            provider.name, provider.send, provider.source
        );
        let row = page.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row begins with {start}"));
        for (variable, value) in &provider.settings {
            let setting = format!("`{variable}={value}`");
            assert!(row.contains(&setting), "{setting} is not in {row}");
        }
        let settings = row.matches('=').count();
        assert!(settings >= provider.settings.len(), "{row}");
    }
}
