//! DICOM files through the real component: its output, its memory use, its refusals.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::{ADMIN, ADMIN_B, App, READ_A1, SUBMIT_A};
use crate::client::{Answer, early_status};

const PATH: &str = "/v1/dicom/analyze";
const MIB: usize = 1024 * 1024;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/dicom/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn analyze(app: &App, file: Vec<u8>) -> Answer {
    analyze_as(app, ADMIN, "application/dicom", file).await
}

async fn analyze_as(app: &App, key: &str, content_type: &str, file: Vec<u8>) -> Answer {
    analyze_at(app, key, PATH, content_type, file).await
}

async fn analyze_at(app: &App, key: &str, path: &str, content_type: &str, file: Vec<u8>) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
    app.client().await.send("POST", path, &headers, file).await.unwrap()
}

/// A whole file of about this many bytes: the fixture's attributes, and more pixels.
fn large(bytes: usize) -> Vec<u8> {
    let mut file = fixture("explicit-gb18030.dcm");
    let at = file.windows(8).rposition(|it| it == b"\xe0\x7f\x10\0OW\0\0").unwrap();
    let frames = (bytes - file.len()) / (32 * 40 * 2);
    let pixels = file[at + 12..at + 12 + 32 * 40 * 2].to_vec();
    file.truncate(at + 8);
    file.extend(((frames * pixels.len()) as u32).to_le_bytes());
    (0..frames).for_each(|_| file.extend(&pixels));
    // The number of frames, inserted before the rows.
    let rows = file.windows(6).position(|it| it == b"\x28\0\x10\0US").unwrap();
    let number = format!("{frames:<8}");
    file.splice(rows..rows, [b"\x28\0\x08\0IS\x08\0", number.as_bytes()].concat());
    file
}

