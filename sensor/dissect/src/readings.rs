//! Where a protocol puts what it read: fills in who said it, cleans the text, drops what is empty or about nobody.

use std::borrow::Cow;
use std::net::IpAddr;

use eyot_contract::MacAddr;

use crate::value::{clean, clean_text};
use crate::{Field, Observation, MAX_VALUE_BYTES};

/// The way out for one message.
pub(crate) struct Readings<'s> {
    sink: &'s mut dyn FnMut(&Observation<'_>),
    mac: Option<MacAddr>,
    ip: Option<IpAddr>,
    vlan: Option<u16>,
    count: u64,
    /// A protocol inside the one that holds this, once it has been read.
    inner: Option<&'static str>,
}

impl<'s> Readings<'s> {
    /// Readings about the sender of a frame, until [`about`](Self::about) says otherwise.
    pub(crate) fn new(
        sink: &'s mut dyn FnMut(&Observation<'_>),
        mac: Option<MacAddr>,
        ip: Option<IpAddr>,
        vlan: Option<u16>,
    ) -> Self {
        Self { sink, mac: mac.filter(is_device), ip, vlan, count: 0, inner: None }
    }

    /// What follows is about this device.
    pub(crate) fn about(&mut self, mac: Option<MacAddr>, ip: Option<IpAddr>) {
        self.mac = mac.filter(is_device);
        self.ip = ip.filter(|address| !address.is_unspecified());
    }

    /// What follows is about the same device, at this address.
    pub(crate) fn at(&mut self, ip: IpAddr) {
        self.ip = Some(ip).filter(|address| !address.is_unspecified());
    }

    /// Text as it stood on the wire.
    pub(crate) fn bytes(&mut self, field: Field, value: &[u8]) {
        if self.mac.is_some() {
            self.give(field, clean(value));
        }
    }

    /// Text that was put together here, from parts that may have come from the wire.
    pub(crate) fn text(&mut self, field: Field, value: &str) {
        let plain = value.len() <= MAX_VALUE_BYTES
            && value.bytes().all(|b| matches!(b, b' '..=b'~'))
            && !value.starts_with(' ')
            && !value.ends_with(' ');
        if plain {
            self.give(field, Cow::Borrowed(value));
        } else {
            self.give(field, Cow::Owned(clean_text(value)));
        }
    }

    /// How many were given out.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// A message of another protocol was inside.
    pub(crate) fn found_inside(&mut self, protocol: &'static str) {
        self.inner = Some(protocol);
    }

    /// Which, if one was.
    pub(crate) fn inner(&self) -> Option<&'static str> {
        self.inner
    }

    fn give(&mut self, field: Field, value: Cow<'_, str>) {
        let Some(mac) = self.mac else { return };
        if value.is_empty() {
            return;
        }
        self.count += 1;
        (self.sink)(&Observation { mac, ip: self.ip, vlan: self.vlan, field, value });
    }
}

/// Group addresses and zero are nobody's own.
pub(crate) fn is_device(mac: &MacAddr) -> bool {
    !mac.is_multicast() && *mac != MacAddr::ZERO
}
