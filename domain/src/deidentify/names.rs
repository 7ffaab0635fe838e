//! The built-in treatment of a member of a generic report, by the parts of its name.
//!
//! Guarantee: a member is treated as its name says in whatever form it is written: `contactPhone`, `contact_phone`,
//! `CONTACT-PHONE 2`, `contactphone`, `联系电话`. A name without such a part is scrubbed.
//!
//! Mechanism: a name is taken apart at marks, at digits and where small letters meet capitals. Up to four parts in a row
//! that together are a word of the table decide. A few long words are also found inside a part. Chinese, Japanese and
//! Korean have no such joints; there a word is found anywhere.

use alloc::string::String;
use alloc::vec::Vec;

use super::table::Treatment::{self, BirthYear, Drop, DropName, PostcodeArea, Pseudonymise, Scrub};
use crate::scrub::{fold, folded, is_cjk};

/// Words by their treatment: one part, or several without what stands between them. In the order of the alphabet.
const WORDS: &[(&str, Treatment)] = &[
    ("aadhaar", Drop),
    ("accessionnumber", Pseudonymise),
    ("accountno", Drop),
    ("accountnumber", Drop),
    ("addr", Drop),
    ("address", Drop),
    ("addresses", Drop),
    ("adresse", Drop),
    ("apellido", DropName),
    ("apellidos", DropName),
    ("bankaccount", Drop),
    ("birthdate", BirthYear),
    ("birthday", BirthYear),
    ("birthname", DropName),
    ("caregivername", DropName),
    ("cellno", Drop),
    ("cellnumber", Drop),
    ("cellphone", Drop),
    ("chartno", Pseudonymise),
    ("chartnumber", Pseudonymise),
    ("contactname", DropName),
    ("contactperson", DropName),
    ("correo", Drop),
    ("cpf", Drop),
    ("creditcard", Drop),
    ("dateofbirth", BirthYear),
    ("direccion", Drop),
    ("dni", Drop),
    ("dob", BirthYear),
    ("drivinglicence", Drop),
    ("drivinglicense", Drop),
    ("email", Drop),
    ("emailaddress", Drop),
    ("emails", Drop),
    ("familyname", DropName),
    ("fathername", DropName),
    ("fathersname", DropName),
    ("fax", Drop),
    ("fechadenacimiento", BirthYear),
    ("fechanacimiento", BirthYear),
    ("firstname", DropName),
    ("forename", DropName),
    ("fullname", DropName),
    ("geburtsdatum", BirthYear),
    ("geburtstag", BirthYear),
    ("givenname", DropName),
    ("guardianname", DropName),
    ("healthcard", Drop),
    ("homephone", Drop),
    ("hospitalnumber", Pseudonymise),
    ("iban", Drop),
    ("idcard", Drop),
    ("identitycard", Drop),
    ("identityno", Drop),
    ("identitynumber", Drop),
    ("idno", Drop),
    ("idnum", Drop),
    ("idnumber", Drop),
    ("initials", Drop),
    ("insurancecard", Drop),
    ("insuranceid", Drop),
    ("insuranceno", Drop),
    ("insurancenumber", Drop),
    ("ipaddress", Drop),
    ("kinname", DropName),
    ("lastname", DropName),
    ("maidenname", DropName),
    ("mail", Drop),
    ("medicalrecordno", Pseudonymise),
    ("medicalrecordnumber", Pseudonymise),
    ("medicareno", Drop),
    ("medicarenumber", Drop),
    ("middlename", DropName),
    ("mobile", Drop),
    ("mobilephone", Drop),
    ("mothername", DropName),
    ("mothersname", DropName),
    ("mrn", Pseudonymise),
    ("nachname", DropName),
    ("nameofcontact", DropName),
    ("nameofpatient", DropName),
    ("nationalid", Drop),
    ("nhsno", Drop),
    ("nhsnumber", Drop),
    ("nickname", DropName),
    ("nombre", DropName),
    ("participantid", Pseudonymise),
    ("participantname", DropName),
    ("partnername", DropName),
    ("passport", Drop),
    ("passportnumber", Drop),
    ("patientid", Pseudonymise),
    ("patientidentifier", Pseudonymise),
    ("patientname", DropName),
    ("patientno", Pseudonymise),
    ("patientnumber", Pseudonymise),
    ("personname", DropName),
    ("phone", Drop),
    ("phonenumber", Drop),
    ("phones", Drop),
    ("plz", PostcodeArea),
    ("postalcode", PostcodeArea),
    ("postcode", PostcodeArea),
    ("prenom", DropName),
    ("qq", Drop),
    ("recordno", Pseudonymise),
    ("recordnumber", Pseudonymise),
    ("socialsecurity", Drop),
    ("specimenid", Pseudonymise),
    ("spousename", DropName),
    ("ssn", Drop),
    ("street", Drop),
    ("streetaddress", Drop),
    ("subjectid", Pseudonymise),
    ("subjectidentifier", Pseudonymise),
    ("subjectname", DropName),
    ("surname", DropName),
    ("taxid", Drop),
    ("tel", Drop),
    ("telefon", Drop),
    ("telefono", Drop),
    ("telephone", Drop),
    ("vorname", DropName),
    ("wechat", Drop),
    ("weixin", Drop),
    ("whatsapp", Drop),
    ("workphone", Drop),
    ("zip", PostcodeArea),
    ("zipcode", PostcodeArea),
    ("адрес", Drop),
    ("отчество", DropName),
    ("телефон", Drop),
    ("фамилия", DropName),
];
/// Words that decide only as the whole name: as a part they mean something else too often.
const WHOLE: &[(&str, Treatment)] = &[("ip", Drop)];
/// Words of the table that are also found inside a part: `patientphone`, `homeaddress`.
const INSIDE: &[&str] = &[
    "phone",
    "email",
    "passport",
    "wechat",
    "whatsapp",
    "telefon",
    "birthdate",
    "dateofbirth",
    "patientname",
    "firstname",
    "lastname",
    "fullname",
    "maidenname",
    "surname",
    "nationalid",
    "socialsecurity",
    "postcode",
    "postalcode",
    "zipcode",
    "address",
];
/// Parts that contain such a word and mean something else.
const OTHER: &[&str] = &["addressed", "addressing", "headphone", "headphones", "microphone", "saxophone"];
/// Parts after a word for a telephone, an address or a street, with which it is a way to talk, or a drug.
const WAYS: &[&str] = &[
    "app",
    "call",
    "calls",
    "consent",
    "consultation",
    "contacted",
    "drug",
    "drugs",
    "follow",
    "followup",
    "interview",
    "reminder",
    "screening",
    "survey",
    "usage",
    "use",
    "verified",
    "visit",
    "visits",
];
/// Words of Chinese, Japanese and Korean. A longer word comes before the word that it contains.
const NATIVE: &[(&str, Treatment)] = &[
    ("姓名", DropName),
    ("曾用名", DropName),
    ("名字", DropName),
    ("氏名", DropName),
    ("이름", DropName),
    ("성명", DropName),
    ("出生日期", BirthYear),
    ("出生年月", BirthYear),
    ("生日", BirthYear),
    ("生年月日", BirthYear),
    ("생년월일", BirthYear),
    ("邮编", PostcodeArea),
    ("郵編", PostcodeArea),
    ("邮政编码", PostcodeArea),
    ("郵便番号", PostcodeArea),
    ("우편번호", PostcodeArea),
    ("病历号", Pseudonymise),
    ("病歷號", Pseudonymise),
    ("病案号", Pseudonymise),
    ("住院号", Pseudonymise),
    ("门诊号", Pseudonymise),
    ("就诊号", Pseudonymise),
    ("就诊卡", Pseudonymise),
    ("患者编号", Pseudonymise),
    ("患者番号", Pseudonymise),
    ("电话", Drop),
    ("電話", Drop),
    ("전화", Drop),
    ("手机", Drop),
    ("手機", Drop),
    ("座机", Drop),
    ("传真", Drop),
    ("地址", Drop),
    ("住址", Drop),
    ("住所", Drop),
    ("주소", Drop),
    ("证件号", Drop),
    ("證件號", Drop),
    ("联系方式", Drop),
    ("聯繫方式", Drop),
    ("联系人", DropName),
    ("聯絡人", DropName),
    ("社会保障号", Drop),
    ("휴대폰", Drop),
    ("휴대전화", Drop),
    ("身份证", Drop),
    ("身份證", Drop),
    ("护照", Drop),
    ("護照", Drop),
    ("社保号", Drop),
    ("社保卡", Drop),
    ("医保号", Drop),
    ("医保卡", Drop),
    ("银行卡", Drop),
    ("주민등록번호", Drop),
    ("邮箱", Drop),
    ("郵箱", Drop),
    ("电子邮件", Drop),
    ("メール", Drop),
    ("이메일", Drop),
    ("微信", Drop),
];
/// Words that follow such a word for a telephone and make it a way to talk or a habit.
const NATIVE_WAYS: &[&str] =
    &["随访", "访视", "回访", "咨询", "问诊", "沟通", "通知", "提醒", "使用", "成瘾", "依赖", "时长"];
