//! Gets source packages from the machine's own Debian mirror, without installing anything.
//!
//! Guarantee: only a mirror that the machine already trusts is used, with the keys that it already trusts;
//! authentication stays on. The system's package lists, caches and installed packages are not changed: everything
//! happens in one directory given by the caller.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::process;

/// One archive of the machine's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// As written: a file, fingerprints, or a whole key (then several lines, indented as deb822 requires).
    signed_by: Option<String>,
}

/// Suites that may have a newer Rust than the machine's own release, the most stable first.
const NEWER_SUITES: [&str; 4] = ["trixie-backports", "trixie", "forky", "sid"];

/// The machine's mirror, and the suites to search, in order.
pub(super) struct Mirror {
    source: Source,
    pub(super) suites: Vec<String>,
}

/// One suite of the mirror with its package lists, in a directory of its own.
pub(super) struct Suite {
    dir: PathBuf,
}

impl Mirror {
    /// The mirror that the machine is configured with.
    pub(super) fn of_this_machine() -> Result<Mirror> {
        for tool in ["apt-get", "apt-cache", "dpkg-deb"] {
            process::find(tool).with_context(|| format!("there is no {tool} here"))?;
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
        let sources = configured_sources(Path::new("/etc/apt"))?;
        let source = choose(&sources, codename.trim_matches('"')).context("apt has no archive configured")?;
        let suites = suites_to_try(&source, &sources);
        Ok(Mirror { source, suites })
    }

    /// Fetches the package lists of `suite` below `work`.
    pub(super) fn open(&self, suite: &str, work: &Path) -> Result<Suite> {
        let dir = work.join(suite.replace('/', "_"));
        fs::create_dir_all(dir.join("lists/partial"))?;
        fs::create_dir_all(dir.join("archives/partial"))?;
        let signed_by = self.source.signed_by.as_ref().map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
        let entry = format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{signed_by}", self.source.uri);
        fs::write(dir.join("suite.sources"), entry)?;
        let suite = Suite { dir };
        process::output(suite.command("apt-get").args(["update", "--error-on=any"]))?;
        Ok(suite)
    }
}

impl Suite {
    /// The versions of `package` in this suite.
    pub(super) fn versions(&self, package: &str) -> Result<Vec<String>> {
        Ok(parse_madison(&process::output(self.command("apt-cache").args(["madison", package]))?, package))
    }

    /// Downloads `package` and unpacks it into `into`, without installing it.
    pub(super) fn unpack(&self, package: &str, version: &str, into: &Path) -> Result<()> {
        let download = self.dir.join("download").join(package);
        process::remove_dir(&download)?;
        fs::create_dir_all(&download)?;
        let wanted = format!("{package}={version}");
        process::output(self.command("apt-get").args(["download", &wanted]).current_dir(&download))?;
        let archive = fs::read_dir(&download)?.next().with_context(|| format!("apt-get brought no {wanted}"))??.path();
        fs::create_dir_all(into)?;
        process::output(process::command("dpkg-deb").arg("-x").arg(&archive).arg(into))?;
        Ok(())
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = process::command(program);
        let mut option = |name: &str, value: &Path| {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        };
        option("Dir::Etc::sourcelist", &self.dir.join("suite.sources"));
        option("Dir::Etc::sourceparts", Path::new("-"));
        option("Dir::State::lists", &self.dir.join("lists"));
        option("Dir::Cache::archives", &self.dir.join("archives"));
        option("Dir::Cache::pkgcache", Path::new(""));
        option("Dir::Cache::srcpkgcache", Path::new(""));
        option("Acquire::Languages", Path::new("none"));
        option("Acquire::Retries", Path::new("1"));
        command.env("LC_ALL", "C");
        command
    }
}

/// The newest of `versions` that belongs to `release`: the same patch level if there is one, else the same minor
/// version.
///
/// `release` is what `rustc -V` says, "1.95.0". Compiler and library must agree on the minor version.
pub(super) fn matching<'a>(versions: &'a [String], release: &str) -> Option<&'a str> {
    let minor = release.rsplit_once('.').map(|(minor, _)| minor)?;
    let same_patch = versions.iter().find(|version| {
        version.strip_prefix(release).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    // `apt-cache madison` lists the newest first.
    let same_minor = || versions.iter().find(|version| version.starts_with(&format!("{minor}.")));
    same_patch.or_else(same_minor).map(String::as_str)
}

fn parse_madison(text: &str, package: &str) -> Vec<String> {
    let mut versions = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('|').map(str::trim);
        if let (Some(name), Some(version)) = (fields.next(), fields.next())
            && name == package
            && !versions.iter().any(|v| v == version)
        {
            versions.push(version.to_owned());
        }
    }
    versions
}

fn configured_sources(etc_apt: &Path) -> Result<Vec<Source>> {
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        let mut more: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => sources.extend(parse_one_line_style(&text)),
            Some("sources") => sources.extend(parse_deb822_style(&text)),
            _ => {}
        }
    }
    if sources.is_empty() {
        bail!("no usable archive in {}", etc_apt.display());
    }
    Ok(sources)
}

/// `deb [signed-by=/usr/share/keyrings/x.gpg] http://host/debian bookworm main contrib`
fn parse_one_line_style(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '['])) else { continue };
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        let mut words = rest.split_whitespace().map(str::to_owned);
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            let source = Source {
                uri,
                suites: vec![suite],
                components: words.collect(),
                signed_by: signed_by.map(str::to_owned),
            };
            sources.extend(Some(source).filter(is_usable));
        }
    }
    sources
}

