//! A client's connection to one replica: many writers share one stream of requests and one of replies.

use super::proto::{CommitBatch, CommitReply, CommitRequest, replica_client::ReplicaClient};
use futures::stream::unfold;
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, transport::Channel};

/// Requests that travel in one message.
const REQUESTS_BATCH_MAX: usize = 256;
/// Messages that wait for the transport.
const BATCHES_QUEUED_MAX: usize = 2;

struct Call {
    request: CommitRequest,
    answer: oneshot::Sender<CommitReply>,
}

/// One stream to one replica, opened when it is needed and again after it broke; a cheap handle.
#[derive(Clone)]
pub(super) struct Link(mpsc::UnboundedSender<Call>);

impl Link {
    pub(super) fn new(channel: Channel) -> Self {
        let (tx, rx) = mpsc::unbounded_channel();
        tokio::spawn(run(channel, rx));
        Self(tx)
    }

    /// Sends a request; nothing comes back where the connection broke first.
    pub(super) async fn call(&self, request: CommitRequest) -> Option<CommitReply> {
        let (answer, reply) = oneshot::channel();
        self.0.send(Call { request, answer }).ok()?;
        reply.await.ok()
    }
}

async fn run(channel: Channel, mut calls: mpsc::UnboundedReceiver<Call>) {
    while let Some(first) = calls.recv().await {
        // Whoever waits on a stream that broke sees that its answer is dropped.
        drop(stream(&channel, first, &mut calls).await);
    }
}

async fn stream(channel: &Channel, first: Call, calls: &mut mpsc::UnboundedReceiver<Call>) -> Result<(), Status> {
    let (out, rx) = mpsc::channel(BATCHES_QUEUED_MAX);
    let batches = unfold(rx, |mut rx| async { rx.recv().await.map(|batch: CommitBatch| (batch, rx)) });
    let mut replies = ReplicaClient::new(channel.clone()).commit(batches).await?.into_inner();
    let mut waiting: HashMap<u64, oneshot::Sender<CommitReply>> = HashMap::new();
    let mut number = 0;
    let mut batch = vec![first];
    loop {
        if !batch.is_empty() {
            let mut requests = Vec::with_capacity(batch.len());
            for Call { request, answer } in batch.drain(..) {
                number += 1;
                waiting.insert(number, answer);
                requests.push(CommitRequest { number, ..request });
            }
            out.send(CommitBatch { requests }).await.map_err(|_| Status::unavailable("the stream has ended"))?;
        }
        tokio::select! {
            reply = replies.message() => {
                let Some(ready) = reply? else { return Ok(()) };
                for reply in ready.replies {
                    if let Some(answer) = waiting.remove(&reply.number) {
                        drop(answer.send(reply));
                    }
                }
            }
            count = calls.recv_many(&mut batch, REQUESTS_BATCH_MAX) => if count == 0 { return Ok(()) },
        }
    }
}