/// A `name` within one of these members is a person's name.
const PERSONS: &[&str] = &[
    "patient",
    "patients",
    "subject",
    "subjects",
    "person",
    "contact",
    "contacts",
    "participant",
    "participants",
    "mother",
    "father",
    "parent",
    "spouse",
    "partner",
    "guardian",
    "caregiver",
    "relative",
    "kin",
    "患者",
    "病人",
    "联系人",
    "家属",
];

/// The most parts of a name that are looked at.
const MOST: usize = 24;
/// The most parts of a word.
const LONGEST: usize = 4;

/// The treatment of the member with this path, from the last name to the first.
pub(super) fn treatment<'p>(mut path: impl Iterator<Item = &'p str>) -> Treatment {
    let name = path.next().unwrap_or_default();
    let parts = Parts::of(name);
    if parts.is("name") && path.next().is_some_and(|parent| Parts::of(parent).has_any(PERSONS)) {
        return DropName;
    }
    parts.treatment().unwrap_or(Scrub)
}

/// A name, taken apart.
#[derive(Default)]
struct Parts {
    parts: Vec<String>,
    /// Everything that is Chinese, Japanese or Korean.
    native: String,
}

impl Parts {
    fn of(name: &str) -> Self {
        let mut parts = Parts::default();
        let mut part = String::new();
        // The last letter, and whether the one before it was a capital too.
        let (mut last, mut capitals) = (None, 0);
        for c in name.chars() {
            let mut visible = false;
            fold(c, |_| visible = true);
            if !visible {
                continue;
            }
            let is_joint = !c.is_alphabetic() || is_cjk(c);
            let small_to_capital = c.is_uppercase() && last.is_some_and(char::is_lowercase);
            if is_joint || small_to_capital {
                parts.end(&mut part);
            } else if c.is_lowercase()
                && capitals > 1
                && let Some((at, _)) = part.char_indices().next_back()
            {
                // `SSNNumber`: the last capital begins the next part.
                let next = part.split_off(at);
                parts.end(&mut part);
                part = next;
            }
            capitals = if c.is_uppercase() { capitals + 1 } else { 0 };
            last = Some(c).filter(|_| !is_joint);
            if is_cjk(c) {
                parts.native.push(c);
            } else if !is_joint {
                part.push(c);
            }
        }
        parts.end(&mut part);
        parts
    }

