//! The values of the application's variables, and the templates that use them.
//!
//! Guarantee: an application starts only when every variable has a value; all missing variables are named at once.
//! Values are fixed at the start; a message never shows one.
//!
//! Mechanism: an explicit value wins over the environment (`SPIN_VARIABLE_<NAME>`), which wins over the default.
//! `{{ name }}` in a template stands for the value of the application variable.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::manifest::Manifest;

/// The prefix of an application variable in the environment; its upper-case name follows.
pub const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// The values of all application variables.
#[derive(Clone)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Resolves the variables of an application.
    pub fn resolve(manifest: &Manifest, explicit: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::resolve_with(manifest, explicit, |name| std::env::var(name).ok())
    }

    fn resolve_with(
        manifest: &Manifest,
        explicit: &BTreeMap<String, String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let unknown: Vec<_> = explicit.keys().filter(|name| !manifest.variables.contains_key(*name)).collect();
        if !unknown.is_empty() {
            bail!("the application has no such variables: {unknown:?}");
        }
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in &manifest.variables {
            let value = explicit
                .get(name)
                .cloned()
                .or_else(|| environment(&format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase())))
                .or_else(|| variable.default.clone());
            match value {
                Some(value) => _ = values.insert(name.clone(), value),
                None => missing.push(format!("{name} ({ENVIRONMENT_PREFIX}{})", name.to_ascii_uppercase())),
            }
        }
        if !missing.is_empty() {
            bail!("required variables have no value: {}", missing.join(", "));
        }
        Ok(Self(values))
    }

    /// Fills in a template.
    pub fn fill(&self, template: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { bail!("`{template}` has an unmatched `{{{{`") };
            let name = name.trim();
            let Some(value) = self.0.get(name) else { bail!("`{template}` names the unknown variable `{name}`") };
            filled.push_str(literal);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Whether a text can name a variable: lower-case words of letters and digits, joined by single underscores.
pub fn check_name(name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with('_')
        && !name.contains("__");
    if good { Ok(()) } else { Err(format!("`{name}` is not a variable name: lower-case words joined by `_`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(variables: &str) -> Manifest {
        let text = format!("spin_manifest_version = 2\n[application]\nname = \"a\"\n[variables]\n{variables}");
        Manifest::parse(&text, std::path::Path::new("/")).unwrap()
    }

    #[test]
    fn an_explicit_value_wins_over_the_environment_and_that_over_the_default() {
        let manifest = manifest("a = { default = \"1\" }\nb_b = { default = \"1\" }\nc = { default = \"1\" }");
        let explicit = BTreeMap::from([("a".to_owned(), "3".to_owned())]);
        let environment = |name: &str| (name != "SPIN_VARIABLE_C").then(|| "2".to_owned());
        let values = Values::resolve_with(&manifest, &explicit, environment).unwrap();
        assert_eq!(values.fill("{{ a }}{{b_b}}-{{ c }}").unwrap(), "32-1");
    }

    #[test]
    fn all_missing_variables_are_named() {
        let manifest = manifest("a = { required = true }\nb = { required = true, secret = true }");
        let error = Values::resolve_with(&manifest, &BTreeMap::new(), |_| None).err().unwrap().to_string();
        assert_eq!(error, "required variables have no value: a (SPIN_VARIABLE_A), b (SPIN_VARIABLE_B)");
    }

    #[test]
    fn a_broken_template_is_refused() {
        let values = Values(BTreeMap::new());
        assert!(values.fill("{{ a }}").is_err());
        assert!(values.fill("{{ a").is_err());
        assert_eq!(values.fill("plain } }}").unwrap(), "plain } }}");
    }
}
