//! Two libraries that we do not use accept our tokens: Node's `jsonwebtoken`, which Zendesk's own
//! example uses, and `jose`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::node;

use super::*;

/// The folder with both libraries. `None` if Node is not installed.
fn libraries() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    node::install(target, "our tokens are not tested with other JWT libraries")
}

/// The claims of a token according to both libraries, or the reason why one refuses it.
fn verify(folder: &Path, token: &str, secret: &str, kid: &str) -> Result<Value, String> {
    let mut node = Command::new("node")
        .arg("verify.mjs")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let question = json!({"token": token, "secret": secret, "kid": kid}).to_string();
    let mut input = node.stdin.take().unwrap();
    input.write_all(question.as_bytes()).unwrap();
    drop(input);
    let output = node.wait_with_output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn other_libraries_accept_our_tokens() {
    let Some(folder) = libraries() else {
        return;
    };
    let stack = Stack::start(&[]).await;
    let claims = json!({"sub": "\u{4e16}\"\\/7", "name": "\u{c5}sa", "email": "asa@example.com",
        "email_verified": "true"});
    let token = stack.token(&HttpEvent::post(PATH).claims(claims)).await;
    let seen = verify(&folder, &token, SECRET, KID).unwrap();
    for library in ["jsonwebtoken", "jose"] {
        let header = &seen[library]["header"];
        assert_eq!(*header, json!({"alg": "HS256", "typ": "JWT", "kid": KID}));
        let payload = &seen[library]["payload"];
        assert_eq!(*payload, claims_of(&token).unwrap(), "{library}");
        assert_eq!(payload["external_id"], "\u{4e16}\"\\/7");
        assert!(payload["iat"].is_u64() && payload["exp"].is_u64());
    }
    let wrong = verify(&folder, &token, "another secret", KID).unwrap_err();
    assert!(wrong.contains("signature"), "{wrong}");
    let unknown = verify(&folder, &token, SECRET, "app_a").unwrap_err();
    assert!(unknown.contains("unknown kid"), "{unknown}");
}
