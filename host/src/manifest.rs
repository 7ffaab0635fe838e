//! The application as spin.toml describes it.
//!
//! Guarantee: a feature that this host cannot offer as Spin does is refused here. All faults of a file are reported
//! together, each with the path of its key. The host silently ignores nothing that an application needs.
//!
//! Mechanism: the file is read as plain TOML and every known key is taken out of its table; each key that is left is a
//! fault. Template expressions stay unresolved until [`crate::variables`] has the values.
//!
//! Not for: running builds. The build commands are only passed on to a caller that runs them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::routes::Pattern;

/// A whole application.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `application.name`.
    pub name: String,
    /// `application.version`, empty if not given.
    pub version: String,
    /// `application.description`, empty if not given.
    pub description: String,
    /// `application.authors`.
    pub authors: Vec<String>,
    /// `variables`: the values that the application needs from its environment.
    pub variables: BTreeMap<String, Variable>,
    /// `trigger.http`, in the order of the file.
    pub http: Vec<HttpTrigger>,
    /// `trigger.redis`, in the order of the file.
    pub redis: Vec<RedisTrigger>,
    /// `component`, by its id.
    pub components: BTreeMap<String, Component>,
}

/// One application variable. It has a default or is required, never both.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The value if nothing else sets one.
    pub default: Option<String>,
    /// Whether the value is secret.
    pub secret: bool,
}

/// Sends the requests under a route to a component.
#[derive(Clone, Debug)]
pub struct HttpTrigger {
    /// The route: exact, with `:name` segments, or ending in `/...`.
    pub route: Pattern,
    /// The id of the component.
    pub component: String,
}

/// Sends the messages of a channel to a component.
#[derive(Clone, Debug)]
pub struct RedisTrigger {
    /// The server, a template.
    pub address: String,
    /// The channel, a template.
    pub channel: String,
    /// The id of the component.
    pub component: String,
}

/// One component and its grants.
#[derive(Clone, Debug)]
pub struct Component {
    /// The key under `component`.
    pub id: String,
    /// The path of the compiled component, absolute.
    pub source: PathBuf,
    /// `description`, empty if not given.
    pub description: String,
    /// The hosts it may call, templates.
    pub allowed_outbound_hosts: Vec<String>,
    /// The labels of the stores it may open.
    pub key_value_stores: Vec<String>,
    /// The variables it may read, templates.
    pub variables: BTreeMap<String, String>,
    /// The environment it sees.
    pub environment: BTreeMap<String, String>,
    /// The build of its source.
    pub build: Option<Build>,
}

/// The build of a component.
#[derive(Clone, Debug)]
pub struct Build {
    /// The shell command.
    pub command: String,
    /// The directory in which it runs, absolute.
    pub workdir: PathBuf,
    /// Globs of the source files: a change in one needs a new build.
    pub watch: Vec<String>,
}

/// All faults of a file.
#[derive(Debug)]
pub struct Faults {
    file: PathBuf,
    faults: Vec<String>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be run:", self.file.display())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

impl Manifest {
    /// Reads a file. Relative paths in it start at its folder.
    pub fn load(path: impl AsRef<Path>) -> anyhow::Result<Self> {
        let path = std::path::absolute(path.as_ref())?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        Self::parse(&text, folder).map_err(|faults| Faults { file: path, faults }.into())
    }

    /// Reads the text of a file that lies in `folder`. On failure, returns every fault found.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let table = text.parse::<Table>().map_err(|error| vec![error.to_string().trim_end().replace('\n', "\n  ")])?;
        let mut faults = Vec::new();
        let manifest = read(Section::new(String::new(), table, &mut faults), folder);
        if faults.is_empty() { Ok(manifest) } else { Err(faults) }
    }
}

