//! Captures in programs that do not block.

use std::net::TcpListener;
use std::time::Duration;

use capture::{Capture, Kind, Options};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    // A runtime without timers or I/O: the capture needs nothing of it.
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn frames_come_without_a_thread_that_waits() {
    block_on(async {
        let options = || Options::new().latest(false);
        let first = Capture::open_async("pattern:?size=160x64&fps=50", options()).await.unwrap();
        let second = Capture::open_async("pattern:?size=320x240&fps=50", options()).await.unwrap();
        for _ in 0..5 {
            let (one, other) = (first.next().await.unwrap().unwrap(), second.next().await.unwrap().unwrap());
            assert_eq!((one.width(), other.width()), (160, 320));
        }
        first.close();
        assert_eq!(first.next().await.unwrap().unwrap_err().kind(), Kind::Closed);
    });
}

#[test]
fn what_cannot_be_opened_and_what_does_not_come_is_told_in_time() {
    block_on(async {
        let refused = Capture::open_async("http://127.0.0.1:1/x", Options::new()).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", silent.local_addr().unwrap());
        let late = Capture::open_async(&url, Options::new().timeout(Duration::from_millis(300))).await.unwrap_err();
        assert_eq!(late.kind(), Kind::Timeout);
        let slow = Capture::open_async("pattern:?fps=1", Options::new()).await.unwrap();
        slow.set_timeout(Some(Duration::from_millis(50)));
        let late = loop {
            if let Err(late) = slow.next().await.unwrap() {
                break late;
            }
        };
        assert_eq!(late.kind(), Kind::Timeout);
        slow.set_timeout(None);
        assert!(slow.next().await.unwrap().is_ok());
    });
}
