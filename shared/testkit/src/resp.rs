//! Just enough of a Redis client to set servers up: one question, one connection, one answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Login;

/// The time that one answer may take; moving a slot's keys is the longest.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks a server on this machine; what it answers comes as a flat list.
pub(crate) fn ask<W: AsRef<[u8]>>(
    port: u16,
    login: Option<&Login>,
    words: &[W],
) -> io::Result<Vec<Vec<u8>>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    if let Some(Login { user, password }) = login {
        stream.write_all(&encode(&["AUTH", user, password]))?;
        read(&mut reader, &mut Vec::new())?;
    }
    stream.write_all(&encode(words))?;
    let mut answer = Vec::new();
    read(&mut reader, &mut answer)?;
    Ok(answer)
}

/// The answer as text, one line for each part.
pub(crate) fn ask_text(port: u16, login: Option<&Login>, words: &[&str]) -> io::Result<String> {
    let parts = ask(port, login, words)?;
    let lines: Vec<_> = parts
        .iter()
        .map(|part| String::from_utf8_lossy(part))
        .collect();
    Ok(lines.join("\n"))
}

fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn read(reader: &mut impl BufRead, parts: &mut Vec<Vec<u8>>) -> io::Result<()> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1.min(line.len()));
    let length = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "+" | ":" => parts.push(rest.as_bytes().to_vec()),
        "-" => return Err(io::Error::other(rest.to_owned())),
        "$" => {
            if let Ok(length) = usize::try_from(length()?) {
                let mut part = vec![0; length + 2];
                reader.read_exact(&mut part)?;
                part.truncate(length);
                parts.push(part);
            }
        }
        "*" => {
            for _ in 0..length()? {
                read(reader, parts)?;
            }
        }
        _ => return Err(io::Error::other(format!("`{line}` is no answer"))),
    }
    Ok(())
}
