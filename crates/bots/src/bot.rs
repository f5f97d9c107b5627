//! One bot, from its connect to its parting.

use std::sync::Arc;
use std::time::Duration;

use pulsegate_protocol::heartbeat::Status;
use tokio::time::sleep_until;

use crate::connection::{Connection, Parted};
use crate::echoes::{Echoes, Verdict};
use crate::run::Plan;
use crate::schedule::{Schedule, Sending};
use crate::stamp::Stamp;
use crate::traffic::Totals;

/// How long echoes are awaited after the last packet.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the relay has to close after a goodbye.
pub(crate) const PART: Duration = Duration::from_secs(5);

/// Lives one bot's life, and leaves its figures in the plan's totals.
pub(crate) async fn live(id: u32, plan: Arc<Plan>) {
    tokio::select! {
        () = sleep_until(plan.instant(plan.join_at(id))) => {}
        () = plan.options.stop.cancelled() => return,
    }
    match Connection::open(plan.address).await {
        Ok(connection) => {
            plan.totals().joined += 1;
            let mut bot = Bot::new(id, &plan, connection);
            let parting = bot.play().await;
            let (lost, Bot { connection, .. }) = (bot.echoes.outstanding(), bot);
            let mut totals = plan.totals();
            totals.parted(parting);
            totals.lost += lost;
            totals.bytes_sent += connection.sent;
            totals.bytes_received += connection.received;
        }
        Err(error) => plan.totals().not_joined(&error),
    }
}

struct Bot<'a> {
    id: u32,
    plan: &'a Plan,
    connection: Connection,
    schedule: Schedule,
    echoes: Echoes,
}

impl<'a> Bot<'a> {
    fn new(id: u32, plan: &'a Plan, connection: Connection) -> Self {
        let schedule = Schedule::new(&plan.options, plan.now(), plan.ends());
        Self { id, plan, connection, schedule, echoes: Echoes::default() }
    }

    /// Plays until the end, and returns the word for how it ended.
    async fn play(&mut self) -> String {
        match self.stages().await {
            Ok(()) => "never_closed".into(),
            Err(parted) => self.connection.last_word(parted),
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

    /// Sends what is due and takes what comes, until a time or until it is `done`. May be dropped at
    /// any await.
    async fn exchange(&mut self, until: Duration, done: fn(&Self) -> bool) -> Result<(), Parted> {
        loop {
            self.put_what_is_due()?;
            self.write()?;
            if done(self) || self.plan.now() >= until {
                return Ok(());
            }
            let next = self.schedule.next_at().filter(|_| self.connection.has_room());
            let wake = next.map_or(until, |next| next.min(until));
            tokio::select! {
                readable = self.connection.ready() => {
                    if readable? {
                        self.read()?;
                    }
                }
                () = sleep_until(self.plan.instant(wake)) => {}
            }
        }
    }

    fn put_what_is_due(&mut self) -> Result<(), Parted> {
        while self.connection.has_room() {
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
        self.connection.put_frame(&stamp.write(self.plan.options.size))?;
        self.plan.totals().packets_sent += 1;
        Ok(())
    }

    fn put_heartbeat(&mut self, status: Status) -> Result<(), Parted> {
        self.connection.put_heartbeat(status)?;
        self.plan.totals().heartbeats_sent += 1;
        Ok(())
    }

    fn write(&mut self) -> Result<(), Parted> {
        let Self { id, plan, connection, echoes, .. } = self;
        let mut totals = plan.totals();
        connection.write(|body| judge(*id, plan, body, echoes, &mut totals))
    }

    fn read(&mut self) -> Result<(), Parted> {
        let Self { id, plan, connection, echoes, .. } = self;
        let mut totals = plan.totals();
        connection.read(|body| judge(*id, plan, body, echoes, &mut totals))
    }
}

/// Counts a body that came to this bot.
fn judge(id: u32, plan: &Plan, body: &[u8], echoes: &mut Echoes, totals: &mut Totals) {
    let Some(stamp) = Stamp::read(body, plan.options.size) else {
        totals.other_frames += 1;
        return;
    };
    if stamp.bot != id {
        totals.misdelivered += 1;
        return;
    }
    match echoes.came_back(stamp.number) {
        verdict @ (Verdict::Fresh | Verdict::OutOfOrder) => {
            totals.echo(plan.now().saturating_sub(stamp.sent));
            totals.out_of_order += u64::from(verdict == Verdict::OutOfOrder);
        }
        Verdict::Doubled => totals.doubled += 1,
        Verdict::Invented => totals.misdelivered += 1,
    }
}
