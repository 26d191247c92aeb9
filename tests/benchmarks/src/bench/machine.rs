//! The machine on which the measurements ran.

use std::process::Command;

use time::OffsetDateTime;

use super::processors::Processors;

/// The facts that a reader needs for a comparison.
#[derive(Clone, Debug)]
pub struct Machine {
    processor: String,
    count: u32,
    memory: String,
    kernel: String,
    /// The load of the last minute.
    load: String,
    versions: Vec<String>,
    date: String,
}

impl Machine {
    /// This machine.
    pub fn this(processors: &Processors) -> Self {
        let now = OffsetDateTime::now_utc();
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            count: processors.count(),
            memory: gigabytes(&field(&read("/proc/meminfo"), "MemTotal")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            versions: ["rustc", "node", "python3"]
                .into_iter()
                .filter_map(version)
                .collect(),
            date: now.date().to_string(),
        }
    }

    /// A sentence that describes it.
    pub fn describe(&self) -> String {
        let Self {
            processor,
            count,
            memory,
            kernel,
            load,
            versions,
            date,
        } = self;
        let versions = versions.join(", ");
        format!(
            "On {date}: {processor}, {count} processors, {memory} of memory, Linux {kernel}; \
             {versions}; load average before the run {load}.\n"
        )
    }
}

fn gigabytes(memory: &str) -> String {
    let kilobytes = memory
        .strip_suffix(" kB")
        .and_then(|it| it.parse::<u64>().ok());
    kilobytes.map_or_else(
        || memory.to_owned(),
        |it| format!("{} GB", (it * 1024 + 500_000_000) / 1_000_000_000),
    )
}

fn field(text: &str, name: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| field.trim() == name)
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
}

/// The version that a program reports, if it is installed.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let text = text.trim();
    // Node prints only its number.
    match text.strip_prefix('v') {
        _ if text.is_empty() => None,
        Some(number) => Some(format!("{program} {number}")),
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_proc_is_read_up_to_the_end_of_its_line() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz: fast\n";
        assert_eq!(field(text, "model name"), "A Processor @ 2 GHz: fast");
        assert_eq!(field(text, "missing"), "unknown");
        assert_eq!(gigabytes("24684084 kB"), "25 GB");
        assert_eq!(gigabytes("unknown"), "unknown");
    }

    #[test]
    fn a_program_that_is_not_installed_has_no_version() {
        assert_eq!(version("no-such-program"), None);
        assert!(version("rustc").unwrap().starts_with("rustc 1."));
    }
}
