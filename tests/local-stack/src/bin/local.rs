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
        keep_data: !arguments.tour,
        reload: !arguments.tour,
    })
    .await?;
    if arguments.tour {
        let passed = tour::play(&stack, &mut io::stdout()).await?;
        if !passed {
            eprintln!("\noutput of the functions:\n{}", stack.log());
        }
        return Ok(ExitCode::from(u8::from(!passed)));
    }
    introduce(&stack)?;
    std::future::pending().await
}

fn introduce(stack: &Stack) -> io::Result<()> {
    let (url, issuer) = (stack.url(), stack.backends.issuer.url());
    let token = stack.backends.issuer.id_token(Stack::user());
    let drain = stack.invoke_command("clean-conflicts", &json!({"action": "drain"}));
    writeln!(
        io::stdout(),
        "chat-identity    {url}\n\
         login (IdP)      {issuer}\n\
         Zendesk          {}\n\
         Puzzel           {}\n\
         AWS              {}\n\
         webhook secret   {}\n\
         logs             {}\n\n\
         Ada's ID token, good for an hour:\n\n{token}\n\n\
         Try it:\n\n\
         curl -s -X POST {url}/zendesk/token -H 'authorization: Bearer {token}'\n\n\
         Clear the conflicts that were reported (REMEDY is plan, as long as it is not set):\n\n\
         {drain}\n\n\
         Ctrl-C stops everything.",
        stack.backends.sunshine.url(),
        stack.backends.puzzel.idp_url(),
        stack.backends.aws.url(),
        stack.backends.webhook_secret,
        stack.log_file().display(),
    )
}
