//! A LaminarDB node as far as its cluster goes: its gossip discovery, its
//! shuffle receiver and its shuffle sender, and its control plane, driven by
//! lines on standard input.
//!
//!     register ID ADDR            tell the sender where a peer listens
//!     lookup ID                   read ID's `shuffle:addr` from the gossip, and register it
//!     send-hello ID N             one frame each, from the real sender
//!     send-batch ID VNODE ROWS [TEXT]
//!     send-hex ID VNODE ARROW
//!     barrier ID CHECKPOINT EPOCH FLAGS
//!     fanout CHECKPOINT EPOCH FLAGS ID,ID...
//!     close ID [REASON]
//!     encode ROWS [TEXT]          the Arrow bytes of such a batch, unsent
//!     received                    every frame delivered so far, in order
//!     peers                       membership as LaminarDB sees it
//!
//! and the commands of `control.rs`, and the gossip commands of the chitchat
//! peer. The sender gets its addresses from `register` and `lookup` alone: a
//! sender built with the KV deadlocks when it discovers a peer by itself. Arrow
//! bytes are told in hexadecimal, as the crate's own encoder writes them; what
//! was received is encoded anew, because the receiver hands out decoded batches
//! only.

mod control;
#[path = "../../chitchat/peer.rs"]
mod peer;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use control::Control;
use laminar_core::checkpoint::barrier::CheckpointBarrier;
use laminar_core::cluster::control::{ChitchatKv, ClusterKv};
use laminar_core::cluster::discovery::{
    Discovery, GossipDiscovery, GossipDiscoveryConfig, NodeId, NodeInfo, NodeMetadata, NodeState,
};
use laminar_core::serialization::{deserialize_batch_stream, serialize_batch_stream};
use laminar_core::shuffle::{ShuffleMessage, ShuffleReceiver, ShuffleSender, SHUFFLE_ADDR_KEY};
use peer::{fail, Args, Dialogue};
use serde_json::{json, Value};

const FLAGS: &[&str] = &[
    "--id",
    "--listen",
    "--shuffle",
    "--seed",
    "--cluster",
    "--interval-ms",
    "--phi",
    "--dead-grace-ms",
];

/// Longer than any healthy send; a sender that never returns is an answer too.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error>;

struct Node {
    discovery: GossipDiscovery,
    kv: Arc<ChitchatKv>,
    control: Control,
    sender: ShuffleSender,
    received: Arc<Mutex<Vec<Value>>>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args = Args::from_env(FLAGS);
    let id: u64 = args.one("--id", 2001);
    let config = configuration(&args, id);
    let gossip_addr = config.gossip_address.clone();

    let mut discovery = GossipDiscovery::new(config);
    if let Err(error) = discovery.start().await {
        fail(&format!("{error}"));
    }
    let handle = discovery.chitchat_handle().expect("discovery has started");
    let kv = Arc::new(ChitchatKv::from_handle(handle));

    let shuffle = args.one("--shuffle", ([127, 0, 0, 1], 0).into());
    let receiver = ShuffleReceiver::bind_with_kv(id, shuffle, kv.clone())
        .await
        .unwrap_or_else(|error| fail(&format!("{shuffle}: {error}")));
    let shuffle_addr = receiver.local_addr();
    let control = Control::start(NodeId(id), kv.clone(), discovery.membership_watch());
    let node = Node {
        discovery,
        kv,
        control,
        sender: ShuffleSender::new(id),
        received: Arc::default(),
    };
    tokio::spawn(collect(receiver, node.received.clone()));

    let mut dialogue = Dialogue::new();
    dialogue.answer(json!({ "ready": gossip_addr, "shuffle": shuffle_addr.to_string() }));
    while let Some(line) = dialogue.next().await {
        let answer = answer(&node, &line).await;
        dialogue.answer(answer.unwrap_or_else(|error| json!({ "error": error.to_string() })));
    }
    std::process::exit(0); // the thread that reads the input never ends
}

fn configuration(args: &Args, id: u64) -> GossipDiscoveryConfig {
    let listen: SocketAddr = args.one("--listen", ([127, 0, 0, 1], 0).into());
    GossipDiscoveryConfig {
        gossip_address: peer::with_free_port(listen).to_string(),
        seed_nodes: args.all("--seed"),
        gossip_interval: args.duration_ms("--interval-ms", 100),
        phi_threshold: args.one("--phi", 8.0),
        dead_node_grace_period: args.duration_ms("--dead-grace-ms", 900_000),
        cluster_id: args.one("--cluster", "default".to_string()),
        node_id: NodeId(id),
        local_node: NodeInfo {
            id: NodeId(id),
            name: format!("laminar-{id}"),
            rpc_address: "127.0.0.1:9000".to_string(),
            raft_address: String::new(),
            state: NodeState::Active,
            metadata: NodeMetadata::default(),
            last_heartbeat_ms: 0,
        },
    }
}

/// Takes every frame from the receiver, for as long as the program runs.
async fn collect(receiver: ShuffleReceiver, received: Arc<Mutex<Vec<Value>>>) {
    while let Some((from, message)) = receiver.recv().await {
        let row = describe(from, &message);
        received.lock().expect("no panic holds it").push(row);
    }
}

