//! The wire under the server: connections that can be cut without an answer.
//!
//! HTTP has no way to say "no answer", so a fault that loses one has to act on the socket.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const RESET: u8 = 2;

/// A handle to one connection, to end it from a handler or from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionHandle(Arc<Closing>);

#[derive(Debug, Default)]
struct Closing {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl ConnectionHandle {
    /// Closes the connection; nothing written from now on reaches the client.
    pub fn close(&self) {
        self.end(CUT);
    }

    /// The same, with a TCP RST in place of an orderly close.
    pub fn reset(&self) {
        self.end(RESET);
    }

    fn end(&self, how: u8) {
        self.0.state.store(how, Ordering::Release);
        let waker = self
            .0
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// All open connections, so that the server's end is theirs too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<Vec<Weak<Closing>>>>);

impl Connections {
    /// Cuts all of them.
    pub fn close_all(&self) {
        let connections =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in connections.iter().filter_map(Weak::upgrade) {
            ConnectionHandle(connection).close();
        }
    }

    fn open(&self) -> ConnectionHandle {
        let handle = ConnectionHandle::default();
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(&handle.0));
        handle
    }
}

/// A TCP listener whose connections can be cut.
#[derive(Debug)]
pub(crate) struct ConnectionListener {
    pub listener: TcpListener,
    pub connections: Connections,
}

impl Listener for ConnectionListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.listener).await;
        // Answers go out whole, so waiting to fill a packet only costs time.
        let _ = stream.set_nodelay(true);
        let handle = self.connections.open();
        (Connection { stream, handle }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, ConnectionListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, ConnectionListener>) -> Self {
        stream.io().handle.clone()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    handle: ConnectionHandle,
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        match self.handle.0.state.load(Ordering::Acquire) {
            WHOLE => Ok(()),
            how => {
                if how == RESET {
                    self.stream.set_zero_linger()?;
                }
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The waker goes in before the check, else a cut between the two would wake nobody.
        *self
            .handle
            .0
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
