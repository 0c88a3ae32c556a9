//! What every peer program does the same way: its arguments, its dialogue
//! (a command a line on standard input, a JSON object a line back), and its
//! view of the gossip state.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use chitchat::{Chitchat, ChitchatId, NodeState};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// Flags that all take one value, as `--name value`.
pub struct Args(Vec<(String, String)>);

impl Args {
    /// Reads the command line; a flag outside `known` ends the program.
    pub fn from_env(known: &[&str]) -> Args {
        let mut words = std::env::args().skip(1);
        let mut pairs = Vec::new();
        while let Some(name) = words.next() {
            if !known.contains(&name.as_str()) {
                fail(&format!("unknown flag {name}"));
            }
            let Some(value) = words.next() else {
                fail(&format!("{name} needs a value"));
            };
            pairs.push((name, value));
        }
        Args(pairs)
    }

    /// Every value given for `name`, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        let given = self.0.iter().filter(|(key, _)| key == name);
        given.map(|(_, value)| value.clone()).collect()
    }

    /// The last value given for `name`, else `default`.
    pub fn one<T: FromStr>(&self, name: &str, default: T) -> T {
        let Some(text) = self.all(name).pop() else {
            return default;
        };
        match text.parse() {
            Ok(value) => value,
            Err(_) => fail(&format!("{name} can not be \"{text}\"")),
        }
    }

    pub fn duration_ms(&self, name: &str, default_ms: u64) -> Duration {
        Duration::from_millis(self.one(name, default_ms))
    }
}

/// Ends the program with a sentence.
pub fn fail(sentence: &str) -> ! {
    eprintln!("interop peer: {sentence}");
    std::process::exit(2);
}

/// The same address with a free UDP port in place of port 0. chitchat puts
/// its address into its identity before it binds, so the port must be known
/// first; nobody else should take it in the moment between.
pub fn with_free_port(addr: SocketAddr) -> SocketAddr {
    let probe = UdpSocket::bind(addr).and_then(|socket| socket.local_addr());
    probe.unwrap_or_else(|error| fail(&format!("{addr}: {error}")))
}

/// The commands, one a line. The end of the input is a `quit`, so that no
/// peer outlives the test that started it.
pub struct Dialogue(Lines<BufReader<Stdin>>);

impl Dialogue {
    pub fn new() -> Dialogue {
        Dialogue(BufReader::new(tokio::io::stdin()).lines())
    }

    pub async fn next(&mut self) -> Option<String> {
        let line = self.0.next_line().await.ok().flatten()?;
        (line.trim() != "quit").then_some(line)
    }

    /// Rust's standard output flushes at each line feed.
    pub fn answer(&self, value: Value) {
        println!("{value}");
    }
}

/// The commands about the gossip state; `None` if `line` is none of them.
pub fn gossip_command(chitchat: &mut Chitchat, line: &str) -> Option<Value> {
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    Some(match words[..] {
        ["set", key, value] => {
            chitchat.self_node_state().set(key, value);
            own_key(chitchat, key)
        }
        ["ttl", key, value] => {
            chitchat.self_node_state().set_with_ttl(key, value);
            own_key(chitchat, key)
        }
        ["del", key] => {
            chitchat.self_node_state().delete(key);
            own_key(chitchat, key)
        }
        ["get", id, key] => get(chitchat, id, key),
        ["live"] => live(chitchat),
        ["members"] => members(chitchat),
        _ => return None,
    })
}

fn own_key(chitchat: &mut Chitchat, key: &str) -> Value {
    key_of(chitchat.self_node_state(), key)
}

/// The key as the newest generation known of `node_id` has it.
fn get(chitchat: &Chitchat, node_id: &str, key: &str) -> Value {
    let known = chitchat.node_states().iter();
    let newest = known
        .filter(|(id, _)| &*id.node_id == node_id)
        .max_by_key(|(id, _)| id.generation_id);
    match newest {
        Some((_, state)) => key_of(state, key),
        None => json!({ "value": null, "version": null, "error": "unknown node" }),
    }
}

fn key_of(state: &NodeState, key: &str) -> Value {
    json!({
        "value": state.get(key),
        "version": state.get_versioned(key).map(|entry| entry.version),
    })
}

fn live(chitchat: &Chitchat) -> Value {
    let mut rows: Vec<&ChitchatId> = chitchat.live_nodes().collect();
    rows.sort();
    rows.dedup();
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|id| json!({ "id": &*id.node_id, "generation": id.generation_id }))
        .collect();
    json!({ "live": rows })
}

fn members(chitchat: &Chitchat) -> Value {
    let live: HashSet<&ChitchatId> = chitchat.live_nodes().collect();
    let rows: Vec<Value> = chitchat
        .node_states()
        .iter()
        .map(|(id, state)| {
            json!({
                "id": &*id.node_id,
                "generation": id.generation_id,
                "addr": id.gossip_advertise_addr.to_string(),
                "live": live.contains(id),
                "keys": state.num_key_values(),
                "max_version": state.max_version(),
                "last_gc_version": state.last_gc_version(),
            })
        })
        .collect();
    json!({ "members": rows })
}
