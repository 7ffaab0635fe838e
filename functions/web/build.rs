//! Reads `assets/`, compresses every file, and writes the table that the component embeds.
//!
//! All files but the page are served below one folder that is named by a hash of them all: relative imports between
//! modules stay as they are written, and a changed file changes every address. The page names the folder.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PAGE: &str = "index.html";
/// The description of the API, from which clients can be generated.
const DESCRIPTION: &str = "openapi.json";
/// A library's import by name. Browsers need an address, and the files themselves stay as their authors published them.
const IMPORT: (&str, &str) = ("from\"preact\"", "from\"./preact.mjs\"");

/// The module that the page runs.
const START: &str = "app.js";

/// A file: its path below `assets/`, its media type, its content.
struct Asset {
    path: String,
    kind: &'static str,
    content: Vec<u8>,
}

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    let mut files = Vec::new();
    collect(Path::new("assets"), &mut files)?;
    files.sort();
    let mut assets = Vec::new();
    for file in &files {
        let path = file.strip_prefix("assets")?.to_str().ok_or("a file's name is no text")?.replace('\\', "/");
        let Some(kind) = kind(&path) else { continue };
        let mut content = fs::read(file)?;
        if path.starts_with("vendor/") {
            let text = String::from_utf8(content)?.replace(IMPORT.0, IMPORT.1);
            // Its map is not served.
            content = text.split("//# sourceMappingURL").next().unwrap_or_default().into();
        }
        assets.push(Asset { path, kind, content });
    }

    let mut hash = Sha256::new();
    for asset in &assets {
        hash.update((asset.content.len() as u64).to_le_bytes());
        hash.update(&asset.path);
        hash.update(&asset.content);
    }
    let folder = format!("/assets/{}", hex(&hash.finalize()));
    let content = page(&fs::read_to_string(Path::new("assets").join(PAGE))?, &folder, &assets)?.into_bytes();
    let tag = hex(&Sha256::digest(&content));
    let page = Asset { path: PAGE.to_owned(), kind: "text/html; charset=utf-8", content };

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = format!("pub(crate) const FOLDER: &str = {folder:?};\npub(crate) const TAG: &str = {tag:?};\n");
    writeln!(table, "pub(crate) static PAGE: File = {};", embedded(&out, &page)?)?;
    let content = fs::read(DESCRIPTION)?;
    let description = Asset { path: DESCRIPTION.to_owned(), kind: "application/json", content };
    writeln!(table, "pub(crate) static DESCRIPTION: File = {};", embedded(&out, &description)?)?;
    let screens: Vec<&str> = assets.iter().filter_map(|asset| screen(&asset.path)).collect();
    writeln!(table, "pub(crate) static SCREENS: &[&str] = &{screens:?};")?;
    writeln!(table, "pub(crate) static FILES: &[File] = &[")?;
    for asset in &assets {
        writeln!(table, "    {},", embedded(&out, asset)?)?;
    }
    table.push_str("];\n");
    fs::write(out.join("table.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The media type of a file that is served; none for others.
fn kind(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// The first segment of a screen's address: the name of its file.
fn screen(path: &str) -> Option<&str> {
    path.strip_prefix("screens/")?.strip_suffix(".js")
}

/// Fills in the page: where the files are, which modules to fetch at once, and which languages there are.
fn page(template: &str, folder: &str, assets: &[Asset]) -> Result<String> {
    let (mut modules, mut languages) = (String::new(), Vec::new());
    let at_once = needed(assets);
    for Asset { path, kind, .. } in assets {
        if let Some(language) = path.strip_prefix("lang/").and_then(|name| name.strip_suffix(".js")) {
            // The page asks for one of them alone, and each asks for its own folder.
            if !language.contains('/') {
                languages.push(language);
            }
        } else if kind.starts_with("text/javascript") && at_once.contains(path) {
            write!(modules, "<link rel=\"modulepreload\" href=\"{folder}/{path}\">")?;
        }
    }
    let page = template.replace("{assets}", folder).replace("{modules}", &modules);
    Ok(page.replace("{languages}", &languages.join(" ")))
}

/// The modules that the first one imports, and those that these import. Others are asked for when they are needed.
fn needed(assets: &[Asset]) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![START.to_owned()]);
    while let Some(path) = open.pop() {
        let Some(asset) = assets.iter().find(|asset| asset.path == path) else { continue };
        if !found.insert(path.clone()) {
            continue;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = String::from_utf8_lossy(&asset.content);
        for (at, _) in text.match_indices("from") {
            let name = text[at + 4..].trim_start();
            let Some(quote) = name.chars().next().filter(|first| matches!(first, '\'' | '"')) else { continue };
            let Some(name) = name[1..].split(quote).next().filter(|name| name.starts_with('.')) else { continue };
            open.push(joined(folder, name));
        }
    }
    found
}

/// The path that a relative import names.
fn joined(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// Writes a file in its three codings, and returns the expression that embeds them.
fn embedded(out: &Path, asset: &Asset) -> Result<String> {
    let name = asset.path.replace('/', "-");
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 11, 22).write_all(&asset.content)?;
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zipped.write_all(&asset.content)?;
    let include = |end: &str, content: &[u8]| -> Result<String> {
        let path = out.join(format!("{name}{end}"));
        fs::write(&path, content)?;
        Ok(format!("include_bytes!({path:?})"))
    };
    let (plain, br, gzip) =
        (include("", &asset.content)?, include(".br", &packed)?, include(".gz", &zipped.finish()?)?);
    let (path, kind) = (&asset.path, asset.kind);
    Ok(format!("File {{ path: {path:?}, kind: {kind:?}, plain: {plain}, br: {br}, gzip: {gzip} }}"))
}

/// The first 16 digits of a hash.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
