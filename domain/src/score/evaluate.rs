//! Computes scores from answers.

use alloc::{
    borrow::Cow,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{Answers, Known, Reason, Score, ScoreValue, Status, answers::Slot, index};
use crate::number::NEAR;
use crate::{
    Instrument, Parameters,
    instrument::{
        method::{Assume, Band, Case, Combine, Complete, Key, Method, ScoreDef, Source, Term},
        parameter::Setting,
    },
};

/// A value or the reason why there is none, and whether a rule replaced missing answers.
struct Outcome<'a> {
    value: Result<ScoreValue<'a>, Reason>,
    prorated: bool,
}

impl Outcome<'_> {
    fn none<'a>(reason: Reason) -> Outcome<'a> {
        Outcome { value: Err(reason), prorated: false }
    }

    fn number<'a>(number: f64) -> Outcome<'a> {
        Outcome { value: Ok(ScoreValue::Number(number)), prorated: false }
    }
}

/// The contribution of a term.
enum Figure {
    Present(f64),
    Missing(Reason),
}

impl Instrument {
    /// All scores of the instrument, in the order of its definition. If the parameters select a value set, only its
    /// scores are included; otherwise those of every value set.
    pub fn score<'a>(&'a self, answers: &Answers, parameters: &Parameters) -> Vec<Score<'a>> {
        let mut scores: Vec<Score<'a>> = Vec::with_capacity(self.scores.len());
        for def in self.scores.iter().filter(|def| self.asks_for(def, parameters)) {
            let score = self.one(def, answers, parameters, &scores);
            scores.push(score);
        }
        scores
    }

    /// The ids of the scores that [`Instrument::score`] returns with these parameters.
    pub fn score_ids_under(&self, parameters: &Parameters) -> impl Iterator<Item = &str> {
        self.scores.iter().filter(|def| self.asks_for(def, parameters)).map(|def| def.id.as_str())
    }

    /// Whether the parameters ask for this score. False for the scores of all value sets that are not selected.
    fn asks_for(&self, def: &ScoreDef, parameters: &Parameters) -> bool {
        let Some((parameter, choice)) = def.only else { return true };
        match parameters.setting(parameter) {
            Some(Setting::Choice(asked)) => asked == choice || !self.sets.contains(&(parameter, asked)),
            _ => true,
        }
    }

    fn one<'a>(
        &'a self,
        def: &'a ScoreDef,
        answers: &Answers,
        parameters: &Parameters,
        scores: &[Score<'a>],
    ) -> Score<'a> {
        let known = Known { scores, parameters: Some(parameters), ..Known::of(self, answers) };
        let case = def.cases.iter().find(|case| case.when.as_ref().is_none_or(|when| known.holds(when) == Some(true)));
        let (outcome, answered, missing) = match case {
            Some(case) => {
                let (answered, missing) = tally(answers, &case.leaves);
                (evaluate(self, case, &known), answered, missing)
            }
            None => (Outcome::none(Reason::MissingParameter), 0, 0),
        };
        let mut score = Score {
            id: &def.id,
            value: None,
            band: None,
            status: if outcome.prorated { Status::Prorated } else { Status::Scored },
            answered,
            missing,
            exact: 0.0,
        };
        match outcome.value {
            Err(reason) => score.status = Status::NotScored(reason),
            Ok(ScoreValue::Number(x)) => {
                let steps = case.map(|case| case.linear.as_slice()).unwrap_or_default();
                let x = steps.iter().fold(x, |x, (less, factor, add)| (x - less) * factor + add);
                let rounded = def.rounding.map_or(x, |rounding| rounding.apply(x));
                score.exact = if def.band_rounded { rounded } else { x };
                score.band = band(&def.bands, score.exact).map(|band| band.id.as_str());
                score.value = Some(ScoreValue::Number(rounded));
            }
            Ok(value) => score.value = Some(value),
        }
        score
    }
}

/// The number of answered items and of missing items.
fn tally(answers: &Answers, items: &[u16]) -> (u16, u16) {
    let (mut answered, mut missing) = (0, 0);
    for item in items {
        match answers.slot(*item) {
            Slot::Answered { .. } => answered += 1,
            Slot::Missing => missing += 1,
            Slot::Skipped { .. } => {}
        }
    }
    (answered, missing)
}

