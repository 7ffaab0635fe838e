//! The words that announce a number or a name: of a telephone, an account, a document, a medical record.
//!
//! A word stands here as folding leaves it: in lower case, without accents, Katakana with its marks apart, Korean in
//! letters. A longer word comes before the word that it begins with.

use super::Class::{self, Account, NationalId, Phone};
use Announced::{Handle, Number, Record};

/// The form of an announced identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// A number of a medical record, with letters or without.
    Record,
    /// A number that has a usual length.
    Number(Class),
    /// A number or a name by which somebody is called over a messenger.
    Handle,
}

/// A word, and the identity that it announces.
pub(super) type Word = (&'static str, Announced);

const CARD: Announced = Number(NationalId);
const CALL: Announced = Number(Phone);

/// Words between an announcement and its number.
pub(super) const JOINTS: &[&str] = &[
    "number",
    "nummer",
    "numero",
    "nr",
    "num",
    "no",
    "n°",
    "номера",
    "номер",
    "is",
    "is:",
    "号码",
    "號碼",
    "证号",
    "證號",
    "字号",
    "字號",
    "卡号",
    "卡號",
    "番号",
    "番號",
    "号",
    "號",
    "是",
    "为",
    "為",
    "ハ",
    "：",
    "는",
    "은",
    "\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169}",
];
/// Joints after which a name follows.
pub(super) const NAMED: &[&str] = &["id", "@", "账号", "帳號", "号", "號"];

/// The words that begin with a character in lower case.
pub(super) fn announcements(first: char) -> &'static [Word] {
    match first {
        'a'..='m' => early(first),
        'n'..='z' => late(first),
        '\u{370}'..='\u{10ff}' => other(first),
        _ => native(first),
    }
}

fn early(first: char) -> &'static [Word] {
    match first {
        'a' => &[
            ("account number", Number(Account)),
            ("account no", Number(Account)),
            ("acct", Number(Account)),
            ("aadhaar", CARD),
            ("ausweis", CARD),
        ],
        'b' => &[("bsn", CARD)],
        'c' => &[
            ("carte d'identite", CARD),
            ("carte d’identite", CARD),
            ("carta d'identita", CARD),
            ("carta d’identita", CARD),
            ("contact number", CALL),
            ("contact no", CALL),
            ("codice fiscale", CARD),
            ("chart number", Record),
            ("call me at", CALL),
            ("call me on", CALL),
            ("cell phone", CALL),
            ("can cuoc", CARD),
            ("cellphone", CALL),
            ("chart no", Record),
            ("celular", CALL),
            ("cedula", CARD),
            ("cccd", CARD),
            ("cell", CALL),
            ("cmnd", CARD),
            ("curp", CARD),
            ("cpf", CARD),
        ],
        'd' => &[
            ("documento de identidad", CARD),
            ("driver's license", CARD),
            ("driving licence", CARD),
            ("driving license", CARD),
            ("dowod osobisty", CARD),
            ("driver license", CARD),
            ("discord", Handle),
            ("dien thoai", CALL),
            ("dni", CARD),
        ],
        'f' => &[("fuhrerschein", CARD), ("facebook", Handle), ("festnetz", CALL), ("faks", CALL), ("fax", CALL)],
        'h' => {
            &[("hospital number", Record), ("hospital no", Record), ("ho chieu", CARD), ("handy", CALL), ("hkid", CARD)]
        }
        'i' => &[
            ("identification number", CARD),
            ("identification no", CARD),
            ("identiteitskaart", CARD),
            ("identity number", CARD),
            ("identity card", CARD),
            ("instagram", Handle),
            ("insta", Handle),
            ("id number", CARD),
            ("id card", CARD),
            ("id no", CARD),
        ],
        'k' => &[("kakaotalk", Handle), ("kimlik", CARD), ("kakao", Handle), ("ktp", CARD)],
        'l' => &[("landline", CALL), ("line id", Handle)],
        'm' => &[
            ("medical record number", Record),
            ("medical record no", Record),
            ("medical record", Record),
            ("my number is", CALL),
            ("mobiltelefon", CALL),
            ("mobile", CALL),
            ("mobil", CALL),
            ("movil", CALL),
            ("mrn", Record),
        ],
        _ => &[],
    }
}

