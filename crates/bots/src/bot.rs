//! One bot, from its connect to its parting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use pulsegate_protocol::Framing;
use pulsegate_protocol::heartbeat::{Claims, Status};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

use crate::echoes::{Echoes, Verdict};
use crate::run::Plan;
use crate::schedule::{Schedule, Sending};
use crate::stamp::Stamp;
use crate::summary::Totals;

const FRAMING: Framing = Framing::DEFAULT;

/// A relay that accepts no connection for so long is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long echoes are awaited after the last packet.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the relay has to close after a goodbye.
const PART: Duration = Duration::from_secs(5);
/// With so many bytes that the relay has not read, a bot makes no new ones.
const OUTGOING_LIMIT: usize = 64 * 1024;

/// Lives one bot's life, and leaves its figures in the plan's totals.
pub(crate) async fn live(id: u32, plan: Arc<Plan>) {
    tokio::select! {
        () = sleep_until(plan.instant(plan.join_at(id))) => {}
        () = plan.options.stop.cancelled() => return,
    }
    match connect(&plan).await {
        Ok(stream) => {
            plan.totals().joined += 1;
            let mut bot = Bot::new(id, &plan, stream);
            let parting = bot.play().await;
            plan.totals().parted(parting, bot.echoes.outstanding());
        }
        Err(error) => plan.totals().not_joined(&error),
    }
}

async fn connect(plan: &Plan) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect(plan.address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct Bot<'a> {
    id: u32,
    plan: &'a Plan,
    stream: TcpStream,
    schedule: Schedule,
    echoes: Echoes,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Why the relay said that it closes.
    notice: Option<String>,
}

/// The connection is over, and this is the word for it if no notice came before.
struct Parted(String);

impl From<io::Error> for Parted {
    fn from(error: io::Error) -> Self {
        Self(match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".into(),
            kind => kind.to_string().replace(' ', "_"),
        })
    }
}

impl<'a> Bot<'a> {
    fn new(id: u32, plan: &'a Plan, stream: TcpStream) -> Self {
        Self {
            id,
            plan,
            stream,
            schedule: Schedule::new(&plan.options, plan.now(), plan.ends()),
            echoes: Echoes::default(),
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            notice: None,
        }
    }

    /// Plays until the end, and returns the word for how it ended.
    async fn play(&mut self) -> String {
        match self.stages().await {
            Ok(()) => "never_closed".into(),
            Err(Parted(word)) => self.notice.take().unwrap_or(word),
        }
    }

    async fn stages(&mut self) -> Result<(), Parted> {
        let plan = self.plan;
        tokio::select! {
            parted = self.exchange(plan.ends(), |_| false) => parted?,
            () = plan.options.stop.cancelled() => {}
        }
        self.schedule.end();
        self.exchange(plan.now() + SETTLE, |bot| bot.echoes.outstanding() == 0).await?;

        self.put_heartbeat(Status::Close)?;
        self.exchange(plan.now() + PART, |_| false)
            .await
            .map_err(|Parted(word)| Parted(if word == "eof" { "goodbye".into() } else { word }))
    }

    /// Sends what is due and takes what comes, until a time or until it is `done`.
    ///
    /// May be dropped at any await: what was half sent or half received is kept in the buffers.
    async fn exchange(&mut self, until: Duration, done: fn(&Self) -> bool) -> Result<(), Parted> {
        loop {
            self.put_what_is_due()?;
            self.write()?;
            if done(self) || self.plan.now() >= until {
                return Ok(());
            }
            let has_room = self.outgoing.len() < OUTGOING_LIMIT;
            let next = self.schedule.next_at().filter(|_| has_room);
            let wake = next.map_or(until, |next| next.min(until));
            let interest = if self.outgoing.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            tokio::select! {
                ready = self.stream.ready(interest) => {
                    if ready?.is_readable() {
                        self.read()?;
                    }
                }
                () = sleep_until(self.plan.instant(wake)) => {}
            }
        }
    }

