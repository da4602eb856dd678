//! Pictures and containers in the messages of a WebSocket.

use super::*;

/// A frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        length @ 0..=125 => vec![length as u8],
        length => [&[127][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&[first], &length[..], payload].concat()
}

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

#[tokio::test]
async fn pictures_in_messages_are_taken_out_and_pings_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = request_of(&mut stream).await;
        assert!(request.starts_with("GET /live HTTP/1.1\r\n") && request.contains("\r\nUpgrade: websocket\r\n"));
        assert!(
            request.contains("\r\nSec-WebSocket-Version: 13\r\n") && request.contains("\r\nConnection: Upgrade\r\n")
        );
        let hello = [SWITCH, &frame(0x81, b"{\"codec\":\"mjpeg\"}"), &frame(0x89, b"there?")].concat();
        stream.write_all(&hello).await.unwrap();
        let mut pong = [0; 12];
        stream.read_exact(&mut pong).await.unwrap();
        assert_eq!((pong[0], pong[1]), (0x8A, 0x86));
        let unmasked: Vec<_> = (0..6).map(|at| pong[6 + at] ^ pong[2 + at % 4]).collect();
        assert_eq!(unmasked, b"there?");
        // One in two parts, one whole, one after the farewell.
        let (first, rest) = C420.split_at(300);
        let pictures = [frame(0x02, first), frame(0x80, rest), frame(0x82, SMALL)].concat();
        stream.write_all(&[&pictures, &frame(0x88, b"")[..], &frame(0x82, GREY)].concat()).await.unwrap();
    });
    let (pictures, error) = open(&format!("ws://{address}/live")).run().await;
    server.await.unwrap();
    let pictures: Vec<_> = pictures.iter().map(|(picture, _)| &picture[..]).collect();
    assert!(pictures == [C420, SMALL] && error == Error::Ended { what: None }, "{} pictures, {error}", pictures.len());
}

#[tokio::test]
async fn a_container_in_messages_is_demuxed() {
    let film = made_by_ffmpeg(&["-c:v", "libx264", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-f", "mpegts"]);
    let address = serve(move |_, _| {
        let messages = film.chunks(1880).flat_map(|piece| frame(0x82, piece)).collect();
        vec![Some(SWITCH.to_vec()), Some(messages), Some(frame(0x88, b"\x03\xE8"))]
    })
    .await;
    let (pictures, error) = open(&format!("ws://{address}/live")).run().await;
    assert!(pictures.len() == 50 && error == Error::Ended { what: None }, "{} pictures, {error}", pictures.len());
}

#[tokio::test]
async fn a_server_that_is_no_socket_is_told() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\nhello", "answered 200, and not as a WebSocket; is it http:// that is meant?"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "answered 404 Not Found; is the path right?"),
    ] {
        let address = serve(move |_, _| vec![Some(answer.as_bytes().to_vec())]).await;
        let (_, error) = open(&format!("ws://{address}/x")).run().await;
        assert_eq!(error.to_string(), format!("ws://{address}/x {expected}"));
    }
    let address = serve(|_, _| vec![Some([SWITCH, &[0x82, 0x81]].concat())]).await;
    let (_, error) = open(&format!("ws://{address}/x")).run().await;
    assert!(error.to_string().contains("a WebSocket frame that is masked"), "{error}");
}