fn late(first: char) -> &'static [Word] {
    match first {
        'n' => &[
            ("national insurance number", CARD),
            ("national insurance no", CARD),
            ("national id", CARD),
            ("nhs number", CARD),
            ("nhs no", CARD),
            ("nhs", CARD),
            ("nino", CARD),
        ],
        'p' => &[
            ("permis de conduire", CARD),
            ("personalausweis", CARD),
            ("patient number", Record),
            ("personnummer", CARD),
            ("patient no", Record),
            ("patient id", Record),
            ("passaporte", CARD),
            ("passaporto", CARD),
            ("passeport", CARD),
            ("pasaporte", CARD),
            ("passport", CARD),
            ("pasaport", CARD),
            ("paspoort", CARD),
            ("paszport", CARD),
            ("pass-nr", CARD),
            ("pass nr", CARD),
            ("passnr", CARD),
            ("passnummer", CARD),
            ("paspor", CARD),
            ("pesel", CARD),
            ("phone", CALL),
        ],
        'q' => &[("qq", Handle)],
        'r' => &[
            ("residence permit", CARD),
            ("record number", Record),
            ("record no", Record),
            ("reach me at", CALL),
            ("reach me on", CALL),
            ("reisepass", CARD),
            ("rufnummer", CALL),
            ("ring me on", CALL),
        ],
        's' => &[
            ("social security number", CARD),
            ("social security no", CARD),
            ("sozialversicherung", CARD),
            ("social security", CARD),
            ("securite sociale", CARD),
            ("seguridad social", CARD),
            ("snapchat", Handle),
            ("skype", Handle),
            ("sdt", CALL),
            ("ssn", CARD),
        ],
        't' => &[
            ("travel document", CARD),
            ("telephone", CALL),
            ("telefono", CALL),
            ("telefone", CALL),
            ("telefoon", CALL),
            ("telegram", Handle),
            ("twitter", Handle),
            ("tiktok", Handle),
            ("telefon", CALL),
            ("text me at", CALL),
            ("tel", CALL),
            ("tlf", CALL),
        ],
        'v' => &[("viber", CALL), ("vx", Handle)],
        'w' => &[
            ("work permit", CARD),
            ("whatsapp", CALL),
            ("wechat", Handle),
            ("weixin", Handle),
            ("weibo", Handle),
            ("wx", Handle),
        ],
        _ => &[],
    }
}

/// Words of Greek, Cyrillic, Hebrew, Arabic, Devanagari and Thai.
fn other(first: char) -> &'static [Word] {
    match first {
        'δ' => &[("διαβατηριο", CARD)],
        'κ' => &[("κινητο", CALL)],
        'τ' => &[("ταυτοτητα", CARD), ("τηλεφωνο", CALL), ("τηλ", CALL)],
        'и' => &[("инн", CARD)],
        'м' => &[("мобильныи", CALL)],
        'п' => &[("паспорт", CARD), ("полис", CARD)],
        'с' => &[("снилс", CARD)],
        'т' => &[("телеграм", Handle), ("телефон", CALL), ("тел", CALL)],
        'у' => &[("удостоверение личности", CARD), ("удостоверение", CARD)],
        'ד' => &[("דרכון", CARD)],
        'ט' => &[("טלפון", CALL)],
        'ا' => &[("الهاتف", CALL), ("الجوال", CALL)],
        'ج' => &[("جواز السفر", CARD), ("جواز سفر", CARD), ("جواز", CARD), ("جوال", CALL)],
        'ه' => &[("هاتف", CALL)],
        'आ' => &[("आधार", CARD)],
        'प' => &[("पासपोर्ट", CARD)],
        'फ' => &[("\u{92b}\u{93c}\u{94b}\u{928}", CALL), ("फोन", CALL)],
        'म' => &[("मोबाइल", CALL)],
        'บ' => &[("บัตรประชาชน", CARD)],
        'พ' => &[("พาสปอร์ต", CARD)],
        'ม' => &[("มือถือ", CALL)],
        'ห' => &[("หนังสือเดินทาง", CARD)],
        'เ' => &[("เบอร์โทร", CALL)],
        'โ' => &[("โทรศัพท์", CALL), ("โทร", CALL)],
        _ => &[],
    }
}

