//! Invoking a function, in AWS or in the local stack.

mod aws;
mod local;

use serde_json::Value;

use crate::cli::Target;

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function refused the request, and says why.
    #[error("{kind}: {message}")]
    Refused {
        /// The type of the refusal.
        kind: String,
        /// The fault of the request.
        message: String,
    },
    /// The function is not deployed.
    #[error("the stack {stack:?} has no function {function} in this account and region")]
    NotDeployed {
        /// The stack.
        stack: String,
        /// The function.
        function: &'static str,
    },
    /// The local stack is not running.
    #[error(
        "no local stack is running: start it with `cargo local`, or give its address as --local=URL"
    )]
    NotRunning,
    /// The function could not be reached, or did not respond.
    #[error("{function} could not be invoked: {why}")]
    Unreachable {
        /// The function.
        function: &'static str,
        /// The cause.
        why: String,
    },
}

/// The functions, in AWS or in the local stack.
pub enum Functions {
    Aws(aws::Aws),
    Local(local::Local),
}

impl Functions {
    /// Finds the functions.
    pub async fn find(target: &Target) -> Result<Self, InvokeError> {
        match target.local.as_deref() {
            Some(url) => local::Local::find(url).await.map(Self::Local),
            None => aws::Aws::find(&target.stack).await.map(Self::Aws),
        }
    }

    /// Whether a function is deployed.
    pub fn has(&self, function: &str) -> bool {
        match self {
            Self::Aws(aws) => aws.has(function),
            Self::Local(_) => true,
        }
    }

    /// Invokes a function, once, and waits for its response.
    pub async fn invoke(
        &self,
        function: &'static str,
        event: &Value,
    ) -> Result<Value, InvokeError> {
        match self {
            Self::Aws(aws) => aws.invoke(function, event).await,
            Self::Local(local) => local.invoke(function, event).await,
        }
    }
}

/// An error as a function reports it.
fn refused(error: &Value) -> InvokeError {
    let text = |field: &str| {
        let text = error.get(field).and_then(Value::as_str);
        text.unwrap_or("unknown").to_owned()
    };
    InvokeError::Refused {
        kind: text("errorType"),
        message: text("errorMessage"),
    }
}
