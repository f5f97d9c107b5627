//! What all of this ran on.

use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::kernel::{kib, read};
use crate::programs::Programs;
use crate::table::Table;

/// The machine, and the versions of what was measured: names and values.
#[derive(Debug)]
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Looks around.
    ///
    /// # Errors
    /// A file of the kernel cannot be read.
    pub(crate) fn look(programs: &Programs) -> Result<Self> {
        let pulsegate = programs.built("pulsegate");
        Ok(Self(vec![
            ("CPU", cpu_model(&read("/proc/cpuinfo")?)),
            ("cores", available_parallelism().map_or_else(|_| "unknown".into(), |n| n.to_string())),
            ("memory", memory(&read("/proc/meminfo")?)),
            ("kernel", read("/proc/sys/kernel/osrelease")?.trim().to_owned()),
            (
                "congestion control",
                read("/proc/sys/net/ipv4/tcp_congestion_control")?.trim().to_owned(),
            ),
            ("rustc", said(Command::new("rustc").arg("-V"))),
            ("Pulsegate", said(Command::new(pulsegate).arg("--version"))),
            ("HAProxy", said(Command::new("haproxy").arg("-v"))),
            ("nginx", said(Command::new("nginx").arg("-v"))),
            ("clients", "on the same machine".into()),
        ]))
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let named = self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        Value::Object(named.collect::<Map<_, _>>())
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new(["machine", ""]);
        for (name, value) in &self.0 {
            table.row([(*name).to_owned(), value.clone()]);
        }
        write!(f, "{table}")
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model.map_or_else(|| "unknown".into(), |(_, model)| model.to_owned())
}

fn memory(meminfo: &str) -> String {
    let bytes = kib(meminfo, "MemTotal:").unwrap_or_default();
    format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30))
}

/// The first line of what a program says; nginx tells its version on standard error.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "not there".into() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("it says nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\n"), "AMD EPYC");
        assert_eq!(cpu_model(""), "unknown");
    }
}
