//! As many messages as one request may hold, for whatever takes them by the batch.

use eyot_contract::Timestamp;

use super::sas::Signer;
use crate::wire::{Method, Request};

/// One message for Azure: the JSON text and what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same each time the same message is sent: receivers tell repetitions by it.
    pub id: String,
    /// `device`, `finding`, `health`: a property that routes and queries can use without opening the body.
    pub kind: &'static str,
    /// JSON.
    pub body: String,
}

/// The first message alone is larger than a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has {bytes} bytes in its envelope, and {most} are the most")]
pub struct Oversized {
    /// Its size.
    pub bytes: usize,
    /// The bound.
    pub most: usize,
}

/// Somewhere that takes messages by the batch; each says only what it does in its own way.
pub trait Sink {
    /// Most bytes of one request's body.
    const MAX_BATCH_BYTES: usize;
    /// What marks a body as a batch.
    const CONTENT_TYPE: &'static str;

    /// A message as it stands in a batch.
    fn envelope(message: &Message) -> serde_json::Value;

    /// The host, the request's target, and who signs for it.
    fn place(&mut self) -> (&str, String, &mut Signer);

    /// A request with as many of the first messages as it may hold, and how many those are.
    ///
    /// # Errors
    /// When the first message alone is too large.
    fn send(&mut self, messages: &[Message], now: Timestamp) -> Result<(Request, usize), Oversized> {
        let (body, taken) = fill(messages, Self::MAX_BATCH_BYTES, |m| Self::envelope(m).to_string())?;
        let (host, target, signer) = self.place();
        Ok((signer.request((Method::Post, host, target), Self::CONTENT_TYPE, body, now), taken))
    }

    /// The signature was not taken: the next is made anew.
    fn forget_signature(&mut self) {
        let (.., signer) = self.place();
        signer.forget();
    }
}

/// A JSON array of the first messages, each by `envelope`, of at most `most` bytes; and how many went in. No messages
/// make an empty array.
fn fill(
    messages: &[Message],
    most: usize,
    envelope: impl Fn(&Message) -> String,
) -> Result<(Vec<u8>, usize), Oversized> {
    let mut text = String::from("[");
    let mut taken = 0;
    for message in messages {
        let item = envelope(message);
        // the comma before it, the bracket after it
        let grown = text.len() + item.len() + usize::from(taken > 0) + 1;
        if grown > most {
            if taken == 0 {
                return Err(Oversized { bytes: grown, most });
            }
            break;
        }
        if taken > 0 {
            text.push(',');
        }
        text.push_str(&item);
        taken += 1;
    }
    text.push(']');
    Ok((text.into_bytes(), taken))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { id: String::new(), kind: "device", body: "1".repeat(bytes) }
    }

    #[test]
    fn the_bound_is_never_crossed_and_never_wasted() {
        for most in 3..40 {
            for size in 1..10 {
                let messages = vec![message(size); 10];
                match fill(&messages, most, |m| m.body.clone()) {
                    Ok((text, taken)) => {
                        assert!(text.len() <= most && taken >= 1);
                        assert!(taken == 10 || text.len() + size + 1 > most, "one more would fit in {most}");
                    }
                    Err(oversized) => assert_eq!(oversized, Oversized { bytes: size + 2, most }),
                }
            }
        }
        assert_eq!(fill(&[], 2, |m| m.body.clone()).unwrap(), (b"[]".to_vec(), 0));
    }
}
