//! Generates the messages of the contracts from `proto/api`, with no protoc on the machine.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;
use prost_reflect::DescriptorPool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let vendor = root.join("vendor");
    let (api, rules, http) = (
        root.join("api"),
        vendor.join("protovalidate"),
        vendor.join("googleapis"),
    );
    // Not the whole of `proto`, which also holds the client packages and what they are built of.
    for folder in [&api, &vendor] {
        println!("cargo:rerun-if-changed={}", folder.display());
    }

    let mut files = Vec::new();
    collect_protos(&api, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&api, &rules, &http])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    // Reflection and validation need the custom options, which only this encoding keeps.
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice())?;
    let mut ours = compiler.file_descriptor_set();
    // prost-build resolves the well-known types itself but must see them; the vendored rules
    // generate nothing.
    ours.file.retain(|file| {
        file.package().starts_with("happypath.") || file.package() == "google.protobuf"
    });

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    for message in pool
        .all_messages()
        .filter(|m| is_reflected(m.package_name()))
    {
        config.type_attribute(
            message.full_name(),
            format!(
                "#[derive(::prost_reflect::ReflectMessage)]\n\
                 #[prost_reflect(message_name = \"{}\", descriptor_pool = \"crate::DESCRIPTORS\")]",
                message.full_name()
            ),
        );
    }
    let services = out.join("services.binpb");
    fs::write(&services, ours.encode_to_vec())?;
    println!("cargo:services={}", services.display());
    config.compile_fds(ours)?;

    compiler.include_source_info(false);
    fs::write(
        out.join("descriptors.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}

/// Stream records, stored states and the journal are neither validated nor shown by reflection, so
/// they do without.
fn is_reflected(package: &str) -> bool {
    package.starts_with("happypath.")
        && package != "happypath.stream.v1"
        && package != "happypath.journal.v1"
        && !package.contains(".state.")
}

fn collect_protos(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}
