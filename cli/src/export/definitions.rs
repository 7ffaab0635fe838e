//! The definitions of instruments that an export needs: those that scored its rows, and those by which it is laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::Result;
use domain::Instrument;
use domain::codebook::Codebook;
use platform::redis::Redis;
use state::settings::Settings;
use state::wire::entry::ScoredWith;

use super::folder::Folder;
use super::manifest::{Beside, Definition, Holds};

/// A version of an instrument.
#[derive(Debug)]
pub struct Known {
    /// As it is read.
    pub instrument: Instrument,
    /// The definition, as it was stored or is built in.
    definition: Vec<u8>,
}

/// The definitions that were needed so far.
pub struct Definitions<'a> {
    redis: &'a Redis,
    settings: Settings,
    /// By id and version; none for what the installation does not have.
    known: BTreeMap<(String, String), Option<Rc<Known>>>,
    /// The version in force of each instrument.
    in_force: BTreeMap<String, Option<Rc<Known>>>,
    /// Id, version and hash of those that scored a row.
    scored: BTreeSet<[String; 3]>,
}

impl<'a> Definitions<'a> {
    /// None so far.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn open(redis: &'a Redis) -> Result<Self> {
        let settings = Settings::in_force(redis).await?;
        let (known, in_force, scored) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Definitions { redis, settings, known, in_force, scored })
    }

    /// A version of an instrument, if there is one.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn find(&mut self, id: &str, version: &str) -> Result<Option<Rc<Known>>> {
        let key = (id.to_owned(), version.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let mut definition = self.settings.definition(self.redis, id, version).await?;
        if definition.is_none() {
            // It may have been stored meanwhile.
            self.settings = Settings::in_force(self.redis).await?;
            definition = self.settings.definition(self.redis, id, version).await?;
        }
        let known = definition.and_then(|definition| {
            let instrument = Instrument::from_json(&definition).ok()?;
            Some(Rc::new(Known { instrument, definition }))
        });
        self.known.insert(key, known.clone());
        Ok(known)
    }

    /// The version of an instrument that is in force, if there is one.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn in_force(&mut self, id: &str) -> Result<Option<Rc<Known>>> {
        if let Some(known) = self.in_force.get(id) {
            return Ok(known.clone());
        }
        let instrument = self.settings.instrument(self.redis, id, None).await?;
        let known = match instrument {
            Some(instrument) => self.find(id, instrument.version()).await?,
            None => None,
        };
        self.in_force.insert(id.to_owned(), known.clone());
        Ok(known)
    }

    /// Notes what scored a row, and gives it if the installation still has it.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn scored(&mut self, with: &ScoredWith) -> Result<Option<Rc<Known>>> {
        let ScoredWith { id, version, hash, .. } = with;
        self.scored.insert([id, version, hash].map(String::clone));
        let known = self.find(id, version).await?;
        Ok(known.filter(|known| known.instrument.hash() == hash))
    }

    /// Writes them with their codebooks, and lists those that scored rows.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(self, folder: &mut Folder, replaces: bool) -> Result<Vec<Definition>> {
        for known in self.known.values().flatten() {
            let name = name(&known.instrument);
            let codebook = Codebook::of(&known.instrument);
            let holds = Holds::Beside(Beside::Codebook);
            folder.put(&format!("codebooks/{name}.json"), holds, &serde_json::to_vec(&codebook)?, replaces)?;
            folder.put(&format!("codebooks/{name}.csv"), holds, codebook.csv().as_bytes(), replaces)?;
            let holds = Holds::Beside(Beside::Definition);
            folder.put(&format!("definitions/{name}.json"), holds, &known.definition, replaces)?;
        }
        let known = &self.known;
        let listed = self.scored.into_iter().map(|[id, version, sha256]| {
            let known = known.get(&(id.clone(), version.clone())).and_then(Option::as_ref);
            let known = known.filter(|known| known.instrument.hash() == sha256);
            let file = known.map(|known| format!("definitions/{}.json", self::name(&known.instrument)));
            Definition { id, version, sha256, file }
        });
        Ok(listed.collect())
    }
}

/// The name of a version's files.
fn name(instrument: &Instrument) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    format!("{}@{}", instrument.id(), instrument.version())
        .chars()
        .map(|c| if c == '@' { c } else { plain(c) })
        .collect()
}
