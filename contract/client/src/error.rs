//! Everything that can go wrong between here and the portal, each with its remedy in the same line.
//!
//! No variant carries a secret: not the request's body, not the proxy's password, not a key.

use eyot_contract::{ConditionCode, Refusal, RefusalCode, Timestamp};

/// Why a request did not get the answer it was sent for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The portal's address is not `https://host[:port]`.
    #[error("the portal's address \"{0}\" is not https://host[:port]; correct it or issue a new token")]
    Address(String),
    /// A certificate, key or CA handed to the builder cannot be used.
    #[error("{what} cannot be used: {reason}; {remedy}")]
    Material {
        /// Which piece.
        what: &'static str,
        /// What is wrong with it, without any of its text.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The portal's name has no address.
    #[error(
        "the name {host} cannot be resolved ({reason}); check the DNS servers of the management interface"
    )]
    Dns {
        /// The name.
        host: String,
        /// The resolver's reason.
        reason: String,
    },
    /// No TCP connection to the portal.
    #[error("no connection to the portal at {host}:{port} ({reason}); allow TCP to it from the management interface")]
    Unreachable {
        /// Its host.
        host: String,
        /// Its TCP port.
        port: u16,
        /// Every address tried, with its reason.
        reason: String,
    },
    /// Nothing came back in time.
    #[error("the portal at {host} did not answer within {seconds} s ({step}); check firewalls on the way, or try again")]
    Timeout {
        /// Its host.
        host: String,
        /// The limit.
        seconds: u64,
        /// What was being waited for.
        step: &'static str,
    },
    /// No connection to the proxy.
    #[error("the proxy {proxy} cannot be reached ({reason}); check proxy.url and the way to it")]
    ProxyUnreachable {
        /// `host:port`.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// 407.
    #[error("the proxy {proxy} {}", proxy_authentication(*.credentials_given, .schemes))]
    ProxyAuthentication {
        /// `host:port`.
        proxy: String,
        /// Whether we sent any.
        credentials_given: bool,
        /// What it offers, from `Proxy-Authenticate`: `Basic`, `NTLM`, `Negotiate`…
        schemes: Vec<String>,
    },
    /// The `https://` proxy wants a client certificate, and none or another was shown.
    #[error("the proxy {proxy} asks for a client certificate and does not accept {} ({alert}); set proxy.certificate and proxy.key", if *.shown { "the one that is set" } else { "none" })]
    ProxyCertificate {
        /// `host:port`.
        proxy: String,
        /// Whether we showed one.
        shown: bool,
        /// The TLS alert.
        alert: String,
    },
    /// TLS to the proxy itself.
    #[error("no TLS connection to the proxy {proxy} ({reason}); give its CA as portal.ca, or write http:// if it speaks no TLS")]
    ProxyTls {
        /// `host:port`.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// The proxy let us through but could not reach the portal itself (5xx).
    #[error("the proxy {proxy} cannot reach {target} (status {status}{}); check from there", .reason.as_ref().map(|r| format!(", {r}")).unwrap_or_default())]
    BehindProxy {
        /// `host:port`.
        proxy: String,
        /// Where we wanted to go, `host:port`.
        target: String,
        /// HTTP status.
        status: u16,
        /// What the proxy says about it (Squid's `X-Squid-Error`).
        reason: Option<String>,
    },
    /// The proxy answered CONNECT with something else than success.
    #[error("the proxy {proxy} refuses to connect to {target} (status {status}); allow CONNECT to it there")]
    ProxyRefused {
        /// `host:port`.
        proxy: String,
        /// Where we wanted to go, `host:port`.
        target: String,
        /// HTTP status.
        status: u16,
    },
    /// The certificate is not acceptable for a reason other than the pin.
    #[error("the certificate presented for {host} is not acceptable: {reason} (issued by {issuer}); if a proxy inspects TLS, exempt the portal from inspection or give its CA as portal.ca")]
    Certificate {
        /// The portal's host.
        host: String,
        /// What is wrong.
        reason: String,
        /// Who issued it.
        issuer: String,
    },
    /// Another CA than the pinned one answers.
    #[error("{host} is not the portal this token was issued by: its certificate was issued by {issuer}; if that is a proxy that inspects TLS, exempt the portal from inspection or give the proxy's CA as portal.ca, else issue a new token")]
    WrongPin {
        /// The portal's host.
        host: String,
        /// Who issued what was presented.
        issuer: String,
    },
    /// Somebody on the way ends TLS with a certificate of their own for the portal's name.
    #[error("TLS to {host} is inspected: its certificate was issued by {issuer}; exempt {host} from inspection there{besides}")]
    Inspected {
        /// The portal's host.
        host: String,
        /// Who issued what was presented.
        issuer: String,
        /// What else was noticed, with its own punctuation; usually empty.
        besides: String,
    },
    /// A login page in the portal's place.
    #[error("something on the way answers in place of {host}: {answer}; log the appliance in to the guest network, or use another network")]
    CaptivePortal {
        /// The portal's host.
        host: String,
        /// Status and, if it redirects, where to.
        answer: String,
    },
    /// Full-size packets get lost, small ones do not.
    #[error("{host} answers only when packets are kept small: larger ones are lost on the way and nobody says so; let ICMP \"fragmentation needed\" through, or clamp the TCP segment size at the router")]
    LargePackets {
        /// The portal's host.
        host: String,
    },
    /// The certificate is the portal's own, but this machine's clock is outside its dates.
    #[error("this machine's clock is wrong: it says {local}, the portal says {portal}; set the clock or give an NTP server that can be reached (time.servers)")]
    ClockDrift {
        /// Here.
        local: Timestamp,
        /// There, from its `Date` header.
        portal: Timestamp,
    },
    /// The portal does not take our client certificate.
    #[error("the portal does not accept this appliance's certificate ({alert}); activate it again with a new token")]
    IdentityRefused {
        /// The TLS alert.
        alert: String,
    },
    /// TLS failed for a reason other than a certificate.
    #[error("no TLS connection to {host} ({reason}); something on the way may be changing the connection, check firewalls and proxies")]
    Tls {
        /// The portal's host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The portal said no, and why.
    #[error("{}", refusal_text(.0))]
    Refused(Refusal),
    /// An answer that is not the portal's.
    #[error("{host} answered {path} with status {status}, which is not a portal's answer; check that the address is the portal's")]
    Status {
        /// The portal's host.
        host: String,
        /// What was asked for.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer broke off, is too long, or is not what the contract says.
    #[error("the answer of {host} to {path} cannot be read: {reason}; appliance and portal may be of different versions")]
    Body {
        /// The portal's host.
        host: String,
        /// What was asked for.
        path: String,
        /// Why, without the body's text.
        reason: String,
    },
}

impl ClientError {
    /// The condition that health shows for this failure.
    pub fn condition(&self) -> ConditionCode {
        use ConditionCode as C;
        match self {
            Self::Address(_) => C::SettingsInvalid,
            Self::Material { .. } => C::SanityFailed,
            Self::Dns { .. } => C::EndpointDns,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::BehindProxy { .. } => {
                C::EndpointUnreachable
            }
            Self::ProxyUnreachable { .. } => C::ProxyUnreachable,
            Self::ProxyRefused { .. } => C::ProxyRefused,
            Self::ProxyTls { .. } => C::ProxyTls,
            Self::ProxyAuthentication { schemes, .. } if !accepts_basic(schemes) => C::ProxyScheme,
            Self::ProxyAuthentication { .. } | Self::ProxyCertificate { .. } => C::ProxyAuthentication,
            Self::Inspected { .. } => C::TlsInspected,
            Self::CaptivePortal { .. } => C::CaptivePortal,
            Self::LargePackets { .. } => C::PathMtu,
            Self::Certificate { .. } | Self::WrongPin { .. } | Self::Tls { .. } => C::EndpointTls,
            Self::ClockDrift { .. } => C::ClockDrift,
            Self::IdentityRefused { .. } => C::ActivationRefused,
            Self::Refused(refusal) => match refusal.code {
                RefusalCode::TokenUnknown
                | RefusalCode::TokenUsed
                | RefusalCode::TokenExpired
                | RefusalCode::TokenReplaced
                | RefusalCode::NotEnrolled => C::ActivationRefused,
                RefusalCode::SensorDeleted => C::SensorDeleted,
                RefusalCode::BadRequest => C::Unsupported,
                RefusalCode::Internal => C::EndpointError,
            },
            Self::Status { .. } | Self::Body { .. } => C::EndpointError,
        }
    }

    /// Whether asking again later can help without anybody changing anything on this machine.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Address(_) | Self::Material { .. } | Self::IdentityRefused { .. } => false,
            Self::Refused(refusal) => refusal.code == RefusalCode::Internal,
            _ => true,
        }
    }
}

fn proxy_authentication(credentials_given: bool, schemes: &[String]) -> String {
    if !accepts_basic(schemes) {
        return format!(
            "asks for {} authentication, which is not supported; let it accept Basic from this machine, or exempt the portal",
            schemes.join(" or ")
        );
    }
    match credentials_given {
        true => {
            "refuses the user name and password given; correct proxy.username and proxy.password".to_owned()
        }
        false => "asks for a user name and password; set proxy.username and proxy.password".to_owned(),
    }
}

fn accepts_basic(schemes: &[String]) -> bool {
    schemes.is_empty() || schemes.iter().any(|s| s.eq_ignore_ascii_case("basic"))
}

fn refusal_text(refusal: &Refusal) -> String {
    match refusal.code {
        // here the portal's own words say more than the fixed phrase
        RefusalCode::BadRequest | RefusalCode::Internal => {
            let message: String = refusal.message.chars().filter(|c| !c.is_control()).take(300).collect();
            format!("{} (it says: {message})", refusal.code.remedy())
        }
        code => code.remedy().to_owned(),
    }
}
