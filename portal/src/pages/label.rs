//! Names from the contract's lists as people write them: `voip_phone` is "VoIP phone".

/// The label of a type or class.
pub fn label(name: &str) -> String {
    let words: Vec<_> = name.split('_').enumerate().map(|(at, word)| spelt(word, at == 0)).collect();
    words.join(" ")
}

/// The label, or "Unknown".
pub fn label_or_unknown(name: Option<&str>) -> String {
    name.map_or_else(|| "Unknown".to_owned(), label)
}

fn spelt(word: &str, first: bool) -> String {
    match word {
        "voip" => "VoIP".to_owned(),
        "iot" => "IoT".to_owned(),
        "3d" | "tv" | "nas" | "plc" | "rtu" | "hmi" | "ups" | "scada" => word.to_uppercase(),
        "io" => "I/O".to_owned(),
        _ if first => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words() {
        for (name, text) in [
            ("voip_phone", "VoIP phone"),
            ("smart_tv", "Smart TV"),
            ("health_care", "Health care"),
            ("printer_3d", "Printer 3D"),
            ("industrial_io", "Industrial I/O"),
            ("nas", "NAS"),
        ] {
            assert_eq!(label(name), text);
        }
        assert_eq!(label_or_unknown(None), "Unknown");
    }
}
