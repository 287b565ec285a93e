//! Tests of the journal: the next process, several processes, disks that fail, the loss of power,
//! and real processes that are killed.

mod conflicts;
mod fixture;
#[allow(dead_code, reason = "the simulation uses the rest")]
mod memory_disk;
mod next_process;
mod power_loss;
mod processes;
#[path = "../timing/mod.rs"]
mod timing;
mod torture;
