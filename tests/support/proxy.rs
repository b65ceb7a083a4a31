//! A proxy in front of the stand-in, made of bare sockets: it forwards requests, answers them with any bytes, or
//! refuses connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as received.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// The request line and the headers.
    pub head: String,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Request {
    pub fn is_resume(&self) -> bool {
        self.method == "POST"
    }
}

/// What the proxy does with a request. It then closes the connection.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Forwards it to the stand-in.
    Forward,
    /// Forwards it, and refuses connections before it passes the answer on.
    ForwardAndRefuse,
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends these bytes, and then nothing until the client disconnects.
    Hold(Vec<u8>),
    /// Sends these bytes one at a time, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Sends the first bytes, then the second ones over and over, up to this many bytes.
    Flood(Vec<u8>, Vec<u8>, u64),
}

/// How the proxy begins a TLS connection.
#[derive(Clone)]
pub enum Handshake {
    /// A handshake with this certificate.
    With(TlsAcceptor),
    /// These bytes, which are no TLS.
    Bytes(&'static [u8]),
    /// No bytes at all.
    Silent,
}

type AnswerOf = Box<dyn Fn(&Request) -> Reply + Send + Sync>;
type HandshakeOf = Box<dyn Fn() -> Handshake + Send + Sync>;

/// The proxy. It keeps its port until it is dropped, whether it listens or refuses.
pub struct Proxy {
    shared: Arc<Shared>,
    /// Bound and never listening: no other socket gets the port, and connections to it are refused.
    _reserved: TcpSocket,
}

struct Shared {
    addr: SocketAddr,
    service: SocketAddr,
    answer: AnswerOf,
    tls: Option<HandshakeOf>,
    seen: Mutex<Vec<Request>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Creates a proxy for `service` that refuses connections.
    pub fn to(
        service: SocketAddr,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(service, Box::new(answer), None)
    }

    /// Creates one with TLS; `tls` is called for each connection.
    pub fn with_tls(
        service: SocketAddr,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        tls: impl Fn() -> Handshake + Send + Sync + 'static,
    ) -> Self {
        Self::with(service, Box::new(answer), Some(Box::new(tls)))
    }

    fn with(service: SocketAddr, answer: AnswerOf, tls: Option<HandshakeOf>) -> Self {
        let reserved = socket((Ipv4Addr::LOCALHOST, 0).into());
        let addr = reserved.local_addr().expect("an address");
        let shared = Shared {
            addr,
            service,
            answer,
            tls,
            seen: Mutex::default(),
            accepting: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            _reserved: reserved,
        }
    }

    /// Returns this proxy, listening.
    pub fn listening(self) -> Self {
        self.listen();
        self
    }

    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Returns the value of `api.base_url` for a config.
    pub fn url(&self) -> String {
        let scheme = match self.shared.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("\"{scheme}://{}\"", self.shared.addr)
    }

    /// Accepts connections from now on.
    pub fn listen(&self) {
        let listener = socket(self.shared.addr)
            .listen(1024)
            .expect("the port is reserved");
        let shared = Arc::clone(&self.shared);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let shared = Arc::clone(&shared);
                // A client that disconnects is not a failure of the proxy.
                tokio::spawn(async move {
                    let _ = shared.serve(stream).await;
                });
            }
        });
        *lock(&self.shared.accepting) = Some(accepting);
    }

    /// Refuses connections from now on.
    pub async fn refuse(&self) {
        self.shared.refuse().await;
    }

    /// Returns all requests so far whose path contains this text.
    pub fn seen(&self, part: &str) -> Vec<Request> {
        let seen = lock(&self.shared.seen);
        seen.iter()
            .filter(|request| request.path.contains(part))
            .cloned()
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = lock(&self.shared.accepting).take() {
            accepting.abort();
        }
    }
}

impl Shared {
    async fn refuse(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once this has ended.
            let _ = accepting.await;
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        match self.tls.as_ref().map(|handshake| handshake()) {
            None => self.answer(stream).await,
            Some(Handshake::With(tls)) => self.answer(tls.accept(stream).await?).await,
            Some(Handshake::Bytes(bytes)) => {
                // Read first: closing a socket with unread bytes sends a reset.
                stream.read_buf(&mut Vec::with_capacity(65_536)).await?;
                stream.write_all(bytes).await?;
                stream.shutdown().await
            }
            Some(Handshake::Silent) => {
                stream.read_to_end(&mut Vec::new()).await?;
                Ok(())
            }
        }
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let request = read_request(&mut stream).await?;
        lock(&self.seen).push(request.clone());
        match (self.answer)(&request) {
            Reply::Forward => stream.write_all(&self.forward(&request).await?).await?,
            Reply::ForwardAndRefuse => {
                let answer = self.forward(&request).await?;
                self.refuse().await;
                stream.write_all(&answer).await?;
            }
            Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
            Reply::Hold(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                stream.read_to_end(&mut Vec::new()).await?;
            }
            Reply::Drip(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Reply::Flood(start, piece, most) => {
                stream.write_all(&start).await?;
                let mut sent = 0;
                while sent < most {
                    stream.write_all(&piece).await?;
                    sent += piece.len() as u64;
                }
            }
        }
        stream.flush().await?;
        stream.shutdown().await
    }

    /// Returns the whole answer of the service, which closes the connection, so that no client reuses it.
    async fn forward(&self, request: &Request) -> std::io::Result<Vec<u8>> {
        let mut service = TcpStream::connect(self.service).await?;
        let head = request.head.trim_end();
        service.write_all(head.as_bytes()).await?;
        service.write_all(b"\r\nconnection: close\r\n\r\n").await?;
        service.write_all(&request.body).await?;
        let mut answer = Vec::new();
        service.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    Ok(Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        head,
        body,
        at: Instant::now(),
    })
}

fn socket(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(addr).expect("an address");
    socket
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
