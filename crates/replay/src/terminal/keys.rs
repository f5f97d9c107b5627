//! Keys from standard input: single ones at a terminal, else a line for each.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::thread;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use tokio::sync::mpsc;

use crate::audience::Key;

/// What Ctrl-C is where it sends no signal.
const CTRL_C: u8 = 3;

pub(super) fn is_a_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Keys, which are read only when they are asked for.
#[derive(Debug, Default)]
pub(super) struct Keys(Option<Asking>);

#[derive(Debug)]
struct Asking {
    asks: mpsc::Sender<()>,
    keys: mpsc::Receiver<Key>,
}

impl Keys {
    /// The next key that means something. Behind the last one all goes on.
    pub(super) async fn next(&mut self) -> Key {
        let asking = self.0.get_or_insert_with(Asking::start);
        // Nobody is there to hear it once the input has ended.
        let _ = asking.asks.send(()).await;
        asking.keys.recv().await.unwrap_or(Key::GoOn)
    }
}

impl Asking {
    /// Reads on a thread of its own, which nobody waits for: a read cannot be given up.
    fn start() -> Self {
        let (asks, mut asked) = mpsc::channel(1);
        let (pressed, keys) = mpsc::channel(1);
        thread::spawn(move || {
            while asked.blocking_recv().is_some() {
                let Some(key) = read() else { break };
                if pressed.blocking_send(key).is_err() {
                    break;
                }
            }
        });
        Self { asks, keys }
    }
}

/// Reads until a key comes that means something; nothing at the end of the input.
fn read() -> Option<Key> {
    let mut input = io::stdin().lock();
    let terminal = input.is_terminal();
    loop {
        let pressed = if terminal {
            let mut byte = [0];
            (input.read(&mut byte).ok()? > 0).then_some(byte[0])?
        } else {
            let mut line = String::new();
            (input.read_line(&mut line).ok()? > 0).then_some(())?;
            line.trim().bytes().next().unwrap_or(b'\n')
        };
        if let Some(key) = meaning(pressed) {
            return Some(key);
        }
    }
}

const fn meaning(pressed: u8) -> Option<Key> {
    match pressed {
        b'\n' | b'\r' | b' ' => Some(Key::Enter),
        b'n' => Some(Key::Next),
        b'c' => Some(Key::GoOn),
        b'q' | CTRL_C => Some(Key::End),
        _ => None,
    }
}

/// A terminal that gives each key at once and shows none, until this is dropped.
pub(super) struct Single(Termios);

impl Single {
    /// Nothing where standard input is no terminal.
    pub(super) fn keys() -> Option<Self> {
        let usual = tcgetattr(io::stdin()).ok()?;
        let mut single = usual.clone();
        // Without signals: one that ends the process would leave the terminal like this.
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        single.special_codes[SpecialCodeIndex::VMIN] = 1;
        single.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &single).ok()?;
        Some(Self(usual))
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        // If the terminal has gone, there is nothing to put right.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
