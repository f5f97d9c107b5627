//! Clients of whom no whole frame has come yet, the longest waiting first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Client;

/// Newcomers by id: ids are given in the order in which clients come.
#[derive(Debug, Default)]
pub(super) struct Newcomers(Mutex<BTreeMap<u64, Arc<Client>>>);

impl Newcomers {
    pub(super) fn enter(&self, client: &Arc<Client>) {
        self.lock().insert(client.id, Arc::clone(client));
    }

    /// It is none any more: it has spoken, or gone.
    pub(super) fn leave(&self, id: u64) {
        self.lock().remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The one that has waited longest, if there are more than `limit`.
    pub(super) fn one_too_many(&self, limit: usize) -> Option<Arc<Client>> {
        let newcomers = self.lock();
        let (_, oldest) = newcomers.first_key_value().filter(|_| newcomers.len() > limit)?;
        Some(Arc::clone(oldest))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
