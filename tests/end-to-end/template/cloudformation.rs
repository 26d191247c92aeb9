//! As much of `CloudFormation` as the template uses: parameters, rules, conditions and intrinsic
//! functions.
//!
//! In a [`Stack`] every parameter and condition is evaluated. A value that only AWS knows stays as
//! `${Resource}`, `${Resource.Attribute}` or `${AWS::Region}`, so that a test compares plain
//! strings.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value, json};

/// `template.yaml`, with the short tags (`!Ref`) expanded (`{"Ref": …}`).
pub(crate) struct Template(pub(crate) Value);

/// The resources of a deployment.
pub(crate) struct Stack {
    pub(crate) resources: BTreeMap<String, Value>,
    pub(crate) outputs: BTreeMap<String, Value>,
}

/// Values for parameters, by name.
pub(crate) type Given<'a> = &'a [(&'a str, &'a str)];

pub(crate) const JWT: Given = &[
    ("OidcIssuer", "https://login.example.com/"),
    ("OidcAudience", "web"),
];
pub(crate) const SIGNING: Given = &[(
    "SigningKeySecretArn",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf",
)];
pub(crate) const CLEANUP: Given = &[
    ("SunshineAppId", "5f0d"),
    ("SunshineBaseUrl", "https://acme.zendesk.com/sc"),
    (
        "SunshineApiKeySecretArn",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:api-key-AbCdEf",
    ),
];
pub(crate) const WEBHOOK: Given = &[(
    "WebhookSecretArn",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook-AbCdEf",
)];
/// The function that erases a person.
pub(crate) const ERASURE: Given = &[("Erasure", "ENABLED")];
/// An address that is notified of alarms.
pub(crate) const ALARMS: Given = &[("AlarmEmail", "on-call@example.com")];
pub(crate) const PUZZEL: Given = &[("PuzzelCustomerId", "4711"), ("PuzzelRegion", "opo")];

impl Template {
    pub(crate) fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        Self(untagged(serde_yaml_ng::from_str(&text).unwrap()))
    }

    /// The stack with these parameters, or the reasons why they are refused.
    pub(crate) fn deploy(&self, given: &[Given]) -> Result<Stack, Vec<String>> {
        let mut parameters = BTreeMap::new();
        let mut refusals = Vec::new();
        for (name, declared) in self.0["Parameters"].as_object().unwrap() {
            parameters.insert(name.clone(), declared["Default"].clone());
        }
        for (name, value) in given.iter().copied().flatten() {
            let known = parameters.insert((*name).to_owned(), json!(value));
            assert!(known.is_some(), "no parameter {name}");
        }
        for (name, value) in &mut parameters {
            let declared = &self.0["Parameters"][name];
            let text = plain(value);
            if !allowed(declared, &text) {
                refusals.push(format!(
                    "{name}: {}",
                    plain(&declared["ConstraintDescription"])
                ));
            }
            if declared["Type"] == "CommaDelimitedList" {
                *value = text.split(',').collect();
            }
        }
        let scope = Scope {
            template: &self.0,
            parameters,
        };
        for rule in self.0["Rules"].as_object().unwrap().values() {
            let applies = rule.get("RuleCondition").is_none_or(|it| scope.holds(it));
            for assertion in rule["Assertions"].as_array().unwrap() {
                if applies && !scope.holds(&assertion["Assert"]) {
                    refusals.push(plain(&assertion["AssertDescription"]));
                }
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let mut resources = scope.section("Resources");
        let globals = scope.resolve(&self.0["Globals"]["Function"]).unwrap();
        for resource in resources
            .values_mut()
            .filter(|it| it["Type"] == "AWS::Serverless::Function")
        {
            let own = resource["Properties"].take();
            resource["Properties"] = merged(globals.clone(), own);
        }
        Ok(Stack {
            resources,
            outputs: scope.section("Outputs"),
        })
    }

    /// The stack with everything enabled, behind the JWT authorizer.
    pub(crate) fn whole() -> Stack {
        Self::load()
            .deploy(&[JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, ERASURE, ALARMS])
            .unwrap()
    }
}

impl Stack {
    /// A resource's properties; null if it is not created.
    pub(crate) fn properties(&self, name: &str) -> &Value {
        self.resources
            .get(name)
            .map_or(&Value::Null, |it| &it["Properties"])
    }

    /// The resources of a type, by name, with their properties.
    pub(crate) fn of_type(&self, kind: &str) -> Vec<(&str, &Value)> {
        let of_kind = self.resources.iter().filter(|(_, it)| it["Type"] == kind);
        of_kind
            .map(|(name, it)| (name.as_str(), &it["Properties"]))
            .collect()
    }
}

struct Scope<'a> {
    template: &'a Value,
    parameters: BTreeMap<String, Value>,
}

