//! The stand-in for Puzzel accepts what Puzzel accepts, and each proof only once.

mod support;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local_stack::standins::faults::{Fault, Rule};
use local_stack::standins::puzzel::{Provider, Puzzel, PuzzelConfig, TokenKind};
use local_stack::standins::sunshine::{Sunshine, SunshineConfig};
use serde_json::{Value, json};
use support::{json_of, response_to, status_of};

const ISSUER: &str = "https://idp.example.org";
/// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An identity provider: its key, and the server of its JWKS.
struct Idp {
    key: KeyPair,
    jwks: Sunshine,
}

impl Idp {
    async fn start() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // A stand-in with a canned response is enough of a server.
        let jwks = Sunshine::start(SunshineConfig::default()).await.unwrap();
        let idp = Self { key, jwks };
        idp.serve_as("key-1");
        idp
    }

    fn serve_as(&self, kid: &str) {
        let public = self.key.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        let jwks = json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": n, "e": e }] });
        self.jwks.faults().clear();
        self.jwks
            .faults()
            .add(Rule::new("GET **", Fault::answer(200, jwks.to_string())));
    }

    fn token(&self, kid: &str, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({ "alg": "RS256", "typ": "JWT", "kid": kid })),
            part(claims)
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn good(&self) -> String {
        self.token("key-1", &claims())
    }

    fn provider(&self, id: i64, audience: Option<&str>) -> Provider {
        let jwks_url = self.jwks.url() + "/jwks";
        Provider {
            id,
            issuer: ISSUER.into(),
            jwks_url,
            audience: audience.map(Into::into),
        }
    }
}

fn claims() -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    json!({ "iss": ISSUER, "sub": "user-1", "aud": "shop", "exp": now + 300 })
}

async fn start(idp: &Idp) -> Puzzel {
    let providers = vec![idp.provider(1, None), idp.provider(2, Some("another"))];
    let customers = BTreeMap::from([("customer123".to_owned(), providers)]);
    Puzzel::start(PuzzelConfig {
        customers,
        two_hosts: true,
        port: 0,
    })
    .await
    .unwrap()
}

async fn authenticate(puzzel: &Puzzel, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/authenticate/{path}", puzzel.idp_url());
    response_to(reqwest::Client::new().post(url).json(body)).await
}

async fn user_info_id(puzzel: &Puzzel, idp: &Idp) -> String {
    let body = json!({ "codeChallenge": CHALLENGE, "accessToken": idp.good() });
    let (status, response) = authenticate(puzzel, "customer123", &body).await;
    assert_eq!(status, 200, "{response}");
    response["userInfoId"].as_str().unwrap().to_owned()
}

async fn start_chat(
    puzzel: &Puzzel,
    id: &str,
    query: &[(&str, &str)],
    bearer: Option<&str>,
) -> u16 {
    let mut url = url::Url::parse(&puzzel.comm_url()).unwrap();
    url.path_segments_mut()
        .unwrap()
        .extend(["api", "conversation", id, "route", "kø 1"]);
    url.query_pairs_mut().extend_pairs(query);
    let mut request = reqwest::Client::new().post(url);
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    status_of(request).await
}

async fn set_identity(puzzel: &Puzzel, id: &str, user_info_id: &str, verifier: &str) -> u16 {
    let url = format!("{}/api/visitor/setIdentity/{id}", puzzel.comm_url());
    let body = json!({ "userInfoId": user_info_id, "codeVerifier": verifier });
    status_of(reqwest::Client::new().post(url).json(&body)).await
}

