//! Which units a known analyte may come in, and what they are worth. Analytes are LOINC codes, units are UCUM codes
//! (case-sensitive).
//!
//! A factor turns a figure into the analyte's first unit. Between mass and amount it follows from the molar mass in g/mol
//! (PubChem): haemoglobin by its monomer with one iron, 16 114.5; glucose 180.156; creatinine 113.12; bilirubin 584.66;
//! calcium 40.078; cholesterol 386.65; triglycerides as triolein, 885.4; urea nitrogen by its two nitrogens, 28.014.
//! An enzyme's unit is one micromole a minute, so a microkatal is 60 of them.

/// A unit and its factor.
type Unit = (&'static str, f64);

/// Counts of blood cells in the thousands.
const CELLS: &[Unit] = &[("10*9/L", 1.0), ("10*3/uL", 1.0), ("/uL", 0.001)];
const ELECTROLYTE: &[Unit] = &[("mmol/L", 1.0), ("meq/L", 1.0)];
const ENZYME: &[Unit] = &[("U/L", 1.0), ("ukat/L", 60.0)];
const CHOLESTEROL: &[Unit] = &[("mmol/L", 1.0), ("mg/dL", 10.0 / 386.65)];

/// A known analyte.
pub(crate) struct Analyte {
    code: &'static str,
    /// Its name in words.
    pub(crate) name: &'static str,
    units: &'static [Unit],
}

const fn analyte(code: &'static str, name: &'static str, units: &'static [Unit]) -> Analyte {
    Analyte { code, name, units }
}

const ANALYTES: &[Analyte] = &[
    analyte("10839-9", "troponin I", &[("ng/mL", 1.0), ("ug/L", 1.0), ("ng/L", 0.001)]),
    analyte("13457-7", "LDL cholesterol", CHOLESTEROL),
    analyte("1742-6", "alanine aminotransferase", ENZYME),
    analyte("1751-7", "albumin", &[("g/L", 1.0), ("g/dL", 10.0)]),
    analyte("17861-6", "calcium", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 40.078)]),
    analyte("1920-8", "aspartate aminotransferase", ENZYME),
    analyte("1975-2", "bilirubin", &[("umol/L", 1.0), ("mg/dL", 10_000.0 / 584.66)]),
    analyte("1988-5", "C reactive protein", &[("mg/L", 1.0), ("mg/dL", 10.0)]),
    analyte("2075-0", "chloride", ELECTROLYTE),
    analyte("2085-9", "HDL cholesterol", CHOLESTEROL),
    analyte("2093-3", "cholesterol", CHOLESTEROL),
    analyte("2160-0", "creatinine", &[("umol/L", 1.0), ("mg/dL", 10_000.0 / 113.12)]),
    analyte("2345-7", "glucose", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 180.156)]),
    analyte("2571-8", "triglycerides", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 885.4)]),
    analyte("2823-3", "potassium", ELECTROLYTE),
    analyte("2951-2", "sodium", ELECTROLYTE),
    analyte("3016-3", "thyrotropin", &[("m[IU]/L", 1.0), ("u[IU]/mL", 1.0)]),
    analyte("3094-0", "urea nitrogen", &[("mmol/L", 1.0), ("mg/dL", 10.0 / 28.014)]),
    analyte("4544-3", "haematocrit", &[("%", 1.0), ("L/L", 100.0)]),
    analyte("4548-4", "haemoglobin A1c", &[("%", 1.0)]),
    analyte("59261-8", "haemoglobin A1c", &[("mmol/mol", 1.0)]),
    analyte("62238-1", "glomerular filtration rate", &[("mL/min/{1.73_m2}", 1.0)]),
    analyte("6301-6", "INR", &[("{INR}", 1.0), ("1", 1.0)]),
    analyte("6690-2", "leukocytes", CELLS),
    analyte("6768-6", "alkaline phosphatase", ENZYME),
    analyte("718-7", "haemoglobin", &[("g/L", 1.0), ("g/dL", 10.0), ("mmol/L", 16.1145)]),
    analyte("731-0", "lymphocytes", CELLS),
    analyte("751-8", "neutrophils", CELLS),
    analyte("777-3", "platelets", CELLS),
    analyte("789-8", "erythrocytes", &[("10*12/L", 1.0), ("10*6/uL", 1.0)]),
];

/// A known analyte, by its code.
pub(crate) fn of(code: &str) -> Option<&'static Analyte> {
    ANALYTES.iter().find(|analyte| analyte.code == code)
}

impl Analyte {
    /// The units it may come in.
    pub(crate) fn units(&self) -> impl Iterator<Item = &'static str> {
        self.units.iter().map(|(unit, _)| *unit)
    }

    /// A figure in another unit; none when one of the units is not the analyte's.
    pub(crate) fn convert(&self, figure: f64, from: &str, to: &str) -> Option<f64> {
        let factor = |unit: &str| self.units.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
        // A unit is worth itself, without a rounding in between.
        if from == to { factor(from).map(|_| figure) } else { Some(figure * factor(from)? / factor(to)?) }
    }
}

/// Whether a text can be an analyte's code. One that looks like LOINC must have LOINC's check digit.
pub(crate) fn is_code(text: &str) -> bool {
    if let Some((number, check)) = text.split_once('-')
        && !number.is_empty()
        && check.len() == 1
        && number.bytes().chain(check.bytes()).all(|b| b.is_ascii_digit())
    {
        return luhn(text.bytes().filter(u8::is_ascii_digit));
    }
    crate::intake::is_name(text)
}

/// Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B), as LOINC and bank cards have it.
pub(crate) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            let weighed = if place % 2 == 1 { digit * 2 } else { digit };
            if weighed > 9 { weighed - 9 } else { weighed }
        })
        .sum();
    sum.is_multiple_of(10)
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

    fn check(code: &str, figure: f64, from: &str, to: &str, expected: f64) {
        let found = of(code).unwrap().convert(figure, from, to).unwrap();
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
        assert_eq!(of("718-7").unwrap().convert(1.0, "g/L", "U/L"), None);
    }

    #[test]
    fn a_mistyped_loinc_code_is_no_code() {
        assert!(!is_code("718-8") && !is_code("2161-0") && is_code("HB") && is_code("local-10") && !is_code("a b"));
        assert!(is_unit("mm[Hg]") && !is_unit("mm[Hg") && !is_unit("mg per dL") && !is_unit("]x["));
    }
}
