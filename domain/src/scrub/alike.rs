//! One character for those that look alike or mean the same: letters of Latin, Cyrillic and Greek, and traditional and
//! simplified characters in Chinese names.
//!
//! Mechanism: a table of the letters that fonts draw alike in either case, and one of the characters that are common in
//! names. Which of them are pairs is a fact of the two scripts.
//!
//! Not for: what is stored or shown. And not all characters: a rare one in a name keeps its two forms apart.

/// The traditional characters that are common in names, in the order of their codes, each with its simplified form.
const HAN: [[u16; 2]; 407] = pairs(
    "倫伦偉伟傑杰備备傳传僑侨儀仪億亿優优儲储凱凯則则剛刚創创劉刘劍剑動动勛勋勝胜勳勋匯汇協协厲厉吳吴呂吕\
    啟启喬乔單单嚴严國国圓圆圖图堅坚報报場场塗涂壯壮壽寿夢梦奮奋婭娅嫻娴嬋婵嬌娇孫孙學学宮宫實实寧宁寬宽\
    寶宝將将岡冈峯峰崗岗嵐岚嶺岭嶽岳巖岩師师廣广廬庐張张強强彌弥彥彦從从復复恆恒悅悦愛爱慶庆憲宪憶忆懇恳\
    應应懷怀戀恋戰战揚扬擇择斕斓時时晝昼暉晖暢畅曄晔曇昙曉晓書书會会朧胧東东棟栋楊杨楓枫業业榮荣樂乐樓楼\
    標标樹树橋桥機机檸柠櫻樱權权歐欧歡欢歲岁氣气沖冲況况淨净淵渊湧涌湯汤溫温滄沧滿满漁渔漢汉漣涟漸渐潔洁\
    潛潜潤润澤泽濤涛濱滨瀾澜灣湾為为烏乌煒炜煥焕燁烨燈灯燦灿燭烛爭争爾尔獻献瑋玮瑤瑶瑩莹瑪玛璦瑷環环璽玺\
    瓊琼瓏珑瓔璎畢毕畫画發发皚皑盡尽盧卢眞真眾众碩硕礎础礪砺祿禄禎祯禮礼穎颖穩稳竇窦競竞筆笔節节範范簡简\
    簫箫紀纪紅红紋纹純纯細细紹绍終终絲丝綠绿維维綱纲綵彩綸纶綺绮綾绫緒绪緣缘緯纬練练緹缇縈萦總总績绩繡绣\
    繼继繽缤續续纓缨羅罗義义習习翹翘聖圣聞闻聯联聰聪聲声聶聂肅肃臨临興兴舉举艷艳莊庄華华萬万葉叶葦苇蒼苍\
    蓮莲蔔卜蔣蒋蔭荫蕭萧薈荟薩萨藍蓝藝艺藹蔼蘆芦蘇苏蘊蕴蘭兰蘿萝螢萤蟬蝉衛卫見见覺觉觀观許许詠咏詩诗詳详\
    誌志語语誠诚誦诵誼谊諄谆談谈諒谅諸诸諾诺謙谦謝谢譚谭譽誉讓让讚赞豐丰豔艳財财貴贵賀贺賈贾賓宾賢贤賴赖\
    賽赛贊赞贏赢趙赵躍跃車车軍军軒轩軼轶輔辅輕轻輝辉農农連连進进遊游運运達达遙遥遜逊遠远選选邁迈鄉乡鄒邹\
    鄔邬鄧邓鄭郑鄺邝酈郦釗钊鈕钮鈞钧鈴铃鉉铉銀银銓铨銘铭銳锐鋒锋鋼钢錚铮錢钱錦锦鍾钟鎮镇鏗铿鏡镜鐘钟鐵铁\
    鐸铎鑒鉴長长門门開开閏闰閑闲閔闵閻阎關关闞阚陰阴陳陈陽阳際际隴陇雋隽雙双雛雏雲云電电霧雾霽霁靄霭靈灵\
    靜静鞏巩韋韦韓韩韜韬韻韵項项順顺頌颂頤颐顏颜願愿顥颢顧顾顯显風风颯飒飄飘飛飞餘余饒饶馬马馮冯馳驰駱骆\
    駿骏騰腾驊骅驍骁驕骄驪骊鬆松魯鲁鮑鲍鮮鲜鯉鲤鯤鲲鳳凤鳴鸣鳶鸢鴻鸿鵑鹃鵬鹏鶯莺鶴鹤鷗鸥鷹鹰麗丽麥麦黃黄\
    黨党齊齐齋斋齡龄龍龙龐庞龔龚",
);