/// Words of Chinese, Japanese and Korean.
fn native(first: char) -> &'static [Word] {
    match first {
        '传' => &[("传真", CALL)],
        '住' => &[("住院号", Record), ("住院號", Record)],
        '保' => &[("保険証", CARD)],
        '傳' => &[("傳真", CALL)],
        '免' => &[("免許証", CARD)],
        '军' => &[("军官证", CARD)],
        '医' => &[("医保卡号", Record), ("医保号", Record)],
        '台' => &[("台胞证", CARD), ("台胞證", CARD)],
        '回' => &[("回乡证", CARD), ("回鄉證", CARD)],
        '在' => &[("在留カート\u{3099}", CARD)],
        '士' => &[("士兵证", CARD)],
        '就' => &[("就诊卡号", Record), ("就诊号", Record)],
        '居' => &[("居住证", CARD), ("居留证", CARD), ("居住證", CARD), ("居留證", CARD)],
        '帐' => &[("帐号", Number(Account)), ("帐户", Number(Account))],
        '座' => &[("座机", CALL)],
        '微' => &[("微信", Handle), ("微博", Handle)],
        '抖' => &[("抖音", Handle)],
        '小' => &[("小红书", Handle), ("小紅書", Handle)],
        '快' => &[("快手", Handle)],
        '支' => &[("支付宝", Handle), ("支付寶", Handle)],
        '患' => &[("患者编号", Record), ("患者番号", Record)],
        '手' => &[("手机", CALL), ("手機", CALL)],
        '扣' => &[("扣扣", Handle)],
        '护' => &[("护照", CARD)],
        '携' => &[("携帯", CALL)],
        '旅' => &[("旅券", CARD), ("旅行证", CARD), ("旅行證", CARD)],
        '档' => &[("档案号", Record)],
        '热' => &[("热线", CALL)],
        '电' => &[("电话", CALL)],
        '病' => {
            &[("病历编号", Record), ("病历号", Record), ("病歷號", Record), ("病案号", Record), ("病人号", Record)]
        }
        '社' => &[("社会保障", CARD), ("社保", CARD)],
        '联' => &[("联系方式", CALL)],
        '聯' => &[("聯絡", CALL), ("聯繫方式", CALL)],
        '致' => &[("致电", CALL), ("致電", CALL)],
        '證' => &[("證件", CARD)],
        '证' => &[("证件", CARD)],
        '護' => &[("護照", CARD)],
        '账' => &[("账号", Number(Account)), ("账户", Number(Account))],
        '身' => &[("身份证", CARD), ("身份證", CARD), ("身分證", CARD), ("身份号", CARD)],
        '通' => &[("通行证", CARD), ("通行證", CARD)],
        '門' => &[("門診號", Record)],
        '门' => &[("门诊号", Record)],
        '電' => &[("電話", CALL)],
        '驾' => &[("驾驶证", CARD), ("驾照", CARD)],
        'ハ' => &[("ハ\u{309a}スホ\u{309a}ート", CARD)],
        'マ' => &[("マイナンハ\u{3099}ー", CARD)],
        // In Korean: passport, number of a resident, telephone, mobile telephone.
        '\u{110b}' => &[("\u{110b}\u{1167}\u{1100}\u{116f}\u{11ab}", CARD)],
        '\u{110c}' => &[
            ("\u{110c}\u{116e}\u{1106}\u{1175}\u{11ab}\u{1103}\u{1173}\u{11bc}\u{1105}\u{1169}\u{11a8}", CARD),
            ("\u{110c}\u{1165}\u{11ab}\u{1112}\u{116a}", CALL),
        ],
        '\u{1112}' => &[("\u{1112}\u{1172}\u{1103}\u{1162}\u{1111}\u{1169}\u{11ab}", CALL)],
        _ => &[],
    }
}
