//! The commands that write images: `convert`, `ova`, `vhdx`, `images`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Args;
use eyot_image::artefact::{Artefact, PUBLIC_MODE};
use eyot_image::digest::sha256_hex;
use eyot_image::disk::{self, Disk, Survey};
use eyot_image::import::scripts;
use eyot_image::ova::Plan;
use eyot_image::pass::{pack, Control};
use eyot_image::vhdx::Options;
use eyot_image::vmdk::StreamWriter;

use super::ova_options::OvaOptions;
use super::vhdx_output::{reread, Digest, VhdxOptions, VhdxOutput, ZIP};
use super::{date, Threads};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  eyot-image convert disk.raw disk.vmdk --threads 2")]
pub struct Convert {
    /// Raw disk, sparse or not, a qcow2, or a block device
    input: PathBuf,
    /// Image to write, ending in .vmdk, .vhdx or .vhdx.zip
    output: PathBuf,
    #[command(flatten)]
    threads: Threads,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  eyot-image ova disk.raw eyot.ova --version 1.2.0 --capture-nics 2")]
pub struct Ova {
    /// Raw disk, sparse or not, a qcow2, or a block device
    input: PathBuf,
    /// Archive to write, ending in .ova; the virtual machine takes its name
    output: PathBuf,
    #[command(flatten)]
    options: OvaOptions,
    #[command(flatten)]
    threads: Threads,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  eyot-image vhdx disk.raw disk.vhdx.zip --zip --allocation fixed")]
pub struct VhdxCommand {
    /// Raw disk, sparse or not, a qcow2, or a block device
    input: PathBuf,
    /// Disk to write; with --zip the archive, ending in .vhdx.zip
    output: PathBuf,
    #[command(flatten)]
    options: VhdxOptions,
    #[command(flatten)]
    threads: Threads,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  eyot-image images disk.raw --out-dir dist --name eyot-1.2.0-debian-12-amd64"
)]
pub struct Images {
    /// Raw disk, sparse or not, a qcow2, or a block device
    input: PathBuf,
    /// Directory for NAME.ova, NAME.vhdx (or .vhdx.zip), the import scripts and SHA256SUMS
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// Name of the images and of the virtual machine
    #[arg(long)]
    name: String,
    #[command(flatten)]
    options: OvaOptions,
    #[command(flatten)]
    vhdx: VhdxOptions,
    #[command(flatten)]
    threads: Threads,
}

pub fn convert(c: Convert, control: Control) -> Result<ExitCode> {
    let control = c.threads.apply(control);
    let extension = c.output.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "vmdk" => {
            let (disk, survey) = survey(&c.input, &control)?;
            let out = Artefact::create(&c.output, PUBLIC_MODE)?;
            let mut writer = StreamWriter::new(out, &survey).with_context(|| writing(&c.output))?;
            pack(&*disk, &survey, &mut [&mut writer], &control).with_context(|| writing(&c.output))?;
            let (out, _) = writer.finish().with_context(|| writing(&c.output))?;
            out.commit()?;
            Ok(ExitCode::SUCCESS)
        }
        "vhdx" => write_vhdx(&c.input, &c.output, false, Options::default(), &control),
        ZIP => write_vhdx(&c.input, &c.output, true, Options::default(), &control),
        _ => bail!(
            "the output {} ends neither in .vmdk nor in .vhdx or .vhdx.zip; for an OVA use `eyot-image ova`",
            c.output.display()
        ),
    }
}

pub fn vhdx(c: VhdxCommand, control: Control) -> Result<ExitCode> {
    write_vhdx(&c.input, &c.output, c.options.zip, c.options.options(), &c.threads.apply(control))
}

fn write_vhdx(
    input: &Path,
    output: &Path,
    zip: bool,
    options: Options,
    control: &Control,
) -> Result<ExitCode> {
    if zip != output.extension().is_some_and(|e| e.eq_ignore_ascii_case(ZIP)) {
        bail!("the output {} and --zip do not go together: an archive ends in .vhdx.zip", output.display());
    }
    let (disk, survey) = survey(input, control)?;
    let mut writer = VhdxOutput::create(output, zip, Digest::Unwanted, &survey, options)?;
    pack(&*disk, &survey, &mut [writer.sink()], control).with_context(|| writing(output))?;
    let artefact = writer.finish().with_context(|| writing(output))?;
    artefact.commit()?;
    Ok(ExitCode::SUCCESS)
}