/// The pairs of characters in a text of them.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it, and an index beyond the end is its error")]
const fn pairs<const N: usize>(text: &str) -> [[u16; 2]; N] {
    let (bytes, mut pairs, mut at) = (text.as_bytes(), [[0; 2]; N], 0);
    assert!(bytes.len() == N * 6, "the length of the table");
    while at < N * 2 {
        // Three bytes have four, six and six bits of a character.
        let [a, b, c] = [bytes[at * 3], bytes[at * 3 + 1], bytes[at * 3 + 2]];
        pairs[at / 2][at % 2] = (a as u16 & 15) << 12 | (b as u16 & 63) << 6 | c as u16 & 63;
        at += 1;
    }
    pairs
}

/// A letter as it is drawn: small letters of Greek that look like others than their capitals do.
pub(super) fn drawn(c: char) -> char {
    match c {
        'ν' => 'v',
        'υ' => 'u',
        'η' => 'n',
        _ => c,
    }
}

/// The one character for those that look like a folded one.
pub(super) fn one(c: char) -> char {
    match c {
        '\0'..='\u{24f}' => c,
        '\u{4e00}'..='\u{9fff}' => han(c).unwrap_or(c),
        'а' | 'α' | 'ά' | 'ɑ' | 'ᴀ' => 'a',
        'в' | 'β' | 'ь' | 'ʙ' => 'b',
        'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'ᴅ' => 'd',
        'е' | 'ё' | 'ε' | 'έ' | 'ᴇ' => 'e',
        'ꜰ' => 'f',
        'ɡ' | 'ɢ' => 'g',
        'н' | 'η' | 'ή' | 'һ' | 'ʜ' => 'h',
        'і' | 'ї' | 'ι' | 'ί' | 'ɪ' => 'i',
        'ј' | 'ᴊ' => 'j',
        'к' | 'κ' | 'ᴋ' => 'k',
        'ӏ' | 'ʟ' => 'l',
        'м' | 'μ' | 'ᴍ' => 'm',
        'ν' | 'ո' | 'ɴ' => 'n',
        'о' | 'ο' | 'ό' | 'օ' | 'ᴏ' => 'o',
        'р' | 'ρ' | 'ᴘ' => 'p',
        'ԛ' => 'q',
        'ʀ' => 'r',
        'ѕ' | 'ꜱ' => 's',
        'т' | 'τ' | 'ᴛ' => 't',
        'ս' | 'ᴜ' => 'u',
        'ѵ' | 'ᴠ' => 'v',
        'ԝ' | 'ᴡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'ү' | 'υ' | 'ύ' | 'ʏ' => 'y',
        'ζ' | 'ᴢ' => 'z',
        // Letters of flags, in circles and in squares.
        '\u{1f150}'..='\u{1f169}' => letter(c, 0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(c, 0x1f170),
        '\u{1f1e6}'..='\u{1f1ff}' => letter(c, 0x1f1e6),
        _ => c,
    }
}

fn letter(c: char, first: u32) -> char {
    char::from_u32(c as u32 - first + u32::from(b'a')).unwrap_or(c)
}

fn han(c: char) -> Option<char> {
    let code = u16::try_from(c as u32).ok()?;
    let [_, simplified] = *HAN.get(HAN.binary_search_by_key(&code, |[traditional, _]| *traditional).ok()?)?;
    char::from_u32(simplified.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::fold::folded;
    use alloc::string::String;

    #[test]
    fn every_character_of_the_tables_is_one_after_folding_and_one_is_itself() {
        assert!(HAN.is_sorted_by_key(|[traditional, _]| *traditional));
        let mut alike = 0;
        for c in '\0'..=char::MAX {
            let same = one(c);
            if same != c {
                alike += 1;
                assert_eq!(one(same), same, "{c}");
                assert!(!c.is_ascii() && (same.is_ascii_lowercase() || same >= '\u{4e00}'), "{c}");
                assert_eq!(folded(&String::from(same)), String::from(same), "{c}");
            }
        }
        assert_eq!(alike, HAN.len() + 153);
        for (one_form, other) in [("张", '張'), ("刘", '劉'), ("陈", '陳'), ("龙", '龍'), ("伦", '倫')] {
            assert_eq!(one_form.chars().next(), Some(one(other)));
        }
    }
}