fn read(mut root: Section<'_>, folder: &Path) -> Manifest {
    if root.take("spin_manifest_version").and_then(|value| value.as_integer()) != Some(2) {
        root.fault("spin_manifest_version", "must be 2");
    }
    let (mut name, mut version, mut description, mut authors) = Default::default();
    match root.section("application") {
        None => root.fault("application", "is missing"),
        Some(mut application) => {
            name = application.required("name");
            version = application.string("version").unwrap_or_default();
            description = application.string("description").unwrap_or_default();
            authors = application.strings("authors");
            application.finish();
        }
    }
    let variables = root.each("variables", |name, mut section| {
        let default = section.string("default");
        let required = section.boolean("required");
        let secret = section.boolean("secret");
        if let Err(reason) = crate::variables::check_name(name) {
            section.fault("", &reason);
        }
        if required == default.is_some() {
            section.fault("", "needs either a default or `required = true`");
        }
        section.finish();
        Variable { default, secret }
    });
    let components = root.each("component", |id, section| component(id, section, folder));
    let (mut http, mut redis) = Default::default();
    if let Some(mut trigger) = root.section("trigger") {
        http = trigger.list("http", |section| {
            let route = section.required("route");
            let route = Pattern::parse(&route).map_err(|reason| section.fault("route", &reason)).ok();
            let component = known(section, &components);
            section.leftover();
            route.map(|route| HttpTrigger { route, component })
        });
        redis = trigger.list("redis", |section| {
            let trigger = RedisTrigger {
                address: section.required("address"),
                channel: section.required("channel"),
                component: known(section, &components),
            };
            section.leftover();
            Some(trigger)
        });
        trigger.finish();
    }
    for (i, trigger) in http.iter().enumerate() {
        if http.iter().take(i).any(|earlier: &HttpTrigger| earlier.route.is_same_as(&trigger.route)) {
            root.fault(&format!("trigger.http[{i}].route"), "is already taken by an earlier trigger");
        }
    }
    root.finish();
    Manifest { name, version, description, authors, variables, http, redis, components }
}

fn component(id: &str, mut section: Section<'_>, folder: &Path) -> Component {
    if !id.starts_with(|c: char| c.is_ascii_alphabetic())
        || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        || id.ends_with('-')
        || id.contains("--")
    {
        section.fault("", "is not a component id: words of letters and digits, joined by `-`");
    }
    let source = folder.join(section.required("source"));
    let key_value_stores = section.strings("key_value_stores");
    if key_value_stores.iter().any(|label| label != "default") {
        section.fault("key_value_stores", "only the store `default` exists on this host");
    }
    let build = section.section("build").map(|mut build| {
        let command = build.required("command");
        let workdir = folder.join(build.string("workdir").unwrap_or_default());
        let watch = build.strings("watch");
        build.finish();
        Build { command, workdir, watch }
    });
    let component = Component {
        id: id.to_owned(),
        source,
        description: section.string("description").unwrap_or_default(),
        allowed_outbound_hosts: section.strings("allowed_outbound_hosts"),
        key_value_stores,
        variables: section.string_map("variables"),
        environment: section.string_map("environment"),
        build,
    };
    section.finish();
    component
}

fn known(section: &mut Section<'_>, components: &BTreeMap<String, Component>) -> String {
    let id = section.required("component");
    if !id.is_empty() && !components.contains_key(&id) {
        section.fault("component", &format!("there is no component `{id}`"));
    }
    id
}

/// A table while it is read: keys are taken out, and faults are collected with their paths.
struct Section<'f> {
    path: String,
    table: Table,
    faults: &'f mut Vec<String>,
}

impl<'f> Section<'f> {
    fn new(path: String, table: Table, faults: &'f mut Vec<String>) -> Self {
        Self { path, table, faults }
    }