/// The band that contains `x`.
pub(crate) fn band(bands: &[Band], x: f64) -> Option<&Band> {
    bands.iter().find(|band| x >= band.from - NEAR && x < band.below - NEAR)
}

fn evaluate<'a>(instrument: &'a Instrument, case: &'a Case, known: &Known) -> Outcome<'a> {
    let mut outcome = match &case.method {
        Method::Combine(combine) if combine.plain => plain(combine, known.answers.slots()),
        Method::Combine(combined) => combine(combined, known),
        Method::Count { tests } => {
            let mut count = 0.0;
            for (item, test) in tests {
                match known.answers.slot(*item) {
                    Slot::Answered { raw, .. } => count += if test.holds(raw) { 1.0 } else { 0.0 },
                    Slot::Skipped { .. } => {}
                    Slot::Missing => return Outcome::none(Reason::MissingAnswers),
                }
            }
            Outcome::number(count)
        }
        Method::Flag(condition) => match known.holds(condition) {
            Some(flag) => Outcome { value: Ok(ScoreValue::Flag(flag)), prorated: false },
            None => Outcome::none(unknown(case, known)),
        },
        Method::Band { score, bands, label } => named_band(instrument, *score, bands, *label, known),
        Method::Profile { items, missing } => profile(items, missing, known),
        Method::Index(set) => match index::of(set, known) {
            Some(value) => Outcome::number(value),
            None => Outcome::none(Reason::MissingAnswers),
        },
        Method::Lookup { keys, values, assume } => lookup(keys, values, assume, known),
    };
    // A score that is computed from a prorated score is prorated too.
    outcome.prorated |= case.scores.iter().any(|score| known.score(*score).is_some_and(Score::is_prorated));
    outcome
}

/// The reason why a flag is unknown.
fn unknown(case: &Case, known: &Known) -> Reason {
    let scores = case.scores.iter().filter_map(|score| known.score(*score));
    match scores.filter_map(|score| score.status.reason()).next() {
        Some(_) => Reason::MissingScore,
        None if tally(known.answers, &case.leaves).1 > 0 => Reason::MissingAnswers,
        None => Reason::MissingParameter,
    }
}

/// The sum or mean of unchanged items.
fn plain<'a>(combine: &Combine, slots: &[Slot]) -> Outcome<'a> {
    let (mut sum, mut present): (f64, u16) = (0.0, 0);
    for term in &combine.terms {
        let Source::Item(item) = term.source else { continue };
        match slots.get(usize::from(item)) {
            Some(Slot::Answered { counted, .. }) => {
                sum += counted;
                present += 1;
            }
            Some(Slot::Skipped { counts }) => {
                sum += counts;
                present += 1;
            }
            _ => {}
        }
    }
    settle(combine, sum, f64::from(present), present, Reason::MissingAnswers)
}

/// The sum or mean with weights, reversals, scores, gates or assumptions.
fn combine<'a>(combine: &Combine, known: &Known) -> Outcome<'a> {
    let (mut sum, mut weight, mut present): (f64, f64, u16) = (0.0, 0.0, 0);
    let mut reason = Reason::MissingAnswers;
    for term in &combine.terms {
        match figure(term, &combine.assume, known) {
            Figure::Present(x) => {
                sum += term.weight * x;
                weight += term.weight;
                present += 1;
            }
            Figure::Missing(why) => reason = why,
        }
    }
    if let Some((items, complete)) = &combine.require {
        let (answered, missing) = tally(known.answers, items);
        if !complete.enough(answered, answered + missing) {
            return Outcome::none(Reason::MissingAnswers);
        }
    }
    settle(combine, sum, weight, present, reason)
}

/// The value of a sum or mean, if enough terms are present.
fn settle<'a>(combine: &Combine, sum: f64, weight: f64, present: u16, reason: Reason) -> Outcome<'a> {
    let of = u16::try_from(combine.terms.len()).unwrap_or(u16::MAX);
    if !combine.complete.enough(present, of) {
        return Outcome::none(reason);
    }
    let partial = present < of;
    let value = if combine.mean {
        // Positive and negative weights can add up to zero.
        if weight == 0.0 {
            return Outcome::none(reason);
        }
        sum / weight
    } else if partial && combine.complete != Complete::All {
        // Multiply first, so that whole figures stay exact. All weights are equal here, so counts are sufficient.
        sum * f64::from(of) / f64::from(present)
    } else {
        sum
    };
    Outcome { value: Ok(ScoreValue::Number(value)), prorated: partial }
}

