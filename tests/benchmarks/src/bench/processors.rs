//! Which processors this program and all that it starts run on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Those that we may use.
#[derive(Debug)]
pub struct Processors(CpuSet);

impl Processors {
    /// Those of the calling thread, before anything is pinned.
    pub fn allowed() -> io::Result<Self> {
        Ok(Self(sched_getaffinity(None)?))
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Pins the calling thread to one of them, and with it every thread and process that it
    /// starts from now on. It is the last one: the first has most of the machine's interrupts.
    pub fn pin(&self) -> io::Result<()> {
        let last = (0..CpuSet::MAX_CPU).rev().find(|it| self.0.is_set(*it));
        let mut one = CpuSet::new();
        one.set(last.ok_or(io::ErrorKind::NotFound)?);
        Ok(sched_setaffinity(None, &one)?)
    }

    /// Lets it run on all of them again.
    pub fn release(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pinned_thread_starts_is_pinned_until_it_is_released() {
        // A thread of its own, so that no other test is pinned.
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
