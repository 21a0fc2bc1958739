//! RFC 2326 first lines, and the lines of a session description (RFC 8866) that name its maker.

use crate::head::{find, Head};

const ANSWER: &[u8] = b"RTSP/1.";

/// Cheap: an answer, or a request for an `rtsp:` address or for `*`.
pub(super) fn starts(bytes: &[u8]) -> bool {
    if is_answer(bytes) {
        return true;
    }
    let start = bytes.get(..32).unwrap_or(bytes);
    let Some(blank) = start.iter().position(|b| *b == b' ') else { return false };
    let (method, target) = start.split_at(blank);
    !method.is_empty()
        && method.iter().all(|b| b.is_ascii_uppercase() || *b == b'_')
        && (target.starts_with(b" rtsp:")
            || target.starts_with(b" rtspu:")
            || target.starts_with(b" * RTSP/1."))
}

pub(super) fn is_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(ANSWER)
}

/// The path of an address, without host and query; nothing for `*`.
pub(super) fn path(target: &[u8]) -> Option<&[u8]> {
    let rest = target.get(find(target, b"://")? + 3..)?;
    let path = rest.get(rest.iter().position(|b| *b == b'/')?..)?;
    path.split(|b| *b == b'?').next()
}

/// Bytes of the session description behind the head; 0 when there is none.
pub(super) fn description_length(head: &Head<'_>) -> usize {
    let is_sdp = head.get("content-type").is_some_and(|kind| find(kind, b"application/sdp").is_some());
    let length = head.get("content-length").and_then(|length| std::str::from_utf8(length).ok()?.parse().ok());
    if is_sdp && head.whole {
        length.unwrap_or(0)
    } else {
        0
    }
}

/// Session name, session information and tool, where they say something.
pub(super) fn description(body: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    body.split(|b| *b == b'\n')
        .take_while(|line| !line.starts_with(b"m="))
        .filter_map(|line| {
            let kinds = [("s", &b"s="[..]), ("i", b"i="), ("tool", b"a=tool:")];
            kinds.into_iter().find_map(|(kind, start)| Some((kind, line.strip_prefix(start)?.trim_ascii())))
        })
        .filter(|(_, text)| !text.is_empty() && *text != b"-")
}

#[cfg(test)]
mod tests {
    use crate::rtsp::PROTOCOL;
    use crate::testing::{packet, survives, Said, PEER};
    use crate::Field;

    const ANSWER: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nServer: Hipcam RealServer/V1.0\r\n\
        Content-Type: application/sdp\r\nContent-Length: 73\r\n\r\n\
        v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Media Presentation\r\ni=-\r\na=tool:LIVE555\r\nm=v\r\n";

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_camera_describes_its_stream() {
        assert_eq!(
            said(ANSWER).pairs(),
            [
                (Field::RtspServer, "Hipcam RealServer/V1.0"),
                (Field::RtspSession, "s=Media Presentation"),
                (Field::RtspSession, "tool=LIVE555"),
            ]
        );
    }

    #[test]
    fn a_recorder_asks() {
        let request = b"DESCRIBE rtsp://u:p@192.168.1.1:554/Streaming/Channels/101?x=1 RTSP/1.0\r\n\
            User-Agent: LibVLC/3.0\r\n\r\n";
        let said = said(request);
        assert_eq!(
            said.pairs(),
            [(Field::RtspUserAgent, "LibVLC/3.0"), (Field::RtspServed, "/Streaming/Channels/101")]
        );
        assert_eq!(said.observations.last().map(|o| o.mac), Some(PEER));
    }

    #[test]
    fn a_challenge() {
        let answer = b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"Login to 3K0A1\", nonce=\"1\"\r\n\r\n";
        assert_eq!(said(answer).pairs(), [(Field::RtspRealm, "Login to 3K0A1")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            said(bytes);
        });
    }
}
