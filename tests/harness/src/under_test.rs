//! One fixture for functions under test: the services around them, and their processes.

use std::ops::Deref;

use crate::lambda::{Function, HttpEvent, HttpResponse, LambdaError};

/// Services that functions talk to.
pub trait Services {
    /// The variables that functions need with these services.
    fn environment(&self) -> Vec<(String, String)>;

    /// The same with these variables, which win over it.
    fn environment_with(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = self.environment();
        let more = variables.iter();
        environment.extend(more.map(|(name, value)| ((*name).into(), (*value).into())));
        environment
    }

    /// Starts a function with these services and variables.
    fn try_launch(
        &self,
        function: &str,
        variables: &[(&str, &str)],
    ) -> impl Future<Output = Result<Function, LambdaError>> {
        Function::start(function, self.environment_with(variables))
    }

    /// The same, for a function that must start.
    ///
    /// # Panics
    /// If it does not.
    fn launch(&self, function: &str, variables: &[(&str, &str)]) -> impl Future<Output = Function> {
        let started = self.try_launch(function, variables);
        async move {
            started
                .await
                .unwrap_or_else(|error| panic!("{function}: {error}"))
        }
    }
}

/// The services of a suite about one function.
pub trait Suite: Services + Sized {
    /// The name of the function.
    const FUNCTION: &'static str;

    /// Starts them with all data that the function needs.
    fn start() -> impl Future<Output = Self>;
}

/// A function with the services around it. The fields and methods of the services are also
/// available on the fixture: `stack.aws` is that of `S`.
pub struct UnderTest<S> {
    services: S,
    /// The function.
    pub function: Function,
}

impl<S: Suite> UnderTest<S> {
    /// Starts the services, and the function with these variables besides those of the services.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::on(S::start().await, variables).await
    }

    /// Starts the function with services that are already running.
    pub async fn on(services: S, variables: &[(&str, &str)]) -> Self {
        Self {
            function: services.launch(S::FUNCTION, variables).await,
            services,
        }
    }

    /// The function's response to a request.
    ///
    /// # Panics
    /// If no response comes.
    pub async fn http(&self, event: &HttpEvent) -> HttpResponse {
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
pub fn assert_problem(response: &HttpResponse, status: u16, code: &str) {
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