#[tokio::test]
async fn both_token_kinds_and_both_providers_are_accepted() {
    let idp = Idp::start().await;
    let puzzel = start(&idp).await;
    let id_token = json!({ "codeChallenge": CHALLENGE, "idToken": idp.good() });
    let (status, response) = authenticate(&puzzel, "customer123", &id_token).await;
    assert_eq!(
        (status, response["userInfoId"].as_str().unwrap().len()),
        (200, 26)
    );
    user_info_id(&puzzel, &idp).await;

    assert_eq!(
        authenticate(&puzzel, "customer123?providerId=2", &id_token)
            .await
            .0,
        401,
        "another audience"
    );
    let mut claims = claims();
    claims["aud"] = "another".into();
    let other = json!({ "codeChallenge": CHALLENGE, "idToken": idp.token("key-1", &claims) });
    assert_eq!(
        authenticate(&puzzel, "customer123?providerId=2", &other)
            .await
            .0,
        200
    );

    let seen: Vec<_> = puzzel
        .authentications()
        .into_iter()
        .map(|one| (one.kind, one.provider_id, one.subject))
        .collect();
    let subject = || "user-1".to_owned();
    assert_eq!(
        seen,
        [
            (TokenKind::Id, 1, subject()),
            (TokenKind::Access, 1, subject()),
            (TokenKind::Id, 2, subject())
        ]
    );
    assert_eq!(
        idp.jwks.traffic().all().len(),
        1,
        "the keys are fetched once"
    );
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let idp = Idp::start().await;
    let puzzel = start(&idp).await;
    let token = idp.good();
    let good = json!({ "codeChallenge": CHALLENGE, "accessToken": token });
    for (path, status) in [
        ("nobody", 404),
        ("12345678901234567890123456", 400),
        ("customer123?providerId=3", 400),
        ("customer123?providerId=first", 400),
    ] {
        assert_eq!(authenticate(&puzzel, path, &good).await.0, status, "{path}");
    }
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        json!({ "codeChallenge": CHALLENGE, "accessToken": idp.token("key-1", &claims) })
    };
    let challenge = |challenge: &str| json!({ "codeChallenge": challenge, "accessToken": token });
    for (what, body, status) in [
        (
            "both tokens",
            json!({ "codeChallenge": CHALLENGE, "accessToken": token, "idToken": token }),
            400,
        ),
        ("no token", json!({ "codeChallenge": CHALLENGE }), 400),
        (
            "an empty token",
            json!({ "codeChallenge": CHALLENGE, "idToken": "" }),
            400,
        ),
        (
            "a verifier",
            json!({ "codeChallenge": CHALLENGE, "accessToken": token, "codeVerifier": VERIFIER }),
            400,
        ),
        ("no challenge", json!({ "accessToken": token }), 400),
        ("a short challenge", challenge(&CHALLENGE[1..]), 400),
        (
            "a padded challenge",
            challenge(&format!("{CHALLENGE}=")),
            400,
        ),
        (
            "a wrong last character",
            challenge(&CHALLENGE.replace("-cM", "-cN")),
            400,
        ),
        ("expired", with("exp", json!(1)), 401),
        (
            "another issuer",
            with("iss", json!("https://elsewhere.example.org")),
            401,
        ),
        ("no subject", with("sub", Value::Null), 401),
        (
            "no JWT",
            json!({ "codeChallenge": CHALLENGE, "accessToken": "hello" }),
            401,
        ),
        (
            "an unknown key",
            json!({ "codeChallenge": CHALLENGE, "accessToken": idp.token("key-2", &claims()) }),
            401,
        ),
        (
            "a cut token",
            json!({ "codeChallenge": CHALLENGE, "accessToken": token[..token.len() - 8] }),
            401,
        ),
    ] {
        assert_eq!(
            authenticate(&puzzel, "customer123", &body).await.0,
            status,
            "{what}"
        );
    }
    assert!(puzzel.authentications().is_empty());

    idp.serve_as("key-2");
    let rotated =
        json!({ "codeChallenge": CHALLENGE, "accessToken": idp.token("key-2", &claims()) });
    assert_eq!(
        authenticate(&puzzel, "customer123", &rotated).await.0,
        200,
        "a rotated key is fetched"
    );
}

