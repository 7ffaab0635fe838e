//! The codebook of an instrument: what each answer and each score of its data means.
//!
//! Guarantee: it is made from the definition that scores, so no weight or band can differ from it.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::Instrument;
use crate::ids::InstrumentId;
use crate::instrument::item::{Choice, Item, values_of};
use crate::instrument::method::{Band, ScoreDef};
use crate::instrument::parameter::{Kind, Parameter};
use crate::instrument::range::figure;
use crate::spreadsheet::line;

/// The codebook of one version of an instrument.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Codebook<'a> {
    /// The instrument.
    pub instrument: &'a InstrumentId,
    /// The version of its definition.
    pub version: &'a str,
    /// Its name.
    pub title: &'a str,
    /// The terms under which it may be used.
    pub licence: &'a str,
    /// SHA-256 of the definition, as submissions name it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Sha256"))]
    pub sha256: &'a str,
    /// The items, in the order of the definition.
    pub items: Vec<Variable<'a>>,
    /// The parameters of scoring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Setting<'a>>,
    /// The scores, in the order of the definition.
    pub scores: Vec<Figure<'a>>,
}

/// An item.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CodebookItem"))]
pub struct Variable<'a> {
    /// Its id, the member of `answers`.
    pub id: &'a str,
    /// Its wording in the definition's first language, where the definition may have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// Its LOINC code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loinc: Option<&'a str>,
    /// Whether its figures are whole.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["integer", "decimal"])))]
    pub kind: &'static str,
    /// Whether a response without it is refused.
    pub required: bool,
    /// The least figure.
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub low: Value,
    /// The greatest figure.
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub high: Value,
    /// The answers, where they are listed or count otherwise than their figures say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Answer<'a>>,
    /// Figures that mean that the item is not answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<f64>"))]
    pub missing_values: Vec<Value>,
    /// The weight of the item where its condition lets it be skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub skipped: Option<Value>,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CodebookAnswer"))]
pub struct Answer<'a> {
    /// Its figure.
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub value: Value,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// Its wording in the definition's first language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
    /// Its weight; none for an answer that counts as missing.
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub weight: Option<Value>,
}

/// A parameter of scoring.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CodebookParameter"))]
pub struct Setting<'a> {
    /// Its id.
    pub id: &'a str,
    /// The values that it may have.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub choices: &'a [String],
    /// Its value where a response has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<&'a str>,
}

/// A score.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CodebookScore"))]
pub struct Figure<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    /// The least figure it can have, before rounding; none for texts and flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub low: Option<Value>,
    /// The greatest figure it can have, before rounding.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub high: Option<Value>,
    /// The source of its figures, where it has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'a str>,
    /// The bands, the lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<Range<'a>>,
}

/// A band of a score.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CodebookBand"))]
pub struct Range<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
    /// Its least figure; none if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub from: Option<Value>,
    /// The figure that is above all of its own; none if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub below: Option<Value>,
}

impl<'a> Codebook<'a> {
    /// The codebook of an instrument.
    pub fn of(instrument: &'a Instrument) -> Self {
        Codebook {
            instrument: instrument.id(),
            version: instrument.version(),
            title: instrument.title(),
            licence: instrument.licence(),
            sha256: instrument.hash(),
            items: instrument.items.iter().map(Variable::of).collect(),
            parameters: instrument.parameters.iter().map(Setting::of).collect(),
            scores: instrument.scores.iter().map(Figure::of).collect(),
        }
    }

