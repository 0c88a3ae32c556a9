//! LaminarDB's control plane: its `ClusterController` over its chitchat KV, in
//! both of its parts. Which of them a node has is the crate's own leader rule;
//! `announce` and `quorum` ask nobody, for a story wants to be wrong too.
//!
//!     leader                      whom the crate takes for the leader, and its live list
//!     announce PHASE EPOCH CHECKPOINT [WATERMARK]
//!     quorum EPOCH ID,ID... DEADLINE_MS
//!                                 wait for the acks: reached, timed_out or failed
//!     follow ok [WATERMARK]       from now on, answer each Prepare so
//!     follow fail TEXT
//!     follow silent
//!     observed                    the announcements seen, and the cluster's watermark
//!     read announcement HEX       what the crate's reader makes of that text
//!     read ack HEX
//!
//! The announcing, the observing, the acking and the quorum are the crate's.
//! The loop that observes and acks belongs to LaminarDB's engine, in another
//! crate; `Follower` has its part of the protocol and no checkpoint behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use laminar_core::cluster::control::{
    BarrierAck, BarrierAnnouncement, ClusterController, ClusterKv, Phase, QuorumOutcome,
};
use laminar_core::cluster::discovery::{NodeId, NodeInfo};
use serde_json::{json, Value};
use tokio::sync::watch;

use crate::{bytes, Failure};

/// How often LaminarDB's engine looks.
const OBSERVE_EVERY: Duration = Duration::from_millis(50);

pub struct Control {
    controller: Arc<ClusterController>,
    follower: Arc<Mutex<Follower>>,
}

#[derive(Default)]
struct Follower {
    answer: Answer,
    acted_on: Option<u64>,
    observed: Vec<Value>,
}

#[derive(Clone, Default)]
enum Answer {
    Ok(Option<i64>),
    Fail(String),
    #[default]
    Silent,
}

impl Control {
    /// Observes from now on, for as long as the program runs.
    pub fn start(
        id: NodeId,
        kv: Arc<dyn ClusterKv>,
        members: watch::Receiver<Vec<NodeInfo>>,
    ) -> Control {
        let control = Control {
            controller: Arc::new(ClusterController::new(id, kv, None, members)),
            follower: Arc::default(),
        };
        tokio::spawn(follow(control.controller.clone(), control.follower.clone()));
        control
    }

    /// `None` if the words are no command of the control plane.
    pub async fn command(&self, words: &[&str]) -> Option<Result<Value, Failure>> {
        Some(match *words {
            ["leader"] => Ok(self.leader()),
            ["announce", phase, epoch, checkpoint] => {
                self.announce(phase, epoch, checkpoint, None).await
            }
            ["announce", phase, epoch, checkpoint, watermark] => {
                self.announce(phase, epoch, checkpoint, Some(watermark))
                    .await
            }
            ["quorum", epoch, ids, deadline] => self.quorum(epoch, ids, deadline).await,
            ["follow", ref answer @ ..] => self.follow(answer),
            ["observed"] => Ok(self.observed()),
            ["read", kind, hex] => read(kind, hex),
            _ => return None,
        })
    }

    fn leader(&self) -> Value {
        let mut live = numbers(&self.controller.live_instances());
        live.sort_unstable();
        json!({
            "leader": self.controller.current_leader().map(|id| id.0),
            "live": live,
        })
    }

    async fn announce(
        &self,
        phase: &str,
        epoch: &str,
        checkpoint: &str,
        watermark: Option<&str>,
    ) -> Result<Value, Failure> {
        let announcement = BarrierAnnouncement {
            epoch: epoch.parse()?,
            checkpoint_id: checkpoint.parse()?,
            phase: serde_json::from_value(json!(phase))?,
            flags: 0,
            min_watermark_ms: watermark.map(str::parse).transpose()?,
        };
        self.controller.announce_barrier(&announcement).await?;
        Ok(json!({ "announced": announcement }))
    }

