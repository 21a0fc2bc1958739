//! The way to Azure's hosts: TLS, the proxy, the operator's CAs; for the protocols of `eyot-uplink` and for the twin.

use std::collections::HashMap;
use std::fs;

use anyhow::Context;
use eyot_client::{Builder, Client, ClientError, Trust, SYSTEM_ROOTS};
use eyot_contract::settings::Proxy;
use eyot_contract::Timestamp;
use eyot_uplink::destination::{Carrier, Trouble};
use eyot_uplink::wire::{retry_after, Request, Response};

use crate::config::{read, Azure};

/// Carries requests over TLS, through the proxy if there is one. A client for each host, so that connections are kept.
pub struct Https {
    roots: String,
    extra_ca: Option<String>,
    proxy: Option<Proxy>,
    clients: HashMap<String, Client>,
}

impl Https {
    /// Reads whom to believe.
    ///
    /// # Errors
    /// When a file with CAs cannot be read.
    pub fn new(azure: &Azure) -> anyhow::Result<Self> {
        let roots = fs::read_to_string(SYSTEM_ROOTS).with_context(|| {
            format!("{SYSTEM_ROOTS}: cannot be read; install the package ca-certificates")
        })?;
        let extra_ca = azure.extra_ca_file.as_deref().map(|f| read("azure.extra_ca_file", f)).transpose()?;
        Ok(Self { roots, extra_ca, proxy: azure.proxy.clone(), clients: HashMap::new() })
    }

    fn client(&mut self, host: &str) -> Result<Client, ClientError> {
        if let Some(client) = self.clients.get(host) {
            return Ok(client.clone());
        }
        let client = self.to(host).build()?;
        self.clients.insert(host.to_owned(), client.clone());
        Ok(client)
    }

    /// What leads to a host.
    pub fn to(&self, host: &str) -> Builder {
        Client::builder(format!("https://{host}"))
            .trust(Trust::Roots(self.roots.clone()))
            .extra_ca(self.extra_ca.clone())
            .proxy(self.proxy.clone())
    }
}

impl Carrier for Https {
    async fn carry(&mut self, request: Request) -> Result<Response, Trouble> {
        let later = |error: ClientError| Trouble::Later { after: None, message: chain(&error) };
        let client = self.client(&request.host).map_err(later)?;
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match client.send(request.method.name(), &request.target, &headers, request.body).await {
            Ok(reply) => Ok(Response {
                status: reply.status,
                retry_after: reply.retry_after.and_then(|v| retry_after(&v, Timestamp::now())),
                body: reply.body,
            }),
            Err(error) => {
                self.clients.remove(&request.host);
                Err(later(error))
            }
        }
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
