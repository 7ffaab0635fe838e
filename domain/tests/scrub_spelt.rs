//! Identities that are spelt otherwise than as they are: in words, with markup between, in letters that look alike, by the
//! other form of a Chinese character. Beside each kind stands what looks like it and is no identity.

use domain::scrub::{Class, Own, Removed, scrub};
use proptest::prelude::*;

fn clean(own: &Own, text: &str) -> String {
    scrub(text, own, &mut Removed::default()).unwrap_or_else(|| text.to_owned())
}

fn own() -> Own {
    let mut own = Own::new();
    own.add("P-0042", Class::PatientId);
    for name in ["Anna Petrova", "Müller", "Zhang Wei", "張麗華", "刘小龙", "Νίκος", "Мария"] {
        own.add(name, Class::PatientName);
    }
    own
}

/// Texts that are an identity as a whole, perhaps with the word before it that announces it.
fn check(own: &Own, texts: &[&str]) {
    let mut left = Vec::new();
    for text in texts {
        for (before, after) in [("", ""), ("睡得好，", "。吃得好"), ("slept well; ", "; no pain"), ("Note. ", "\nEnd")]
        {
            let clean = clean(own, &format!("{before}{text}{after}"));
            let stands = clean.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            let rest = Class::ALL.iter().fold(stands.unwrap_or("?").to_owned(), |rest, class| {
                rest.replace(&format!("[{}]", class.as_str()), "")
            });
            let is_quiet = |c: char| !c.is_alphanumeric() && c != '?';
            let announced = text.split([' ', '：', ':', '@']).next().unwrap_or_default();
            let rest = rest.strip_prefix(announced).unwrap_or(&rest);
            if stands == Some(*text) || !rest.chars().all(is_quiet) {
                left.push(clean);
            }
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_number_in_words_goes() {
    check(
        &Own::new(),
        &[
            "five five five one two one two",
            "Five-five-five, one-two-one-two",
            "five five five. one two one two",
            "fivefivefiveonetwoonetwo",
            "double five five one two one nine",
            "oh seven seven double oh nine double oh one two three",
            "o seven seven zero zero nine zero zero one two three",
            "zero triple seven nine one one six",
            "plus four four two zero seven nine four six zero nine five eight",
            "ONE THREE EIGHT ZERO ZERO ONE THREE EIGHT ZERO ZERO ZERO",
            "one 3 eight zero zero 1 three eight zero zero zero",
            "five five five 1234 six",
            "one three eight\nzero zero one three\neight zero zero zero",
            "null eins sieben eins zwei drei vier fünf sechs sieben acht",
            "null eins sieben eins zwo drei vier fuenf sechs sieben acht",
            "zéro six un deux trois quatre cinq six sept huit",
            "seis uno dos tres cuatro cinco seis siete ocho",
            "tre tre tre uno due tre quattro cinque sei sette",
            "nul zes een twee drie vier vijf zes zeven acht",
            "восемь девять один два три четыре пять шесть семь восемь девять",
            "공일공 일이삼사 오육칠팔",
            "yao san ba ling ling yao san ba ling ling ling",
            "yāo sān bā líng líng yāo sān bā líng líng líng",
            "one one zero one zero five one nine four nine one two three one zero zero two zero",
            "一三八零零一二三四五六",
            "幺三八〇〇幺二三四五六",
            "壹叁捌零零壹贰叁肆伍陆",
            "壹參捌零零壹貳參肆伍陸",
            "一三八，零零一二，三四五六",
            "壹三捌 零零一贰 三四五六",
        ],
    );
    let mut own = Own::new();
    own.add("5551212", Class::PatientId);
    assert_eq!(clean(&own, "call five five five one two one two"), "call [phone]");
    assert_eq!(
        clean(&Own::new(), "one one zero one zero five one nine four nine one two three one zero zero two zero"),
        "[phone]"
    );
}

#[test]
fn a_number_or_a_name_with_markup_between_goes() {
    check(
        &own(),
        &[
            "138<br>0013<br>8000",
            "138<br/>0013<BR />8000",
            "138&nbsp;0013&nbsp;8000",
            "138&nbsp0013&nbsp8000",
            "138&#160;0013&#xa0;8000",
            "138&amp;nbsp;0013&amp;nbsp;8000",
            "138&ensp;0013&thinsp;8000",
            "138&ndash;0013&#8211;8000",
            "138&zwnj;0013&shy;8000",
            "138<b>0013</b>8000",
            "1<b>3</b>8<i>0</i>01<wbr>38000",
            "138<span class=\"x\">0013</span>8000",
            "138<!-- x -->0013<!---->8000",
            "138</td><td>0013</td><td>8000",
            "138&lt;br&gt;0013&lt;br/&gt;8000",
            "&#49;&#51;&#56;&#48;&#48;&#49;&#51;&#56;&#48;&#48;&#48;",
            "&#x31;38&#x30;01380&#x30;&#x30;",
            "138\\n0013\\n8000",
            "138\\t0013\\t8000",
            "138\\u00a00013\\u00a08000",
            "138%200013%208000",
            "138%2D0013%2D8000",
            "0044%2020%207946%200958",
            "110105<br>19491231<br>002X",
            "110105&nbsp;19491231&nbsp;002X",
            "4111<br>1111<br>1111<br>1111",
            "DE89<br>3704<br>0044<br>0532<br>0130<br>00",
            "anna&#64;example.com",
            "anna&commat;example&period;com",
            "anna<b>@</b>example.com",
            "anna%40example.com",
            "P<br>0042",
            "P&#45;0042",
            "P-00<b>42</b>",
            "Zhang<br>Wei",
            "Zhang&nbsp;Wei",
            "Zh<b>ang</b>",
            "M&uuml;ller",
            "M&Uuml;LLER",
            "&#77;&#252;ller",
            "M\\u00fcller",
            "刘<b>小龙</b>",
            "刘&nbsp;小&nbsp;龙",
            "\\u5218\\u5c0f\\u9f99",
            "&#21016;&#23567;&#40857;",
        ],
    );
    // A tag hides nothing that stands in it.
    for text in ["<13800138000>", "<a href=\"tel:13800138000\">x</a>", "<b title=\"Zhang Wei\">x</b>", "<Zhang Wei>"] {
        let clean = clean(&own(), text);
        assert!(!clean.contains("138") && !clean.contains("Wei"), "{clean}");
    }
}

#[test]
fn letters_that_look_alike_hide_nothing() {
    check(
        &own(),
        &[
            // Cyrillic in Latin, Latin in Cyrillic, Greek in both.
            "Аnna",
            "Аnnа Реtrоvа",
            "ANNА РЕТRОVА",
            "Αnnα Ρetrονα",
            "Мaрия",
            "МAPИЯ",
            "Nίκoς",
            "NIKOΣ",
            "Müllеr",
            "МÜLLЕR",
            // Small capitals, letters in circles and squares, mathematical letters.
            "ᴀɴɴᴀ ᴘᴇᴛʀᴏᴠᴀ",
            "🅰🅽🅽🅰",
            "🅐🅝🅝🅐",
            "ⓐⓝⓝⓐ",
            "𝒜𝓃𝓃𝒶",
            "🇦🇳🇳🇦",
            // Identifiers and figures.
            "Р-0042",
            "ρ-0042",
            "P-OO42",
            "P-oo42",
            "l38OOl38OOO",
            "138OO138OOO",
            "I38 00I3 8000",
            "¹³⁸⁰⁰¹³⁸⁰⁰⁰",
            "₁₃₈₀₀₁₃₈₀₀₀",
            "1⃣3⃣8⃣0⃣0⃣1⃣3⃣8⃣0⃣0⃣0⃣",
            "1️⃣3️⃣8️⃣ 0️⃣0️⃣1️⃣3️⃣ 8️⃣0️⃣0️⃣0️⃣",
            "⓵⓷⓼⓪⓪⓵⓷⓼⓪⓪⓪",
            "١٣٨٠٠١٣٨٠٠٠",
            "۱۳۸۰۰۱۳۸۰۰۰",
            "১৩৮০০১৩৮০০০",
            // Traditional and simplified characters.
            "张丽华",
            "張丽華",
            "張麗華",
            "张 丽 华",
            "劉小龍",
            "劉小龙",
        ],
    );
}

#[test]
fn an_address_in_words_goes() {
    check(
        &Own::new(),
        &[
            "anna at example dot com",
            "Anna AT Example DOT Com",
            "anna dot m at example dot co dot uk",
            "anna(at)example.de",
            "anna (at) example (dot) com",
            "anna[at]example[dot]com",
            "anna {at} example {dot} com",
            "anna <at> example <dot> com",
            "anna_at_example.com",
            "anna-at-example-dot-com",
            "anna.m at example.com",
            "anna77 at gmx.de",
            "anna at gmail.com",
            "anna ät beispiel punkt de",
            "anna arobase exemple point fr",
            "ana arroba ejemplo punto es",
            "анна собака почта точка ру",
            "zhang艾特qq点com",
            "zhang 圈a qq点com",
            "zhang88#qq.com",
            "zhang@qq点com",
            "zhang @ qq 点 com",
        ],
    );
}

#[test]
fn a_name_in_a_network_goes() {
    check(
        &Own::new(),
        &[
            "@anna_m",
            "@anna.mueller",
            "@annamueller",
            "@AnnaMueller1985",
            "wechat: @zhang88",
            "微信号：zhang_wei88",
            "微信号 zhangwei",
            "微信ID：zhangwei88",
            "QQ号：10001234",
            "QQ 12345678",
            "instagram: anna_m85",
            "Instagram @anna",
            "insta: @anna.m",
            "telegram: @annam",
            "snapchat anna_m85",
            "微博：@zhang_wei",
            "抖音号：zhangwei88",
            "小红书号：zhangwei88",
            "t.me/anna_m",
            "instagram.com/anna.m",
            "facebook.com/anna.mueller.9",
            "wa.me/491711234567",
            "weibo.com/u/1234567",
            "https://example.org/@anna",
            "https://example.org/users/anna",
            "https://anna@example.org",
            "linkedin.com/in/anna-m",
        ],
    );
}

#[test]
fn what_looks_like_one_and_is_none_stays() {
    let figures = [
        "one two three",
        "took two pills at eight, pain five five five",
        "took 2 pills at 8, pain 5 5 5",
        "I counted one two three four five six seven eight nine ten",
        "ten nine eight seven six five four three two one",
        "zero one two one zero one two three one",
        "pain was four, five, five, six, four, seven, five this week",
        "zero zero zero zero zero zero zero zero zero",
        "one at breakfast, two at lunch, three at night",
        "two hundred and five, seven six",
        "double vision for six or seven days, one of nine",
        "one of two three-day courses, five to six tablets",
        "the dose is one point five mg at two point five hours",
        "five 500 mg, six 250 mg, seven 100 mg",
        "eins zwei drei, vier fünf",
        "un deux trois",
        "uno o dos",
        "一二三四五六七",
        "第一、第二、第三",
        "一天三次，一次两片",
        "零下五度",
        "血压一百二十",
        "오늘 일이 많았다, 이 사람",
        "120/80, 5 mg, 2026-03-01, q1: 3",
    ];
    let markup = [
        "BP <120/80 & pulse >60",
        "pain <5 & fever <38.5",
        "<b>120</b>/<b>80</b>",
        "<table><tr><td>120</td><td>80</td><td>72</td></tr></table>",
        "6.2&times;10<sup>9</sup>/L",
        "36.5&nbsp;&deg;C, 72&nbsp;bpm, 98&nbsp;%",
        "2026-03-01<br>08:00<br>120/80<br>",
        "120/80<br/>130/85<br/>125/82",
        "500&nbsp;mg&nbsp;x&nbsp;3",
        "&#8804; 5 mg",
        "50%20 60%25",
        "pain\\nfever\\ncough",
        "<10 mg, >100 mg",
        "a<b and c>d",
        "Q1<br>3<br>Q2<br>2<br>Q3<br>1",
    ];
    let letters = [
        "10l O2 at 5 l/min, 1000 ml, 2 Il, IL10, CO2",
        "SpO2 98, pO2 95, H2O 1500",
        "B12 250, T4 1.2, O1",
        "он спал хорошо, рост 170",
        "μg, µmol/L, α-Blocker, β-HCG 25",
        "Vitamin Β12",
        "張先生, 龍葵, 華法林",
        "华法林 3mg, 丽珠得乐",
    ];
    let addresses = [
        "pain at home, at work, at night",
        "arrived at 8.30 am",
        "seen at clinic.Then home",
        "pain 7 at 8.am",
        "looked it up at example.com",
        "look at the red dot on my arm",
        "at one point five days",
        "at dot",
        "pain 7 @ night, 5mg @bedtime, @home, @work",
        "5 mg @8am, @visit3, @week12, @hospital, @baseline",
        "@ 38.5, temp@38.5",
        "#1 #2, room #3, bed #12.5",
        "mg/dL, and/or, 120/80, e.g. b/c, 10*9/L, vs. a/b",
        "approx.5/day, q.d./b.i.d.",
        "https://example.org/ and example.org",
        "微信随访3次，微博上看到",
        "instagram yesterday, facebook group, telegram on 2026-03-01",
        "signal at 120 Hz, line 3",
        "point 3 dot 5",
        "我点了餐，三点吃药，3点com",
        "die Nacht war gut, punkt acht",
        "собака лает, точка",
    ];
    let mut wrong = Vec::new();
    for own in [Own::new(), own()] {
        for text in figures.iter().chain(&markup).chain(&letters).chain(&addresses) {
            let clean = clean(&own, text);
            if clean != *text {
                wrong.push(clean);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The words for the digits in some languages.
const DIGITS: [[&str; 10]; 4] = [
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    ["ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"],
];
/// What stands between the parts of a number in markup.
const BETWEEN: [&str; 9] =
    ["<br>", "<br/>", "&nbsp;", "&#160;", "&#x20;", "</b><i>", "<!-- x -->", "%20", "&lt;br&gt;"];
/// Letters of Latin, and those of other scripts that look like them.
const ALIKE: [(&str, &str); 8] =
    [("a", "а"), ("e", "е"), ("o", "ο"), ("p", "р"), ("c", "с"), ("x", "х"), ("y", "у"), ("i", "і")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mobile_number_in_words_never_stays(
        number in "1[3-9][0-9]{8}[5-9]", language in 0usize..4, between in "[ ,.-]{1,2}", upper in any::<bool>(),
    ) {
        let words: Vec<&str> = number.bytes().filter_map(|digit| {
            DIGITS.get(language)?.get(usize::from(digit - b'0')).copied()
        }).collect();
        let text = words.join(&between);
        let text = if upper { text.to_uppercase() } else { text };
        prop_assert_eq!(clean(&Own::new(), &format!("my number: {text}!")), "my number: [phone]!");
    }

    #[test]
    fn a_mobile_number_with_markup_never_stays(
        number in "1[3-9][0-9][3-9][0-9]{7}", first in 0usize..9, second in 0usize..9, at in 1usize..11,
    ) {
        let between = |index: usize| BETWEEN.get(index).copied().unwrap_or_default();
        let text = [&number[..3], between(first), &number[3..7], between(second), &number[7..]].concat();
        prop_assert_eq!(clean(&Own::new(), &format!("x: {text} y")), "x: [phone] y");
        // Marks within a line part nothing.
        let text = [&number[..at], "<b>", &number[at..], "</b>"].concat();
        let clean = clean(&Own::new(), &text);
        prop_assert!(clean.starts_with("[phone]"), "{} {}", text, clean);
    }

    #[test]
    fn a_name_in_letters_that_look_alike_never_stays(name in "[aeopcxyin]{4,9}", swaps in any::<u16>()) {
        let mut own = Own::new();
        own.add(&name, Class::PatientName);
        let swapped: String = name.chars().enumerate().map(|(at, c)| {
            let alike = ALIKE.iter().find(|(latin, _)| latin.starts_with(c)).filter(|_| swaps >> at & 1 == 1);
            alike.map_or(c, |(_, other)| other.chars().next().unwrap_or(c))
        }).collect();
        for text in [swapped.clone(), swapped.to_uppercase()] {
            let clean = clean(&own, &format!("with {text}, "));
            prop_assert_eq!(clean, "with [patient-name], ", "{} {}", name, text);
        }
    }

    #[test]
    fn twice_is_once(text in "(one|five|six|seven| |,|<br>|&nbsp;|@|anna|dot|at|com|13|8000|0|l|O|%20|张|張|[a-z]){0,20}") {
        let once = clean(&own(), &text);
        prop_assert_eq!(clean(&own(), &once), once.clone(), "{}", text);
    }
}
