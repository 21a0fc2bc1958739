//! A file to Blob storage by way of the hub: ask for a place, put it there, say how it went.
//!
//! The hub answers with a host, a container and a signature for this one blob; the block blob is written in one request;
//! the hub is told of success and failure alike, since it counts the uploads under way (ten a device).

use eyot_contract::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::dps::is_host;
use super::hub::{Hub, API_VERSION};
use super::sas::component;
use crate::wire::{Method, Request, Response};

/// Most bytes of one upload. A block blob written whole could hold more, but a lost connection costs all of it, and a slow one
/// has to bring it there within a request's time limit.
pub const MAX_UPLOAD_BYTES: usize = 4 << 20;

/// Where one file may be put. `Debug` does not show its signature.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    correlation_id: String,
    host_name: String,
    container_name: String,
    blob_name: String,
    sas_token: String,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grant({}/{}/{})", self.host_name, self.container_name, self.blob_name)
    }
}

/// The hub's answer is not a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub's answer to a file upload cannot be read; is a storage container set for it in the Azure portal?")]
pub struct NoGrant;

impl Hub {
    /// Asks for a place for a file of this name; `/` in it makes folders.
    pub fn ask_upload(&mut self, name: &str, now: Timestamp) -> Request {
        self.about_files("", json!({ "blobName": name }), now)
    }

    /// Tells how an upload went.
    pub fn tell_upload(&mut self, grant: &Grant, outcome: &Response, now: Timestamp) -> Request {
        let success = outcome.judged().is_ok();
        let told = json!({
            "correlationId": grant.correlation_id,
            "isSuccess": success,
            "statusCode": outcome.status,
            "statusDescription": if success { "stored" } else { "not stored" },
        });
        self.about_files("/notifications", told, now)
    }

    fn about_files(&mut self, rest: &str, body: serde_json::Value, now: Timestamp) -> Request {
        let target = format!("/devices/{}/files{rest}?api-version={API_VERSION}", component(&self.device));
        let body = body.to_string().into_bytes();
        let content_type = "application/json; charset=utf-8";
        self.signer.request((Method::Post, &self.host, target), content_type, body, now)
    }
}

impl Grant {
    /// Reads the hub's answer to [`Hub::ask_upload`].
    ///
    /// # Errors
    /// When it is not a place, or one that would lead elsewhere.
    pub fn read(response: &Response) -> Result<Self, NoGrant> {
        let grant: Self = serde_json::from_slice(&response.body).map_err(|_| NoGrant)?;
        if !is_host(&grant.host_name) || !grant.sas_token.starts_with('?') {
            return Err(NoGrant);
        }
        Ok(grant)
    }

    /// The storage account's host name.
    pub fn host(&self) -> &str {
        &self.host_name
    }

    /// The request that writes the file.
    pub fn put(&self, content: Vec<u8>, content_type: &str) -> Request {
        let path: Vec<_> = self.blob_name.split('/').map(component).collect();
        Request {
            method: Method::Put,
            host: self.host_name.clone(),
            target: format!("/{}/{}{}", component_path(&self.container_name), path.join("/"), self.sas_token),
            headers: vec![
                ("x-ms-blob-type", "BlockBlob".to_owned()),
                ("Content-Type", content_type.to_owned()),
            ],
            body: content,
        }
    }
}

/// A container's name; the emulator puts the account's name before it, with a slash.
fn component_path(text: &str) -> String {
    text.split('/').map(component).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::dps::Assignment;
    use super::super::sas::SharedKey;
    use super::*;

    #[test]
    fn a_file_finds_its_place_and_the_hub_is_told() {
        let key = SharedKey::from_base64("+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=").unwrap();
        let mut hub = Hub::new(&Assignment { hub: "h".into(), device: "d".into() }, key);
        let now = Timestamp(0);
        let ask = hub.ask_upload("2026/a b.ndjson", now);
        assert_eq!(ask.target, "/devices/d/files?api-version=2021-04-12");
        assert_eq!(ask.body, br#"{"blobName":"2026/a b.ndjson"}"#);
        let answer = br#"{"correlationId":"c","hostName":"s.blob.core.windows.net","containerName":"k",
                          "blobName":"d/2026/a b.ndjson","sasToken":"?sv=1&sig=s3cret"}"#;
        let grant = Grant::read(&Response { status: 200, retry_after: None, body: answer.to_vec() }).unwrap();
        assert!(!format!("{grant:?}").contains("s3cret"));
        let put = grant.put(b"x".to_vec(), "application/x-ndjson");
        assert_eq!(put.target, "/k/d/2026/a%20b.ndjson?sv=1&sig=s3cret");
        assert_eq!(put.header("x-ms-blob-type"), Some("BlockBlob"));
        let told = hub.tell_upload(&grant, &Response { status: 403, ..Response::default() }, now);
        assert_eq!(told.target, "/devices/d/files/notifications?api-version=2021-04-12");
        let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!((body["isSuccess"].as_bool(), body["statusCode"].as_u64()), (Some(false), Some(403)));
    }

    #[test]
    fn an_answer_that_leads_elsewhere_is_none() {
        for body in [
            "",
            "{}",
            r#"{"correlationId":"c","hostName":"a/b","containerName":"k","blobName":"b","sasToken":"?s"}"#,
        ] {
            let response = Response { status: 200, retry_after: None, body: body.as_bytes().to_vec() };
            assert_eq!(Grant::read(&response).unwrap_err(), NoGrant);
        }
    }
}
