//! The contents of the services, so that a test can inspect them and change them behind a
//! function's back.

use axum::body::Bytes;
use axum::http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Aws;

impl Aws {
    /// Every item of a table, as plain JSON with plain numbers.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut scan = json!({"TableName": table, "ConsistentRead": true});
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let scan = serde_json::from_value(scan).expect("a request");
            let page = self.database.scan(scan).expect("the table");
            let mut page = serde_json::to_value(page).expect("a page");
            for item in page["Items"].as_array().into_iter().flatten() {
                items.push(plain(&json!({ "M": item })));
            }
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    /// Writes an item, given as plain JSON, and replaces any existing one.
    pub fn put_item(&self, table: &str, item: &Value) {
        let put = json!({"TableName": table, "Item": typed(item)["M"]});
        let put = serde_json::from_value(put).expect("a request");
        self.database.put_item(put).expect("the item");
    }

    /// The keys of a bucket's objects, in order.
    pub async fn objects(&self, bucket: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut after = String::new();
        loop {
            let query = "list-type=2&encoding-type=url&start-after";
            let path = format!("/{bucket}?{query}={}", encoded(&after));
            let (status, body) = self.s3("GET", &path, Bytes::new()).await;
            assert_eq!(status, 200, "{body:?}");
            let body = String::from_utf8_lossy(&body).into_owned();
            let page = body.split("<Key>").skip(1).filter_map(|key| {
                let key = key.split_once("</Key>")?.0;
                Some(percent_decode_str(key).decode_utf8_lossy().into_owned())
            });
            keys.extend(page);
            match keys.last() {
                Some(last) if body.contains("<IsTruncated>true<") => after.clone_from(last),
                _ => return keys,
            }
        }
    }

    /// An object's content; `None` if it does not exist.
    pub async fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let (status, body) = self
            .s3("GET", &format!("/{bucket}/{key}"), Bytes::new())
            .await;
        (status == 200).then_some(body)
    }

    /// Writes an object, and replaces any existing one.
    pub async fn put_object(&self, bucket: &str, key: &str, content: impl Into<Bytes>) {
        let (status, body) = self
            .s3("PUT", &format!("/{bucket}/{key}"), content.into())
            .await;
        assert_eq!(status, 200, "{body:?}");
    }

    async fn s3(&self, method: &str, path: &str, body: Bytes) -> (u16, Bytes) {
        let path = path.parse().expect("a path");
        let response = self
            .endpoint
            .s3(method, &path, HeaderMap::new(), body)
            .await;
        (response.status, response.body)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Converts DynamoDB's JSON to plain JSON.
fn plain(typed: &Value) -> Value {
    let Some((kind, value)) = typed.as_object().and_then(|typed| typed.iter().next()) else {
        return Value::Null;
    };
    match (kind.as_str(), value) {
        ("N", Value::String(number)) => serde_json::from_str(number).expect("a number"),
        ("L", Value::Array(list)) => list.iter().map(plain).collect(),
        ("M", Value::Object(map)) => map
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        ("NULL", _) => Value::Null,
        _ => value.clone(),
    }
}

/// Converts plain JSON to DynamoDB's JSON.
fn typed(plain: &Value) -> Value {
    match plain {
        Value::Null => json!({"NULL": true}),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({ "L": list.iter().map(typed).collect::<Vec<_>>() }),
        Value::Object(map) => {
            let map: Map<String, Value> = map
                .iter()
                .map(|(name, value)| (name.clone(), typed(value)))
                .collect();
            json!({ "M": map })
        }
    }
}
