//! What cannot be played is refused in a sentence, and before a decoder sees it.

use source::{Error, Options, Rule};

use crate::servers;
use crate::support::{clips, failure, folder, name, open, options, pictures, samples};

#[tokio::test]
async fn encrypted_content_is_refused_by_name() {
    let Some(samples) = samples() else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let path = samples.clone();
    let (http, _) =
        servers::http(move |request| servers::ok("video/x-ms-wmv", &servers::file(&path, request).unwrap())).await;
    let mmsh = servers::mmsh(samples.clone());
    for (file, scheme) in [("variant-drm1.wmv", "version 1"), ("variant-drm-extended.wmv", "version 7 or later")] {
        for url in
            [samples.join(file).display().to_string(), format!("http://{http}/{file}"), format!("mmsh://{mmsh}/{file}")]
        {
            let (source, mut cursor) = open(&url, options());
            let error = failure(&source).await;
            println!("{error}");
            assert!(
                matches!(&error, Error::Unsupported { what } if what.contains("encrypted") && what.contains(scheme)),
                "{url}: {error:?}"
            );
            assert!(cursor.try_next().unwrap().is_none(), "{url}");
        }
        // The same through libavformat, which would play it.
        let libav = vec![("probesize".to_owned(), "100000".to_owned())];
        let (source, mut cursor) = open(samples.join(file).to_str().unwrap(), Options { libav, ..options() });
        let error = failure(&source).await;
        assert!(matches!(&error, Error::Unsupported { what } if what.contains("encrypted")), "{file}: {error:?}");
        assert!(cursor.try_next().unwrap().is_none(), "{file}");
    }
}

#[tokio::test]
async fn sound_alone_is_said_to_be_no_video() {
    let Some(samples) = samples() else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let mmsh = servers::mmsh(samples.clone());
    for url in [samples.join("tika-testWMA.wma").display().to_string(), format!("mmsh://{mmsh}/tika-testWMA.wma")] {
        let (source, _cursor) = open(&url, options());
        let error = failure(&source).await.to_string();
        assert!(error.contains("no video track: only wmav2 in this asf"), "{error}");
    }
}

#[tokio::test]
async fn files_that_are_broken_are_said_to_be() {
    let folder = folder();
    let clip = std::fs::read(folder.path().join("numbered-wmv2-320x240.wmv")).unwrap();
    for (length, part) in [(20, "header"), (300, "header"), (clip.len() / 2, "")] {
        let path = folder.path().join(format!("cut-{length}.wmv"));
        std::fs::write(&path, &clip[..length]).unwrap();
        let (source, mut cursor) = open(path.to_str().unwrap(), options());
        match part {
            // What is there is played.
            "" => drop(pictures(&mut cursor, 10).await),
            part => {
                let error = failure(&source).await.to_string();
                assert!(error.contains(part), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_streams_that_are_wanted_are_told_to_the_server_and_played() {
    let Some(clip) = clips().into_iter().find(|clip| name(clip) == "numbered-mbr-2video.wmv") else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let folder = folder();
    let mmsh = servers::mmsh(folder.path().to_owned());
    let rtsp = servers::rtsp(folder.path().to_owned(), false);
    for (rule, size) in
        [("best", "320x240"), ("smallest", "160x120"), ("max=100k", "160x120"), ("3", "160x120"), ("2", "320x240")]
    {
        let options = Options { streams: rule.parse::<Rule>().unwrap(), ..options() };
        for url in [
            clip.display().to_string(),
            format!("mmsh://{mmsh}/{}", name(&clip)),
            format!("rtspt://{rtsp}/{}", name(&clip)),
        ] {
            let (source, mut cursor) = open(&url, options.clone());
            pictures(&mut cursor, 3).await;
            let tracks = source.status().borrow().tracks.clone();
            let videos: Vec<_> =
                tracks.iter().filter_map(|track| track.video()).map(|video| video.size.to_string()).collect();
            assert_eq!(videos, [size], "{rule} {url}");
        }
    }
    let options = Options { streams: Rule::Streams(vec![9]), ..options() };
    let (source, _cursor) = open(clip.to_str().unwrap(), options);
    let error = failure(&source).await.to_string();
    assert!(error.contains("none of the streams asked for is there"), "{error}");
}