    async fn quorum(&self, epoch: &str, ids: &str, deadline: &str) -> Result<Value, Failure> {
        let expected: Vec<NodeId> = ids
            .split(',')
            .map(|id| id.parse().map(NodeId))
            .collect::<Result<_, _>>()?;
        let deadline = Duration::from_millis(deadline.parse()?);
        let epoch = epoch.parse()?;
        let outcome = self.controller.wait_for_quorum(epoch, &expected, deadline);
        Ok(describe(outcome.await))
    }

    fn follow(&self, words: &[&str]) -> Result<Value, Failure> {
        let answer = match words {
            ["ok"] => Answer::Ok(None),
            ["ok", watermark] => Answer::Ok(Some(watermark.parse()?)),
            ["fail", text @ ..] => Answer::Fail(text.join(" ")),
            ["silent"] => Answer::Silent,
            _ => return Err("follow ok, fail or silent".into()),
        };
        self.follower.lock().expect("no panic holds it").answer = answer;
        Ok(json!({ "follows": words[0] }))
    }

    fn observed(&self) -> Value {
        let follower = self.follower.lock().expect("no panic holds it");
        json!({
            "observed": follower.observed,
            "watermark": self.controller.cluster_min_watermark(),
        })
    }
}

fn describe(outcome: QuorumOutcome) -> Value {
    match outcome {
        QuorumOutcome::Reached {
            acks,
            min_follower_watermark_ms: watermark,
        } => json!({ "quorum": "reached", "acks": numbers(&acks), "watermark": watermark }),
        QuorumOutcome::TimedOut { got, missing } => json!({
            "quorum": "timed_out", "got": numbers(&got), "missing": numbers(&missing),
        }),
        QuorumOutcome::Failed { failures } => {
            let rows = failures.iter().map(|(id, text)| json!([id.0, text]));
            json!({ "quorum": "failed", "failures": rows.collect::<Vec<_>>() })
        }
    }
}

fn numbers(ids: &[NodeId]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

/// As the crate reads its KV. A value in it is UTF-8, so other bytes are refused.
fn read(kind: &str, hex: &str) -> Result<Value, Failure> {
    let text = String::from_utf8(bytes(hex)?)?;
    let record = match kind {
        "announcement" => json!(serde_json::from_str::<BarrierAnnouncement>(&text)?),
        "ack" => json!(serde_json::from_str::<BarrierAck>(&text)?),
        _ => return Err("read an announcement or an ack".into()),
    };
    Ok(json!({ "read": record }))
}

async fn follow(controller: Arc<ClusterController>, follower: Arc<Mutex<Follower>>) {
    let mut ticks = tokio::time::interval(OBSERVE_EVERY);
    loop {
        ticks.tick().await;
        if controller.is_leader() {
            continue;
        }
        let seen = controller.observe_barrier().await;
        let ack = follower.lock().expect("no panic holds it").see(seen);
        if let Some(ack) = ack {
            let acked = controller.ack_barrier(&ack).await;
            acked.expect("an ack can be written as JSON");
        }
    }
}

impl Follower {
    /// Notes what is new in what was observed; returns the answer, if it is a
    /// Prepare above the last one that was acted on.
    fn see(&mut self, seen: Result<Option<BarrierAnnouncement>, String>) -> Option<BarrierAck> {
        let row = match &seen {
            Ok(None) => return None,
            Ok(Some(announcement)) => json!(announcement),
            Err(error) => json!({ "error": error }),
        };
        if self.observed.last() != Some(&row) {
            self.observed.push(row);
        }
        let prepare = seen.ok()??;
        if prepare.phase != Phase::Prepare || Some(prepare.epoch) <= self.acted_on {
            return None;
        }
        self.acted_on = Some(prepare.epoch);
        self.answer.to(prepare.epoch)
    }
}

impl Answer {
    fn to(&self, epoch: u64) -> Option<BarrierAck> {
        let (error, local_watermark_ms) = match self {
            Answer::Ok(watermark) => (None, *watermark),
            Answer::Fail(text) => (Some(text.clone()), None),
            Answer::Silent => return None,
        };
        Some(BarrierAck {
            epoch,
            ok: error.is_none(),
            error,
            local_watermark_ms,
        })
    }
}