    fn put_what_is_due(&mut self) -> Result<(), Parted> {
        while self.outgoing.len() < OUTGOING_LIMIT {
            match self.schedule.take_due(self.plan.now()) {
                Some(Sending::Packet) => self.put_packet()?,
                Some(Sending::Heartbeat) => self.put_heartbeat(Status::Alive)?,
                None => break,
            }
        }
        Ok(())
    }

    fn put_packet(&mut self) -> Result<(), Parted> {
        let number = self.echoes.next_number();
        let stamp = Stamp { bot: self.id, number, sent: self.plan.now() };
        self.put_frame(&stamp.write(self.plan.options.size))?;
        self.plan.totals().packets_sent += 1;
        Ok(())
    }

    fn put_heartbeat(&mut self, status: Status) -> Result<(), Parted> {
        let ip = self.stream.local_addr()?.ip().to_string();
        let claims = Claims { ip, status, pid: Some(std::process::id().into()) };
        self.put_frame(&serde_json::to_vec(&claims).map_err(io::Error::from)?)?;
        self.plan.totals().heartbeats_sent += 1;
        Ok(())
    }

    fn put_frame(&mut self, body: &[u8]) -> Result<(), Parted> {
        let header = FRAMING.header(body.len()).map_err(|fault| Parted(fault.to_string()))?;
        self.outgoing.put_slice(&header);
        self.outgoing.put_slice(body);
        Ok(())
    }

    fn write(&mut self) -> Result<(), Parted> {
        while !self.outgoing.is_empty() {
            match self.stream.try_write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.advance(written);
                    self.plan.totals().bytes_sent += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What the relay said before it closed is still to be read.
                Err(_) => return self.read_to_the_end(),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Parted> {
        self.incoming.reserve(4096);
        match self.stream.try_read_buf(&mut self.incoming) {
            Ok(0) => Err(Parted("eof".into())),
            Ok(read) => {
                self.plan.totals().bytes_received += read as u64;
                self.take_frames()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read_to_the_end(&mut self) -> Result<(), Parted> {
        while self.notice.is_none() {
            let before = self.incoming.len();
            self.read()?;
            if self.incoming.len() == before {
                break;
            }
        }
        Err(Parted("reset".into()))
    }

    fn take_frames(&mut self) -> Result<(), Parted> {
        let plan = self.plan;
        let mut totals = plan.totals();
        while let Some(frame) =
            FRAMING.next(&self.incoming).map_err(|_| Parted("not_a_frame".into()))?
        {
            let frame_bytes = self.incoming.split_to(frame.taken);
            self.take_body(&frame_bytes[frame.body], &mut totals);
        }
        Ok(())
    }

    fn take_body(&mut self, body: &[u8], totals: &mut Totals) {
        let Some(stamp) = Stamp::read(body, self.plan.options.size) else {
            totals.other_frames += 1;
            self.notice = self.notice.take().or_else(|| close_reason(body));
            return;
        };
        if stamp.bot != self.id {
            totals.misdelivered += 1;
            return;
        }
        match self.echoes.came_back(stamp.number) {
            verdict @ (Verdict::Fresh | Verdict::OutOfOrder) => {
                totals.echo(self.plan.now().saturating_sub(stamp.sent));
                totals.out_of_order += u64::from(verdict == Verdict::OutOfOrder);
            }
            Verdict::Doubled => totals.doubled += 1,
            Verdict::Invented => totals.misdelivered += 1,
        }
    }
}

/// The reason in a notice like `{"pulsegate":"close","reason":"silent"}`.
fn close_reason(body: &[u8]) -> Option<String> {
    let notice: serde_json::Value = serde_json::from_slice(body).ok()?;
    (notice.get("pulsegate")? == "close")
        .then(|| notice.get("reason")?.as_str().map(str::to_owned))?
}
