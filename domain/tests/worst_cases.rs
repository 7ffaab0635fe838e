//! Time is linear in the input: no text makes the scrubber slow, no batch the splitter.

use std::time::{Duration, Instant};

use domain::rows::{Format, Splitter};
use domain::scrub::{Class, Own, Removed, scrub};

/// The longest text that anything takes.
const LONGEST: usize = 256 * 1024;
/// What 256 KiB may take: 50 ms, and without optimisation what that costs.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 50 });

/// The fastest of a few attempts, so that a busy machine does not count as slow code.
fn fastest(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        work();
        best = best.min(began.elapsed());
        if best < LIMIT {
            break;
        }
    }
    best
}

#[test]
fn no_text_makes_the_scrubber_slow() {
    let mut own = Own::new();
    own.add(&"a".repeat(128), Class::PatientId);
    own.add(&format!("{}b", "1 ".repeat(63)), Class::PatientId);
    own.add("王王王王王王王王小", Class::PatientName);
    for piece in [
        "1",
        "1 ",
        "1-",
        "12 ",
        "123 ",
        "1234 ",
        "13800138000 ",
        "13800138000",
        "+",
        "+1 ",
        "a",
        "a ",
        "@",
        "a@",
        "@a.",
        "a@b.cn ",
        "://",
        "a://",
        "a://b/c ",
        "www.",
        "www.a/b ",
        "mrn",
        "mrn ",
        "mrn:",
        "mrn-",
        "mrn 1",
        "病历号",
        "病历号是",
        "王",
        "王小",
        "(",
        "((1",
        "[phone]",
        "medical record ",
        "4111 ",
        "110105194912310",
        "x1x",
        "０",
        "\u{301}",
        " ",
        "\0",
        "é@é.",
    ] {
        let text = piece.repeat(LONGEST / piece.len());
        let took = fastest(|| {
            scrub(&text, &own, &mut Removed::default());
        });
        assert!(took < LIMIT, "{piece:?}: {took:?}");
    }
}

#[test]
fn no_batch_makes_the_splitter_slow() {
    for piece in ["[", "{\"a\":", "\"", "\\\"", "1,", "{},", "\n", "1\n", " ", "9"] {
        for (format, start) in [(Format::Array, "["), (Format::Lines, "")] {
            let text = [start, &piece.repeat(LONGEST / piece.len())].concat();
            let took = fastest(|| {
                let (mut splitter, mut rows) = (Splitter::new(format, LONGEST), Vec::new());
                // Whether the frame holds does not matter here.
                let _ = text.as_bytes().chunks(7).try_for_each(|piece| splitter.push(piece, &mut rows));
            });
            assert!(took < LIMIT, "{piece:?}: {took:?}");
        }
    }
}
