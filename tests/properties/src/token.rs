//! A bearer token: it is accepted only if one of the issuer's keys has signed it, with the
//! algorithm of that key, and if its claims are valid.
//!
//! An input is four lines: the signer (a letter, see `Signer`), the header, the claims, and a
//! signature for signers that make none. `ISSUER` in the claims stands for the issuer. Any other
//! input is used as the token itself.

mod issuer;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use shared::identity::oidc::Verifier;
use shared::lambda::config::Variables;
use shared::lambda::deadline::Deadline;
use tokio::runtime::Runtime;

use issuer::{Issuer, Signer};

const AUDIENCE: &str = "web";
/// The allowed clock difference, plus a second for the test itself.
const LEEWAY: f64 = 61.0;

struct World {
    runtime: Runtime,
    issuer: Issuer,
    verifier: Verifier,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = (tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build())
    .expect("a runtime");
    let issuer = Issuer::start();
    let variables: Variables = [
        ("OIDC_ISSUER", issuer.url.as_str()),
        ("OIDC_AUDIENCE", AUDIENCE),
    ]
    .into_iter()
    .collect();
    let verifier = Verifier::from_variables(&variables).expect("the variables are right");
    World {
        runtime,
        issuer,
        verifier,
    }
});

/// Whether the token is valid.
pub fn check(input: &str) -> bool {
    let lines: Vec<_> = input.splitn(4, '\n').collect();
    let [signer, header, claims, signature] = lines.as_slice() else {
        assert!(verify(input).is_none(), "nobody signed {input:?}");
        return false;
    };
    let Some(signer) = Signer::of(signer) else {
        assert!(verify(input).is_none(), "nobody signed {input:?}");
        return false;
    };
    holds(
        signer,
        header,
        &claims.replace("ISSUER", &WORLD.issuer.url),
        signature,
    )
}

fn holds(signer: Signer, header: &str, claims: &str, signature: &str) -> bool {
    let token = WORLD.issuer.token(signer, header, claims, signature);
    let accepted = verify(&token);
    let parse = |json: &str| serde_json::from_str::<Map<String, Value>>(json).ok();
    let (header, claims) = (parse(header), parse(claims));
    if let Some(read) = &accepted {
        assert!(signer.is_issuers(), "{signer:?} is not the issuer");
        let header = header.as_ref().expect("a header");
        let (algorithm, kid) = signer.names();
        assert!(
            header.get("alg") == algorithm
                || (header["alg"] == "Ed25519" && signer == Signer::Edwards),
            "another algorithm"
        );
        let mut names = ["kid", "x5t"].iter().filter_map(|it| header.get(*it));
        let mut names = names.by_ref().filter(|it| !it.is_null() && **it != "");
        let first = names.next();
        assert!(
            first.is_none() || first == kid || names.next() == kid,
            "another key's"
        );
        assert!(header.get("crit").is_none_or(Value::is_null));
        assert_eq!(Some(read), claims.as_ref());
        assert!(is_right(read, LEEWAY), "{read:?}");
        is_spoilt(&token, read.len());
    }

    // A token that an issuer would sign is accepted.
    if let Some(claims) = claims
        && signer.is_issuers()
        && is_right(&claims, 0.0)
        && ["exp", "nbf"]
            .iter()
            .all(|it| claims.get(*it).is_none_or(Value::is_u64))
    {
        let (algorithm, kid) = signer.names();
        let header = json!({"alg": algorithm, "kid": kid}).to_string();
        let claims = Value::from(claims).to_string();
        let token = WORLD.issuer.token(signer, &header, &claims, "");
        assert!(verify(&token).is_some(), "{signer:?} signed {claims}");
    }
    accepted.is_some()
}

fn verify(token: &str) -> Option<Map<String, Value>> {
    let world = &*WORLD;
    let deadline = Deadline::after(Duration::from_secs(5));
    let verified = world
        .runtime
        .block_on(world.verifier.verify(token, deadline));
    verified.ok()
}

/// A token with any letter changed is not valid.
fn is_spoilt(token: &str, position: usize) {
    for position in [position, token.len() / 2, token.len() - 1] {
        let mut spoilt = token.to_owned();
        let other = if token[position..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        spoilt.replace_range(position..=position, other);
        assert!(verify(&spoilt).is_none(), "{spoilt}");
    }
}

/// Whether these are the claims of a token that is valid now, within `leeway` seconds.
fn is_right(claims: &Map<String, Value>, leeway: f64) -> bool {
    let now = (SystemTime::now().duration_since(SystemTime::UNIX_EPOCH))
        .expect("it is after 1970")
        .as_secs_f64();
    let claim = |name: &str| claims.get(name).unwrap_or(&Value::Null);
    let is_ours = match claim("aud") {
        Value::Null => claim("client_id") == AUDIENCE,
        Value::Array(audiences) if audiences.is_empty() => claim("client_id") == AUDIENCE,
        Value::Array(audiences) => audiences.iter().any(|it| it == AUDIENCE),
        audience => audience == AUDIENCE,
    };
    is_ours
        && claim("iss") == WORLD.issuer.url.as_str()
        && !matches!(claim("sub"), Value::Null)
        && claim("sub") != ""
        && claim("exp").as_f64().is_some_and(|it| it + leeway > now)
        && (claim("nbf").is_null() || claim("nbf").as_f64().is_some_and(|it| it < now + leeway))
}