#[tokio::test]
async fn each_proof_counts_once_for_each_call() {
    let idp = Idp::start().await;
    let puzzel = start(&idp).await;
    let user = user_info_id(&puzzel, &idp).await;
    let proof = [("userInfoId", user.as_str()), ("codeVerifier", VERIFIER)];
    let wrong = "a".repeat(43);

    assert_eq!(
        start_chat(&puzzel, "c1", &[proof[0], ("codeVerifier", &wrong)], None).await,
        403
    );
    assert_eq!(
        start_chat(&puzzel, "c1", &[("userInfoId", "usr_x"), proof[1]], None).await,
        403
    );
    assert_eq!(start_chat(&puzzel, "c1", &proof[..1], None).await, 400);
    assert_eq!(puzzel.chat("c1"), None);
    assert_eq!(start_chat(&puzzel, "c1", &proof, None).await, 200);
    let chat = puzzel.chat("c1").unwrap();
    assert_eq!(
        (chat.queue_key.as_str(), chat.subject.as_deref()),
        ("kø 1", Some("user-1"))
    );
    assert_eq!(
        start_chat(&puzzel, "c1", &[], None).await,
        409,
        "the conversation has already started"
    );
    assert_eq!(
        start_chat(&puzzel, "c2", &proof, None).await,
        409,
        "the proof is used up"
    );

    assert_eq!(
        start_chat(&puzzel, "c3", &[], None).await,
        200,
        "an anonymous chat"
    );
    assert_eq!(set_identity(&puzzel, "nowhere", &user, VERIFIER).await, 404);
    assert_eq!(set_identity(&puzzel, "c3", &user, &wrong).await, 403);
    assert_eq!(set_identity(&puzzel, "c3", &user, VERIFIER).await, 204);
    assert_eq!(
        puzzel.chat("c3").unwrap().subject.as_deref(),
        Some("user-1")
    );
    assert_eq!(set_identity(&puzzel, "c3", &user, VERIFIER).await, 409);

    let line = &puzzel.traffic().matching("POST **/route/*")[0].line;
    assert_eq!(
        *line,
        format!(
            "POST /api/conversation/c1/route/k%C3%B8%201?userInfoId={user}&codeVerifier={wrong} HTTP/1.1"
        )
    );
    assert!(puzzel.strays().is_empty());
}

#[tokio::test]
async fn a_visitor_token_is_checked_if_there_is_one() {
    let idp = Idp::start().await;
    let puzzel = start(&idp).await;
    let session = |form: [(&'static str, &'static str); 3]| {
        let request = reqwest::Client::new().post(puzzel.idp_url() + "/connect/token");
        response_to(request.form(&form))
    };
    let good = [
        ("client_id", "oneplatform_engage"),
        ("grant_type", "visitor"),
        ("tenant_id", "customer123"),
    ];
    let (status, response) = session(good).await;
    assert_eq!(
        (status, &response["token_type"], &response["expires_in"]),
        (200, &json!("Bearer"), &json!(3600))
    );
    for wrong in 0..3 {
        let mut form = good;
        form[wrong].1 = "wrong";
        assert_eq!(session(form).await.0, 400);
    }
    let token = response["access_token"].as_str().unwrap();
    assert_eq!(
        start_chat(&puzzel, "c1", &[], Some("vat_made_up")).await,
        401
    );
    assert_eq!(start_chat(&puzzel, "c1", &[], Some(token)).await, 200);
    assert_eq!(
        puzzel.chat("c1").unwrap().visitor_id.as_deref(),
        response["visitor_id"].as_str()
    );
}

#[tokio::test]
async fn it_has_the_faults_and_controls_of_the_other_stand_in() {
    let idp = Idp::start().await;
    let puzzel = start(&idp).await;
    puzzel
        .faults()
        .add(Rule::new("POST **/authenticate/*", Fault::answer(200, "{}")).times(1));
    let body = json!({ "codeChallenge": CHALLENGE, "accessToken": idp.good() });
    assert_eq!(
        authenticate(&puzzel, "customer123", &body).await,
        (200, json!({}))
    );

    let client = reqwest::Client::new();
    let customers = json!({ "other": [idp.provider(9, None)] });
    client
        .put(puzzel.idp_url() + "/_control/customers")
        .json(&customers)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    assert_eq!(authenticate(&puzzel, "customer123", &body).await.0, 404);
    assert_eq!(authenticate(&puzzel, "other", &body).await.0, 200);
    client
        .get(puzzel.comm_url() + "/api/somewhere")
        .send()
        .await
        .unwrap();
    let state = json_of(client.get(puzzel.comm_url() + "/_control/state")).await;
    assert_eq!(state["authentications"][0]["providerId"], 9);
    assert_eq!(state["strays"], json!(["GET /api/somewhere HTTP/1.1"]));
    assert!(!state.to_string().contains(CHALLENGE));
}
