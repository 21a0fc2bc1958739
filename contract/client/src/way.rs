//! The same way for another protocol: what a client of MQTT or the like needs to trust, and to pass by, whom we do.

use std::fmt;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;

use crate::route::host_and_port;
use crate::ClientError;

/// How a host is reached by somebody else's hands. `Debug` shows no password.
#[derive(Clone, Debug)]
pub struct Way {
    /// TLS to the host.
    pub tls: Arc<ClientConfig>,
    /// The proxy, unless the host is excepted.
    pub proxy: Option<ProxyWay>,
}

/// A proxy that takes CONNECT.
#[derive(Clone)]
pub struct ProxyWay {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS to the proxy, for an `https://` one.
    pub tls: Option<Arc<ClientConfig>>,
    /// Basic credentials: user name and password.
    pub credentials: Option<(String, String)>,
}

impl fmt::Debug for ProxyWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyWay").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// The proxy on the way to `destination`, if there is one and it is not excepted.
pub(crate) fn proxy_way(
    proxy: Option<&eyot_contract::settings::Proxy>,
    destination: &Uri,
    tls: &Arc<ClientConfig>,
) -> Result<Option<ProxyWay>, ClientError> {
    let Some(proxy) = proxy else { return Ok(None) };
    let matcher =
        Matcher::builder().https(proxy.url.as_str()).no(proxy.exceptions.join(",").as_str()).build();
    if matcher.intercept(destination).is_none() {
        return Ok(None);
    }
    let uri: Uri = proxy.url.parse().map_err(|_| ClientError::Address(proxy.url.clone()))?;
    let secure = uri.scheme_str() == Some("https");
    let (host, port) = host_and_port(&uri, if secure { 443 } else { 80 })?;
    let tls = secure.then(|| Arc::clone(tls));
    Ok(Some(ProxyWay { host, port, tls, credentials: proxy.credentials.clone() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eyot_contract::settings::Proxy;
    use eyot_contract::CaPin;

    use crate::{Client, Trust};

    #[test]
    fn a_proxy_is_on_the_way_unless_the_host_is_excepted() {
        let proxy = |url: &str| Proxy {
            url: url.to_owned(),
            credentials: Some(("u".to_owned(), "s3cret".to_owned())),
            identity: None,
            exceptions: vec!["direct.example".to_owned()],
        };
        let way = |host: &str, url: &str| {
            let trust = Trust::Pin(CaPin([1; 32]));
            Client::builder(format!("https://{host}")).trust(trust).proxy(Some(proxy(url))).way().unwrap()
        };
        let through = way("hub.example", "http://proxy.example:3128");
        assert!(!format!("{through:?}").contains("s3cret"));
        let through = through.proxy.unwrap();
        assert_eq!(
            (through.host.as_str(), through.port, through.tls.is_some()),
            ("proxy.example", 3128, false)
        );
        assert_eq!(through.credentials.unwrap().1, "s3cret");
        assert!(way("hub.example", "https://proxy.example:3129").proxy.unwrap().tls.is_some());
        assert!(way("direct.example", "http://proxy.example:3128").proxy.is_none());
    }
}
