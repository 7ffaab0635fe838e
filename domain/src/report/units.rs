//! The allowed units of each known analyte, and their conversion factors. Analytes are LOINC codes, units are UCUM
//! codes (case-sensitive).
//!
//! A factor converts a figure into the analyte's first unit. Between mass and amount, the factor is computed from the
//! molar mass in g/mol (PubChem): haemoglobin by its monomer with one iron, 16 114.5; glucose 180.156; creatinine
//! 113.12; bilirubin 584.66; calcium 40.078; cholesterol 386.65; triglycerides as triolein, 885.4; urea nitrogen by its
//! two nitrogens, 28.014. An enzyme unit is one micromole per minute, so a microkatal is 60 units.

use super::loinc::CODES;

/// A unit and its factor.
type Unit = (&'static str, f64);

/// Counts of blood cells in thousands.
const CELLS: &[Unit] = &[("10*9/L", 1.0), ("10*3/uL", 1.0), ("/uL", 0.001)];
const ELECTROLYTE: &[Unit] = &[("mmol/L", 1.0), ("meq/L", 1.0)];
const ENZYME: &[Unit] = &[("U/L", 1.0), ("ukat/L", 60.0)];
const CHOLESTEROL: &[Unit] = &[("mmol/L", 1.0), ("mg/dL", 10.0 / 386.65)];

/// A known analyte.
pub(crate) struct Analyte {
    /// The panel's code for it.
    pub(crate) code: &'static str,
    /// Its name in words.
    pub(crate) name: &'static str,
    units: &'static [Unit],
    /// No living person was ever measured with more than this, in the first unit. A higher figure has a wrong unit or
    /// is wrong itself.
    pub(crate) most: f64,
}

const fn analyte(code: &'static str, name: &'static str, units: &'static [Unit], most: f64) -> Analyte {
    Analyte { code, name, units, most }
}

const ANALYTES: &[Analyte] = &[
    analyte("10839-9", "troponin I", &[("ng/mL", 1.0), ("ug/L", 1.0), ("ng/L", 0.001)], 10_000.0),
    analyte("13457-7", "LDL cholesterol", CHOLESTEROL, 100.0),
    analyte("1742-6", "alanine aminotransferase", ENZYME, 200_000.0),
    analyte("1751-7", "albumin", &[("g/L", 1.0), ("g/dL", 10.0)], 150.0),
    analyte("17861-6", "calcium", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 40.078)], 20.0),
    analyte("1920-8", "aspartate aminotransferase", ENZYME, 200_000.0),
    analyte("1975-2", "bilirubin", &[("umol/L", 1.0), ("mg/dL", 10_000.0 / 584.66)], 3000.0),
    analyte("1988-5", "C reactive protein", &[("mg/L", 1.0), ("mg/dL", 10.0)], 2000.0),
    analyte("2075-0", "chloride", ELECTROLYTE, 250.0),
    analyte("2085-9", "HDL cholesterol", CHOLESTEROL, 30.0),
    analyte("2093-3", "cholesterol", CHOLESTEROL, 100.0),
    analyte("2160-0", "creatinine", &[("umol/L", 1.0), ("mg/dL", 10_000.0 / 113.12)], 10_000.0),
    analyte("2345-7", "glucose", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 180.156)], 300.0),
    analyte("2571-8", "triglycerides", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 885.4)], 300.0),
    analyte("2823-3", "potassium", ELECTROLYTE, 40.0),
    analyte("2951-2", "sodium", ELECTROLYTE, 300.0),
    analyte("3016-3", "thyrotropin", &[("m[IU]/L", 1.0), ("u[IU]/mL", 1.0)], 5000.0),
    analyte("3094-0", "urea nitrogen", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 28.014)], 300.0),
    analyte("4544-3", "haematocrit", &[("%", 1.0), ("L/L", 100.0)], 100.0),
    analyte("4548-4", "haemoglobin A1c", &[("%", 1.0)], 40.0),
    analyte("59261-8", "haemoglobin A1c", &[("mmol/mol", 1.0)], 400.0),
    analyte("62238-1", "glomerular filtration rate", &[("mL/min/{1.73_m2}", 1.0)], 500.0),
    analyte("6301-6", "INR", &[("{INR}", 1.0), ("1", 1.0)], 100.0),
    analyte("6690-2", "leukocytes", CELLS, 3000.0),
    analyte("6768-6", "alkaline phosphatase", ENZYME, 50_000.0),
    analyte("718-7", "haemoglobin", &[("g/L", 1.0), ("g/dL", 10.0), ("mmol/L", 16.1145)], 400.0),
    analyte("731-0", "lymphocytes", CELLS, 3000.0),
    analyte("751-8", "neutrophils", CELLS, 1500.0),
    analyte("777-3", "platelets", CELLS, 20_000.0),
    analyte("789-8", "erythrocytes", &[("10*12/L", 1.0), ("10*6/uL", 1.0)], 20.0),
];

