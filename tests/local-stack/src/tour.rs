//! Plays the story through the running functions. Each step reports what it observed.

mod cleanup;
mod puzzel;
mod sign;
mod story;
mod webhook;

use std::io::{self, Write};
use std::time::Instant;

use crate::stack::Stack;
use story::{Chapter, Story};

/// The chapters, in the order of the story. Each has its own person.
const CHAPTERS: [Chapter; 6] = [
    sign::CHAPTER,
    cleanup::MERGE,
    cleanup::RELEASE,
    cleanup::DELETE,
    webhook::CHAPTER,
    puzzel::CHAPTER,
];

/// Plays every step and writes a line for each. Stops at the first failure, and then returns
/// `false`.
pub async fn play(stack: &Stack, out: &mut impl Write) -> io::Result<bool> {
    let mut story = Story::new(stack);
    let began = Instant::now();
    let mut number = 0;
    for (title, steps) in CHAPTERS {
        writeln!(out, "\n{title}")?;
        for (title, step) in steps {
            number += 1;
            let began = Instant::now();
            let seen = step(&mut story).await;
            let took = began.elapsed().as_millis();
            let (sign, text) = match &seen {
                Ok(text) => ("ok", text),
                Err(text) => ("FAILED", text),
            };
            let text = text.replace('\n', "\n    ");
            writeln!(
                out,
                "{number:2}  {title:<60} {took:>5} ms  {sign}\n    {text}"
            )?;
            if seen.is_err() {
                return Ok(false);
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    writeln!(out, "\n{number} steps in {seconds:.1} s")?;
    Ok(true)
}
