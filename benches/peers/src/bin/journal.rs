//! The cost of a journal, against the service in memory unless a URL is named:
//! `buy FOLDER none|process|power THREADS COUNT [URL]` buys numbers and leaves their orders open,
//! `order FOLDER COUNT` buys, waits for the code and completes, `adopt FOLDER` adopts the orders of
//! ended processes, and `settle FOLDER COUNT` buys and cancels beside one open order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{env, fs, io, thread};

use peers::{cpu_micros, report, status};
use sastaotp::clock::ManualClock;
use sastaotp::journal::{Disk, Durability, File, SystemDisk};
use sastaotp::transport::{Cause, Phase, Reply, Request, Transport, TransportError};
use sastaotp::{Activation, Amount, Client, ClientBuilder, NumberRequest};
use serde_json::json;

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How long a wait for a code may take, on the clock of the service.
const CODE_TIME: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    let folder = Path::new(&arguments[1]);
    let syncs = Syncs::default();
    match arguments[0].as_str() {
        "buy" => {
            let builder = match arguments.get(5) {
                Some(url) => Client::builder().api_key(KEY).base_url(url),
                None => in_memory(Arc::default()),
            };
            let builder = match arguments[2].as_str() {
                "none" => builder,
                "process" => syncs.count(builder, folder, Durability::Process),
                "power" => syncs.count(builder, folder, Durability::Power),
                other => panic!("unknown durability {other}"),
            };
            buy(&builder.build().expect("a client"), &syncs, number(3), number(4));
        }
        "order" => {
            let service = Arc::new(Service { sends_codes: true, ..Service::default() });
            let builder = in_memory(Arc::clone(&service));
            let client = syncs.count(builder, folder, Durability::Power).build();
            order(&client.expect("a client"), &service, &syncs, number(2));
        }
        "adopt" => {
            let builder = syncs.count(in_memory(Arc::default()), folder, Durability::Power);
            let start = Instant::now();
            let client = builder.build().expect("a client");
            let took = start.elapsed();
            report(&[
                ("seconds", &took.as_secs_f64()),
                ("orders", &client.unclaimed().len()),
                ("peak_kb", &status("VmHWM")),
            ]);
        }
        "settle" => {
            let builder = in_memory(Arc::default());
            let builder = syncs.count(builder, folder, Durability::Process);
            settle(&builder.build().expect("a client"), folder, number(2));
        }
        other => panic!("unknown command {other}: see the first lines of this file"),
    }
}

/// Returns a client of a service in this process, whose waits take no time.
fn in_memory(service: Arc<Service>) -> ClientBuilder {
    let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Client::builder().api_key(KEY).clock(Arc::new(ManualClock::new(start))).transport(service)
}

fn purchase(client: &Client) -> Activation {
    let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(100));
    client.get_number(request).expect("a number")
}

fn buy(client: &Client, syncs: &Syncs, threads: u32, count: u32) {
    let buy = |count: u32| {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..count).for_each(|_| drop(purchase(client))));
            }
        });
    };
    // Reads the history. Threads that wait for that would move the service's clock.
    drop(purchase(client));
    let (cpu, synced, start) = (cpu_micros(), syncs.read(), Instant::now());
    buy(count / threads);
    let (cpu, wall) = (cpu_micros() - cpu, start.elapsed());
    let count = f64::from(count / threads * threads);
    report(&[
        ("per_second", &(count / wall.as_secs_f64())),
        ("cpu_us", &(cpu as f64 / count)),
        ("syncs", &((syncs.read() - synced) as f64 / count)),
    ]);
}

/// Reports the highest number of syncs of each step of an order.
fn order(client: &Client, service: &Service, syncs: &Syncs, count: u32) {
    let (mut buying, mut waiting, mut completing) = (0, 0, 0);
    for _ in 0..count {
        let start = syncs.read();
        let number = purchase(client);
        let bought = syncs.read();
        number.wait_for_code(CODE_TIME).expect("a code");
        let waited = syncs.read();
        number.complete().expect("a completed order");
        buying = buying.max(bought - start);
        waiting = waiting.max(waited - bought);
        completing = completing.max(syncs.read() - waited);
    }
    let polls = service.polls.load(Ordering::Relaxed);
    report(&[
        ("buying", &buying),
        ("waiting", &waiting),
        ("completing", &completing),
        ("polls", &(f64::from(polls) / f64::from(count))),
    ]);
}

