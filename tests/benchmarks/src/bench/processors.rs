//! The processors on which this program and all that it starts run.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors that we may use.
#[derive(Debug)]
pub struct Processors(CpuSet);

impl Processors {
    /// The processors of the calling thread, before anything is pinned.
    pub fn allowed() -> io::Result<Self> {
        Ok(Self(sched_getaffinity(None)?))
    }

    /// Their number.
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Pins the calling thread to one of them, and with it every thread and process that it starts
    /// from now on. It uses the last one, because the first handles most of the machine's
    /// interrupts.
    pub fn pin(&self) -> io::Result<()> {
        let last = (0..CpuSet::MAX_CPU).rev().find(|it| self.0.is_set(*it));
        let mut one = CpuSet::new();
        one.set(last.ok_or(io::ErrorKind::NotFound)?);
        Ok(sched_setaffinity(None, &one)?)
    }

    /// Unpins the calling thread.
    pub fn release(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_started_by_a_pinned_thread_are_pinned_until_it_is_released() {
        // A separate thread, so that no other test is pinned.
        std::thread::spawn(|| {
            let all = Processors::allowed().unwrap();
            let counted = || {
                let started = std::thread::spawn(|| Processors::allowed().unwrap().count());
                started.join().unwrap()
            };
            all.pin().unwrap();
            assert_eq!(counted(), 1);
            all.release().unwrap();
            assert_eq!(counted(), all.count());
        })
        .join()
        .unwrap();
    }
}
