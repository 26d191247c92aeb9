//! The commands and their flags.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text in a terminal"
)]

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// Inspect chat-identity, clear the conflicts that need a person, and serve data subjects
#[derive(Parser)]
#[command(name = "operate", max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub target: Target,
    /// Print the response as JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// The location of the functions.
#[derive(Args)]
pub struct Target {
    /// The stack's name
    #[arg(
        long,
        global = true,
        env = "OPERATE_STACK",
        default_value = "chat-identity"
    )]
    pub stack: String,
    /// Talk to `cargo local` instead of AWS; without an address it is found in .local
    #[arg(long, global = true, value_name = "URL", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    pub local: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Check whether each function could do its work now, and what is wrong if not
    Check,
    /// Count the conflicts by state and reason
    Count,
    /// List the conflicts in a state
    List(List),
    /// Show everything about the conflicts of a person
    Show(Show),
    /// Clear the conflict of an external_id that you know has changed
    Resolve(Resolve),
    /// Let the work on a conflict continue, exactly as it was shown
    Approve(Approve),
    /// Work again on a conflict, or on all in a state, within what REMEDY allows
    Recheck(Recheck),
    /// End a conflict without doing anything
    Close(Close),
    /// Undo a release
    Undo(Undo),
    /// Work on everything that is due now, as the schedule does
    Drain,
    /// Import a migration: a CSV file with the old and the new external_id on each line
    Import(Import),
    /// Show the progress of a migration
    Progress(Progress),
    /// Show the data stored about a person, and delete it on request
    Erase(Erase),
}

#[derive(Args)]
pub struct List {
    /// pending, in_progress, confirming, resolved, planned, not_a_conflict, needs_review or failed
    #[arg(default_value = "needs_review")]
    pub state: String,
    /// Only those with this reason
    #[arg(long)]
    pub reason: Option<String>,
    /// Maximum conflicts to list
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// List all of them
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["email_or_conflict", "external_id"]))]
pub struct Show {
    /// An email, or the id of a conflict
    #[arg(value_name = "EMAIL")]
    pub email_or_conflict: Option<String>,
    /// The external_id that claims the email, or holds it
    #[arg(long)]
    pub external_id: Option<String>,
}

#[derive(Args)]
pub struct Resolve {
    /// The external_id before
    pub previous: String,
    /// The external_id now
    pub current: String,
    /// release-email, merge or delete; if not given, a merge if it is proven and allowed, else a release
    #[arg(long)]
    pub remedy: Option<String>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Your name, for the record
    #[arg(long, env = "OPERATE_BY", required_unless_present = "dry_run")]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct Approve {
    /// The conflict's id, as listed
    pub conflict: String,
    /// Its version, as listed
    pub version: u64,
    /// release-email, merge or delete
    #[arg(long)]
    pub remedy: String,
    /// Your name, for the record
    #[arg(long, env = "OPERATE_BY")]
    pub by: String,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["conflict", "state"]))]
pub struct Recheck {
    /// The conflict's id
    pub conflict: Option<String>,
    /// All in this state
    #[arg(long)]
    pub state: Option<String>,
    /// Only those with this reason
    #[arg(long, requires = "state")]
    pub reason: Option<String>,
}

#[derive(Args)]
pub struct Close {
    /// The conflict's id, as listed
    pub conflict: String,
    /// Its version, as listed
    pub version: u64,
    /// The reason why nothing is to be done
    #[arg(long)]
    pub note: String,
    /// Your name, for the record
    #[arg(long, env = "OPERATE_BY")]
    pub by: String,
}

#[derive(Args)]
pub struct Undo {
    /// The conflict's id, as listed
    pub conflict: String,
    /// Its version, as listed
    pub version: u64,
    /// Your name, for the record
    #[arg(long, env = "OPERATE_BY")]
    pub by: String,
}

#[derive(Args)]
pub struct Import {
    /// The file; it may have a header, quoted fields and any line ends
    pub file: PathBuf,
    /// Your name, for the record
    #[arg(long, env = "OPERATE_BY")]
    pub by: String,
    /// The migration's name; the file's name if not given
    #[arg(long)]
    pub batch: Option<String>,
    /// Nothing is worked on before this: a time such as 2026-12-01T22:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub not_before: Option<String>,
    /// The file for refused lines; FILE.refused.csv if not given
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
}

#[derive(Args)]
pub struct Progress {
    /// The migration's name
    pub batch: String,
    /// Only pairs in this state
    #[arg(long)]
    pub state: Option<String>,
    /// Check every few seconds until no more work is pending
    #[arg(long, conflicts_with = "state")]
    pub watch: bool,
    /// Write the pairs that are not resolved into a CSV file, with their reasons
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("person").required(true).args(["email", "external_id"]))]
pub struct Erase {
    /// The person's email
    pub email: Option<String>,
    /// The person's external_id
    #[arg(long)]
    pub external_id: Option<String>,
    /// Delete it; without this nothing is changed
    #[arg(long, requires = "by")]
    pub delete: bool,
    /// Your name, for the log
    #[arg(long, env = "OPERATE_BY")]
    pub by: Option<String>,
}
