//! The names of the queues and of the keys that scripts put together themselves. `build.rs` compiles this file, too, and
//! writes these names before `queue/flows.lua`.

/// A queue: a Redis stream, the channel that rings its worker, and the mark that says a bell is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Submissions that wait to be scored.
    Score,
    /// Alerts and deliveries that wait to be sent.
    Dispatch,
    /// Analyses of images that cannot wait.
    ImagingStat,
    /// Analyses of images.
    Imaging,
}

impl Queue {
    /// All queues.
    pub const ALL: [Queue; 4] = [Queue::Score, Queue::Dispatch, Queue::ImagingStat, Queue::Imaging];

    /// The queue's name, as metrics and dead letters use it.
    pub fn name(self) -> &'static str {
        match self {
            Queue::Score => "score",
            Queue::Dispatch => "dispatch",
            Queue::ImagingStat => "imaging-stat",
            Queue::Imaging => "imaging",
        }
    }

    /// The stream.
    pub fn stream(self) -> &'static str {
        match self {
            Queue::Score => "{vigil}:q:score",
            Queue::Dispatch => "{vigil}:q:dispatch",
            Queue::ImagingStat => "{vigil}:q:imaging-stat",
            Queue::Imaging => "{vigil}:q:imaging",
        }
    }

    /// The key that exists while a bell is pending.
    pub fn bell(self) -> &'static str {
        match self {
            Queue::Score => "{vigil}:bell:score",
            Queue::Dispatch => "{vigil}:bell:dispatch",
            Queue::ImagingStat => "{vigil}:bell:imaging-stat",
            Queue::Imaging => "{vigil}:bell:imaging",
        }
    }

    /// The channel that starts the queue's worker.
    pub fn channel(self) -> &'static str {
        match self {
            Queue::Score => "vigil.score",
            Queue::Dispatch => "vigil.dispatch",
            Queue::ImagingStat | Queue::Imaging => "vigil.imaging",
        }
    }
}

/// Prefix of a stream's key, before the queue's name.
pub const STREAM: &str = "{vigil}:q:";
/// The scorer's stream holds this many submissions more than entries. If the stream is empty, the value means nothing.
pub const MORE: &str = "{vigil}:q:score:more";
/// Prefix, before a queue's name, a colon and a flow: the list of the flow's waiting entries, each `<id> <cost>
/// <submissions>`.
pub const FLOW: &str = "{vigil}:flow:";
/// Prefix, before a queue's name: the sorted set of the API keys with waiting entries, by the cost served so far. A
/// colon and a key follow for the key's studies, then a bar and a study for the study's sites.
pub const RING: &str = "{vigil}:ring:";
/// Prefix, before a queue's name: a hash of the entries that workers hold, id to `<holder>.<claim> <cost> <submissions>
/// <flow>`.
pub const HELD: &str = "{vigil}:held:";
/// Prefix, before a queue's name: a hash of the entries that were lost with a worker, id to their first id and the
/// names of these workers.
pub const LOST: &str = "{vigil}:lost:";
/// The number of each API key's submissions that wait to be scored or are being scored: a hash.
pub const LOAD: &str = "{vigil}:load";
/// The live workers, by the time at which each is declared dead, milliseconds of the server's clock: a sorted set.
pub const HOLDERS: &str = "{vigil}:holders";
/// The workers that were declared dead but went on, by the time they were seen again: a sorted set.
pub const RETURNED: &str = "{vigil}:holders:returned";
/// Prefix, before a worker's name: a set of the work that becomes due at once if the worker dies.
pub const RESERVED: &str = "{vigil}:holder:";

/// Entries that are due later: a sorted set of queue entries by due time, milliseconds.
pub const DUE: &str = "{vigil}:due";

/// Prefix of a study's journal, before the study's name: a stream.
pub const JOURNAL: &str = "{vigil}:journal:";
/// The studies with a journal, each with the last position that is sealed: a hash.
pub const JOURNALS: &str = "{vigil}:journals";
/// Exists while a journal may have entries of which a subscription has not been told.
pub const EVENTS_NEW: &str = "{vigil}:events:new";
