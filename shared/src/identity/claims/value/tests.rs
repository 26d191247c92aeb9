use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;

use super::*;

fn claims(value: &Value, is_spelled: bool) -> CallerClaims {
    let values = Map::from_iter([("it".to_owned(), value.clone())]);
    if is_spelled {
        CallerClaims::spelled(values)
    } else {
        CallerClaims::typed(values)
    }
}

fn it() -> ClaimName {
    ClaimName::plain("it")
}

fn id(value: &Value, is_spelled: bool) -> Option<String> {
    claims(value, is_spelled).identifier(&it())
}

/// A value as API Gateway's JWT authorizer passes it on: formatted with Go's `%v`, every number as
/// a double.
fn spelled_by_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => spelled_double(number.as_f64().unwrap()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(spelled_by_go).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, field)| format!("{name}:{}", spelled_by_go(field)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// `%v` of a float64: the shortest digits, in scientific notation from 1e+21 on and below 1e-04.
/// (API Gateway has been seen to begin at seven digits, which is the same for what is tested here.)
fn spelled_double(number: f64) -> String {
    if number != 0.0 && !(1e-4..1e6).contains(&number.abs()) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    number.to_string()
}

#[test]
fn numbers_are_identifiers_if_they_have_one_spelling() {
    for (number, expected) in [
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(1_234_567), "1234567"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
    ] {
        assert_eq!(id(&number, false).as_deref(), Some(expected));
        assert_eq!(id(&number, true).as_deref(), Some(expected));
    }
    let beyond: Value = serde_json::from_str("18446744073709551616").unwrap();
    for number in [json!(1.5), json!(1.0), json!(1e21), json!(-0.0), beyond] {
        assert_eq!(id(&number, false), None, "{number}");
        assert_eq!(id(&number, true), None, "{number}");
    }
}

#[test]
fn other_types_identify_no_one() {
    for value in [
        json!(null),
        json!(""),
        json!(true),
        json!(false),
        json!([]),
        json!(["1"]),
        json!({"id": "1"}),
        json!("Not supported currently. Use oid claim."),
        json!("Not supported currently."),
    ] {
        assert_eq!(id(&value, false), None, "{value}");
        assert_eq!(id(&value, true), None, "{value}");
    }
    assert_eq!(
        claims(&json!("1"), false).identifier(&ClaimName::plain("other")),
        None
    );
}

#[test]
fn text_that_api_gateway_made_of_other_types_identifies_no_one() {
    for text in [
        "[]",
        "[1]",
        "[1234 5678]",
        "[[1 2] map[a:b]]",
        "map[]",
        "map[id:1234 tier:gold]",
        "<nil>",
        "null",
        "true",
        "false",
        "1e+06",
        "1.2345678e+07",
        "1.2345678901234568e+18",
        "-1.5e+21",
        "1e-07",
        "1.5e+300",
    ] {
        assert_eq!(id(&json!(text), true), None, "{text}");
        assert_eq!(
            id(&json!(text), false).as_deref(),
            Some(text),
            "as an issuer's own text"
        );
    }
    for text in [
        "1",
        "-1",
        "1.5",
        "0",
        "e",
        "1e5",
        "1e",
        "e+05",
        "1e+",
        "1.e+05",
        ".5e+05",
        "12e34",
        "1E+06",
        "[1",
        "1]",
        "a[1]",
        "map",
        "map[1",
        "nil",
        "nullable",
        "True",
        "NULL",
        "auth0|5fe4",
        "00000000-0000-0000-66f3-3332eca7ea81",
        " 1 ",
        "Not supported",
        "\u{5bff}\u{53f8}",
    ] {
        assert_eq!(id(&json!(text), true).as_deref(), Some(text));
    }
}

#[test]
fn an_email_is_text_or_a_list_of_one() {
    let of = |value: &Value, is_spelled| {
        claims(value, is_spelled)
            .email(&it())
            .map(|email| email.key().as_str().to_owned())
    };
    let ada = || Ok("ada@example.com".to_owned());
    for (value, expected) in [
        (json!("ada@example.com"), ada()),
        (json!(" Ada@Example.com "), ada()),
        (json!(["ada@example.com"]), ada()),
        (json!(null), Err(EmailOmitted::NoClaim)),
        (json!([null]), Err(EmailOmitted::NoClaim)),
        (json!([]), Err(EmailOmitted::Malformed)),
        (
            json!(["ada@example.com", "bob@example.com"]),
            Err(EmailOmitted::Malformed),
        ),
        (json!([["ada@example.com"]]), Err(EmailOmitted::Malformed)),
        (
            json!({"email": "ada@example.com"}),
            Err(EmailOmitted::Malformed),
        ),
        (json!(7), Err(EmailOmitted::Malformed)),
        (json!(true), Err(EmailOmitted::Malformed)),
        (json!(""), Err(EmailOmitted::Malformed)),
        (json!("ada"), Err(EmailOmitted::Malformed)),
        (
            json!("ada@example.com,bob@example.com"),
            Err(EmailOmitted::Malformed),
        ),
    ] {
        assert_eq!(of(&value, false), expected, "{value}");
        assert_eq!(of(&value, true), expected, "{value}");
    }
    // Only a spelled claim may be a list.
    let bracketed = of(&json!("[ada@example.com]"), false);
    assert_eq!(bracketed.as_deref(), Ok("[ada@example.com]"));
    for (text, expected) in [
        ("[ada@example.com]", ada()),
        ("[]", Err(EmailOmitted::Malformed)),
        ("[ada@example.com bob]", Err(EmailOmitted::Malformed)),
        (
            "[ada@example.com bob@example.com]",
            Err(EmailOmitted::Malformed),
        ),
        ("[[ada@example.com]]", Err(EmailOmitted::Malformed)),
        ("[map[email:ada@example.com]]", Err(EmailOmitted::Malformed)),
        ("[\"ada@example.com\"]", Err(EmailOmitted::Malformed)),
        ("[a,ada@example.com]", Err(EmailOmitted::Malformed)),
        ("map[email:ada@example.com]", Err(EmailOmitted::Malformed)),
        ("<nil>", Err(EmailOmitted::Malformed)),
    ] {
        assert_eq!(of(&json!(text), true), expected, "{text}");
    }
    assert_eq!(
        claims(&json!(1), false)
            .email(&ClaimName::plain("other"))
            .err(),
        Some(EmailOmitted::NoClaim)
    );
}

#[test]
fn a_text_that_was_another_type_is_left_out() {
    let of = |text: &str, is_spelled| {
        let claims = claims(&json!(text), is_spelled);
        claims.text(&it()).map(ToOwned::to_owned)
    };
    for text in ["[Ada Example]", "map[first:Ada]", "<nil>", "true", "1e+06"] {
        assert_eq!(of(text, true), None, "{text}");
        assert_eq!(of(text, false).as_deref(), Some(text));
    }
    assert_eq!(
        of("Ada [staff] Example", true).as_deref(),
        Some("Ada [staff] Example")
    );
}

#[test]
fn a_flag_is_a_word_a_boolean_or_a_number() {
    let of = |value: Value| claims(&value, false).flag(&it()).map(Cow::into_owned);
    assert_eq!(of(json!(true)).as_deref(), Some("true"));
    assert_eq!(of(json!(false)).as_deref(), Some("false"));
    assert_eq!(of(json!("True")).as_deref(), Some("True"));
    assert_eq!(of(json!(1)).as_deref(), Some("1"));
    assert_eq!(of(json!(1.0)).as_deref(), Some("1.0"));
    for value in [json!(null), json!([true]), json!({"true": true})] {
        assert_eq!(of(value), None);
    }
}

#[test]
fn a_time_is_in_seconds_or_iso_8601_and_has_come() {
    const NOW: u64 = 1_795_676_400_000;
    let of = |value: Value| claims(&value, true).time(&it(), NOW);
    for (value, millis) in [
        (json!(1_795_676_400), NOW),
        (json!("1795676400"), NOW),
        (json!("1.7956764e+09"), NOW),
        (json!(1_795_676_400.5), NOW + 500),
        (json!("2026-11-26T07:00:00Z"), NOW),
        (json!("2026-11-26T08:00:00+01:00"), NOW),
        (json!("2026-11-26T07:00:00.250Z"), NOW + 250),
        (json!("20261126T070000Z"), NOW),
        (json!("2026-11-26T07:00:00"), NOW),
        (json!("2026-11-26"), NOW - 7 * 3_600_000),
        (json!(1_795_676_460), NOW + 60_000),
    ] {
        assert_eq!(of(value.clone()), Some(millis), "{value}");
    }
    for value in [
        json!(null),
        json!(true),
        json!(""),
        json!("yesterday"),
        json!("<nil>"),
        json!("inf"),
        json!("NaN"),
        json!(0),
        json!(-1),
        json!("1969-12-31T00:00:00Z"),
        // A time in the future is in milliseconds, or a mistake.
        json!(NOW),
        json!(1_795_676_461),
        json!("2027-01-01T00:00:00Z"),
        json!(1e300),
        json!([1_795_676_400]),
    ] {
        assert_eq!(of(value.clone()), None, "{value}");
    }
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (1_u64 << 53..1 << 54).prop_map(Value::from),
        "[0-9]{1,20}".prop_map(Value::from),
        "[a-z0-9 @|.-]{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2048,
        rng_seed: RngSeed::Fixed(42),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_identifier_is_its_claims_own_text_or_whole_number(value in arbitrary_json()) {
        let expected = match &value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            _ => None,
        };
        let expected = expected.filter(|text| !text.is_empty() && !text.starts_with(PLACEHOLDER));
        prop_assert_eq!(id(&value, false), expected);
    }

    #[test]
    fn two_people_have_two_identifiers_however_api_gateway_spells_their_claims(
        a in arbitrary_json(),
        b in arbitrary_json(),
    ) {
        // Text and numbers that a double keeps are used unchanged. Nothing else identifies anyone.
        for value in [&a, &b] {
            let spelled = Value::from(spelled_by_go(value));
            match value {
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    prop_assert_eq!(id(&spelled, true), None, "{}", value);
                }
                Value::Number(number) if number.as_f64().is_some_and(|it| it.abs() >= 1e6) => {
                    prop_assert_eq!(id(&spelled, true), None, "{}", value);
                }
                _ => {}
            }
        }
        let ids = [&a, &b].map(|value| id(&Value::from(spelled_by_go(value)), true));
        if let [Some(one), Some(other)] = ids && one == other {
            prop_assert_eq!(spelled_by_go(&a), spelled_by_go(&b));
            prop_assert_eq!(one, spelled_by_go(&a));
        }
    }
}
