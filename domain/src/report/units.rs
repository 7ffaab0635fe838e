//! Which units a known analyte may come in. Analytes are LOINC codes, units are UCUM codes (case-sensitive).

/// Counts of blood cells in the thousands.
const CELLS: &[&str] = &["10*3/uL", "10*9/L", "/uL"];
/// Substances measured by mass or by amount.
const MASS_OR_AMOUNT: &[&str] = &["mg/dL", "mmol/L"];
const MASS_OR_MICRO: &[&str] = &["mg/dL", "umol/L"];
const ELECTROLYTE: &[&str] = &["mmol/L", "meq/L"];
const ENZYME: &[&str] = &["U/L", "ukat/L"];

const ANALYTES: &[(&str, &[&str])] = &[
    ("10839-9", &["ng/mL", "ug/L", "ng/L"]), // troponin I
    ("13457-7", MASS_OR_AMOUNT),             // LDL cholesterol, calculated
    ("1742-6", ENZYME),                      // alanine aminotransferase
    ("1751-7", &["g/dL", "g/L"]),            // albumin
    ("17861-6", MASS_OR_AMOUNT),             // calcium
    ("1920-8", ENZYME),                      // aspartate aminotransferase
    ("1975-2", MASS_OR_MICRO),               // bilirubin, total
    ("1988-5", &["mg/L", "mg/dL"]),          // C reactive protein
    ("2075-0", ELECTROLYTE),                 // chloride
    ("2085-9", MASS_OR_AMOUNT),              // HDL cholesterol
    ("2093-3", MASS_OR_AMOUNT),              // cholesterol
    ("2160-0", MASS_OR_MICRO),               // creatinine
    ("2345-7", MASS_OR_AMOUNT),              // glucose
    ("2571-8", MASS_OR_AMOUNT),              // triglyceride
    ("2823-3", ELECTROLYTE),                 // potassium
    ("2951-2", ELECTROLYTE),                 // sodium
    ("3016-3", &["m[IU]/L", "u[IU]/mL"]),    // thyrotropin
    ("3094-0", MASS_OR_AMOUNT),              // urea nitrogen
    ("4544-3", &["%", "L/L"]),               // haematocrit
    ("4548-4", &["%"]),                      // haemoglobin A1c
    ("59261-8", &["mmol/mol"]),              // haemoglobin A1c, IFCC
    ("62238-1", &["mL/min/{1.73_m2}"]),      // glomerular filtration rate, CKD-EPI
    ("6301-6", &["{INR}", "1"]),             // INR
    ("6690-2", CELLS),                       // leukocytes
    ("6768-6", ENZYME),                      // alkaline phosphatase
    ("718-7", &["g/dL", "g/L", "mmol/L"]),   // haemoglobin
    ("731-0", CELLS),                        // lymphocytes
    ("751-8", CELLS),                        // neutrophils
    ("777-3", CELLS),                        // platelets
    ("789-8", &["10*6/uL", "10*12/L"]),      // erythrocytes
];

/// The units of a known analyte.
pub(super) fn of(code: &str) -> Option<&'static [&'static str]> {
    ANALYTES.iter().find(|(known, _)| *known == code).map(|(_, units)| *units)
}

/// Whether a text can be an analyte's code. One that looks like LOINC must have LOINC's check digit.
pub(super) fn is_code(text: &str) -> bool {
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
pub(super) fn is_unit(text: &str) -> bool {
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
        for (code, units) in ANALYTES {
            assert!(code.contains('-') && is_code(code), "{code}");
            assert!(units.iter().all(|unit| is_unit(unit)), "{code}");
        }
        assert!(ANALYTES.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
    }

    #[test]
    fn a_mistyped_loinc_code_is_no_code() {
        assert!(!is_code("718-8") && !is_code("2161-0") && is_code("HB") && is_code("local-10") && !is_code("a b"));
        assert!(is_unit("mm[Hg]") && !is_unit("mm[Hg") && !is_unit("mg per dL") && !is_unit("]x["));
    }
}
