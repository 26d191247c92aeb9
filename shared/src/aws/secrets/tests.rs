//! The real AWS SDK, against a Secrets Manager that responds as a test wants.

use aws_sdk_secretsmanager::config::{Config, Credentials, Region};
use futures_util::future::join_all;
use serde_json::json;
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::lambda::problem::{Code, Problem};

const IN_TIME: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Word(String);

impl Secret for Word {
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape> {
        string_field(object, "word").map(|word| Self(word.to_owned()))
    }

    fn inspect(object: &Map<String, Value>) -> Result<&'static str, &'static str> {
        match object["word"].as_str() {
            Some("guess") => Err("it may be anything"),
            _ => Ok("a word"),
        }
    }
}

struct Fixture {
    server: MockServer,
    secret: CachedSecret<Word>,
}

impl Fixture {
    async fn new(ttl: Duration) -> Self {
        let server = MockServer::start().await;
        let secret = secret_at(server.uri(), ttl);
        Self { server, secret }
    }

    /// From now on, every request gets this response.
    async fn respond_with(&self, response: ResponseTemplate) {
        self.server.reset().await;
        Mock::given(header("x-amz-target", "secretsmanager.GetSecretValue"))
            .respond_with(response)
            .mount(&self.server)
            .await;
    }

    async fn get(&self) -> Result<String, SecretError> {
        let held = self.secret.get(Deadline::after(IN_TIME)).await?;
        Ok(held.value.0.clone())
    }

    async fn requests(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }
}

/// A secret that is fetched again at once after a failure.
fn secret_at(endpoint: String, ttl: Duration) -> CachedSecret<Word> {
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .http_client(sdk::http_client().unwrap())
        .build();
    let at_once = Policy {
        ttl,
        stale_for: STALE_FOR,
        retry_stale: Duration::ZERO,
        retry_empty: Duration::ZERO,
        again_floor: Duration::ZERO,
    };
    CachedSecret::with_policy(Client::from_conf(config), "word".to_owned(), at_once)
}

fn holding(secret: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"Name": "word", "SecretString": secret}))
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    let body = json!({"__type": code, "message": "CANARY"});
    ResponseTemplate::new(status).set_body_json(body)
}

