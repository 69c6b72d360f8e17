//! `Download`: one file over HTTP into a `.part` file, taken up again where it was cut.

use anyhow::{Context, anyhow, bail, ensure};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, Response, StatusCode, header};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often an interrupted download is taken up again.
const ATTEMPTS_MAX: u32 = 4;
/// How long the other side may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A file to fetch.
pub struct Download<'a> {
    /// For people.
    pub what: String,
    /// Where from.
    pub url: &'a str,
    /// Sent as a bearer token; the client drops it where the other side points to another host.
    pub token: Option<&'a str>,
    /// Where to. What lies there already is gone on from.
    pub part: &'a Path,
    /// Its size where it is known beforehand.
    pub bytes: Option<u64>,
    /// Largest size that is taken.
    pub bytes_max: u64,
}

/// What came.
#[derive(Debug)]
pub enum Fetched {
    /// The file is whole; the commit of the repository where the other side names it.
    Whole { commit: Option<String> },
    /// The other side has no such file (404).
    NotThere,
}

/// What one attempt came to, where it did not come to an end.
enum Failed {
    /// The line was cut: the next attempt goes on from there.
    Cut(anyhow::Error),
    /// The next attempt would end the same way.
    Refused(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(error)
    }
}

/// A client with our limits of patience.
pub fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().connect_timeout(SILENCE_MAX).read_timeout(SILENCE_MAX).build()?)
}

impl Download<'_> {
    /// Fetches the file, in several attempts where the line is cut.
    pub async fn run(&self, client: &Client) -> anyhow::Result<Fetched> {
        let bar = ProgressBar::new(self.bytes.unwrap_or(0)).with_style(
            ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")?
                .progress_chars("=> "),
        );
        bar.set_message(format!("fetching {}", self.what));
        let mut attempt = 1;
        let result = loop {
            match self.once(client, &bar).await {
                Ok(fetched) => break Ok(fetched),
                Err(Failed::Cut(error)) if attempt < ATTEMPTS_MAX => {
                    bar.println(format!("the download was cut ({error:#}); going on, attempt {}", attempt + 1));
                    tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
                    attempt += 1;
                }
                Err(Failed::Cut(error)) => {
                    break Err(error.context("the download did not finish; the next call goes on from here"));
                }
                Err(Failed::Refused(error)) => break Err(error),
            }
        };
        bar.finish_and_clear();
        result.with_context(|| format!("cannot fetch {}", self.what))
    }

    async fn once(&self, client: &Client, bar: &ProgressBar) -> Result<Fetched, Failed> {
        let mut file =
            File::options().create(true).append(true).open(self.part).with_context(|| self.cannot_write())?;
        let mut have = file.metadata().with_context(|| self.cannot_write())?.len();
        if self.bytes.is_some_and(|bytes| have >= bytes) {
            return Ok(Fetched::Whole { commit: None });
        }
        let response = self.ask(client, have).await?;
        let commit = header_of(&response, "x-repo-commit");
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(Fetched::NotThere),
            StatusCode::PARTIAL_CONTENT if have > 0 => {}
            // Nothing is left to send: the part is whole, or of something else and then thrown away.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                let range = header_of(&response, "content-range");
                if range == Some(format!("bytes */{have}")) {
                    return Ok(Fetched::Whole { commit });
                }
                self.forget();
                return Err(Failed::Cut(anyhow!("the part of {have} bytes belongs to another file")));
            }
            StatusCode::OK => {
                // The other side starts over, so do we.
                file.set_len(0).with_context(|| self.cannot_write())?;
                have = 0;
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failed::Cut(anyhow!("the other side answered {status}")));
            }
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(
                    anyhow!("the other side answered {status}: is the name right, or does it want HF_TOKEN?").into()
                );
            }
            status => return Err(anyhow!("the other side answered {status}").into()),
        }
        let total = self.total(&response, have)?;
        if let Some(tag) = header_of(&response, "etag") {
            fs::write(self.tag_path(), tag).with_context(|| self.cannot_write())?;
        }
        bar.set_length(total.unwrap_or(0));
        bar.set_position(have);
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| Failed::Cut(anyhow!("{}", crate::action_client::chain(&e.without_url()))))?;
            file.write_all(&chunk).with_context(|| self.cannot_write())?;
            have += chunk.len() as u64;
            if have > total.unwrap_or(self.bytes_max) {
                self.forget();
                return Err(anyhow!("more than {} bytes came", total.unwrap_or(self.bytes_max)).into());
            }
            bar.set_position(have);
        }
        if total.is_some_and(|total| have != total) {
            return Err(Failed::Cut(anyhow!("{have} of {} bytes came", total.unwrap_or(0))));
        }
        file.sync_all().with_context(|| self.cannot_write())?;
        Ok(Fetched::Whole { commit })
    }

    async fn ask(&self, client: &Client, have: u64) -> Result<Response, Failed> {
        // The size is counted in the bytes that are kept, so they come as they are.
        let mut request = client.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            // Of another version of the file the other side sends the whole.
            if let Ok(tag) = fs::read_to_string(self.tag_path()) {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        request.send().await.map_err(|e| Failed::Cut(anyhow!("{}", crate::action_client::chain(&e.without_url()))))
    }

    /// The file's size as the answer tells it, checked against what is expected.
    fn total(&self, response: &Response, have: u64) -> anyhow::Result<Option<u64>> {
        let length = header_of(response, "content-length").and_then(|l| l.parse::<u64>().ok());
        let total = length.map(|length| have + length).or(self.bytes);
        if let (Some(total), Some(expected)) = (total, self.bytes) {
            ensure!(total == expected, "the other side has {total} bytes, expected {expected}");
        }
        if let Some(total) = total.filter(|total| *total > self.bytes_max) {
            bail!("the other side has {total} bytes, the limit is {}", self.bytes_max);
        }
        Ok(total)
    }

    fn tag_path(&self) -> PathBuf {
        self.part.with_extension("etag")
    }

    fn forget(&self) {
        // What cannot be removed is refused again next time.
        let _ = fs::remove_file(self.part);
        let _ = fs::remove_file(self.tag_path());
    }

    fn cannot_write(&self) -> String {
        format!("{}: cannot write", self.part.display())
    }
}

fn header_of(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}
