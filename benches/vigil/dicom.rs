//! The largest DICOM file: its duration, and the memory of its instance.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::app::{Ground, KEY};
use crate::load::{Connection, Ids, Request, Sample};
use crate::table::{Goal, Table};

/// The number of times that it is sent.
const TIMES: usize = 10;
const MIB: usize = 1 << 20;

/// A file of 64 MiB: 16-bit pixels, each unlike the one before, so that all counters are used.
fn file() -> Vec<u8> {
    let (frames, side) = (127u32, 512u16);
    let pixels = frames * u32::from(side) * u32::from(side) * 2;
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\0\0\0UL\x04\0\x1c\0\0\0\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
    file.extend(b"\x08\0\x60\0CS\x02\0CT\x10\0\x10\0PN\x0a\0Zhang^Wei ");
    file.extend(format!("\x28\0\x08\0IS\x04\0{frames:<4}").bytes());
    for (element, value) in
        [(b"\x10\0", side), (b"\x11\0", side), (b"\0\x01", 16), (b"\x01\x01", 16), (b"\x02\x01", 15), (b"\x03\x01", 0)]
    {
        file.extend([b"\x28\0", &element[..], b"US\x02\0", &value.to_le_bytes()[..]].concat());
    }
    file.extend(b"\xe0\x7f\x10\0OW\0\0");
    file.extend(pixels.to_le_bytes());
    let mut value = 1u32;
    file.extend((0..pixels / 2).flat_map(|_| {
        value = value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((value >> 16) as u16).to_le_bytes()
    }));
    file
}

/// Sends one file after another over one connection. The memory is the figure in the component's own log.
pub(crate) async fn dicom(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    let host = ground.start(&["imaging"], None)?;
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/dicom")];
    let file = file();
    let request = Request::binary("/v1/dicom/analyze", &headers, &file, 200).says("\"statistics\":{");
    let mut connection = Connection::open(host.address).await?;
    let mut sample = Sample::default();
    for _ in 0..TIMES {
        sample.times.push(connection.send(&request, ids).await?);
    }
    let name = format!("a DICOM file of {:.0} MiB", file.len() as f64 / MIB as f64);
    let note = format!("p50 of {TIMES}; the longest took {:.0} ms", sample.quantile_ms(1.0));
    table.milliseconds(&name, sample.quantile_ms(0.5), Goal::AtMost(1000.0), &note);
    let most = memory(ground.folder())?.context("the component logged no memory")?;
    let note = "linear memory, which never shrinks";
    table.goal("peak memory of its instance", most as f64 / MIB as f64, " MiB", Goal::AtMost(32.0), note);
    Ok(())
}

/// The highest memory use of an instance, bytes.
fn memory(folder: &std::path::Path) -> Result<Option<u64>> {
    let mut most = None;
    for file in std::fs::read_dir(folder.join("logs"))? {
        let text = String::from_utf8_lossy(&std::fs::read(file?.path())?).into_owned();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
        most = most.max(lines.filter_map(|line| line["memory"].as_u64()).max());
    }
    Ok(most)
}
