//! What a deterministic simulation puts under a node: no threads, a disk and wires of its own, and a wall clock that it
//! sets. The node itself is the one that serves.
//!
//! A simulation runs each node on a current-thread runtime of tokio whose clock is paused, all of them on one thread that
//! has called [`begin`]. From then on, on that thread, work that would block is done where it is asked for, and the log
//! writer is a task. See `chaos-tests/src/simulation`.

use crate::store::Store;
use futures::{future::BoxFuture, stream::BoxStream};
use hyper_util::rt::TokioIo;
use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::{
    codegen::{
        Service,
        http::{HeaderValue, Response, Uri},
    },
    transport::server::Connected,
};
use tower::util::MapResponseLayer;

/// What stands in for the machine that a node runs on.
#[derive(Clone)]
pub struct Surroundings {
    /// In place of the database.
    pub store: Arc<dyn Store>,
    /// In place of TCP.
    pub wire: Arc<dyn Wire>,
    /// Free bytes of the data folder, as the node's guard of its disk sees them.
    pub free_bytes: Arc<AtomicU64>,
}

/// How a node reaches others and is reached.
pub trait Wire: Send + Sync + 'static {
    /// Connects to a `host:port`.
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Connection>>;
    /// The connections that others make to this node, from now on.
    fn listen(&self) -> BoxStream<'static, io::Result<Connection>>;
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// One end of a connection.
pub struct Connection(Box<dyn Duplex>);

impl Connection {
    /// Over what the simulation carries.
    pub fn new(io: impl Duplex) -> Self {
        Self(Box::new(io))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

/// Makes connections for tonic.
#[derive(Clone)]
pub(crate) struct Dialer(pub(crate) Arc<dyn Wire>);

impl Service<Uri> for Dialer {
    type Response = TokioIo<Connection>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialed = self.0.dial(uri.authority().map(|a| a.as_str().to_owned()).unwrap_or_default());
        Box::pin(async move { Ok(TokioIo::new(dialed.await?)) })
    }
}

/// Replies whose date is always the same: hyper would put the system's time into them.
pub(crate) fn undated<B>() -> MapResponseLayer<impl Fn(Response<B>) -> Response<B> + Clone> {
    MapResponseLayer::new(|mut response: Response<B>| {
        response.headers_mut().insert("date", HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        response
    })
}

thread_local! {
    static WALL_CLOCK: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// From now on this thread is a simulation.
pub fn begin() {
    set_wall_clock(Duration::ZERO);
}

/// What the wall clock shows, since the Unix epoch, to whichever node runs next on this thread.
pub fn set_wall_clock(now: Duration) {
    WALL_CLOCK.set(Some(now));
}

/// Is this thread a simulation?
pub fn is_on() -> bool {
    WALL_CLOCK.get().is_some()
}

/// Time since the Unix epoch.
pub fn wall_clock() -> Duration {
    WALL_CLOCK.get().unwrap_or_else(|| {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    })
}