/// A known code of a known analyte.
#[derive(Clone, Copy)]
pub(crate) struct Coded {
    pub(crate) code: &'static str,
    /// LOINC's name of the code.
    pub(crate) title: &'static str,
    pub(crate) analyte: &'static Analyte,
}

/// Compared by code, because each code exists once.
impl PartialEq for Coded {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl core::fmt::Debug for Coded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code)
    }
}

/// The analyte that a code stands for.
pub(crate) fn of(code: &str) -> Option<Coded> {
    let line = CODES.binary_search_by(|(known, ..)| (*known).cmp(code)).ok()?;
    coded(CODES.get(line)?)
}

/// Every known code.
pub(crate) fn all() -> impl Iterator<Item = Coded> {
    CODES.iter().filter_map(coded)
}

/// The panel.
pub(crate) fn panel() -> &'static [Analyte] {
    ANALYTES
}

fn coded((code, panel, title): &(&'static str, &'static str, &'static str)) -> Option<Coded> {
    let found = ANALYTES.binary_search_by(|analyte| analyte.code.cmp(panel)).ok()?;
    Some(Coded { code, title, analyte: ANALYTES.get(found)? })
}

impl Coded {
    /// The units that a result with this code may have. The panel's own code stands for the analyte in any of its
    /// units. Another code names one property, and only units that fit this property are allowed.
    pub(crate) fn units(self) -> impl Iterator<Item = &'static str> {
        let fits: fn(&str) -> bool = match self.title {
            _ if self.code == self.analyte.code => |_| true,
            title if title.contains("[Moles/") => |unit| unit.contains("mol") || unit.contains("eq"),
            title if title.contains("[Mass/") => |unit| unit.contains("g/"),
            title if title.contains("[Pure volume fraction]") => |unit| unit == "L/L",
            _ => |_| true,
        };
        self.analyte.units().filter(move |unit| fits(unit))
    }
}

impl Analyte {
    /// The allowed units.
    pub(crate) fn units(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.units.iter().map(|(unit, _)| *unit)
    }

    /// Converts a figure into another unit; none if one of the units does not belong to the analyte.
    pub(crate) fn convert(&self, figure: f64, from: &str, to: &str) -> Option<f64> {
        let factor = |unit: &str| self.units.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
        // A conversion to the same unit must not round.
        if from == to { factor(from).map(|_| figure) } else { Some(figure * factor(from)? / factor(to)?) }
    }

    /// Whether a figure in one of its units is more than was ever measured.
    pub(crate) fn is_impossible(&self, figure: f64, unit: &str) -> bool {
        let first = self.units().next().and_then(|first| self.convert(figure, unit, first));
        first.is_some_and(|figure| figure > self.most)
    }
}

/// Whether a text can be the code of an analyte. A code in LOINC's form must have the correct check digit.
pub(crate) fn is_code(text: &str) -> bool {
    if let Some((number, check)) = text.split_once('-')
        && !number.is_empty()
        && check.len() == 1
        && number.bytes().chain(check.bytes()).all(|b| b.is_ascii_digit())
    {
        return crate::number::luhn(text.bytes().filter(u8::is_ascii_digit));
    }
    crate::ids::is_name(text)
}

