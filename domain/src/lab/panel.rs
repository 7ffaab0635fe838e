//! The panel for publication: analytes, codes, units, and the limits of CTCAE.

use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::ctcae;
use crate::report::{
    loinc::{NOTICE, SOURCE},
    units,
};

/// Every known analyte with its codes and units, its CTCAE v5.0 limits, and the built-in `rules` on it, as they are
/// written.
pub fn panel(rules: &[Value]) -> Value {
    let analytes = units::panel().iter().map(|analyte| {
        let own = units::all().filter(|coded| coded.analyte.code == analyte.code);
        let codes = own
            .map(|coded| json!({"code": coded.code, "name": coded.title, "units": coded.units().collect::<Vec<_>>()}));
        let rules =
            rules.iter().filter(|rule| rule.pointer("/when/analyte").and_then(Value::as_str) == Some(analyte.code));
        let rules = rules.map(|rule| {
            let kept =
                ["id", "severity", "when"].into_iter().filter_map(|key| Some((key.into(), rule.get(key)?.clone())));
            Value::Object(kept.collect::<Map<_, _>>())
        });
        json!({
            "code": analyte.code,
            "name": analyte.name,
            "units": analyte.units().collect::<Vec<_>>(),
            "codes": codes.collect::<Vec<_>>(),
            "ctcae": ctcae::limits(analyte.code),
            "rules": rules.collect::<Vec<_>>(),
        })
    });
    json!({"source": SOURCE, "notice": NOTICE, "analytes": analytes.collect::<Vec<_>>()})
}
