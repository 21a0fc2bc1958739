//! What to say about a sensor: its own word while it is heard, the portal's when it is not.

use eyot_contract::{Condition, ConditionCode, Level, Timestamp};

use crate::store::Sensor;

/// A sensor not heard from for this long is disconnected, in µs. It reports every minute; five allow for a restart and
/// a lost report.
pub const CONNECTED_WITHIN: i64 = 5 * 60 * 1_000_000;

/// Whether the sensor was heard from lately.
pub fn is_connected(sensor: &Sensor, now: Timestamp) -> bool {
    // a machine that has just enrolled says so before it reports
    let heard = sensor.last_contact.max(sensor.enrolled_at);
    heard.is_some_and(|at| now.0 - at.0 <= CONNECTED_WITHIN)
}

/// The conditions that hold, worst first; never empty.
pub fn conditions(sensor: &Sensor, now: Timestamp) -> Vec<Condition> {
    let Some(enrolled) = sensor.enrolled_at else {
        return vec![Condition::new(ConditionCode::PendingActivation, "", sensor.registered_at)];
    };
    if !is_connected(sensor, now) {
        let last = sensor.last_contact.unwrap_or(enrolled);
        let detail = match sensor.last_contact {
            Some(at) => format!("Last heard from at {}", crate::moments::moment(at)),
            None => "It has enrolled and reported nothing since".to_owned(),
        };
        // what it said last still helps to find out why
        let mut all = vec![Condition::new(ConditionCode::Disconnected, detail, last)];
        all.extend(reported(sensor).into_iter().filter(|c| c.code.level() != Level::Healthy));
        return all;
    }
    let all = reported(sensor);
    if all.is_empty() {
        return vec![Condition::new(ConditionCode::Activating, "", enrolled)];
    }
    all
}

fn reported(sensor: &Sensor) -> Vec<Condition> {
    let mut all = sensor.health.as_ref().map(|h| h.conditions.clone()).unwrap_or_default();
    all.sort_by_key(|c| std::cmp::Reverse(c.code.level()));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use eyot_contract::HealthReport;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn ago(minutes: i64) -> Option<Timestamp> {
        Some(Timestamp(NOW.0 - minutes * 60_000_000))
    }

    fn sensor(enrolled: Option<Timestamp>, contact: Option<Timestamp>, said: &[ConditionCode]) -> Sensor {
        let at = contact.unwrap_or_default();
        let health = HealthReport {
            at,
            version: "1".to_owned(),
            hostname: "h".to_owned(),
            conditions: said.iter().map(|c| Condition::new(*c, "", at)).collect(),
            interfaces: Vec::new(),
            frames_captured: 0,
            frames_dropped: 0,
            devices: 0,
        };
        Sensor {
            id: Uuid::nil(),
            name: "s".to_owned(),
            zone: "default".to_owned(),
            subscription: "u".to_owned(),
            registered_at: ago(600).unwrap(),
            enrolled_at: enrolled,
            hostname: None,
            version: None,
            last_contact: contact,
            health: (!said.is_empty()).then_some(health),
            devices: 0,
        }
    }

    fn codes(sensor: &Sensor) -> Vec<ConditionCode> {
        conditions(sensor, NOW).iter().map(|c| c.code).collect()
    }

    #[test]
    fn the_life_of_a_sensor() {
        use ConditionCode as C;
        assert_eq!(codes(&sensor(None, None, &[])), [C::PendingActivation]);
        assert_eq!(codes(&sensor(ago(1), None, &[])), [C::Activating]);
        assert_eq!(codes(&sensor(ago(100), ago(1), &[C::Connected])), [C::Connected]);
        assert_eq!(
            codes(&sensor(ago(100), ago(1), &[C::CaptureLoss, C::NoTraffic])),
            [C::NoTraffic, C::CaptureLoss]
        );
        assert_eq!(codes(&sensor(ago(100), ago(6), &[C::Connected])), [C::Disconnected]);
        assert_eq!(
            codes(&sensor(ago(100), ago(6), &[C::CaptureLoss, C::Connected])),
            [C::Disconnected, C::CaptureLoss]
        );
        assert_eq!(codes(&sensor(ago(100), None, &[])), [C::Disconnected]);
    }
}
