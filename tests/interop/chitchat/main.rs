//! A real chitchat node over UDP, driven by lines on standard input.
//!
//! Built twice from this one file, against chitchat 0.10.0 and 0.13.0; the
//! feature `protocol-version` stands for what only the later one has.
//!
//!     set KEY VALUE   ttl KEY VALUE   del KEY     the own state
//!     get ID KEY                                  the newest generation of ID
//!     live   members   quit
//!
//! The first line it writes is {"ready":"ADDRESS"}; after it comes one JSON
//! object for each command.

mod peer;

use std::time::{SystemTime, UNIX_EPOCH};

use chitchat::transport::UdpTransport;
use chitchat::{spawn_chitchat, ChitchatConfig, ChitchatId, FailureDetectorConfig};
use peer::{fail, Args, Dialogue};
use serde_json::json;

const FLAGS: &[&str] = &[
    "--id",
    "--generation",
    "--listen",
    "--seed",
    "--cluster",
    "--interval-ms",
    "--phi",
    "--tombstone-grace-ms",
    "--dead-grace-ms",
    "--kv",
    #[cfg(feature = "protocol-version")]
    "--protocol",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::from_env(FLAGS);
    let config = configuration(&args);
    let addr = config.listen_addr;
    let node = spawn_chitchat(config, initial_keys(&args), &UdpTransport)
        .await
        .unwrap_or_else(|error| fail(&format!("{error:#}")));

    let mut dialogue = Dialogue::new();
    dialogue.answer(json!({ "ready": addr.to_string() }));
    while let Some(line) = dialogue.next().await {
        let answer = node
            .with_chitchat(|chitchat| peer::gossip_command(chitchat, &line))
            .await;
        dialogue.answer(answer.unwrap_or_else(|| json!({ "error": "unknown command" })));
    }
    std::process::exit(0); // the thread that reads the input never ends
}

fn configuration(args: &Args) -> ChitchatConfig {
    let listen = args.one("--listen", ([127, 0, 0, 1], 0).into());
    let listen_addr = peer::with_free_port(listen);
    let id = args.one("--id", "node-1001".to_string());
    let generation = args.one("--generation", now_ms());
    let interval = args.duration_ms("--interval-ms", 100);

    ChitchatConfig {
        chitchat_id: ChitchatId::new(id, generation, listen_addr),
        cluster_id: args.one("--cluster", "default".to_string()),
        gossip_interval: interval,
        listen_addr,
        seed_nodes: args.all("--seed"),
        failure_detector_config: FailureDetectorConfig {
            phi_threshold: args.one("--phi", 8.0),
            initial_interval: interval,
            dead_node_grace_period: args.duration_ms("--dead-grace-ms", 900_000),
            ..Default::default()
        },
        marked_for_deletion_grace_period: args.duration_ms("--tombstone-grace-ms", 900_000),
        catchup_callback: None,
        extra_liveness_predicate: None,
        #[cfg(feature = "protocol-version")]
        protocol_version: protocol_version(args),
    }
}

/// Wall clock milliseconds: every start is a newer generation.
fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.expect("a clock after 1970").as_millis() as u64
}

#[cfg(feature = "protocol-version")]
fn protocol_version(args: &Args) -> chitchat::ProtocolVersion {
    match args.one("--protocol", "v0".to_string()).as_str() {
        "v0" => chitchat::ProtocolVersion::V0,
        "v1" => chitchat::ProtocolVersion::V1,
        other => fail(&format!("--protocol is v0 or v1, not \"{other}\"")),
    }
}

fn initial_keys(args: &Args) -> Vec<(String, String)> {
    let pairs = args.all("--kv").into_iter();
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key.to_string(), value.to_string()),
            None => fail(&format!("--kv is KEY=VALUE, not \"{pair}\"")),
        })
        .collect()
}
