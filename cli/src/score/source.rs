//! The instrument that a job names.

use std::fs;
use std::path::Path;

use domain::{Finding, Instrument, library};

/// Reads the instrument: of the library by its id or `id@version`, else the definition in a file.
pub(super) fn instrument(named: &str) -> Result<Instrument, String> {
    let (id, version) = named.split_once('@').map_or((named, None), |(id, version)| (id, Some(version)));
    if let Some(definition) = library::definition(&slug(id)) {
        let instrument = Instrument::from_json(&definition).map_err(|faults| listed(named, &faults))?;
        return match version {
            Some(version) if version != instrument.version() => {
                Err(format!("{} is here in version {} only", instrument.id(), instrument.version()))
            }
            _ => Ok(instrument),
        };
    }
    let path = Path::new(named);
    if path.is_file() {
        let definition = fs::read(path).map_err(|error| format!("{named} cannot be read: {error}"))?;
        return Instrument::from_json(&definition).map_err(|faults| listed(named, &faults));
    }
    let near: Vec<&str> = library::ids().filter(|known| is_near(known, id)).collect();
    let near = if near.is_empty() { String::new() } else { format!("Did you mean {}?\n", near.join(" or ")) };
    let all: Vec<&str> = library::ids().collect();
    Err(format!("no instrument and no file is called {named}. {near}The library has: {}", all.join(", ")))
}

/// A name as ids are written: "EORTC QLQ-C30" is `eortc-qlq-c30`.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Whether somebody who wrote `asked` may have meant `known`: one begins like the other but for hyphens.
fn is_near(known: &str, asked: &str) -> bool {
    let plain = |text: &str| slug(text).replace('-', "");
    let (known, asked) = (plain(known), plain(asked));
    asked.len() > 1 && (known.starts_with(&asked) || asked.starts_with(&known))
}

fn listed(named: &str, faults: &[Finding]) -> String {
    let lines = faults.iter().map(|fault| format!("\n  {}: {} ({})", fault.pointer, fault.detail, fault.code.as_str()));
    format!("{named} has {} faults:{}", faults.len(), lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instrument_is_found_by_the_names_people_write() {
        for named in ["phq-9", "PHQ-9", "phq-9@1.0.0", "EORTC QLQ-C30"] {
            assert!(instrument(named).is_ok(), "{named}");
        }
    }

    #[test]
    fn who_errs_is_told_what_there_is() {
        let told = instrument("phq9").unwrap_err();
        assert!(told.contains("Did you mean phq-9?") && told.contains("rand-36"), "{told}");
        assert!(instrument("phq-9@0").unwrap_err().contains("in version"));
        assert!(!instrument("zzz").unwrap_err().contains("Did you mean"));
        assert!(instrument("").is_err());
    }
}
