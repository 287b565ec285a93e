//! Shared code of the benchmark programs: the resource use of a process, and its one line of
//! results.

use std::fmt::Display;
use std::fs;
use std::time::Duration;

/// Returns the CPU time of this process, user and system, in microseconds.
pub fn cpu_micros() -> u64 {
    // SAFETY: the call fills in the structure, whose previous content does not matter.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

/// Returns a number of `/proc/self/status`: `VmRSS` and `VmHWM` in KB, `Threads`.
pub fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Resets the peak memory of this process.
pub fn reset_peak() {
    // The allocator's free memory would hide new allocations.
    #[cfg(target_env = "gnu")]
    // SAFETY: the call only returns free pages.
    unsafe {
        libc::malloc_trim(0);
    }
    fs::write("/proc/self/clear_refs", "5").expect("the peak of memory can be reset");
}

/// Prints results as one JSON object.
pub fn report(results: &[(&str, &dyn Display)]) {
    let fields: Vec<_> =
        results.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    println!("{{{}}}", fields.join(","));
}

/// Makes `count` calls and reports the CPU time and the time of each, in microseconds.
pub fn measure_calls(count: u32, mut call: impl FnMut()) {
    for _ in 0..(count / 10).clamp(1, 500) {
        call();
    }
    let (cpu, start) = (cpu_micros(), std::time::Instant::now());
    for _ in 0..count {
        call();
    }
    let (cpu, wall) = (cpu_micros() - cpu, start.elapsed());
    report(&[
        ("cpu_us", &(cpu as f64 / f64::from(count))),
        ("wall_us", &(wall.as_secs_f64() * 1e6 / f64::from(count))),
        ("rss_kb", &status("VmHWM")),
    ]);
}

/// Decodes a file once to measure the peak memory beyond the body, then `rounds` times to measure
/// the time. Reports the best time.
pub fn measure_decoding(path: &str, rounds: u32, decode: impl Fn(Vec<u8>) -> usize) {
    let body = fs::read(path).expect("the catalogue exists");
    let copy = body.clone();
    reset_peak();
    let before = status("VmRSS");
    let entries = decode(copy);
    let peak = status("VmHWM").saturating_sub(before);
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let copy = body.clone();
        let start = std::time::Instant::now();
        assert_eq!(decode(copy), entries);
        best = best.min(start.elapsed());
    }
    report(&[("ms", &(best.as_secs_f64() * 1e3)), ("peak_kb", &peak), ("entries", &entries)]);
}
