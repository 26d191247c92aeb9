//! One fixture for a function under test: its process, and the services around it.

use std::ops::Deref;

use crate::lambda::{Function, HttpAnswer, HttpEvent, LambdaError};

/// The services that a function talks to.
pub trait Services: Sized {
    /// The name of the function that is tested with them.
    const FUNCTION: &'static str;

    /// Starts them with all data that the function needs.
    fn start() -> impl Future<Output = Self>;

    /// The variables that the function needs with these services.
    fn environment(&self) -> Vec<(String, String)>;

    /// Starts a function with these services. `variables` add to the environment, and win over it.
    fn launch(
        &self,
        function: &str,
        variables: &[(&str, &str)],
    ) -> impl Future<Output = Result<Function, LambdaError>> {
        let mut environment = self.environment();
        let more = variables.iter();
        environment.extend(more.map(|(name, value)| ((*name).into(), (*value).into())));
        Function::start(function, environment)
    }
}

/// A function with the services around it. The fields and methods of the services are also
/// available on the fixture: `stack.aws` is that of `S`.
pub struct UnderTest<S> {
    services: S,
    /// The function.
    pub function: Function,
}

impl<S: Services> UnderTest<S> {
    /// Starts the services, and the function with these variables besides those of the services.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::on(S::start().await, variables).await
    }

    /// Starts the function with services that are already running.
    ///
    /// # Panics
    /// If the function does not start.
    pub async fn on(services: S, variables: &[(&str, &str)]) -> Self {
        let function = services.launch(S::FUNCTION, variables).await;
        Self {
            function: function.unwrap_or_else(|error| panic!("{}: {error}", S::FUNCTION)),
            services,
        }
    }

    /// The function's response to a request.
    ///
    /// # Panics
    /// If no response comes.
    pub async fn http(&self, event: &HttpEvent) -> HttpAnswer {
        let response = self.function.http(event).await;
        response.unwrap_or_else(|error| panic!("{}: {error}", S::FUNCTION))
    }

    /// Whether the last invocation counted this metric.
    pub fn counted(&self, metric: &str) -> bool {
        let lines = self.function.output().json();
        let last = lines.iter().rfind(|line| line["_aws"].is_object());
        last.is_some_and(|line| line[metric] == 1.0)
    }
}

impl<S> Deref for UnderTest<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.services
    }
}

/// Checks that a response has the form of the functions' problems (RFC 9457).
///
/// # Panics
/// If it is not a problem, or one with another status or code.
pub fn assert_problem(response: &HttpAnswer, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let content_type = response.header("content-type");
    assert_eq!(content_type, Some("application/problem+json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let problem = response.json();
    assert_eq!(problem["code"], code, "{response:?}");
    assert_eq!(problem["status"], status, "{response:?}");
    let request_id = problem["requestId"].as_str();
    assert!(request_id.is_some_and(|id| !id.is_empty()), "{response:?}");
}
