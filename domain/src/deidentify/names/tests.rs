use super::super::table::Treatment::{BirthYear, PostcodeArea};
use super::*;

#[test]
fn the_words_are_in_order_and_found_inside_if_they_are_known() {
    assert!(WORDS.is_sorted_by(|(one, _), (other, _)| one < other));
    assert!(INSIDE.iter().all(|word| known(word).is_some()));
}

#[test]
fn a_member_is_known_by_the_parts_of_its_name() {
    for (treatment, names) in [
        (
            Drop,
            &[
                "phone",
                "contactPhone",
                "contact_phone",
                "CONTACT-PHONE 2",
                "contactphone",
                "Phone1",
                "phoneNo",
                "Ｐｈｏｎｅ",
                "pho\u{200b}ne",
                "id_card_no",
                "IDCard",
                "idCardNumber",
                "ID number",
                "E-Mail",
                "eMail2",
                "homeAddress",
                "addressLine1",
                "SSN",
                "patientSSN4",
                "ipAddress",
                "IP",
                "passport-no",
                "WeChatID",
                "emergency.contact.tel",
                "téléphone",
                "手机号码",
                "联系电话2",
                "家庭住址",
                "身份证号码",
                "電話番号",
                "Mobile",
                "initials",
                "이메일",
                "healthCardNumber",
                "bank_account",
            ][..],
        ),
        (
            DropName,
            &[
                "PatientName2",
                "patient_name",
                "patientname",
                "mother-maiden-name",
                "mothersMaidenName",
                "lastName",
                "LAST NAME",
                "surname",
                "患者姓名",
                "监护人姓名",
                "contact_person_name",
                "nameOfPatient",
                "Nachname",
                "氏名",
            ],
        ),
        (
            Pseudonymise,
            &["MRN", "patientMRN", "mrnNumber", "patient_id", "PatientID2", "specimen-id", "住院号2", "record no."],
        ),
        (BirthYear, &["DOB", "DOBYear", "patient_dob", "Date of birth", "childBirthDate", "出生日期1", "birthdate"]),
        (PostcodeArea, &["ZIP", "zip_code", "homePostcode", "邮编", "postalCode"]),
        (
            Scrub,
            &[
                "",
                "name",
                "drugName",
                "medication_name",
                "mRNA",
                "mrna",
                "lipid",
                "recipe",
                "mobility",
                "hotel",
                "adobe",
                "className",
                "addressedConcerns",
                "phoneVisit",
                "telephone_interview",
                "phone-follow-up",
                "streetDrugUse",
                "电话随访",
                "手机使用时长",
                "cellCount",
                "visitDate",
                "idea",
                "ip_dose",
                "telemetry",
                "birthWeight",
                "painScore",
                "headphones",
                "病历摘要",
                "药名",
                "医保类型",
                "zipper",
                "patient",
                "recordedAt",
            ],
        ),
    ] {
        for name in names {
            assert_eq!(super::treatment([*name].into_iter()), treatment, "{name}");
        }
    }
    for parent in ["patient", "emergencyContact", "next_of_kin", "联系人"] {
        assert_eq!(super::treatment(["name", parent].into_iter()), DropName, "{parent}");
    }
    assert_eq!(super::treatment(["name", "drug", "patient"].into_iter()), Scrub);
}

#[test]
fn a_member_is_known_in_other_languages_and_by_abbreviations() {
    for (treatment, names) in [
        (
            Drop,
            "shoujihao shouji_hao shenfenzheng sfzh ShenFenZhengHao dianhua jiashu_dianhua lianxiDianhua dizhi \
             huzhao youxiang weixinHao nhsNumber nhs_no ssn SSN2 addr home_addr kontakt Kontakt telefono teléfono \
             numero-telefono movil celular direccion correoElectronico dni curp handy Handy-Nr mobil anschrift \
             Wohnadresse strasse Hausnummer Reisepass-Nr reisepassnummer ausweisNr kvnr versichertenNummer passeport \
             num_passeport sécuritéSociale adresse_postale denwa jusho keitai mynumber bsn telefoon pesel msisdn IMEI \
             emergencyContact next_of_kin signature cell cellNumber username gps placeOfBirth geburtsort 身分證字號 \
             身份证号码 聯絡電話 手機號碼 傳真 电邮 電郵地址 通讯地址 户籍所在地 籍贯 港澳通行证号 台胞證 旅券番号 \
             パスポート番号 携帯電話 住所 연락처 여권번호 паспорт СНИЛС мобильный 紧急联系人电话 驾驶证号 账号",
        ),
        (
            DropName,
            "xingming huanzheXingming xing_ming mingzi nombre nombre_completo nombreDelPaciente apellido1 \
             primerApellido nom nomDeFamille prénom Nachname familienName geburtsName patientenname pt_name shimei \
             furigana name_kana cognome achternaam voornaam imie nazwisko legalName имя ФИО 患者名 名前 フリガナ ふりがな \
             姓氏 昵称 監護人姓名 緊急聯絡人",
        ),
        (
            BirthYear,
            "dob DOB geb_datum gebDat Geburtsdatum geburtsjahr fecha_nac fechaDeNacimiento dateDeNaissance \
             date_naissance dataNascimento geboortedatum chushengriqi shengri seinengappi yob birthYear born bday \
             出生年月日 誕生日 дата_рождения",
        ),
        (
            PostcodeArea,
            "zip postcode post_code PLZ postleitzahl codePostal codigo-postal youbian pinCode 郵遞區號 郵便番号",
        ),
        (
            Pseudonymise,
            "mrn MRN_No mrNumber pt_id patId patientenNummer Fallnummer uhid zhuyuanhao binglihao 患者ID 住院號 환자번호",
        ),
        (
            Scrub,
            "doseName drugName siteName namedReaction addressed addressedAt emailAlertSent phoneAlerts medicineName \
             testName labName brandName genericName displayName nombreMedicamento nomMedicament nombre_farmaco \
             stemCellNumber redCellNumber tCellNo cellType cellCount contact contactDermatitis kontaktallergie \
             contactDate seikatsu mobility immobile birthWeight birthControl bornPreterm nirSpectroscopy \
             ruexample handedness geneSignature signatureDate zipper postOp postCovid initialDose nickel telemetry \
             passed compass mailed streetDrugs nomogram nominal binomial dnia chin sjogren gpsc imier capital \
             latitudes 药名 药品名称 检查名称 用药名 手术名称 电话随访 電話訪視 出生体重 联系 住院天数 病房 科室 症状名 \
             生活習慣 薬名 전반적상태",
        ),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(super::treatment([name].into_iter()), treatment, "{name}");
        }
    }
}