/// Reports the largest size of the journal's files that is seen, and their size at the end.
fn settle(client: &Client, folder: &Path, count: u32) {
    let _open = purchase(client);
    let (mut size, mut largest) = (0, 0);
    let start = Instant::now();
    for nth in 1..=count {
        purchase(client).cancel().expect("a cancelled order");
        if nth % 100 == 0 || nth == count {
            size = size_of(folder);
            largest = largest.max(size);
        }
    }
    report(&[
        ("seconds", &start.elapsed().as_secs_f64()),
        ("largest", &largest),
        ("size", &size),
        ("peak_kb", &status("VmHWM")),
    ]);
}

/// The length of the files of a folder and of those in it.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
    let size = |entry: fs::DirEntry| match entry.metadata().expect("a size") {
        found if found.is_dir() => size_of(&entry.path()),
        found => found.len(),
    };
    entries.map(size).sum()
}

/// A service in this process, with replies of the usual length. It sells any number of orders.
#[derive(Debug, Default)]
struct Service {
    sold: AtomicU32,
    polls: AtomicU32,
    /// Whether every second poll returns a code.
    sends_codes: bool,
}

impl Transport for Service {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        if !request.latch.try_send() {
            return Err(TransportError::new(Cause::Cancelled, Phase::Connect, false, "cancelled"));
        }
        let has = |parameter| request.query.split('&').any(|found| found == parameter);
        let text = if has("action=getNumber") {
            self.sell()
        } else if has("action=getStatus") {
            let polls = self.polls.fetch_add(1, Ordering::Relaxed);
            let has_code = self.sends_codes && polls % 2 == 1;
            if has_code { "STATUS_OK:123456" } else { "STATUS_WAIT_CODE" }.to_owned()
        } else if has("action=setStatus") {
            if has("status=6") { "ACCESS_ACTIVATION" } else { "ACCESS_CANCEL" }.to_owned()
        } else {
            r#"{"status":"OK","orders":[],"total":0}"#.to_owned()
        };
        Ok(Reply { status: 200, framed: true, body: text.into_bytes(), ..Reply::default() })
    }
}

impl Service {
    fn sell(&self) -> String {
        let sold = self.sold.fetch_add(1, Ordering::Relaxed);
        let phone = format!("91{}", 9_198_000_000 + u64::from(sold));
        json!({
            "activation_id": (38_000_000 + sold).to_string(),
            "can_get_another_sms": false,
            "country": "India",
            "country_code": "22",
            "expires_in": 1200,
            "multi_sms": false,
            "note": null,
            "number": phone,
            "order_id": 1_000 + sold,
            "phone_number": phone,
            "price": 10.0,
            "service": "Telegram",
            "service_code": "tg",
            "status": "OK",
        })
        .to_string()
    }
}

/// Counts the syncs of files and folders.
#[derive(Clone, Debug, Default)]
struct Syncs(Arc<AtomicU64>);

impl Syncs {
    /// Sets the journal of a client, whose syncs are counted.
    fn count(
        &self,
        builder: ClientBuilder,
        folder: &Path,
        durability: Durability,
    ) -> ClientBuilder {
        let disk = CountingDisk { disk: SystemDisk, syncs: self.clone() };
        builder.journal(folder).durability(durability).disk(Arc::new(disk))
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct CountingDisk {
    disk: SystemDisk,
    syncs: Syncs,
}

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn File>,
    syncs: Syncs,
}

impl CountingDisk {
    fn counting(&self, file: io::Result<Box<dyn File>>) -> io::Result<Box<dyn File>> {
        Ok(Box::new(CountingFile { file: file?, syncs: self.syncs.clone() }))
    }
}

impl Disk for CountingDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.counting(self.disk.create(path))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        self.counting(self.disk.open(path, create))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.add();
        self.disk.sync_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn is_network(&self, folder: &Path) -> io::Result<bool> {
        self.disk.is_network(folder)
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }

    fn process_id(&self) -> u32 {
        self.disk.process_id()
    }
}

impl File for CountingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.add();
        self.file.sync()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.file.has_name()
    }

    fn read_from(&self, position: u64) -> io::Result<Vec<u8>> {
        self.file.read_from(position)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn try_own(&self, owner: u32) -> io::Result<bool> {
        self.file.try_own(owner)
    }

    fn lock(&self, longest: Duration) -> io::Result<bool> {
        self.file.lock(longest)
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