/// The contribution of a term to its sum.
fn figure(term: &Term, assume: &[Assume], known: &Known) -> Figure {
    let x = match term.source {
        Source::Item(item) => match item_figure(item, assume, known) {
            Some(x) => x,
            None => return Figure::Missing(Reason::MissingAnswers),
        },
        Source::Score(score) => {
            let score = known.score(score);
            let found = score.and_then(|score| if term.rounded { score.number() } else { score.exact() });
            match found {
                Some(x) => x,
                None => return Figure::Missing(Reason::MissingScore),
            }
        }
    };
    if let Some(mirror) = term.mirror {
        return Figure::Present(mirror - x);
    }
    if term.recode.is_empty() {
        return Figure::Present(x);
    }
    match term.recode.iter().find(|(from, _)| (from - x).abs() <= NEAR) {
        Some((_, to)) => Figure::Present(*to),
        None => Figure::Missing(Reason::NotInTable),
    }
}

/// The figure that an item counts, including assumptions.
fn item_figure(item: u16, assume: &[Assume], known: &Known) -> Option<f64> {
    match known.answers.slot(item) {
        Slot::Answered { counted, .. } => Some(counted),
        Slot::Skipped { counts } => Some(counts),
        Slot::Missing => assume
            .iter()
            .find(|assume| assume.items.contains(&item) && known.holds(&assume.when) == Some(true))
            .map(|assume| assume.counts),
    }
}

fn named_band<'a>(instrument: &'a Instrument, score: u16, own: &'a [Band], label: bool, known: &Known) -> Outcome<'a> {
    let Some(exact) = known.score(score).and_then(Score::exact) else { return Outcome::none(Reason::MissingScore) };
    let of = instrument.scores.get(usize::from(score)).map(|def| def.bands.as_slice()).unwrap_or_default();
    let Some(band) = band(if own.is_empty() { of } else { own }, exact) else {
        return Outcome::none(Reason::NotInTable);
    };
    let text = if label { band.label.as_ref().unwrap_or(&band.id) } else { &band.id };
    Outcome { value: Ok(ScoreValue::Text(Cow::Borrowed(text))), prorated: false }
}

fn profile<'a>(items: &[u16], missing: &str, known: &Known) -> Outcome<'a> {
    let mut text = String::new();
    let mut answered = false;
    for item in items {
        match known.answers.slot(*item) {
            Slot::Answered { raw, .. } => {
                answered = true;
                text.push_str(&raw.to_string());
            }
            Slot::Missing | Slot::Skipped { .. } => text.push_str(missing),
        }
    }
    if !answered {
        return Outcome::none(Reason::MissingAnswers);
    }
    Outcome { value: Ok(ScoreValue::Text(Cow::Owned(text))), prorated: false }
}

fn lookup<'a>(keys: &[Key], values: &[Option<f64>], assume: &[Assume], known: &Known) -> Outcome<'a> {
    let mut cell = 0usize;
    for key in keys {
        let x = match key.source {
            Source::Item(item) => item_figure(item, assume, known).ok_or(Reason::MissingAnswers),
            Source::Score(score) => known.score(score).and_then(Score::exact).ok_or(Reason::MissingScore),
        };
        let x = match x {
            Ok(x) => x - key.from,
            Err(reason) => return Outcome::none(reason),
        };
        // Only whole figures in the table's range have an entry, so a prorated sum may have none.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared with the figure below")]
        let position = (x + 0.5) as usize;
        let whole = u32::try_from(position).map_or(f64::INFINITY, f64::from);
        if (whole - x).abs() > NEAR || position >= key.size {
            return Outcome::none(Reason::NotInTable);
        }
        cell = cell * key.size + position;
    }
    match values.get(cell).copied().flatten() {
        Some(value) => Outcome::number(value),
        None => Outcome::none(Reason::NotInTable),
    }
}

impl Score<'_> {
    fn is_prorated(&self) -> bool {
        self.status == Status::Prorated
    }
}