/// Whether a text has the form of a UCUM code: printable ASCII without spaces, brackets in pairs.
pub(crate) fn is_unit(text: &str) -> bool {
    let mut open = None;
    for b in text.bytes() {
        match (b, open) {
            (b'[' | b'{', None) => open = Some(b),
            (b']', Some(b'[')) | (b'}', Some(b'{')) => open = None,
            (b'[' | b'{' | b']' | b'}', _) => return false,
            (b, _) if !b.is_ascii_graphic() => return false,
            _ => {}
        }
    }
    open.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_analyte_is_a_loinc_code_and_every_unit_a_ucum_code() {
        for analyte in ANALYTES {
            let code = analyte.code;
            assert!(code.contains('-') && is_code(code), "{code}");
            assert!(analyte.units().all(is_unit) && analyte.units[0].1 == 1.0, "{code}");
        }
        assert!(ANALYTES.windows(2).all(|pair| pair[0].code < pair[1].code), "in order, none twice");
    }

    #[test]
    fn every_code_is_one_of_loinc_and_belongs_to_an_analyte_with_a_unit_for_it() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
        assert_eq!(all().count(), CODES.len());
        for coded in all() {
            assert!(coded.code.contains('-') && is_code(coded.code) && coded.units().next().is_some(), "{coded:?}");
        }
        assert!(ANALYTES.iter().all(|analyte| of(analyte.code).is_some_and(|own| own.analyte.code == analyte.code)));
    }

    #[test]
    fn a_code_takes_the_units_of_its_property_only() {
        let units = |code: &str| of(code).unwrap().units().collect::<alloc::vec::Vec<_>>();
        assert_eq!(units("14749-6"), ["mmol/L"]);
        assert_eq!(units("2339-0"), ["mg/dL"]);
        assert_eq!(units("35211-2"), ["mmol/L", "mg/dL"]);
        assert_eq!(units("6298-4"), ["mmol/L", "meq/L"]);
        assert_eq!(units("59260-0"), ["mmol/L"]);
        assert_eq!(units("30313-1"), ["g/L", "g/dL"]);
        assert_eq!(units("26515-7"), ["10*9/L", "10*3/uL", "/uL"]);
        assert_eq!(units("71833-8"), ["L/L"]);
        assert_eq!(units("1743-4"), ["U/L", "ukat/L"]);
        assert_eq!(units("2345-7"), ["mmol/L", "mg/dL"]);
    }

    fn check(code: &str, figure: f64, from: &str, to: &str, expected: f64) {
        let found = of(code).unwrap().analyte.convert(figure, from, to).unwrap();
        assert!((found - expected).abs() <= expected.abs() * 5e-4, "{code}: {figure} {from} is {found} {to}");
    }

    #[test]
    fn units_are_converted_by_the_factors_that_tables_print() {
        check("718-7", 8.0, "g/dL", "g/L", 80.0);
        check("718-7", 1.0, "g/dL", "mmol/L", 0.6206);
        check("2160-0", 1.0, "mg/dL", "umol/L", 88.4);
        check("1975-2", 1.0, "mg/dL", "umol/L", 17.1);
        check("2345-7", 1.0, "mmol/L", "mg/dL", 18.02);
        check("2093-3", 1.0, "mmol/L", "mg/dL", 38.67);
        check("2571-8", 1.0, "mmol/L", "mg/dL", 88.5);
        check("3094-0", 1.0, "mmol/L", "mg/dL", 2.801);
        check("17861-6", 1.0, "mmol/L", "mg/dL", 4.008);
        check("1742-6", 1.0, "ukat/L", "U/L", 60.0);
        check("751-8", 500.0, "/uL", "10*9/L", 0.5);
        check("4544-3", 0.4, "L/L", "%", 40.0);
        assert_eq!(of("718-7").unwrap().analyte.convert(1.0, "g/L", "U/L"), None);
    }

    #[test]
    fn a_mistyped_loinc_code_is_no_code() {
        assert!(!is_code("718-8") && !is_code("2161-0") && is_code("HB") && is_code("local-10") && !is_code("a b"));
        assert!(is_unit("mm[Hg]") && !is_unit("mm[Hg") && !is_unit("mg per dL") && !is_unit("]x["));
    }
}