/// Stanzas of `Key: value` lines, separated by blank lines; a line that starts with a blank continues the one before.
fn parse_deb822_style(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut stanza: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(source_of_stanza(&stanza));
            stanza.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((key, value)) = line.split_once(':') {
            stanza.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn source_of_stanza(stanza: &[(String, String)]) -> Vec<Source> {
    let field = |name: &str| stanza.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let words = |name: &str| field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if field("enabled").is_some_and(|value| value.eq_ignore_ascii_case("no")) || !words("types").contains(&"deb".into())
    {
        return Vec::new();
    }
    let source = |uri| Source {
        uri,
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by").map(str::to_owned),
    };
    words("uris").into_iter().map(source).filter(is_usable).collect()
}

/// The distribution has Rust in `main`. A disc has no newer suites.
fn is_usable(source: &Source) -> bool {
    !source.uri.starts_with("cdrom:") && source.components.iter().any(|component| component == "main")
}

/// The archive of the distribution itself. It differs from third-party archives because its suites include the
/// release's name.
fn choose(sources: &[Source], codename: &str) -> Option<Source> {
    let own = sources.iter().find(|source| source.suites.iter().any(|suite| suite == codename));
    own.or(sources.first()).cloned()
}

fn suites_to_try(chosen: &Source, sources: &[Source]) -> Vec<String> {
    let own = sources.iter().filter(|source| source.uri == chosen.uri).flat_map(|source| source.suites.clone());
    let mut suites = Vec::new();
    for suite in own.chain(NEWER_SUITES.map(str::to_owned)) {
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    suites
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb deb-src
# a comment between the fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
";

    fn source(uri: &str, suites: &[&str], components: &[&str], signed_by: Option<&str>) -> Source {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Source {
            uri: uri.into(),
            suites: owned(suites),
            components: owned(components),
            signed_by: signed_by.map(Into::into),
        }
    }

    #[test]
    fn deb822_sources_are_read_and_disabled_ones_left_out() {
        let keyring = Some("/usr/share/keyrings/debian-archive-keyring.gpg");
        assert_eq!(
            parse_deb822_style(DEB822),
            [
                source(
                    "http://mirror.example/debian",
                    &["bookworm", "bookworm-updates"],
                    &["main", "contrib"],
                    keyring
                ),
                source("http://mirror.example/debian-security", &["bookworm-security"], &["main"], None),
            ]
        );
    }

    #[test]
    fn a_key_written_into_the_source_is_kept_whole() {
        let text = "Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n abc\n";
        let sources = parse_deb822_style(text);
        assert_eq!(sources[0].signed_by.as_deref(), Some("\n -----BEGIN PGP\n .\n abc"));
    }

    #[test]
    fn one_line_sources_are_read() {
        let text = "\
# deb http://commented.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main # trailing
deb\thttp://mirror.example/debian bookworm-backports main
deb https://vendor.example/apt stable vendor
";
        assert_eq!(
            parse_one_line_style(text),
            [
                source("http://mirror.example/debian", &["bookworm"], &["main"], Some("/k.gpg")),
                source("http://mirror.example/debian", &["bookworm-backports"], &["main"], None),
            ]
        );
    }

    #[test]
    fn the_distribution_is_told_from_third_parties_and_its_own_suites_come_first() {
        let mut sources = vec![source("https://vendor.example/apt", &["vendor-bookworm"], &["main"], None)];
        sources.extend(parse_deb822_style(DEB822));
        let chosen = choose(&sources, "bookworm").unwrap();
        assert_eq!(chosen.uri, "http://mirror.example/debian");
        assert_eq!(
            suites_to_try(&chosen, &sources),
            ["bookworm", "bookworm-updates", "trixie-backports", "trixie", "forky", "sid"]
        );
    }

    #[test]
    fn madison_is_read_newest_first_without_repeats() {
        let text =
            "  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.example/debian trixie-backports/main amd64 Packages
  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.example/debian trixie-backports/main all Packages
  rust-src | 1.85.0+dfsg3-1 | http://mirror.example/debian trixie/main amd64 Packages
     rustc | 1.99.0 | http://mirror.example/debian sid/main Sources
";
        assert_eq!(parse_madison(text, "rust-src"), ["1.95.0+dfsg1-2~bpo13+1", "1.85.0+dfsg3-1"]);
    }

    #[test]
    fn the_version_of_the_compiler_is_chosen() {
        let check = |versions: &[&str], release: &str, expected: Option<&str>| {
            let versions: Vec<String> = versions.iter().map(|v| (*v).to_owned()).collect();
            assert_eq!(matching(&versions, release), expected, "{versions:?} for {release}");
        };
        check(&["1.96.0+dfsg1-1", "1.95.0+dfsg1-2", "1.85.0"], "1.95.0", Some("1.95.0+dfsg1-2"));
        check(&["1.95.1+dfsg1-1", "1.95.0+dfsg1-2"], "1.95.0", Some("1.95.0+dfsg1-2"));
        check(&["1.95.1+dfsg1-1"], "1.95.0", Some("1.95.1+dfsg1-1"));
        check(&["1.95.10-1"], "1.95.1", Some("1.95.10-1"));
        check(&["1.9.0"], "1.95.0", None);
        check(&["1.96.0"], "1.95.0", None);
        check(&[], "1.95.0", None);
    }
}
