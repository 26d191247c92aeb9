//! The inputs that are kept: their names say which are refused and which are accepted.

use std::path::Path;

use properties::{lambda_event, path, token, unverified_token, webhook_event, webhook_signature};

fn holds_over(target: &str, check: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let (mut let_in, mut refused) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        println!("{target}/{name}");
        let is_let_in = check(&std::fs::read(file.path()).unwrap());
        // An input that the fuzzer found has a hash as its name.
        if name.len() != 40 || !name.bytes().all(|it| it.is_ascii_hexdigit()) {
            assert_eq!(is_let_in, !name.starts_with("refused-"), "{name}");
            *(if is_let_in { &mut let_in } else { &mut refused }) += 1;
        }
    }
    assert!(
        let_in > 2 && refused > 2,
        "{let_in} let in, {refused} refused"
    );
}

fn text(check: impl Fn(&str) -> bool) -> impl Fn(&[u8]) -> bool {
    move |input| str::from_utf8(input).is_ok_and(&check)
}

#[test]
fn paths() {
    holds_over("path", text(path::check));
}

#[test]
fn lambda_events() {
    holds_over("lambda_event", text(lambda_event::check));
}

#[test]
fn webhook_events() {
    holds_over("webhook_event", webhook_event::check);
}

#[test]
fn webhook_signatures() {
    holds_over("webhook_signature", webhook_signature::check);
}

#[test]
fn tokens() {
    holds_over("token", text(token::check));
}

#[test]
fn unverified_tokens() {
    holds_over("unverified_token", text(unverified_token::check));
}
