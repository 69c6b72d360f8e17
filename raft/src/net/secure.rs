//! Connections between peers with the certificates of the moment: accepted ones and made ones.

use super::tls::{Certificates, handshake_failed};
use crate::limits::{HANDSHAKE_WAIT_MAX, HANDSHAKES_MAX};
use futures::{Stream, StreamExt, future::BoxFuture};
use hyper_util::rt::TokioIo;
use std::{
    io,
    task::{Context, Poll},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tonic::{codegen::Service, codegen::http::Uri, transport::server::TcpIncoming};

/// Callers that have shown a certificate of the authority. Handshakes run beside one another and have an end.
pub(crate) fn accepted(
    incoming: TcpIncoming,
    certificates: Certificates,
) -> impl Stream<Item = io::Result<server::TlsStream<TcpStream>>> {
    let handshake = move |stream: io::Result<TcpStream>| {
        let certificates = certificates.clone();
        async move {
            let stream = stream.inspect_err(|e| tracing::warn!(error = %e, "a connection was not accepted")).ok()?;
            let peer = stream.peer_addr();
            let accept = TlsAcceptor::from(certificates.server()).accept(stream);
            let accepted = tokio::time::timeout(HANDSHAKE_WAIT_MAX, accept).await.unwrap_or_else(|_| {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the caller did not end its handshake in time"))
            });
            accepted.inspect_err(|e| handshake_failed(e, &peer)).ok().map(Ok)
        }
    };
    incoming.map(handshake).buffer_unordered(HANDSHAKES_MAX).filter_map(std::future::ready)
}

/// Makes connections for tonic.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Certificates);

impl Service<Uri> for Connector {
    type Response = TokioIo<client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (config, name) = self.0.client();
        Box::pin(async move {
            let address = uri.authority().map(|a| a.as_str().to_owned()).unwrap_or_default();
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
        })
    }
}
