//! Where the things under test are: the programs as they are shipped, and what `scripts/build` left in `dist/`.
//!
//! Nothing is searched for: `EYOT_BIN` and `EYOT_DIST` name the two folders, or they are where `scripts/build` puts
//! them. What is not there is an error that says how to make it.

use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

/// The target that released programs are built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The two folders, and the repository they belong to.
pub struct Artefacts {
    repository: PathBuf,
    dist: PathBuf,
    programs: PathBuf,
}

impl Artefacts {
    /// Reads the environment.
    ///
    /// # Errors
    /// The repository's root or this test's own place cannot be told.
    pub fn of_environment() -> Result<Self> {
        let repository = repository()?;
        let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
        let dist = named("EYOT_DIST").unwrap_or_else(|| repository.join("dist"));
        let programs = match named("EYOT_BIN") {
            Some(folder) => folder,
            None => target_folder()?.join(TARGET).join("release"),
        };
        Ok(Self { repository, dist, programs })
    }

    /// The repository's root.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// A program by its name.
    ///
    /// # Errors
    /// It is not there.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.programs.join(name);
        ensure!(
            path.is_file(),
            "there is no {}: run scripts/build, or let EYOT_BIN name the folder with the programs",
            path.display()
        );
        Ok(path)
    }

    /// The image with this extension (`ova`, `vhdx`) that the latest build made.
    ///
    /// # Errors
    /// No build is here, or not all of one.
    pub fn image(&self, extension: &str) -> Result<PathBuf> {
        let name = format!("eyot-{}-{}-amd64.{extension}", self.fact("version")?, self.fact("base")?);
        let path = self.dist.join(name);
        ensure!(path.is_file(), "there is no {}: run scripts/build", path.display());
        Ok(path)
    }

    /// A package that the latest build made.
    ///
    /// # Errors
    /// No build is here, or not all of one.
    pub fn package(&self, name: &str) -> Result<PathBuf> {
        let path = self.dist.join(format!("{name}_{}_amd64.deb", self.fact("version")?));
        ensure!(path.is_file(), "there is no {}: run scripts/build", path.display());
        Ok(path)
    }

    /// A line of the build's VERSION file: `version`, `base`, `accelerator`…
    ///
    /// # Errors
    /// There is no such file or no such line.
    pub fn fact(&self, key: &str) -> Result<String> {
        let path = self.dist.join("VERSION");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "there is no {}: run scripts/build, or let EYOT_DIST name the folder with the images",
                path.display()
            )
        })?;
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .map(str::to_owned)
            .with_context(|| format!("{} has no line \"{key} …\"", path.display()))
    }
}

/// The repository's root, absolute.
pub(crate) fn repository() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_owned).context("tests/ has no parent folder")
}

/// Cargo's target folder: this very test runs from `TARGET/PROFILE/deps/`.
fn target_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this test runs from")?;
    let folder =
        own.ancestors().nth(3).with_context(|| format!("{} is not in a target folder", own.display()))?;
    Ok(folder.to_owned())
}
