//! The webcams of this machine, as Linux lists them.

use std::path::Path;

use super::{Asked, Found, How, MOST, line};
use crate::webcam::{lasting, look};
use crate::{Error, on_thread};

/// Sizes of a webcam whose URL is told.
const MOST_STREAMS: usize = 16;

/// All of them, with what they can do.
pub(super) async fn list() -> (Vec<Found>, Asked) {
    let looking = on_thread("webcams", |_| {
        let mut found = listed(Path::new("/sys/class/video4linux"), Path::new("/dev"));
        found.truncate(MOST);
        found.into_iter().filter_map(looked_into).collect::<Vec<_>>()
    });
    let found = looking.await.unwrap_or_default();
    let what = "webcams of this machine".into();
    let answers = Ok(found.len());
    (found, Asked { what, answers })
}

/// The webcam with its sizes and controls; nothing if it has no pictures. Its URL is the one that stays when it is
/// plugged in elsewhere, if it has one.
fn looked_into(mut found: Found) -> Option<Found> {
    let path = found.url.clone();
    if let Some(link) = lasting(Path::new(&path)) {
        found.url = link.display().to_string();
    }
    match look(&path) {
        Ok(webcam) => {
            let named = |mode: &crate::webcam::Mode| {
                let url = |size: media::Size| format!("{}?format={}&size={size}", found.url, mode.name);
                let one = |size: &crate::webcam::ModeSize| (format!("{} {size}", mode.name), url(size.most));
                mode.sizes.iter().map(one).collect::<Vec<_>>()
            };
            let read = webcam.modes.iter().filter(|mode| mode.is_read);
            found.streams = read.flat_map(named).take(MOST_STREAMS).collect();
            found.controls = webcam.settings.iter().map(|setting| line(&setting.to_string())).collect();
        }
        Err(Error::NotVideo { .. }) => return None,
        Err(error) => found.trouble = Some(error.what()),
    }
    Some(found)
}

/// A device has several nodes, of which the first has the pictures; without the folder there are
/// none.
fn listed(classes: &Path, devices: &Path) -> Vec<Found> {
    let Ok(entries) = std::fs::read_dir(classes) else { return Vec::new() };
    let mut found: Vec<(u32, Found)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let node = entry.file_name().into_string().ok()?;
            let number = node.strip_prefix("video")?.parse().ok()?;
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let is_first = matches!(read("index").trim(), "" | "0");
            let path = devices.join(&node);
            (is_first && path.exists()).then(|| {
                let what = line(&read("name"));
                let url = path.display().to_string();
                (
                    number,
                    Found {
                        how: How::Webcam,
                        url,
                        what,
                        name: node,
                        streams: Vec::new(),
                        controls: Vec::new(),
                        trouble: None,
                    },
                )
            })
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, found)| found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_of_each_webcam_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (classes, devices) = (folder.path().join("class"), folder.path().join("dev"));
        std::fs::create_dir_all(&devices).unwrap();
        for (node, index, name) in
            [("video0", "0", "C920"), ("video1", "1", "C920"), ("video10", "0", "B"), ("video2", "0", "A")]
        {
            let class = classes.join(node);
            std::fs::create_dir_all(&class).unwrap();
            std::fs::write(class.join("index"), format!("{index}\n")).unwrap();
            std::fs::write(class.join("name"), format!("{name}\n")).unwrap();
            if node != "video2" {
                std::fs::write(devices.join(node), "").unwrap();
            }
        }
        let found = listed(&classes, &devices);
        let shown: Vec<_> = found.iter().map(|found| (&*found.name, &*found.what)).collect();
        assert_eq!(shown, [("video0", "C920"), ("video10", "B")]);
        assert!(listed(Path::new("/no/such/folder"), &devices).is_empty());
    }
}
