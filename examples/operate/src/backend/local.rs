//! The functions of `cargo local`.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;
use tokio::net::TcpStream;

use super::{InvokeError, causes, refused};

/// The file in which a running stack writes the address of its functions, in its folder under
/// `.local`.
const ADDRESS_FILE: &str = "functions.url";

/// The local stack's functions.
pub struct Local {
    client: Client,
    url: Url,
}

impl Local {
    /// The stack at `url`; if that is empty, the first one that is running.
    pub async fn find(url: &str) -> Result<Self, InvokeError> {
        let unreachable = |why: String| InvokeError::Unreachable {
            function: "the local stack",
            why,
        };
        let url = match url {
            "" => running().await.ok_or(InvokeError::NotRunning)?,
            url => Url::parse(url).map_err(|_| InvokeError::NotAnAddress(url.to_owned()))?,
        };
        let client = Client::builder()
            .timeout(Duration::from_secs(330))
            .no_proxy()
            .build();
        Ok(Self {
            client: client.map_err(|error| unreachable(error.to_string()))?,
            url,
        })
    }

    /// Invokes a function.
    pub async fn invoke(
        &self,
        function: &'static str,
        event: &Value,
    ) -> Result<Value, InvokeError> {
        let unreachable = |why| InvokeError::Unreachable { function, why };
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let url = self
            .url
            .join(&path)
            .map_err(|_| InvokeError::NotAnAddress(self.url.to_string()))?;
        let response = self.client.post(url).json(event).send().await;
        let response = response.map_err(|error| {
            if error.is_connect() {
                InvokeError::NotRunning
            } else {
                unreachable(causes(&error.without_url()))
            }
        })?;
        let payload: Value = response
            .json()
            .await
            .map_err(|_| unreachable("its response is not JSON".to_owned()))?;
        if payload.get("errorType").is_some() {
            return Err(refused(&payload));
        }
        Ok(payload)
    }
}

/// The first address under `.local`, here or in a parent folder, that responds.
async fn running() -> Option<Url> {
    let here = std::env::current_dir().ok()?;
    let folders = here.ancestors().map(|folder| folder.join(".local"));
    let folder = folders.into_iter().find(|folder| folder.is_dir())?;
    let mut stacks: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join(ADDRESS_FILE)))
        .collect();
    stacks.sort();
    for file in stacks {
        let Some(url) = std::fs::read_to_string(file)
            .ok()
            .and_then(|url| Url::parse(url.trim()).ok())
        else {
            continue;
        };
        let address = url.socket_addrs(|| None).ok()?;
        if TcpStream::connect(address.as_slice()).await.is_ok() {
            return Some(url);
        }
    }
    None
}
