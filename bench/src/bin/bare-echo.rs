//! The limit: a server that does nothing but write back what it read, a task for each client.

use std::env;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Connections that wait for being accepted. `TcpListener::bind` has 128, which overflow when
/// thousands of clients join: the kernel then lets the rest try again after a second, and proxies
/// give up some of them.
const BACKLOG: u32 = 4096;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:14100".into());
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.parse().map_err(io::Error::other)?)?;
    let listener = socket.listen(BACKLOG)?;
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        tokio::spawn(echo(client));
    }
}

async fn echo(mut client: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            read => client.write_all(&buffer[..read]).await?,
        }
    }
}