pub fn ova(c: Ova, control: Control) -> Result<ExitCode> {
    let control = c.threads.apply(control);
    let name = match (
        c.output.file_stem().and_then(|s| s.to_str()),
        c.output.extension().and_then(|e| e.to_str()),
    ) {
        (Some(stem), Some("ova")) => stem.to_owned(),
        _ => bail!("the output {} does not end in .ova", c.output.display()),
    };
    let profile = c.options.profile(&name)?;
    let signer = c.options.signer()?;
    let (disk, survey) = survey(&c.input, &control)?;
    let plan = Plan::new(&profile, &survey, signer.as_ref(), date()?)?;
    let out = Artefact::create(&c.output, PUBLIC_MODE)?;
    let mut writer = plan.start(out, &survey).with_context(|| writing(&c.output))?;
    pack(&*disk, &survey, &mut [&mut writer], &control).with_context(|| writing(&c.output))?;
    let (out, _) = plan.finish(writer).with_context(|| writing(&c.output))?;
    out.commit()?;
    Ok(ExitCode::SUCCESS)
}

pub fn images(c: Images, control: Control) -> Result<ExitCode> {
    let control = c.threads.apply(control);
    let profile = c.options.profile(&c.name)?;
    let signer = c.options.signer()?;
    std::fs::create_dir_all(&c.out_dir)
        .with_context(|| format!("cannot create directory {}", c.out_dir.display()))?;
    let ova_name = format!("{}.ova", c.name);
    let vhdx_name = format!("{}.vhdx{}", c.name, if c.vhdx.zip { ".zip" } else { "" });
    let (ova_path, vhdx_path) = (c.out_dir.join(&ova_name), c.out_dir.join(&vhdx_name));
    let sums_path = c.out_dir.join("SHA256SUMS");

    let (disk, survey) = survey(&c.input, &control)?;
    let plan = Plan::new(&profile, &survey, signer.as_ref(), date()?)?;
    let ova = Artefact::create(&ova_path, PUBLIC_MODE)?;
    let mut vhdx = VhdxOutput::create(&vhdx_path, c.vhdx.zip, Digest::Wanted, &survey, c.vhdx.options())?;
    let mut sums = Artefact::create(&sums_path, PUBLIC_MODE)?;

    let mut ova = plan.start(ova, &survey).with_context(|| writing(&ova_path))?;
    pack(&*disk, &survey, &mut [&mut ova, vhdx.sink()], &control)
        .with_context(|| format!("cannot write the images in {}", c.out_dir.display()))?;
    let (mut ova, facts) = plan.finish(ova).with_context(|| writing(&ova_path))?;
    let (vhdx, vhdx_sha256) = vhdx.finish_hashed(&control).with_context(|| writing(&vhdx_path))?;

    // The OVA's front was written last, so its digest takes a look at the finished file, while the other goes to disk.
    let ova_sha256 = std::thread::scope(|scope| {
        let syncing = scope.spawn(|| vhdx.sync());
        let sha256 = reread(&mut ova, facts.bytes, &control);
        syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        sha256
    })?;
    let mut lines = format!("{ova_sha256}  {ova_name}\n{vhdx_sha256}  {vhdx_name}\n");
    let mut artefacts = vec![ova, vhdx];
    for script in scripts(&profile) {
        let path = c.out_dir.join(script.name);
        let mut artefact = Artefact::create(&path, script.mode)?;
        artefact.write_all(script.text.as_bytes()).with_context(|| writing(&path))?;
        lines.push_str(&format!("{}  {}\n", sha256_hex(script.text.as_bytes()), script.name));
        artefacts.push(artefact);
    }
    sums.write_all(lines.as_bytes()).with_context(|| writing(&sums_path))?;
    // The sums come last: whoever sees them sees what they are the sums of.
    artefacts.push(sums);
    for artefact in artefacts {
        artefact.commit()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn survey(input: &Path, control: &Control) -> Result<(Box<dyn Disk>, Survey)> {
    let disk = disk::open(input)?;
    let survey = Survey::of(&*disk, control)?;
    Ok((disk, survey))
}

fn writing(path: &Path) -> String {
    format!("cannot make {}", path.display())
}
