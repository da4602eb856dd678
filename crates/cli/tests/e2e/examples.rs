//! The examples, and the demo, do what they say.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::tools::{folder, root};
use crate::harness::{Server, get, number, run, tool};

#[test]
fn the_snapshot_script_saves_each_picture_once() {
    let server = Server::start(["cam=pattern:?size=320x240&fps=10"]);
    let folder = folder("snapshot-script");
    let mut script = Command::new(root().join("examples/snapshot.sh"));
    let output = run(script.arg(server.url("/cam.jpg?quality=50")).arg(&folder).args(["0", "5"])).succeeded();
    assert_eq!(output.text().lines().count(), 5, "{}", output.text());
    let mut numbers: Vec<_> =
        output.text().lines().map(|path| number(&std::fs::read(path).unwrap()).expect("a whole picture")).collect();
    let before = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), before, "{numbers:?}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 5);
}

#[test]
fn every_example_stands_in_their_list() {
    let folder = root().join("examples");
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            name == "README.md" || name.starts_with("__") || list.contains(&format!("({name})")),
            "{name} is not in the list"
        );
    }
}

#[test]
fn links_between_documents_lead_to_files_that_are_there() {
    let mut wrong = Vec::new();
    for folder in [root().to_path_buf(), root().join("docs"), root().join("examples"), root().join("bench")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for link in text.split("](").skip(1) {
                let link = link.split([')', '#', ' ']).next().unwrap_or_default();
                if !link.is_empty() && !link.contains("://") && !folder.join(link).exists() {
                    wrong.push(format!("{}: {link}", path.display()));
                }
            }
            let blanks = text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t']));
            wrong.extend(blanks.map(|(at, _)| format!("{}:{}: blanks at the end", path.display(), at + 1)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demo_serves_a_traffic_camera_and_a_test_picture_until_it_is_over() {
    let mut demo = Command::new(root().join("scripts/demo"));
    demo.env("HEADWATER", env!("CARGO_BIN_EXE_headwater")).env("DEMO_LISTEN", "127.0.0.1:0").env("DEMO_SECONDS", "4");
    demo.stdin(Stdio::null());
    let began = Instant::now();
    let mut demo = Server::run(demo);
    for name in ["camera", "traffic"] {
        let answer = get(demo.address, &format!("/{name}.jpg?width=320"), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(number(&answer.body).is_some(), "{name} shows no number");
    }
    let traffic = demo.source("traffic");
    assert!(traffic["url"].as_str().unwrap().starts_with("mms://127.0.0.1:"), "{traffic}");
    assert_eq!((&traffic["protocol"], &traffic["codec"]), (&"mmst".into(), &"wmv2".into()), "{traffic}");
    assert_eq!(demo.get("/").status, 200);
    assert_eq!(demo.ended(Duration::from_secs(10)).code(), Some(0));
    assert!(began.elapsed() > Duration::from_secs(3), "over after {:?}", began.elapsed());
}

#[test]
fn the_clip_of_the_demo_is_whole() {
    let clip = root().join("examples/clips/numbered-wmv2-320x240.wmv");
    let script = root().join("examples/clips/make_numbered.py");
    let output = run(crate::harness::tools::python().arg(script).arg("--verify").arg(clip)).succeeded();
    assert_eq!(output.text().trim(), "250 frames, 0 wrong");
}

#[test]
fn the_makefile_names_its_goals() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for goal in ["demo", "test", "bench", "check", "install", "clean"] {
        assert!(makefile.contains(&format!("#   make {goal}")) && makefile.contains(&format!("\n{goal}:")), "{goal}");
        // That make reads it, without doing it.
        let mut make = Command::new("make");
        let dry = run(make.current_dir(root()).args(["-n", goal]).env_remove("MAKEFLAGS"));
        assert!(dry.status.success(), "{goal}: {}", dry.err);
    }
}

#[test]
fn the_page_of_axum_gives_the_pictures_of_a_source() {
    let mut page = example("axum_mjpeg").arg("pattern:?size=320x240").stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(page.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = format!("{}video", url.trim());
    let mut probe = tool("ffprobe");
    probe.args(["-loglevel", "error", "-read_intervals", "%+#5", "-show_entries", "frame=width,height", "-of", "csv"]);
    let told = run(probe.args(["-f", "mpjpeg", &url]));
    let _ = page.kill();
    let _ = page.wait();
    let told = told.succeeded().text();
    assert_eq!(told.matches("frame,320,240").count(), 5, "{told}");
}

/// An example of this package, built now if it is not there.
pub(crate) fn example(name: &str) -> Command {
    let mut build = Command::new(env!("CARGO"));
    run(build.current_dir(root()).args(["build", "--quiet", "--package", "cli", "--example", name])).succeeded();
    let program = Path::new(env!("CARGO_BIN_EXE_headwater")).with_file_name("examples").join(name);
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("http_proxy");
    command
}
