//! The OIDC issuer, as a verifier uses it.

use local_stack::issuer::keys::{Algorithm, Key, claims_of, header_of};
use local_stack::issuer::{Fetches, Issuer, Misbehaviour};
use serde_json::{Value, json};

async fn get(url: &str) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn kids(issuer: &Issuer) -> Vec<String> {
    let jwks = get(&format!("{}/jwks", issuer.url())).await;
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn discovery_leads_to_the_key_that_signs() {
    let issuer = Issuer::start().await.unwrap();
    let url = issuer.url();
    let discovery = get(&format!("{url}/.well-known/openid-configuration")).await;
    assert_eq!(discovery["issuer"], url);
    let jwks = get(discovery["jwks_uri"].as_str().unwrap()).await;
    assert_eq!(jwks["keys"][0], issuer.key().jwk());
    assert_eq!(jwks["keys"][0]["kty"], "RSA");
    assert_eq!(jwks["keys"][0]["e"], "AQAB");

    let token = issuer.id_token(json!({"sub": "1"}));
    assert_eq!(header_of(&token).unwrap(), issuer.key().header());
    assert_eq!(claims_of(&token).unwrap()["iss"], url);
    let once = Fetches {
        discovery: 1,
        jwks: 1,
    };
    assert_eq!(issuer.fetches(), once);
}

#[tokio::test]
async fn tokens_can_be_requested_by_json_and_by_form() {
    let issuer = Issuer::start().await.unwrap();
    let url = format!("{}/token", issuer.url());
    let client = reqwest::Client::new();
    let asked = json!({"sub": 42, "email": "a@b.example", "email_verified": "true",
                       "aud": "other", "ttl_seconds": -5, "roles": ["x"]});
    let tokens = client.post(&url).json(&asked).send().await.unwrap();
    let tokens: Value = tokens.json().await.unwrap();
    let id = claims_of(tokens["id_token"].as_str().unwrap()).unwrap();
    assert_eq!(id["sub"], 42);
    assert_eq!(id["email_verified"], "true", "the claim is unchanged");
    assert_eq!(id["aud"], "other");
    assert_eq!(id["roles"], json!(["x"]));
    assert_eq!(id["exp"].as_i64().unwrap(), id["iat"].as_i64().unwrap());
    let access = claims_of(tokens["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(access["sub"], 42);
    assert!(access.get("email").is_none());

    let form = client
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("sub=7&email=a%2Bb%40c.example&email_verified=true&name=");
    let tokens: Value = form.send().await.unwrap().json().await.unwrap();
    let id = claims_of(tokens["id_token"].as_str().unwrap()).unwrap();
    assert_eq!(id["sub"], "7");
    assert_eq!(id["email"], "a+b@c.example");
    assert_eq!(id["email_verified"], true);
    assert!(id.get("name").is_none(), "left blank");

    let nobody = client.post(&url).json(&json!({})).send().await.unwrap();
    assert_eq!(nobody.status(), 400);
}

#[tokio::test]
async fn a_rotation_takes_the_old_key_away_unless_it_is_kept() {
    let issuer = Issuer::start().await.unwrap();
    issuer.rotate(true);
    assert_eq!(kids(&issuer).await, ["key-1", "key-2"]);
    let rotate = format!("{}/rotate", issuer.url());
    reqwest::Client::new().post(rotate).send().await.unwrap();
    assert_eq!(kids(&issuer).await, ["key-3"]);
    assert_eq!(issuer.key().kid(), "key-3");
}

#[tokio::test]
async fn a_key_of_another_kind_is_published_and_does_not_sign() {
    let issuer = Issuer::start().await.unwrap();
    let key = issuer.publish(Key::generate("ec", Algorithm::ES256));
    assert_eq!(kids(&issuer).await, ["ec", "key-1"]);
    assert_eq!(issuer.key().kid(), "key-1");
    assert_eq!(key.jwk()["crv"], "P-256");
}

#[tokio::test]
async fn it_misbehaves_as_configured() {
    let issuer = Issuer::start().await.unwrap();
    let url = issuer.url();
    let discovery = format!("{url}/.well-known/openid-configuration");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let asked = async || client.get(&discovery).send().await;

    issuer.misbehave(Misbehaviour {
        status: Some(503),
        ..Misbehaviour::default()
    });
    assert_eq!(asked().await.unwrap().status(), 503);

    issuer.misbehave(Misbehaviour {
        redirect: Some("http://127.0.0.1:1/".to_owned()),
        ..Misbehaviour::default()
    });
    assert_eq!(asked().await.unwrap().status(), 302);

    issuer.misbehave(Misbehaviour {
        hang_up: true,
        ..Misbehaviour::default()
    });
    assert!(asked().await.is_err());

    let put = client.put(format!("{url}/misbehaviour"));
    let wrong = json!({"issuer": "http://other", "jwksUri": "http://192.0.2.1/jwks"});
    assert_eq!(put.json(&wrong).send().await.unwrap().status(), 200);
    let response: Value = asked().await.unwrap().json().await.unwrap();
    assert_eq!(response["issuer"], "http://other");
    assert_eq!(response["jwks_uri"], "http://192.0.2.1/jwks");
    assert_eq!(issuer.fetches().discovery, 4);
}
