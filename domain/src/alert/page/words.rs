//! The words of the page, by language.

use alloc::string::String;

use super::Language;

/// The words of a language.
pub(super) struct Words {
    pub(super) alert: fn(&str) -> String,
    /// The names of facts: received, study, site, patient, rule, number.
    pub(super) facts: [&'static str; 6],
    pub(super) button: &'static str,
    pub(super) hint: &'static str,
    pub(super) acknowledged: &'static str,
    pub(super) resolved: &'static str,
    pub(super) by_link: fn(&str, &str) -> String,
    pub(super) by_key: fn(&str, &str) -> String,
    /// Headings and texts of pages without an alert.
    pub(super) expired: [&'static str; 2],
    pub(super) superseded: [&'static str; 2],
    pub(super) unknown: [&'static str; 2],
    pub(super) failed: [&'static str; 2],
    /// The link to the screen of the alert.
    pub(super) screen: &'static str,
    /// The link that tries again.
    pub(super) again: &'static str,
}

const EN: Words = Words {
    alert: |severity| ["Alert: ", severity].concat(),
    facts: ["Received", "Study", "Site", "Patient", "Rule", "Alert"],
    button: "Acknowledge",
    hint: "This says that you have seen the alert and take care of it. Reminders stop.",
    acknowledged: "Acknowledged",
    resolved: "Resolved. There is nothing to do here.",
    by_link: |by, at| ["By the link that was sent to ", by, ", ", at, "."].concat(),
    by_key: |by, at| ["By ", by, ", ", at, "."].concat(),
    expired: ["This link has expired", "Acknowledge the alert by a newer message, or in the screens."],
    superseded: [
        "This link is out of date",
        "The alert was opened again since. Use the newest message, or the screens.",
    ],
    unknown: ["This link is not valid", "Open the address exactly as the message has it, to its last character."],
    failed: [
        "This is not possible at the moment",
        "Nothing was changed, as far as we can tell. Try again in a minute.",
    ],
    screen: "Open in the screens (you sign in there)",
    again: "Try again",
};

const ZH: Words = Words {
    alert: |severity| ["警报：", severity].concat(),
    facts: ["收到时间", "研究", "中心", "患者", "规则", "警报编号"],
    button: "确认",
    hint: "确认表示您已看到此警报并将处理。提醒随即停止。",
    acknowledged: "已确认",
    resolved: "已处理完毕，无需在此操作。",
    by_link: |by, at| ["通过发送给 ", by, " 的链接，", at, "。"].concat(),
    by_key: |by, at| ["由 ", by, "，", at, "。"].concat(),
    expired: ["此链接已过期", "请通过更新的消息或在系统界面中确认警报。"],
    superseded: ["此链接已失效", "该警报此后被重新打开。请使用最新的消息或系统界面。"],
    unknown: ["此链接无效", "请完整打开消息中的地址，直到最后一个字符。"],
    failed: ["目前无法完成", "据我们所知，未作任何更改。请一分钟后重试。"],
    screen: "在系统界面中打开（需要登录）",
    again: "重试",
};

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Zh => &ZH,
        }
    }
}
