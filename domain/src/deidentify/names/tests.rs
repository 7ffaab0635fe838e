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