    /// The codebook as CSV (RFC 4180), with a line for each item, answer, parameter, score and band.
    pub fn csv(&self) -> String {
        let Codebook { instrument, version, title, licence, sha256, items, parameters, scores } = self;
        let mut csv = String::new();
        let mut add = |cells: [&str; 8]| csv.push_str(&line(cells));
        add(["entry", "variable", "label", "code", "value", "weight", "low", "high"]);
        add(["instrument", instrument.as_str(), title, "", version, "", "", ""]);
        add(["definition", instrument.as_str(), licence, sha256, "", "", "", ""]);
        for Variable { id, text, loinc, kind, low, high, options, missing_values, skipped, .. } in items {
            let (low, high) = (low.to_string(), high.to_string());
            add(["item", id, text.unwrap_or(""), loinc.unwrap_or(""), kind, "", &low, &high]);
            for Answer { value, code, label, weight } in options {
                let weight = weight.as_ref().map_or(String::from("missing"), Value::to_string);
                let [label, code] = [label, code].map(|text| text.unwrap_or(""));
                add(["answer", id, label, code, &value.to_string(), &weight, "", ""]);
            }
            for value in missing_values {
                add(["answer", id, "", "", &value.to_string(), "missing", "", ""]);
            }
            if let Some(weight) = skipped {
                add(["skipped", id, "", "", "", &weight.to_string(), "", ""]);
            }
        }
        for Setting { id, choices, default } in parameters {
            add(["parameter", id, "", "", default.unwrap_or(""), "", "", ""]);
            for choice in *choices {
                add(["choice", id, "", choice, "", "", "", ""]);
            }
        }
        let bound = |bound: &Option<Value>| bound.as_ref().map_or(String::new(), Value::to_string);
        for Figure { id, title, low, high, bands, .. } in scores {
            add(["score", id, title.unwrap_or(""), "", "", "", &bound(low), &bound(high)]);
            for Range { id: band, label, from, below } in bands {
                add(["band", id, label.unwrap_or(""), band, "", "", &bound(from), &bound(below)]);
            }
        }
        csv
    }
}

impl<'a> Variable<'a> {
    fn of(item: &'a Item) -> Self {
        let span = item.raw_span();
        let options = match item.options.as_ref() {
            [] if item.recode.is_empty() => Vec::new(),
            [] => values_of(item).into_iter().map(|value| Answer::recoded(item, value)).collect(),
            options => options.iter().map(|choice| Answer::of(item, choice)).collect(),
        };
        Variable {
            id: &item.id,
            text: item.text.as_deref(),
            loinc: item.loinc.as_deref(),
            kind: if span.whole { "integer" } else { "decimal" },
            required: item.required,
            low: figure(span.low),
            high: figure(span.high),
            options,
            missing_values: item.missing_values.iter().map(|value| figure(*value)).collect(),
            skipped: item.skip.as_ref().map(|skip| figure(skip.counts)),
        }
    }
}

impl<'a> Answer<'a> {
    fn of(item: &Item, choice: &'a Choice) -> Self {
        let weight = choice.weight.map(|_| figure(item.counted(choice.value)));
        Answer { value: figure(choice.value), code: choice.code.as_deref(), label: choice.label.as_deref(), weight }
    }

    fn recoded(item: &Item, value: f64) -> Self {
        Answer { value: figure(value), code: None, label: None, weight: Some(figure(item.counted(value))) }
    }
}

impl<'a> Setting<'a> {
    fn of(parameter: &'a Parameter) -> Self {
        let choices = match &parameter.kind {
            Kind::Choice(choices) => choices.as_slice(),
            Kind::Number { .. } | Kind::Faulty => &[],
        };
        Setting { id: &parameter.id, choices, default: parameter.default.as_deref() }
    }
}

impl<'a> Figure<'a> {
    fn of(score: &'a ScoreDef) -> Self {
        Figure {
            id: &score.id,
            title: score.title.as_deref(),
            low: score.span.map(|span| figure(span.low)),
            high: score.span.map(|span| figure(span.high)),
            source: score.source.as_deref(),
            bands: score.bands.iter().map(Range::of).collect(),
        }
    }
}

impl<'a> Range<'a> {
    fn of(band: &'a Band) -> Self {
        let bound = |bound: f64| bound.is_finite().then(|| figure(bound));
        Range { id: &band.id, label: band.label.as_deref(), from: bound(band.from), below: bound(band.below) }
    }
}
