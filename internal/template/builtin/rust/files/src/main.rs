//! A small HTTP server: answers every request with the greeting.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".into());
    let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello".into());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("listening on port {port}");
    for stream in listener.incoming() {
        let greeting = greeting.clone();
        thread::spawn(move || {
            if let Err(e) = stream.and_then(|s| answer(s, &greeting)) {
                eprintln!("a request failed: {e}");
            }
        });
    }
    Ok(())
}

/// Reads the head of one request and answers it.
fn answer(mut stream: TcpStream, greeting: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(request) = lines.next().transpose()? else {
        return Ok(()); // somebody only looked whether the port is open
    };
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    println!("{request}");
    stream.write_all(response(greeting).as_bytes())
}

fn response(greeting: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{greeting}\n",
        greeting.len() + 1
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_length_counts_bytes() {
        assert!(super::response("é").contains("Content-Length: 3\r\n"));
    }
}
