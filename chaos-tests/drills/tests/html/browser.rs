//! Debian's Chromium without a window: pictures of a page, where its parts lie, and what it had to complain of.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CHROMIUM: &str = "/usr/bin/chromium";
const DEADLINE: Duration = Duration::from_secs(90);
/// Several at once starve each other on a small machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Pictures that were kept, so that each has a name of its own.
static PICTURES: AtomicUsize = AtomicUsize::new(0);

/// The browser, with a profile of its own.
pub struct Browser {
    home: tempfile::TempDir,
}

/// Where the parts of a page lie, in pixels.
#[derive(Debug, Deserialize)]
pub struct Layout {
    /// Of the whole contents.
    pub content_width: f64,
    /// Of the window's inside.
    pub window_width: f64,
    /// The charts' pictures by their anchors.
    pub charts: BTreeMap<String, Area>,
    /// The verdict's badge.
    pub badge: Area,
    /// The words in each.
    pub words: BTreeMap<String, Vec<String>>,
    /// Words of a chart that lie on each other or outside of it.
    pub clashes: Vec<String>,
}

/// A rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Area(pub f64, pub f64, pub f64, pub f64);

/// What runs in a copy of the page whose policy is taken out.
const MEASURE: &str = r#"<script>
const area = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const apart = (a, b) => a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
const inside = (a, b) => a[0] >= b[0] - 1 && a[1] >= b[1] - 1 && a[2] <= b[2] + 1 && a[3] <= b[3] + 1;
const charts = {}, said = {}, clashes = [];
for (const figure of document.querySelectorAll('figure')) {
  const svg = figure.querySelector('svg');
  charts[figure.id] = area(svg);
  const words = [...svg.querySelectorAll('text')].map(e => [e.textContent.trim(), area(e)]);
  said[figure.id] = words.map(([text]) => text);
  words.forEach(([text, a], i) => {
    if (!inside(a, area(svg))) clashes.push(`${figure.id}: "${text}" lies outside`);
    for (const [other, b] of words.slice(i + 1)) if (!apart(a, b)) clashes.push(`${figure.id}: "${text}" lies on "${other}"`);
  });
}
const found = { content_width: document.documentElement.scrollWidth, window_width: innerWidth, charts, words: said, clashes,
  badge: area(document.getElementById('verdict')) };
document.body.append('LAYOUT' + JSON.stringify(found).replace(/[<>&]/g, c => '\\u00' + c.charCodeAt(0).toString(16)) + 'END');
</script>"#;

impl Browser {
    /// None where it is not installed, which is said.
    pub fn new() -> Option<Self> {
        if !Path::new(CHROMIUM).exists() {
            println!("this test did not run: chromium is not installed (apt-get install chromium)");
            return None;
        }
        Some(Self { home: tempfile::tempdir().unwrap() })
    }

    /// Where the parts of a page lie.
    pub fn layout(&self, page: &str, width: u32, height: u32) -> Layout {
        let (before, policy) = page.split_once("<meta http-equiv").unwrap();
        let (_, after) = policy.split_once('>').unwrap();
        let page = format!("{before}{after}").replace("</body>", &format!("{MEASURE}</body>"));
        let (dom, _) = self.run(&page, width, height, &["--dump-dom"]);
        // The script itself is dumped as well, ahead of what it wrote.
        let found = dom.rsplit_once("LAYOUT{").unwrap_or_else(|| panic!("nothing was measured: {dom}")).1;
        let json = format!("{{{}", found.split_once("END").unwrap().0);
        serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e} in {json}"))
    }

    /// A picture of a page, and every line of its console.
    pub fn picture(&self, page: &str, width: u32, height: u32, more: &[&str]) -> (Picture, Vec<String>) {
        let file = self.home.path().join("page.png");
        let _ = fs::remove_file(&file);
        let screenshot = format!("--screenshot={}", file.display());
        let (_, log) = self.run(page, width, height, &[&[screenshot.as_str()], more].concat());
        let picture = Picture::read(&file).unwrap_or_else(|e| panic!("no picture: {e}\n{log}"));
        // For whoever wants to look at what the test saw.
        if let Some(folder) = std::env::var_os("DRILL_REPORT_PICTURES") {
            let test = std::thread::current().name().unwrap_or("page").replace(':', "_");
            let name = format!("{test}-{}-{width}", PICTURES.fetch_add(1, Ordering::Relaxed));
            fs::copy(&file, Path::new(&folder).join(&name).with_extension("png")).unwrap();
            fs::write(Path::new(&folder).join(&name).with_extension("html"), page).unwrap();
        }
        (picture, log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect())
    }

    /// Opens a page; what the browser printed, and its log.
    fn run(&self, page: &str, width: u32, height: u32, more: &[&str]) -> (String, String) {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = |name: &str| self.home.path().join(name);
        fs::write(file("page.html"), page).unwrap();
        let mut browser = Command::new(CHROMIUM)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"])
            .args(["--enable-logging=stderr", "--v=0"])
            .arg(format!("--user-data-dir={}", file("profile").display()))
            .arg(format!("--window-size={width},{height}"))
            .args(more)
            .arg(format!("file://{}", file("page.html").display()))
            .stdout(File::create(file("stdout")).unwrap())
            .stderr(File::create(file("stderr")).unwrap())
            .spawn()
            .unwrap();
        let log = || String::from_utf8_lossy(&fs::read(file("stderr")).unwrap()).into_owned();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = browser.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > DEADLINE {
                browser.kill().unwrap();
                browser.wait().unwrap();
                panic!("the browser did not end within {DEADLINE:?}\n{}", log());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(status.success(), "the browser ended with {status}\n{}", log());
        (String::from_utf8_lossy(&fs::read(file("stdout")).unwrap()).into_owned(), log())
    }
}

/// A picture's pixels.
pub struct Picture {
    width: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Picture {
    fn read(file: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut reader = png::Decoder::new(std::io::BufReader::new(File::open(file)?)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
        let info = reader.next_frame(&mut bytes)?;
        bytes.truncate(info.buffer_size());
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        Ok(Self { width: info.width as usize, channels: info.color_type.samples(), bytes })
    }

    /// How many pixels in an area have a colour, give or take a little.
    pub fn count(&self, area: Area, colour: [u8; 3]) -> usize {
        const TOLERANCE: u8 = 20;
        let height = self.bytes.len() / self.channels / self.width;
        let Area(left, top, right, bottom) = area;
        assert!(right as usize <= self.width && bottom as usize <= height, "{area:?} lies outside of the picture");
        let rows = (top as usize..bottom as usize).flat_map(|y| (left as usize..right as usize).map(move |x| (x, y)));
        rows.filter(|(x, y)| {
            let pixel = &self.bytes[(y * self.width + x) * self.channels..][..3];
            pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= TOLERANCE)
        })
        .count()
    }
}
