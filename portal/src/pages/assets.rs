//! The style sheet, the script and the mark, built into the program.

use axum::extract::Path;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

const STYLE: &[u8] = include_bytes!("../../assets/eyot.css");
const SCRIPT: &[u8] = include_bytes!("../../assets/eyot.js");
const MARK: &[u8] = include_bytes!("../../assets/eyot.svg");

/// `GET /assets/{name}`. A new version of the program may change them, so browsers ask each time and mostly hear 304.
pub async fn one(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let (kind, content) = match name.as_str() {
        "eyot.css" => ("text/css; charset=utf-8", STYLE),
        "eyot.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "eyot.svg" => ("image/svg+xml", MARK),
        _ => return (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    };
    let tag = format!("\"{}\"", &crate::secret::hash(content)[..32]);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let about = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, content).into_response(),
    }
}
