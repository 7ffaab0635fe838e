//! Pages to read and to print: their style sheet, and the escaping of texts.
//!
//! Guarantee: an escaped text stays text, between tags and in an attribute in quotes. The style sheet loads nothing.

use alloc::string::String;

/// The style sheet within a page. Whoever allows it by its hash allows nothing else.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#17212b;--quiet:#55636f;--ground:#fff;--line:#d8dfe6;--accent:#0b5c8a}\
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--quiet:#a3b1be;--ground:#161e25;--line:#2b3742;--accent:#7cc0ec}}\
body{margin:0;background:var(--ground);color:var(--ink);font:.9375rem/1.5 system-ui,sans-serif;\
font-variant-numeric:tabular-nums}\
main{max-width:56rem;margin:0 auto;padding:1.5rem 1rem 3rem}h1{font-size:1.375rem}h2{font-size:1.0625rem;margin:2rem 0 .5rem}\
h1,h2{overflow-wrap:anywhere}table:not(.bars) th+td{min-width:7rem}\
table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left;font-weight:400;overflow-wrap:anywhere}\
thead th{color:var(--quiet);border-bottom:1px solid var(--line)}.bars th{max-width:16rem}td:first-child{white-space:nowrap}.bars td:last-child{text-align:right}\
.days{overflow-x:auto}svg{display:block}rect{fill:var(--accent)}.track{fill:var(--line)}\
.quiet{color:var(--quiet)}section{margin:0 0 1.5rem;border-top:1px solid var(--line)}h3{font-size:.9375rem;margin:1rem 0 .25rem}\
@media print{main{max-width:none;padding:0}tr,h2,h3{break-inside:avoid}h2,h3{break-after:avoid}}\
text{fill:var(--ink);font-size:11px;text-anchor:middle}.day{fill:var(--quiet)}";

/// A text as it stands in a page.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
