//! Writes the seeds and the words of every target into a folder of its own, and prints the names of
//! the targets: where a search begins.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let root = std::env::args_os().nth(1).map(PathBuf::from);
    let root = root.ok_or_else(|| std::io::Error::other("name a folder for the seeds"))?;
    let mut names = std::io::stdout().lock();
    for (name, target) in fuzz::TARGETS {
        let folder = root.join(name);
        fs::create_dir_all(&folder)?;
        for (place, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{place}")), seed)?;
        }
        let quoted = |word: &&str| format!("\"{}\"\n", escaped(word));
        let words: String = target.words.iter().map(quoted).collect();
        fs::write(root.join(format!("{name}.words")), words)?;
        writeln!(names, "{name}")?;
    }
    Ok(())
}

/// A word as libFuzzer reads it: printable, or as hexadecimal digits.
fn escaped(word: &str) -> String {
    let bytes = word.bytes().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    });
    bytes.collect()
}