impl Scope<'_> {
    fn section(&self, name: &str) -> BTreeMap<String, Value> {
        let entries = self.template[name].as_object().unwrap().iter();
        entries
            .filter(|(_, it)| {
                it["Condition"]
                    .as_str()
                    .is_none_or(|name| self.condition(name))
            })
            .map(|(name, it)| (name.clone(), self.resolve(it).unwrap()))
            .collect()
    }

    fn condition(&self, name: &str) -> bool {
        let condition = self.template["Conditions"].get(name);
        self.holds(condition.unwrap_or_else(|| panic!("no condition {name}")))
    }

    fn holds(&self, expression: &Value) -> bool {
        let (function, argument) = call(expression).expect("a condition is a function");
        let all = || argument.as_array().unwrap().iter();
        match function {
            "Condition" => self.condition(argument.as_str().unwrap()),
            "Fn::Equals" => self.text(&argument[0]) == self.text(&argument[1]),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => all().all(|it| self.holds(it)),
            "Fn::Or" => all().any(|it| self.holds(it)),
            "Fn::Contains" => {
                let listed = argument[0].as_array().unwrap().iter();
                let looked_for = self.text(&argument[1]);
                listed.map(plain).any(|it| it == looked_for)
            }
            other => panic!("{other} in a condition"),
        }
    }

    fn text(&self, value: &Value) -> String {
        plain(&self.resolve(value).unwrap())
    }

    /// `None` is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        if let Some((function, argument)) = call(value) {
            return match function {
                "Ref" if argument == "AWS::NoValue" => None,
                "Ref" => Some(self.reference(argument.as_str().unwrap())),
                "Fn::GetAtt" => Some(json!(format!(
                    "${{{}.{}}}",
                    plain(&argument[0]),
                    plain(&argument[1])
                ))),
                "Fn::Sub" => Some(json!(self.substitute(argument.as_str().unwrap()))),
                "Fn::If" if self.condition(argument[0].as_str().unwrap()) => {
                    self.resolve(&argument[1])
                }
                "Fn::If" => self.resolve(&argument[2]),
                "Fn::Split" => {
                    let text = self.text(&argument[1]);
                    Some(text.split(argument[0].as_str().unwrap()).collect())
                }
                "Fn::Join" => {
                    let parts = self.resolve(&argument[1]).unwrap();
                    let parts: Vec<_> = parts.as_array().unwrap().iter().map(plain).collect();
                    Some(json!(parts.join(argument[0].as_str().unwrap())))
                }
                other => panic!("{other} in a value"),
            };
        }
        Some(match value {
            Value::Object(fields) => fields
                .iter()
                .filter_map(|(key, it)| Some((key.clone(), self.resolve(it)?)))
                .collect(),
            Value::Array(items) => items.iter().filter_map(|it| self.resolve(it)).collect(),
            other => other.clone(),
        })
    }

    fn reference(&self, name: &str) -> Value {
        self.parameters
            .get(name)
            .cloned()
            .unwrap_or_else(|| json!(format!("${{{name}}}")))
    }

    fn substitute(&self, text: &str) -> String {
        let variable = Regex::new(r"\$\{([^}]+)\}").unwrap();
        variable
            .replace_all(text, |found: &regex::Captures| {
                plain(&self.reference(&found[1]))
            })
            .into_owned()
    }
}

/// An intrinsic function and its argument, if the value is one.
fn call(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let (name, argument) = fields.iter().next()?;
    let intrinsic =
        name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    intrinsic.then_some((name.as_str(), argument))
}

fn allowed(declared: &Value, text: &str) -> bool {
    let listed = declared["AllowedValues"].as_array();
    let pattern = declared["AllowedPattern"]
        .as_str()
        .map(|it| Regex::new(it).unwrap());
    let mut items: Box<dyn Iterator<Item = &str>> = match declared["Type"].as_str() {
        Some("CommaDelimitedList") => Box::new(text.split(',')),
        _ => Box::new(std::iter::once(text)),
    };
    let number = || text.parse::<f64>().unwrap();
    listed.is_none_or(|values| values.iter().any(|it| plain(it) == text))
        && declared["MinValue"]
            .as_f64()
            .is_none_or(|least| number() >= least)
        && declared["MaxValue"]
            .as_f64()
            .is_none_or(|most| number() <= most)
        && items.all(|it| pattern.as_ref().is_none_or(|pattern| pattern.is_match(it)))
}

/// A scalar as `CloudFormation` writes it in a string.
pub(crate) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn merged(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let under = base.remove(&key).unwrap_or_default();
                base.insert(key, merged(under, value));
            }
            Value::Object(base)
        }
        (_, over) => over,
    }
}

fn untagged(value: serde_yaml_ng::Value) -> Value {
    use serde_yaml_ng::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string().trim_start_matches('!').to_owned();
            let argument = untagged(tagged.value);
            match (
                name.as_str(),
                argument.as_str().and_then(|it| it.split_once('.')),
            ) {
                ("Ref" | "Condition", _) => json!({name: argument}),
                ("GetAtt", Some((resource, attribute))) => {
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                _ => json!({format!("Fn::{name}"): argument}),
            }
        }
        Yaml::Mapping(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, it)| (plain(&untagged(key)), untagged(it)))
                .collect::<Map<_, _>>(),
        ),
        Yaml::Sequence(items) => items.into_iter().map(untagged).collect(),
        scalar => serde_json::to_value(scalar).unwrap(),
    }
}
