//! A game of a test, served by the SDK within the test.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use pulsegate_logic::{Address, Logic, Options, serve};
use tokio::runtime::Builder;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::wait::PATIENCE;

const TRY_AGAIN: Duration = Duration::from_millis(10);

/// A game that is served until this is dropped.
#[derive(Debug)]
pub struct Served(#[expect(dead_code, reason = "its end ends the server")] DropGuard);

impl Served {
    /// Serves the games that are made; waits if a predecessor holds the address still.
    pub fn at<L: Logic>(address: SocketAddr, make: impl Fn() -> L + Send + Sync + 'static) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let address = Address::Tcp(address.to_string());
                let bound = async {
                    loop {
                        match address.bind().await {
                            Ok(listener) => break listener,
                            Err(_) => tokio::time::sleep(TRY_AGAIN).await,
                        }
                    }
                };
                let listener = tokio::time::timeout(PATIENCE, bound).await.unwrap();
                serve(listener, Options::default(), move |_| make(), stopped).await;
            });
        });
        Self(stop.drop_guard())
    }
}
