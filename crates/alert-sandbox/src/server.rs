//! One loopback HTTP server: it owns its connections, counts them, and can break them on purpose.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use axum::body::{Body, Bytes};
use axum::extract::Extension;
use futures_util::stream;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::{AbortOnDrop, lock};

/// A server that ends, with every connection and every answer under way, when it is dropped.
///
/// The connections live in a `JoinSet` of the accepting task, so that ending that task ends them all;
/// `axum::serve` would leave them running.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    secure: bool,
    connections: Arc<Connections>,
    _accepting: AbortOnDrop,
}

impl Server {
    /// Listens on a free loopback port; the handlers find their `Arc<Line>` as an extension.
    pub(crate) async fn start(router: axum::Router, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let secure = tls.is_some();
        let connections = Arc::<Connections>::default();
        let accepting = tokio::spawn(accept(listener, router, tls, Arc::clone(&connections)));
        Ok(Self { address, secure, connections, _accepting: AbortOnDrop(accepting) })
    }

    /// `127.0.0.1:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:port`, or `https://` with TLS.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }
}

/// A body without an end, as fast as it is read.
pub(crate) fn endless_body() -> Body {
    static PIECE: [u8; 64 * 1024] = [b'o'; 64 * 1024];
    Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&PIECE))))
}

async fn accept(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                open.spawn(serve(stream, connections.open(), router.clone(), tls.clone()));
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, line: Arc<Line>, router: axum::Router, tls: Option<TlsAcceptor>) {
    // Small answers wait 40 ms otherwise; not being able to say so only makes them slow.
    let _ = stream.set_nodelay(true);
    let wire = Wire { stream, line: Arc::clone(&line) };
    let service = TowerToHyperService::new(router.layer(Extension(line)));
    let builder = auto::Builder::new(hyper_util::rt::TokioExecutor::new()).http1_only();
    // A broken connection is the client's to notice.
    match tls {
        None => drop(builder.serve_connection(TokioIo::new(wire), service).await),
        Some(tls) => {
            if let Ok(stream) = tls.accept(wire).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

/// The connections of a server, open ones and the number of all.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    accepted: AtomicUsize,
    lines: Mutex<Vec<Weak<Line>>>,
}

impl Connections {
    fn open(&self) -> Arc<Line> {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let line = Arc::<Line>::default();
        let mut lines = lock(&self.lines);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
        line
    }

    /// How many connections were ever accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many are open now.
    pub(crate) fn open_now(&self) -> usize {
        self.lines().len()
    }

    /// Does `end` to every connection on which no answer is under way; says to how many.
    pub(crate) fn end_idle(&self, end: ConnectionEnd) -> usize {
        let idle: Vec<_> =
            self.lines().into_iter().filter(|line| line.busy.load(Ordering::SeqCst) == 0).collect();
        for line in &idle {
            line.set(end);
        }
        idle.len()
    }

    fn lines(&self) -> Vec<Arc<Line>> {
        lock(&self.lines).iter().filter_map(Weak::upgrade).collect()
    }
}

/// What is to become of a connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// It lives on.
    #[default]
    Open,
    /// Closed in order, at once.
    Close,
    /// The next bytes that come are met with a TCP reset.
    ResetOnRead,
    /// The answer is replaced by a TCP reset.
    Reset,
}

/// The handle of one connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: Mutex<(ConnectionEnd, Option<Waker>)>,
    busy: AtomicUsize,
}

impl Line {
    /// Replaces the answer under way by a TCP reset.
    pub(crate) fn reset(&self) {
        self.set(ConnectionEnd::Reset);
    }

    /// Marks the connection as busy while the guard lives.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(Arc::clone(self))
    }

    fn set(&self, end: ConnectionEnd) {
        let mut state = lock(&self.state);
        state.0 = end;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn end(&self, reader: Option<&Context<'_>>) -> ConnectionEnd {
        let mut state = lock(&self.state);
        if let Some(context) = reader {
            state.1 = Some(context.waker().clone());
        }
        state.0
    }
}

/// An answer is under way on the connection.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Line>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A TCP stream below TLS and HTTP that meets its end.
struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    fn reset(&self) -> io::Error {
        // With no linger, dropping the socket sends RST instead of FIN.
        let _ = self.stream.set_zero_linger();
        io::ErrorKind::ConnectionReset.into()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.line.end(Some(context)) {
            ConnectionEnd::Open => Pin::new(&mut self.stream).poll_read(context, buffer),
            ConnectionEnd::Close => Poll::Ready(Ok(())),
            ConnectionEnd::Reset => Poll::Ready(Err(self.reset())),
            ConnectionEnd::ResetOnRead => {
                let before = buffer.filled().len();
                std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
                if buffer.filled().len() == before {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Ready(Err(self.reset()))
                }
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.line.end(None) {
            ConnectionEnd::Reset => Poll::Ready(Err(self.reset())),
            _ => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
