//! Who is at the other end of a connection, as far as TLS can tell.

use eyot_contract::Timestamp;

/// The other end. Requests carry it as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Showed no certificate: a browser, or a machine that has yet to enrol.
    Anonymous,
    /// Showed a certificate of this portal's CA and proved to hold its key.
    Certified {
        /// Serial number, lower-case hexadecimal. Whose it is and whether it still stands, the store knows.
        serial: String,
        /// End of the certificate's life: a connection may outlast it.
        not_after: Timestamp,
    },
    /// Showed a certificate that is not of this CA, or over, or not for clients.
    Refused,
}
