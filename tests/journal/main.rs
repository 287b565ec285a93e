//! Tests of the journal: the next process, several processes, disks that fail, a power loss, and
//! real processes that are killed.

mod conflicts;
mod fixture;
#[allow(dead_code, reason = "the simulation uses the rest")]
mod memory_disk;
mod next_process;
mod power_loss;
mod processes;
mod torture;
