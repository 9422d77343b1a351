//! Connections over TLS without gRPC: to a collector that speaks plain text, and to metrics.

use std::net::Ipv4Addr;
use std::sync::Arc;

use access::tls::{Alpn, ClientCertificates, ClientTls, ServerFiles, ServerTls};
use testkit::Certificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Takes connections over TLS from whoever shows a certificate, and passes on what comes to a port
/// in plain text.
pub(super) async fn terminate_tls(certificates: &Certificates, to: u16) -> u16 {
    let (certificate, key) = certificates.server();
    let tls = ServerTls::open(ServerFiles {
        certificate,
        key,
        client_ca: Some(certificates.authority()),
        clients: ClientCertificates::Required,
    });
    let tls = Arc::new(tls.expect("right files"));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = Arc::clone(&tls);
            tokio::spawn(async move {
                let mut agreed = tls.accept(stream).await?;
                let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
                tokio::io::copy_bidirectional(&mut agreed.stream, &mut plain).await
            });
        }
    });
    port
}

/// Reads the metrics of a process.
pub(super) async fn scrape(tls: &ClientTls, port: u16) -> String {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    let stream = stream.expect("somebody listens");
    let agreed = tls.connect("127.0.0.1", stream, Alpn::Http1).await;
    let mut stream = agreed.expect("an agreement");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("a request");
    let mut answer = Vec::new();
    // Its end may come without a farewell of TLS.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}
