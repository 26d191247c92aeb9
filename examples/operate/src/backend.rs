//! Invoking a function, in AWS or in the local stack.

mod aws;
mod local;

use std::error::Error;

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
    /// `--local` is not an address.
    #[error("--local must be an address such as http://127.0.0.1:9000, not {0:?}")]
    NotAnAddress(String),
    /// There are no credentials for AWS, or they are not valid any more.
    #[error(
        "not logged in to AWS: log in as for the AWS command line (e.g. `aws sso login`), and set \
         AWS_PROFILE; for `cargo local`, give --local"
    )]
    NotLoggedIn,
    /// No region is set.
    #[error(
        "no AWS region is set: set AWS_REGION, or AWS_PROFILE; for `cargo local`, give --local"
    )]
    NoRegion,
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

/// An error and its causes, each once.
fn causes(error: &dyn Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        if !causes.iter().any(|known| known.contains(&cause)) {
            causes.push(cause);
        }
        next = error.source();
    }
    causes.join(": ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_its_error_repeats_is_named_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("not sent")]
        struct Outer(#[source] Middle);
        #[derive(Debug, thiserror::Error)]
        #[error("refused: by the host")]
        struct Middle(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("by the host")]
        struct Inner;
        assert_eq!(
            causes(&Outer(Middle(Inner))),
            "not sent: refused: by the host"
        );
    }
}