fn describe(from: u64, message: &ShuffleMessage) -> Value {
    match message {
        ShuffleMessage::Hello(id) => json!({ "from": from, "kind": "hello", "id": id }),
        ShuffleMessage::Barrier(barrier) => json!({
            "from": from,
            "kind": "barrier",
            "checkpoint_id": barrier.checkpoint_id,
            "epoch": barrier.epoch,
            "flags": barrier.flags,
        }),
        ShuffleMessage::VnodeData(vnode, batch) => json!({
            "from": from,
            "kind": "data",
            "vnode": vnode,
            "rows": batch.num_rows(),
            "arrow": encode(batch).unwrap_or_else(|error| error.to_string()),
        }),
        ShuffleMessage::Close(reason) => json!({ "from": from, "kind": "close", "reason": reason }),
    }
}

async fn answer(node: &Node, line: &str) -> Result<Value, Failure> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["register", id, addr] => {
            node.sender.register_peer(id.parse()?, addr.parse()?).await;
            Ok(json!({ "addr": addr }))
        }
        ["lookup", id] => lookup(node, id.parse()?).await,
        ["send-hello", id, hello] => send(node, id, ShuffleMessage::Hello(hello.parse()?)).await,
        ["send-batch", id, vnode, rows] => send_batch(node, id, vnode, batch(rows, None)?).await,
        ["send-batch", id, vnode, rows, text] => {
            send_batch(node, id, vnode, batch(rows, Some(text))?).await
        }
        ["send-hex", id, vnode, arrow] => send_batch(node, id, vnode, decode(arrow)?).await,
        ["barrier", id, checkpoint, epoch, flags] => {
            let barrier = barrier(checkpoint, epoch, flags)?;
            send(node, id, ShuffleMessage::Barrier(barrier)).await
        }
        ["fanout", checkpoint, epoch, flags, ids] => {
            let barrier = barrier(checkpoint, epoch, flags)?;
            let ids: Vec<u64> = ids.split(',').map(str::parse).collect::<Result<_, _>>()?;
            within_time(node.sender.fan_out_barrier(&ids, barrier)).await
        }
        ["close", id] => send(node, id, ShuffleMessage::Close(String::new())).await,
        ["close", id, reason] => send(node, id, ShuffleMessage::Close(reason.to_string())).await,
        ["encode", rows] => Ok(json!({ "arrow": encode(&batch(rows, None)?)? })),
        ["encode", rows, text] => Ok(json!({ "arrow": encode(&batch(rows, Some(text))?)? })),
        ["received"] => {
            Ok(json!({ "received": *node.received.lock().expect("no panic holds it") }))
        }
        ["peers"] => peers(node).await,
        _ => match node.control.command(&words).await {
            Some(answer) => answer,
            None => gossip(node, line).await,
        },
    }
}

/// The address as the gossip has it, told to the sender.
async fn lookup(node: &Node, id: u64) -> Result<Value, Failure> {
    let Some(text) = node.kv.read_from(NodeId(id), SHUFFLE_ADDR_KEY).await else {
        return Ok(json!({ "addr": null }));
    };
    node.sender.register_peer(id, text.parse()?).await;
    Ok(json!({ "addr": text }))
}

async fn send_batch(
    node: &Node,
    id: &str,
    vnode: &str,
    batch: RecordBatch,
) -> Result<Value, Failure> {
    let arrow = encode(&batch)?;
    let message = ShuffleMessage::VnodeData(vnode.parse()?, batch);
    send(node, id, message).await?;
    Ok(json!({ "sent": true, "arrow": arrow }))
}

async fn send(node: &Node, id: &str, message: ShuffleMessage) -> Result<Value, Failure> {
    within_time(node.sender.send_to(id.parse()?, &message)).await
}

async fn within_time(sending: impl Future<Output = std::io::Result<()>>) -> Result<Value, Failure> {
    tokio::time::timeout(SEND_TIMEOUT, sending).await??;
    Ok(json!({ "sent": true }))
}

fn barrier(checkpoint: &str, epoch: &str, flags: &str) -> Result<CheckpointBarrier, Failure> {
    let mut barrier = CheckpointBarrier::new(checkpoint.parse()?, epoch.parse()?);
    barrier.flags = flags.parse()?;
    Ok(barrier)
}

/// A column x = 0, 1, 2 ... and, with `text`, a column of that text.
fn batch(rows: &str, text: Option<&str>) -> Result<RecordBatch, Failure> {
    let rows: i64 = rows.parse()?;
    let x: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let mut columns = vec![("x", x)];
    if let Some(text) = text {
        let s: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|_| text)));
        columns.push(("s", s));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn encode(batch: &RecordBatch) -> Result<String, Failure> {
    let bytes = serialize_batch_stream(batch)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn decode(hex: &str) -> Result<RecordBatch, Failure> {
    Ok(deserialize_batch_stream(&bytes(hex)?)?)
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let pairs = hex.as_bytes().chunks(2).map(std::str::from_utf8);
    pairs
        .map(|pair| Ok(u8::from_str_radix(pair?, 16)?))
        .collect()
}

async fn peers(node: &Node) -> Result<Value, Failure> {
    let mut peers = node.discovery.peers().await?;
    peers.sort_by_key(|info| info.id.0);
    let rows: Vec<Value> = peers
        .iter()
        .map(|info| {
            json!({
                "id": info.id.0,
                "name": info.name,
                "state": info.state.to_string(),
                "rpc_addr": info.rpc_address,
                "version": info.metadata.version,
            })
        })
        .collect();
    Ok(json!({ "peers": rows }))
}

async fn gossip(node: &Node, line: &str) -> Result<Value, Failure> {
    let handle = node
        .discovery
        .chitchat_handle()
        .ok_or("gossip has stopped")?;
    let answer = handle.with_chitchat(|chitchat| peer::gossip_command(chitchat, line));
    answer.await.ok_or_else(|| "unknown command".into())
}
