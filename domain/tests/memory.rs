//! The memory that reading takes: no text of any form takes more than its limits allow.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use domain::reading::{Json, Limits, Unreadable};

/// Counts the bytes that the thread of a test has allocated, and their maximum.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    NOW.set(NOW.get() + bytes);
    MOST.set(MOST.get().max(NOW.get()));
}

#[expect(unsafe_code, reason = "an allocator that counts")]
#[expect(clippy::cast_possible_wrap, reason = "no layout is that large")]
// SAFETY: every call goes to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }

    // While a list grows, both its old and its new buffer exist.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The maximum memory that reading a text takes in addition to the text, bytes.
fn most(text: &str, limits: Limits) -> (isize, bool) {
    let before = NOW.get();
    MOST.set(before);
    let read = Json::read(text.as_bytes(), limits);
    let refused = matches!(read, Err(Unreadable::Refused(_)));
    drop(read);
    (MOST.get() - before, refused)
}

#[test]
fn no_text_takes_more_memory_than_its_limits_allow() {
    const LENGTH: usize = 1 << 19;
    let many = |open: &str, piece: &str, close: &str| {
        let pieces = vec![piece; LENGTH / (piece.len() + 1)].join(",");
        format!("{open}{pieces}{close}")
    };
    let nested = |piece: &str, close: &str, levels: usize| piece.repeat(levels) + "1" + &close.repeat(levels);
    let object = nested("{\"\":", "}", 30);
    let texts = [
        many("[", "{\"\":{}}", "]"),
        many("[", "{\"\":1}", "]"),
        many("[", "[[]]", "]"),
        many("[", "\"\"", "]"),
        many("[", "0", "]"),
        many("[", &object, "]"),
        many("[", &nested("[", "]", 30), "]"),
        many("{", "\"a\":1", "}"),
        many("{\"a\":{", "\"b\":1", "}}"),
        many("{", &format!("\"\":{object}"), "}"),
        nested("{\"\":", "}", LENGTH / 6),
        nested("[", "]", LENGTH / 2),
        (0..LENGTH / 12).map(|n| format!(",\"{n:x}\":{{}}")).collect::<String>().replacen(',', "{", 1) + "}",
    ];
    for (place, text) in texts.iter().enumerate() {
        serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap();
        for limits in [Limits::REQUEST, Limits::DOCUMENT, Limits::RESOURCE, Limits::SETTINGS, Limits::DEFINITION] {
            let (took, refused) = most(text, limits);
            // For content nested too deeply, the reader keeps one byte per level.
            let allowed = limits.values as isize * 700 + 2 * LENGTH as isize;
            assert!(took < allowed, "text {place} by {limits:?}: {took} bytes, allowed {allowed}");
            let repeats =
                text.starts_with("{\"a\":1") || text.starts_with("{\"a\":{\"b\"") || text.starts_with("{\"\":{\"\":");
            assert!(refused || repeats || limits == Limits::DEFINITION, "text {place} by {limits:?}");
        }
    }
}
