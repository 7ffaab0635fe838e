//! Waking at a time: many tasks of one instance, one timer of the host.
//!
//! Guarantee: an [`alarm`] is ready at its time, not before, whatever becomes of the others.
//!
//! Mechanism: to ask the host for a timer and to take the question back costs a good part of a whole request, most of it
//! for taking it back. So one task of the instance keeps watch: it sleeps until the next time that anybody waits for,
//! and at most a [`LOOK`], and goes when it finds nobody. Those who wait listen to a stream each, whose other end lies in
//! a list here and is dropped to wake them: nothing of it leaves the instance. An alarm for a time before the next look
//! has a timer of its own.
//!
//! Not for workers: the watch outlives the task that began it by up to a look, and a worker's next message would wait.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use spin_sdk::wasip3::{self, wit_stream};
use spin_sdk::wit_bindgen::{StreamReader, StreamWriter};

use crate::clock;

/// The most that the watch sleeps at once, and so outlives the last that it was kept for.
const LOOK: Duration = Duration::from_millis(100);

/// Ready at this time.
pub(super) async fn alarm(at: Instant) {
    loop {
        match Ear::new(at) {
            Ok(ear) => ear.listen().await,
            Err(soon) => return clock::sleep(soon).await,
        }
        if at <= Instant::now() {
            return;
        }
        // The watch ended before its time, with the task that kept it.
    }
}

#[derive(Default)]
struct Watch {
    /// The time of the next look of the task that keeps watch; none if no task does.
    next: Option<Instant>,
    listed: Vec<Listed>,
    last: u64,
    /// Streams that nobody listens to at present.
    spare: Vec<(StreamWriter<u8>, StreamReader<u8>)>,
}

/// Somebody who waits.
struct Listed {
    number: u64,
    at: Instant,
    bell: StreamWriter<u8>,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

/// Keeps watch until nobody waits.
async fn keep_watch(mut post: Post) {
    while let Some(sleep) = post.look() {
        clock::sleep(sleep).await;
    }
}

/// The place of whoever keeps watch. When it is left, those who still wait are woken, to set up a watch of their own.
struct Post;

impl Post {
    /// Wakes whoever's time has come. Gives how long nobody needs to be woken, none when nobody waits.
    fn look(&mut self) -> Option<Duration> {
        WATCH.with_borrow_mut(|watch| {
            let now = Instant::now();
            // To drop the ends of their streams is what wakes them.
            watch.listed.retain(|listed| listed.at > now);
            watch.next = watch.listed.iter().map(|listed| listed.at.min(now + LOOK)).min();
            watch.next.map(|next| next - now)
        })
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        WATCH.with_borrow_mut(|watch| {
            watch.next = None;
            watch.listed.clear();
        });
    }
}

/// Listens for the bell of one alarm, and strikes it from the list when it listens no more.
struct Ear {
    number: u64,
    reader: Option<StreamReader<u8>>,
}

impl Ear {
    /// Is listed, unless its time comes before the next look: then it gives how long that is.
    fn new(at: Instant) -> Result<Self, Duration> {
        WATCH.with_borrow_mut(|watch| {
            let now = Instant::now();
            let next = *watch.next.get_or_insert_with(|| {
                wasip3::spawn(keep_watch(Post));
                now + LOOK
            });
            if at < next {
                return Err(at.saturating_duration_since(now));
            }
            watch.last += 1;
            let (number, (bell, reader)) = (watch.last, watch.spare.pop().unwrap_or_else(wit_stream::new));
            watch.listed.push(Listed { number, at, bell });
            Ok(Ear { number, reader: Some(reader) })
        })
    }

    async fn listen(mut self) {
        if let Some(reader) = &mut self.reader {
            let _ = reader.read(Vec::with_capacity(1)).await;
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        WATCH.with_borrow_mut(|watch| {
            let Some(place) = watch.listed.iter().position(|listed| listed.number == self.number) else { return };
            let listed = watch.listed.remove(place);
            watch.spare.extend(self.reader.take().map(|reader| (listed.bell, reader)));
        });
    }
}
