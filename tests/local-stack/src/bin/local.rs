//! `cargo local`: the whole product on this machine.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use local_stack::stack::{Options, Stack, StackError};
use local_stack::tour;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Builds the functions and starts them with everything that they need, on this machine alone.
#[derive(Parser)]
#[command(name = "cargo local --")]
struct Arguments {
    /// The port of the local address (default: a free one)
    #[arg(long)]
    port: Option<u16>,
    /// The strongest remedy that a drain may apply: plan, release-email, merge or delete. A release
    /// does not wait, unlike in a deployment
    #[arg(long, default_value = "plan", value_parser = ["plan", "release-email", "merge", "delete"])]
    remedy: String,
    /// Keep the conflicts of the last run (Zendesk and the archive begin empty all the same)
    #[arg(long)]
    keep: bool,
    /// Play the demo story step by step against the running functions, and exit
    #[arg(long)]
    tour: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (Ok(interrupt), Ok(terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        eprintln!("cannot handle signals");
        return ExitCode::FAILURE;
    };
    let (mut interrupt, mut terminate) = (interrupt, terminate);
    // However it ends, the stack is dropped, which stops everything that it started.
    tokio::select! {
        ended = run(&arguments) => ended.unwrap_or_else(|error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        }),
        _ = interrupt.recv() => ExitCode::from(130),
        _ = terminate.recv() => ExitCode::from(143),
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, StackError> {
    let stack = Stack::start(Options {
        port: arguments.port,
        keep_data: arguments.keep,
        reload: !arguments.tour,
        remedy: Some(arguments.remedy.clone()),
    })
    .await?;
    if arguments.tour {
        let passed = tour::play(&stack, &mut io::stdout()).await?;
        if !passed {
            eprintln!("\noutput of the functions:\n{}", stack.log());
        }
        return Ok(ExitCode::from(u8::from(!passed)));
    }
    introduce(&stack, &arguments.remedy)?;
    std::future::pending().await
}

fn introduce(stack: &Stack, remedy: &str) -> io::Result<()> {
    let (url, issuer) = (stack.url(), stack.backends.issuer.url());
    let token = stack.backends.issuer.id_token(Stack::user());
    let drain = stack.invoke_command("clean-conflicts", &json!({"action": "drain"}));
    let effect = if remedy == "plan" {
        ", so it only plans"
    } else {
        ""
    };
    writeln!(
        io::stdout(),
        "chat-identity    {url}\n\
         login (IdP)      {issuer}\n\
         Zendesk          {}\n\
         its app          {}\n\
         Puzzel           {}\n\
         AWS              {}\n\
         webhook secret   {}\n\
         logs             {}\n\n\
         Ada's ID token, good for an hour:\n\n{token}\n\n\
         Try it:\n\n\
         curl -s -X POST {url}/zendesk/token -H 'authorization: Bearer {token}'\n\n\
         Look at it as an operator does:\n\n\
         cargo run -p operate -- --local check\n\n\
         Run the cleanup (REMEDY is {remedy}{effect}; see --remedy):\n\n\
         {drain}\n\n\
         Ctrl-C stops everything.",
        stack.backends.sunshine.url(),
        stack.backends.app_id(),
        stack.backends.puzzel.idp_url(),
        stack.backends.aws.url(),
        stack.backends.webhook_secret,
        stack.log_file().display(),
    )
}