    fn at(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.path.clone(),
            _ => format!("{}.{key}", self.path),
        }
    }

    fn fault(&mut self, key: &str, reason: &str) {
        let at = self.at(key);
        self.faults.push(format!("{at}: {reason}"));
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    fn string(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.fault(key, &format!("a string is expected; {} is not honoured", other.type_str()));
                None
            }
        }
    }

    fn required(&mut self, key: &str) -> String {
        if !self.table.contains_key(key) {
            self.fault(key, "is missing");
        }
        self.string(key).unwrap_or_default()
    }

    fn boolean(&mut self, key: &str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Boolean(value)) => value,
            Some(_) => {
                self.fault(key, "must be true or false");
                false
            }
        }
    }

    fn strings(&mut self, key: &str) -> Vec<String> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) if items.iter().all(Value::is_str) => {
                items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(_) => {
                self.fault(key, "must be an array of strings");
                Vec::new()
            }
        }
    }

    fn string_map(&mut self, key: &str) -> BTreeMap<String, String> {
        let Some(mut section) = self.section(key) else { return BTreeMap::new() };
        let keys: Vec<_> = section.table.keys().cloned().collect();
        keys.into_iter().filter_map(|key| section.string(&key).map(|value| (key, value))).collect()
    }

    fn section(&mut self, key: &str) -> Option<Section<'_>> {
        match self.take(key)? {
            Value::Table(table) => Some(Section::new(self.at(key), table, self.faults)),
            _ => {
                self.fault(key, "must be a table");
                None
            }
        }
    }

    /// Reads a table of tables.
    fn each<T>(&mut self, key: &str, read: impl Fn(&str, Section<'_>) -> T) -> BTreeMap<String, T> {
        let Some(mut section) = self.section(key) else { return BTreeMap::new() };
        let keys: Vec<_> = section.table.keys().cloned().collect();
        keys.into_iter()
            .filter_map(|key| {
                let value = read(&key, section.section(&key)?);
                Some((key, value))
            })
            .collect()
    }

    /// Reads an array of tables.
    fn list<T>(&mut self, key: &str, read: impl Fn(&mut Section<'_>) -> Option<T>) -> Vec<T> {
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.fault(key, "must be an array of tables");
                return Vec::new();
            }
        };
        let mut list = Vec::new();
        for (i, item) in items.into_iter().enumerate() {
            let path = format!("{}[{i}]", self.at(key));
            match item {
                Value::Table(table) => list.extend(read(&mut Section::new(path, table, self.faults))),
                _ => self.faults.push(format!("{path}: must be a table")),
            }
        }
        list
    }

    fn leftover(&mut self) {
        let keys: Vec<_> = self.table.keys().cloned().collect();
        keys.iter().for_each(|key| self.fault(key, "is not honoured by this host"));
    }

    fn finish(mut self) {
        self.leftover();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n";

    fn check(text: &str, expected: &[&str]) {
        let faults = Manifest::parse(&format!("{MINIMAL}{text}"), Path::new("/app")).err().unwrap_or_default();
        assert_eq!(faults, expected);
    }

    #[test]
    fn the_applications_own_file_loads() {
        let manifest = Manifest::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../spin.toml")).unwrap();
        assert_eq!(manifest.name, "vigil");
        assert!(manifest.components.values().all(|component| component.build.is_some()));
    }

    #[test]
    fn every_fault_is_reported_with_its_path() {
        check(
            "[application.trigger.redis]\naddress = \"x\"\n\
             [variables]\nv = { secret = true }\n\
             [component.c]\nsource = { url = \"x\" }\nfiles = [\"a\"]\nai_models = []\nkey_value_stores = [\"other\"]\n\
             [component.c.build]\ncommand = [\"a\", \"b\"]\n\
             [[trigger.http]]\nroute = \"/a\"\ncomponent = \"d\"\nexecutor = { type = \"wagi\" }\n\
             [[trigger.cron]]\ncomponent = \"c\"\n",
            &[
                "application.trigger: is not honoured by this host",
                "variables.v: needs either a default or `required = true`",
                "component.c.source: a string is expected; table is not honoured",
                "component.c.key_value_stores: only the store `default` exists on this host",
                "component.c.build.command: a string is expected; array is not honoured",
                "component.c.ai_models: is not honoured by this host",
                "component.c.files: is not honoured by this host",
                "trigger.http[0].component: there is no component `d`",
                "trigger.http[0].executor: is not honoured by this host",
                "trigger.cron: is not honoured by this host",
            ],
        );
    }

    #[test]
    fn a_second_trigger_on_a_route_is_a_fault() {
        check(
            "[component.c]\nsource = \"c.wasm\"\n\
             [[trigger.http]]\nroute = \"/a/:x\"\ncomponent = \"c\"\n\
             [[trigger.http]]\nroute = \"/a/:y\"\ncomponent = \"c\"\n",
            &["trigger.http[1].route: is already taken by an earlier trigger"],
        );
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let text =
            format!("{MINIMAL}[component.c]\nsource = \"c.wasm\"\nbuild = {{ command = \"x\", workdir = \"w\" }}");
        let manifest = Manifest::parse(&text, Path::new("/app")).unwrap();
        let component = &manifest.components["c"];
        assert_eq!(component.source, Path::new("/app/c.wasm"));
        assert_eq!(component.build.as_ref().unwrap().workdir, Path::new("/app/w"));
    }
}