#[tokio::test]
async fn a_hundred_requests_on_a_cold_cache_read_the_secret_once() {
    let it = Fixture::new(Duration::from_mins(5)).await;
    it.respond_with(holding(r#"{"word":"open"}"#).set_delay(Duration::from_millis(50)))
        .await;
    let got = join_all((0..100).map(|_| it.get())).await;
    assert_eq!(got, vec![Ok("open".to_owned()); 100]);
    assert_eq!(it.get().await.as_deref(), Ok("open"));
    assert_eq!(it.requests().await, 1);
}

#[tokio::test]
async fn the_last_value_is_used_after_a_temporary_failure_and_not_after_a_refusal() {
    for (status, code, passes) in [
        (500, "InternalServiceError", true),
        (400, "InternalServiceError", true),
        (503, "ServiceUnavailable", true),
        (400, "ThrottlingException", true),
        (429, "TooManyRequestsException", true),
        (400, "RequestLimitExceeded", true),
        (400, "ResourceNotFoundException", false),
        (400, "AccessDeniedException", false),
        (400, "InvalidRequestException", false),
        (400, "DecryptionFailure", false),
        (403, "UnrecognizedClientException", false),
    ] {
        let it = Fixture::new(Duration::ZERO).await;
        it.respond_with(holding(r#"{"word":"open"}"#)).await;
        assert_eq!(it.get().await.as_deref(), Ok("open"));
        it.respond_with(error(status, code)).await;
        let expected = if passes {
            Ok("open".to_owned())
        } else {
            Err(SecretError::Refused(code.to_owned()))
        };
        assert_eq!(it.get().await, expected, "{status} {code}");

        let cold = Fixture::new(Duration::ZERO).await;
        cold.respond_with(error(status, code)).await;
        let text = cold.get().await.unwrap_err().to_string();
        assert!(text.contains(code) && !text.contains("CANARY"), "{text}");
        cold.respond_with(holding(r#"{"word":"back"}"#)).await;
        assert_eq!(cold.get().await.as_deref(), Ok("back"));
    }
}

#[tokio::test]
async fn a_secrets_manager_that_is_slow_costs_no_more_than_the_deadline() {
    let it = Fixture::new(Duration::ZERO).await;
    it.respond_with(holding(r#"{"word":"late"}"#).set_delay(Duration::from_mins(1)))
        .await;
    let late = it
        .secret
        .get(Deadline::after(Duration::from_millis(50)))
        .await;
    assert_eq!(
        late.err(),
        Some(SecretError::Unavailable("timeout".to_owned()))
    );
}

#[tokio::test]
async fn a_secrets_manager_that_cannot_be_reached_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let secret = secret_at(format!("http://{address}"), Duration::ZERO);
    let unreachable = secret.get(Deadline::after(IN_TIME)).await;
    let why = "connection failed".to_owned();
    assert_eq!(unreachable.err(), Some(SecretError::Unavailable(why)));
}

#[tokio::test]
async fn a_wrong_shape_names_the_field_and_no_value() {
    for (secret, field) in [
        (r#"{"other":"CANARY"}"#, "word"),
        (r#"{"word":""}"#, "word"),
        (r#"{"word":["CANARY"]}"#, "word"),
        (r#"["CANARY"]"#, "SecretString"),
        (r#""CANARY""#, "SecretString"),
        ("CANARY", "SecretString"),
        ("", "SecretString"),
    ] {
        let it = Fixture::new(Duration::ZERO).await;
        it.respond_with(holding(secret)).await;
        let text = it.get().await.unwrap_err().to_string();
        assert!(text.contains(&format!("{field:?}")), "{text}");
        assert!(!text.contains("CANARY"), "{text}");
    }
    let it = Fixture::new(Duration::ZERO).await;
    let binary = json!({"Name": "word", "SecretBinary": "Q0FOQVJZ"});
    it.respond_with(ResponseTemplate::new(200).set_body_json(binary))
        .await;
    assert!(
        it.get()
            .await
            .unwrap_err()
            .to_string()
            .contains("SecretString")
    );
}

#[tokio::test]
async fn a_key_that_was_removed_from_the_secret_is_no_longer_used() {
    let it = Fixture::new(Duration::ZERO).await;
    it.respond_with(holding(r#"{"word":"open"}"#)).await;
    assert_eq!(it.get().await.as_deref(), Ok("open"));
    it.respond_with(holding("{}")).await;
    assert!(it.get().await.is_err());
}

#[tokio::test]
async fn a_secret_that_an_upstream_refused_is_read_again() {
    let it = Fixture::new(Duration::from_mins(5)).await;
    it.respond_with(holding(r#"{"word":"old"}"#)).await;
    let old = it.secret.get(Deadline::after(IN_TIME)).await.unwrap();
    it.respond_with(holding(r#"{"word":"new"}"#)).await;
    let new = it.secret.get_again(&old, Deadline::after(IN_TIME)).await;
    assert_eq!(new.unwrap().value.0, "new");
    assert_eq!(it.get().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn without_a_value_a_failed_fetch_is_not_repeated_at_once() {
    let it = Fixture::new(Duration::from_mins(5)).await;
    let client = it.secret.client.clone();
    for refusal in [
        error(400, "ResourceNotFoundException"),
        holding("{}"),
        error(500, "x"),
    ] {
        it.respond_with(refusal).await;
        let secret = CachedSecret::<Word>::new(client.clone(), "word".to_owned(), STALE_FOR);
        secret.warm_up().await;
        for _ in 0..10 {
            assert!(secret.get(Deadline::after(IN_TIME)).await.is_err());
        }
        assert_eq!(it.requests().await, 1);
    }
}

#[test]
fn white_space_around_a_secret_is_kept_and_a_mistake() {
    for (value, expected) in [
        ("open", Ok("a word")),
        ("op en", Ok("a word")),
        ("guess", Err("it may be anything")),
        (
            "open\n",
            Err("word has white space around it: store the secret again without it"),
        ),
        (
            " guess",
            Err("word has white space around it: store the secret again without it"),
        ),
    ] {
        let text = json!({"word": value}).to_string();
        let (word, inspected) = parse::<Word>(Some(&text)).unwrap();
        assert_eq!(word.0, value);
        let inspected = inspected.as_deref().map_err(String::as_str);
        assert_eq!(inspected, expected, "{value:?}");
    }
}

#[test]
fn the_caller_learns_only_that_a_retry_may_help() {
    let problem = Problem::from(SecretError::Refused("AccessDeniedException".to_owned()));
    assert_eq!(problem.code, Code::KeysUnavailable);
    assert!(!problem.detail.contains("AccessDenied"));
    assert_eq!(problem.retry_after, Some(5));
}
