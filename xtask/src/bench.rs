//! Runs a bench of another crate, prints its rows as a table and draws its plot.
//!
//! A bench is a binary that takes `--out FILE` and `--small` and writes [`Results`] there.

use crate::{plot, shell};
use anyhow::{Context, Result, bail};
use results::{Results, Row};

/// A bench: its name, the packages to build in release mode, the binary and its first arguments.
struct Bench {
    name: &'static str,
    about: &'static str,
    packages: &'static [&'static str],
    binary: &'static str,
    arguments: &'static [&'static str],
}

const DRILLS: &[&str] = &["tertulia-node", "tertulia-chaos-tests", "tertulia-shim"];
const BENCHES: &[Bench] = &[
    Bench {
        name: "turns",
        about: "turns per second and latencies at 1, 8 and 32 clients on three nodes, cold and warm",
        packages: DRILLS,
        binary: "tertulia-bench",
        arguments: &["turns"],
    },
    Bench {
        name: "faults",
        about: "100 rounds of each fault in three zones under load, with the checker's verdict and the pauses [--peer etcd]",
        packages: DRILLS,
        binary: "tertulia-bench",
        arguments: &["faults"],
    },
    Bench {
        name: "replication",
        about: "durable writes of 256 bytes at 1, 64 and 256 clients on three processes [--peer etcd]",
        packages: &["tertulia-chaos-tests"],
        binary: "tertulia-bench",
        arguments: &["replication"],
    },
    Bench {
        name: "failover",
        about: "30 rounds of kill -9 on a leader under load: time to the next acknowledged write [--peer etcd]",
        packages: &["tertulia-chaos-tests"],
        binary: "tertulia-bench",
        arguments: &["failover"],
    },
    Bench {
        name: "snapshot",
        about: "P99 of writes and memory while a node gets a shard of 100,000 sessions as a snapshot",
        packages: &["tertulia-chaos-tests"],
        binary: "tertulia-bench",
        arguments: &["snapshot"],
    },
    Bench {
        name: "idle",
        about: "CPU of three nodes with 64 idle shards, asleep and kept awake",
        packages: &["tertulia-chaos-tests"],
        binary: "tertulia-bench",
        arguments: &["idle"],
    },
    Bench {
        name: "encoder",
        about: "the encoder's P50 at batch 1 and sequences/s at batch 32, of 16 and 64 tokens [--peer onnxruntime|torch]",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["encoder"],
    },
    Bench {
        name: "kernels",
        about: "GF/s of every matrix product and of every kernel of the encoder, on the CPU path and on the best adapter",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["kernels"],
    },
    Bench {
        name: "agreement",
        about: "embeddings of 1,000 real sentences on every path and precision, against [--peer onnxruntime|torch]",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["agreement"],
    },
    Bench {
        name: "budget",
        about: "three models, memory for one and a half of them, 10,000 requests at four times the load: what the ledger and the allocator say",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["budget"],
    },
    Bench {
        name: "understanding",
        about: "accuracy, calibration, slots, out of scope and training time on banking77, clinc150 and snips, over several seeds",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["understanding"],
    },
    Bench {
        name: "gpu-actor",
        about: "interactive P99 on a quiet device and at twice its capacity, with bulk work beside [--gpu]",
        packages: &["tertulia-shaders-bench"],
        binary: "tertulia-shaders-bench",
        arguments: &["gpu-actor"],
    },
    Bench {
        name: "fsync",
        about: "calls of fdatasync, counted by strace, against the node's own count of barriers and the turns committed",
        packages: DRILLS,
        binary: "tertulia-bench",
        arguments: &["fsync"],
    },
];

/// Runs the bench `name`.
pub fn run(name: Option<&str>, small: bool, arguments: &[String]) -> Result<()> {
    let list = || BENCHES.iter().map(|b| format!("  {:<12} {}", b.name, b.about)).collect::<Vec<_>>().join("\n");
    let Some(name) = name else {
        println!("cargo xtask bench NAME [--small]\n{}", list());
        return Ok(());
    };
    let Some(bench) = BENCHES.iter().find(|b| b.name == name) else {
        bail!("there is no bench {name:?}; there are\n{}", list());
    };
    let mut build = shell::cargo(&["build", "--release", "--locked"]);
    build.args(bench.packages.iter().flat_map(|package| ["--package", package]));
    shell::run(build)?;
    let target = shell::target_folder()?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = folder.join(format!("{name}.json"));
    let mut command = shell::command(target.join("release").join(bench.binary), bench.arguments);
    command.arg("--out").arg(&json).args(small.then_some("--small")).args(arguments);
    // The bench may find a promise broken and say so by its status: its table is shown all the same.
    drop(std::fs::remove_file(&json));
    let outcome = shell::run(command);
    let Ok(text) = std::fs::read_to_string(&json) else {
        return outcome.and_then(|()| bail!("the bench left no {}", json.display()));
    };
    let results: Results = serde_json::from_str(&text).with_context(|| format!("{} is no result", json.display()))?;
    print!("{}", table(&results.rows));
    println!("{}", json.display());
    if !results.plots.is_empty() {
        let svg = folder.join(format!("{name}.svg"));
        plot::draw(&results.plots, &svg)?;
        println!("{}", svg.display());
    }
    outcome
}

fn table(rows: &[Row]) -> String {
    let number = |n: f64| match n.abs() {
        n if n >= 100.0 => format!("{:.0}", n.copysign(1.0)),
        n if n >= 10.0 => format!("{n:.1}"),
        // What is told from 0 or 1 by its later digits only: an error, a cosine.
        n if n > 0.0 && n < 0.01 => format!("{n:.1e}"),
        n if n > 0.99 && n < 1.0 => format!("{n:.6}"),
        n => format!("{n:.2}"),
    };
    let maybe = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), number);
    let mut lines = vec![["", "unit", "ours", "peer", "ratio", "min", "max", "rounds"].map(str::to_owned)];
    lines.extend(rows.iter().map(|r| {
        [
            r.name.clone(),
            r.unit.clone(),
            number(r.ours),
            maybe(r.peer),
            maybe(r.ratio),
            maybe(r.ratio_min),
            maybe(r.ratio_max),
            r.rounds.to_string(),
        ]
    }));
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate().map(|(i, (cell, width))| match i {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_its_columns() {
        let row = |name: &str, ours, peer: Option<f64>| Row {
            name: name.into(),
            unit: "1/s".into(),
            ours,
            peer,
            ratio: peer.map(|p| ours / p),
            ratio_min: None,
            ratio_max: None,
            rounds: 3,
        };
        let figures = table(&[row("error", 2.6e-7, None), row("cosine", 0.999_157_4, None), row("none", 0.0, None)]);
        assert!(["2.6e-7", "0.999157", "0.00"].iter().all(|figure| figures.contains(figure)), "{figures}");
        let text = table(&[row("one client", 1234.5, Some(100.0)), row("32", 9.5, None)]);
        assert_eq!(
            text,
            "            unit  ours  peer  ratio  min  max  rounds\n\
             one client  1/s   1234   100   12.3    -    -       3\n\
             32          1/s   9.50     -      -    -    -       3\n"
        );
    }
}