/// The memory use of instances, from their log, bytes.
fn memory(app: &App) -> Vec<u64> {
    let mut found = Vec::new();
    for (name, content) in app.files() {
        if name.contains("logs") {
            let text = String::from_utf8_lossy(&content).into_owned();
            let lines =
                text.lines().filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
            found.extend(
                lines.filter(|line| line["event"] == "dicom-read").map(|line| line["memory"].as_u64().unwrap()),
            );
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_shown_without_identities_and_with_the_figures_that_numpy_gives() {
    let app = App::builder().only(&["imaging"]).start().await;
    for name in [
        "explicit-gb18030",
        "implicit-utf8",
        "deflated-latin1-rgb",
        "rle-japanese",
        "implicit-korean-signed",
        "explicit-gbk-no-group-length",
        "jpeg-cyrillic-no-group-length",
    ] {
        let answer = analyze(&app, fixture(&format!("{name}.dcm"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (shown, text) = (answer.json(), String::from_utf8(answer.body.to_vec()).unwrap());
        assert!(!text.contains("SECRET") && !text.contains("机密"), "{text}");
        let theirs: Value = serde_json::from_slice(&fixture(&format!("{name}.json"))).unwrap();
        assert_eq!(shown["transferSyntax"], theirs["transferSyntax"]);
        assert_eq!(shown["metadata"]["00080070"], theirs["attributes"]["00080070"], "{name}");
        let (ours, theirs) = (&shown["pixels"]["statistics"], &theirs["pixels"]);
        for figure in ["count", "min", "max"] {
            assert_eq!(ours[figure], theirs[figure], "{name}");
        }
        assert_eq!((&ours["histogram"]["counts"], shown["complete"].as_bool()), (&theirs["histogram"], Some(true)));
        let study = shown["metadata"]["0020000D"]["Value"][0].as_str().unwrap();
        let again = analyze(&app, fixture("implicit-utf8.dcm")).await.json();
        // All fixtures are of one study: its new identifier is the same in all.
        assert_eq!(again["metadata"]["0020000D"]["Value"][0], study);
        assert!(study.starts_with("2.25.") && study.len() <= 64);
    }
    for (name, content) in app.files() {
        assert!(!content.windows(6).any(|it| it == b"SECRET"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_file_takes_little_memory() {
    let app = App::builder().only(&["imaging"]).start().await;
    let file = large(64 * MIB - 4096);
    assert!(file.len() > 63 * MIB);
    let began = Instant::now();
    let answer = analyze(&app, file).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let statistics = &answer.json()["pixels"]["statistics"];
    assert_eq!(statistics["count"], answer.json()["pixels"]["bytes"].as_u64().unwrap() / 2);
    let peak = memory(&app).into_iter().max().unwrap();
    assert!(peak < 32 * MIB as u64, "{peak} bytes");
    // The benchmark measures the speed; this only checks that it does not take minutes.
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_take_no_more_memory_than_a_few() {
    let app = App::builder().only(&["imaging"]).start().await;
    let (mut client, file) = (app.client().await, large(MIB));
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/dicom")];
    for number in 0..1000 {
        let small = fixture(if number % 3 == 0 { "deflated-latin1-rgb.dcm" } else { "implicit-utf8.dcm" });
        let body = if number % 10 == 0 { file.clone() } else { small };
        let answer = client.send("POST", PATH, &headers, body).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let memory = memory(&app);
    assert_eq!(memory.len(), 1000);
    let most = |part: &[u64]| part.iter().copied().max().unwrap();
    let (early, late) = (most(&memory[..100]), most(&memory[100..]));
    // A few extra pages are allowed by chance; a leak of 1 KiB per file would show.
    assert!(late < early + MIB as u64 / 4 && late < 32 * MIB as u64, "{early} {late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_are_replaced_by_the_same_in_one_study_and_by_others_in_another() {
    let app = App::builder().only(&["imaging"]).start().await;
    let read = async |key: &str, study: &str| {
        let path = format!("{PATH}{study}");
        let answer = analyze_at(&app, key, &path, "application/dicom", fixture("explicit-gb18030.dcm")).await;
        let shown = answer.json();
        let uid = |tag: &str| shown["metadata"][tag]["Value"][0].as_str().map(str::to_owned);
        (answer.status, [uid("0020000D"), uid("0020000E"), uid("00080018")])
    };
    let (status, in_a) = read(SUBMIT_A, "").await;
    assert!(
        status == 200 && in_a.iter().all(|uid| uid.as_ref().is_some_and(|uid| uid.starts_with("2.25."))),
        "{in_a:?}"
    );
    let (_, in_b) = read(ADMIN_B, "").await;
    let (_, elsewhere) = read(ADMIN, "").await;
    for (one, (two, three)) in in_a.iter().zip(in_b.iter().zip(&elsewhere)) {
        assert!(one != two && one != three && two != three, "{in_a:?} {in_b:?} {elsewhere:?}");
    }
    for (key, study, expected) in
        [(SUBMIT_A, "", &in_a), (SUBMIT_A, "?study=A", &in_a), (ADMIN, "?study=A", &in_a), (ADMIN, "?study=B", &in_b)]
    {
        assert_eq!(read(key, study).await, (200, expected.clone()), "{study}");
    }
    assert_eq!(read(SUBMIT_A, "?study=B").await.0, 403);
    assert_eq!(read(ADMIN, "?study=a%20b").await.0, 422);
    assert_eq!(read(ADMIN, "?site=1").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_its_reason_and_its_place() {
    let app = App::builder().only(&["imaging"]).start().await;
    let whole = fixture("explicit-gb18030.dcm");
    let bomb = b"\x08\0\x18\x22SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff".repeat(1000);
    let head =
        |data: &[u8]| [&whole[..whole.windows(6).position(|it| it == b"\x08\0\x05\0CS").unwrap()], data].concat();
    let mut big_endian = whole.clone();
    let syntax = b"1.2.840.10008.1.2.1\0";
    let at = big_endian.windows(syntax.len()).position(|it| it == syntax).unwrap();
    big_endian[at..at + syntax.len()].copy_from_slice(b"1.2.840.10008.1.2.2\0");
    for (file, reason) in [
        (Vec::new(), "DICM"),
        (b"SECRET".repeat(100), "DICM"),
        (whole[..2000].to_vec(), "end before its last element"),
        (head(b"\xe1\x7f\x10\0OW\0\0\xf0\xff\xff\xff"), "must end before"),
        (head(&bomb), "nested"),
        (big_endian, "little endian"),
    ] {
        let began = Instant::now();
        let answer = analyze(&app, file).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{reason}: {:?}", began.elapsed());
        let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason) && detail.contains("at byte") && !detail.contains("SECRET"), "{detail}");
    }
    assert_eq!(analyze_as(&app, ADMIN, "application/json", whole.clone()).await.status, 415);
    assert_eq!(analyze_as(&app, READ_A1, "application/dicom", whole.clone()).await.status, 403);
    assert_eq!(analyze_as(&app, "nobody", "application/dicom", whole).await.status, 401);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: application/dicom\r\n\
         content-length: {}\r\n\r\n",
        64 * MIB + 1
    );
    assert_eq!(early_status(app.address, head.into_bytes()).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_elements_that_a_file_can_hold_are_read_in_bounded_time_and_memory() {
    let app = App::builder().only(&["imaging"]).start().await;
    let whole = fixture("explicit-gb18030.dcm");
    // Only items, each with an element: one header after another.
    let item = b"\xfe\xff\x00\xe0\x0a\0\0\0\x08\0\x00\x01SH\x02\0T1";
    let data = item.repeat((63 * MIB) / item.len());
    let sequence = [b"\x08\0\x18\x22SQ\0\0", &(data.len() as u32).to_le_bytes()[..], &data].concat();
    let data_set = whole.windows(6).position(|it| it == b"\x08\0\x05\0CS").unwrap();
    let began = Instant::now();
    let answer = analyze(&app, [&whole[..data_set], &sequence].concat()).await;
    assert_eq!((answer.status, &answer.json()["complete"]), (200, &Value::Bool(false)));
    assert!(answer.body.len() < 4 * MIB, "{}", answer.body.len());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let peak = memory(&app).into_iter().max().unwrap();
    assert!(peak < 32 * MIB as u64, "{peak} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_stops_is_not_waited_for() {
    let app = App::builder().only(&["imaging"]).start().await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: application/dicom\r\n\
         x-request-timeout-ms: 700\r\ncontent-length: 4096\r\n\r\nx"
    );
    let began = Instant::now();
    assert_eq!(early_status(app.address, head.into_bytes()).await, 408);
    assert!((700..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}
