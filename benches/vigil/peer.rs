//! Batches of PHQ-9 at the door and at the peer, a small server in Go (`benches/peer`), on the same Redis in turns.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::app::{Ground, Process};
use crate::figures::{BATCH, batch_of, response_row, times};
use crate::figures::{CONNECTIONS, DOORS, ROUNDS, SLICE, WARM_UP};
use crate::load::{Connection, Ids, Sample, Until, slice};
use crate::table::{Goal, Table};

/// What the ratio is called.
const RATIO: &str = "batches of PHQ-9 ÷ the peer's";

/// Measures in turns, so that a machine that slows down slows both.
pub(crate) async fn peer(table: &mut Table, ids: &Ids) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("peer");
    if let Err(error) = build(&program) {
        table.missing(RATIO, Goal::AtLeast(1.2), &format!("no peer: {error:#}"));
        return Ok(());
    }
    let ground = Ground::new()?;
    let door = ground.start(&DOORS, None)?;
    let mut command = Command::new(&program);
    let peer = Process::spawn(command.arg(ground.redis_url()))?;
    let request = batch_of(&response_row());
    let mut own = Connection::open_many(door.address, CONNECTIONS).await?;
    let mut other = Connection::open_many(peer.address, CONNECTIONS).await?;
    for connections in [&mut own, &mut other] {
        slice(connections, &request, ids, Until::After(WARM_UP)).await?;
    }
    let (mut ours, mut theirs, mut ratios) = (Sample::default(), Sample::default(), Vec::new());
    for _ in 0..ROUNDS / 2 {
        let one = slice(&mut own, &request, ids, Until::After(SLICE)).await?;
        let two = slice(&mut other, &request, ids, Until::After(SLICE)).await?;
        ratios.push(one.rate() / two.rate());
        ours.add(one);
        theirs.add(two);
    }
    ratios.sort_by(f64::total_cmp);
    table.figure("PHQ-9 in batches, door", times(ours.rate() * BATCH as f64, &ours), "");
    table.figure("PHQ-9 in batches, peer", times(theirs.rate() * BATCH as f64, &theirs), "");
    table.ratio(RATIO, ratios[ratios.len() / 2], Goal::AtLeast(1.2), "the median of the rounds");
    Ok(())
}

/// Builds the peer with the packages of the system.
fn build(program: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/main.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([program, &source])
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOFLAGS", "")
        .stderr(Stdio::piped())
        .output()?;
    let said = String::from_utf8_lossy(&built.stderr);
    ensure!(built.status.success(), "{}", said.lines().last().unwrap_or_default());
    Ok(())
}