    fn end(&mut self, part: &mut String) {
        if !part.is_empty() && self.parts.len() < MOST {
            self.parts.push(folded(part));
        }
        part.clear();
    }

    fn is(&self, word: &str) -> bool {
        self.native.is_empty() && matches!(self.parts.as_slice(), [part] if part == word)
    }

    fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.parts.iter().any(|part| part == word) || self.native.contains(word))
    }

    fn treatment(&self) -> Option<Treatment> {
        let whole = || WHOLE.iter().find(|(word, _)| self.is(word)).map(|(_, treatment)| *treatment);
        self.joined().or_else(|| self.inside()).or_else(|| self.in_native()).or_else(whole)
    }

    /// The treatment by parts in a row. The longest row at the earliest place decides.
    fn joined(&self) -> Option<Treatment> {
        for start in 0..self.parts.len() {
            for length in (1..=LONGEST).rev() {
                let Some(row) = self.parts.get(start..start + length) else { continue };
                let word = row.concat();
                if let Some(treatment) = known(&word)
                    && self.decides(treatment, start + length)
                {
                    return Some(treatment);
                }
            }
        }
        None
    }

    /// The treatment by a word inside a part.
    fn inside(&self) -> Option<Treatment> {
        self.parts.iter().enumerate().find_map(|(at, part)| {
            let word = INSIDE.iter().find(|word| part.contains(**word) && !OTHER.contains(&part.as_str()))?;
            known(word).filter(|treatment| self.decides(*treatment, at + 1))
        })
    }

    fn in_native(&self) -> Option<Treatment> {
        if self.native.is_empty() {
            return None;
        }
        let name = folded(&self.native);
        NATIVE.iter().find_map(|(word, treatment)| {
            let word = folded(word);
            let after = name.get(name.find(&word)? + word.len()..)?;
            let is_way = *treatment == Drop && NATIVE_WAYS.iter().any(|way| after.starts_with(way));
            (!is_way).then_some(*treatment)
        })
    }

    /// Whether a word decides, by the part that follows it.
    fn decides(&self, treatment: Treatment, next: usize) -> bool {
        treatment != Drop || !self.parts.get(next).is_some_and(|part| WAYS.contains(&part.as_str()))
    }
}

fn known(word: &str) -> Option<Treatment> {
    let found = WORDS.binary_search_by(|(known, _)| (*known).cmp(word)).ok()?;
    WORDS.get(found).map(|(_, treatment)| *treatment)
}

#[cfg(test)]
mod tests;
