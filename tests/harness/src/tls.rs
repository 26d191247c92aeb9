//! TLS in front of a server on loopback, with a certificate authority that no one else trusts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The certificate authority of the fronts.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a new key.
    pub fn generate() -> io::Result<Self> {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With rcgen's default name, which the certificates have too, OpenSSL takes those for
        // self-signed.
        root.distinguished_name
            .push(DnType::CommonName, "a local authority");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let root = CertifiedIssuer::self_signed(root, key).map_err(io::Error::other)?;
        Ok(Self { root })
    }

    /// Writes a bundle for `SSL_CERT_FILE`: the system's roots, and this one.
    pub fn write_bundle(&self, file: &Path) -> io::Result<()> {
        let system = openssl_probe::probe().cert_file;
        let mut bundle = system.map_or_else(|| Ok(String::new()), std::fs::read_to_string)?;
        bundle.push_str(&self.root.pem());
        std::fs::write(file, bundle)
    }

    /// TLS in front of the server at `url`, and the URL of the same resource there.
    pub async fn front(&self, url: &str) -> io::Result<(TlsFront, String)> {
        let bound = self.bind().await?;
        let target = address(url)?;
        let https = url.replace(&format!("http://{target}"), &bound.url()?);
        Ok((bound.serve(target), https))
    }

    /// An address with a certificate for `localhost`. It accepts requests once it has a target.
    pub async fn bind(&self) -> io::Result<Bound> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.root))
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Bound {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

/// The address in the URL of a server on loopback.
pub fn address(url: &str) -> io::Result<SocketAddr> {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let host = authority.split('/').next().unwrap_or_default();
    host.parse().map_err(io::Error::other)
}

/// An address without a target yet.
pub struct Bound {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Bound {
    /// `https://localhost:PORT`
    pub fn url(&self) -> io::Result<String> {
        Ok(format!(
            "https://localhost:{}",
            self.listener.local_addr()?.port()
        ))
    }

    /// Passes everything on to `target`, decrypted.
    pub fn serve(self, target: SocketAddr) -> TlsFront {
        let opened = Arc::new(AtomicUsize::new(0));
        let (close, closed) = watch::channel(());
        let accepting = accept(self, target, Arc::clone(&opened), closed);
        TlsFront {
            opened,
            close,
            accepting: tokio::spawn(accepting),
        }
    }
}

/// A running front. It stops when it is dropped.
pub struct TlsFront {
    opened: Arc<AtomicUsize>,
    close: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// The number of connections with a completed handshake so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Closes every connection. New ones are accepted.
    pub fn close_connections(&self) {
        self.close.send_replace(());
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.close_connections();
        self.accepting.abort();
    }
}

async fn accept(
    Bound { listener, acceptor }: Bound,
    target: SocketAddr,
    opened: Arc<AtomicUsize>,
    closed: watch::Receiver<()>,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (acceptor, opened, mut closed) = (acceptor.clone(), opened.clone(), closed.clone());
        closed.mark_unchanged();
        tokio::spawn(async move {
            // An error comes from the peer: it has closed the connection, or does not trust us.
            tokio::select! {
                _ = relay(client, &acceptor, target, &opened) => {}
                _ = closed.changed() => {}
            }
        });
    }
}

async fn relay(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    target: SocketAddr,
    opened: &AtomicUsize,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    opened.fetch_add(1, Ordering::SeqCst);
    let mut server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
