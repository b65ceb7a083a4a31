//! TCP connections that a request handler can close without a response.
//!
//! HTTP has no way to send no response, so a fault that loses one acts on the socket.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
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

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// A handle that closes one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionHandle(Arc<ConnectionState>);

#[derive(Debug, Default)]
struct ConnectionState {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl ConnectionHandle {
    /// Closes the connection. Nothing written after this reaches the client.
    pub fn close(&self) {
        self.end(CLOSED);
    }

    /// Closes the connection with a TCP RST.
    pub fn reset(&self) {
        self.end(RESET);
    }

    fn end(&self, state: u8) {
        self.0.state.store(state, Ordering::Release);
        if let Some(waker) = lock(&self.0.waker).take() {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All open connections, so that the end of the server closes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<Vec<Weak<ConnectionState>>>>);

impl Connections {
    pub fn close_all(&self) {
        let connections = std::mem::take(&mut *lock(&self.0));
        for connection in connections.iter().filter_map(Weak::upgrade) {
            ConnectionHandle(connection).close();
        }
    }

    fn open(&self) -> ConnectionHandle {
        let handle = ConnectionHandle::default();
        let mut connections = lock(&self.0);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(&handle.0));
        handle
    }
}

/// A TCP listener whose connections have a [`ConnectionHandle`].
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
        // Each response is written at once, so Nagle's algorithm would only delay it.
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

/// A TCP stream that fails after its handle has closed it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    handle: ConnectionHandle,
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        match self.handle.0.state.load(Ordering::Acquire) {
            OPEN => Ok(()),
            state => {
                if state == RESET {
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
        // The waker is stored before the check: otherwise a close between the two would wake no task.
        *lock(&self.handle.0.waker) = Some(cx.waker().clone());
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
