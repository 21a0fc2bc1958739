//! Which disk is chosen, and that nothing else is.
#![allow(clippy::unwrap_used)]

use super::content::{Content, Ext4};
use super::{is_partition_of, plan, Disk, Plan, LABEL, LABEL_UNFINISHED, SMALLEST};

fn disk(node: &str, bytes: u64, content: Content) -> Disk {
    Disk { node: node.to_owned(), bytes, content }
}

fn ext4(label: &str) -> Content {
    Content::Ext4(Ext4 { label: label.to_owned(), uuid: "00".repeat(16), bytes: SMALLEST, errors: false })
}

fn chosen(plan: &Plan) -> String {
    match plan {
        Plan::SystemDisk => "system disk".to_owned(),
        Plan::Make(disk) => format!("make {}", disk.node),
        Plan::Use { disk, .. } => format!("use {}", disk.node),
        Plan::Unclear(words) => format!("unclear: {words}"),
    }
}

#[test]
fn a_disk_is_taken_only_when_there_is_no_doubt() {
    let blank = |node| disk(node, SMALLEST, Content::Blank);
    let something = |node| disk(node, SMALLEST, Content::Something);
    let volume = |node, label| disk(node, SMALLEST, ext4(label));
    let cases = [
        (vec![], "system disk"),
        (vec![blank("b")], "make b"),
        (vec![something("b")], "system disk"),
        (vec![something("b"), blank("c")], "make c"),
        (vec![disk("b", SMALLEST - 1, Content::Blank)], "system disk"),
        (vec![blank("b"), blank("c")], "unclear: b, c are all blank; leave the one that is for the data"),
        (vec![volume("b", "backup")], "system disk"),
        (vec![volume("b", LABEL)], "use b"),
        (vec![blank("b"), volume("c", LABEL)], "use c"),
        (vec![volume("b", LABEL_UNFINISHED)], "make b"),
        (vec![volume("b", LABEL_UNFINISHED), volume("c", LABEL)], "use c"),
        (
            vec![volume("b", LABEL), volume("c", LABEL)],
            "unclear: b, c are both labelled eyot-data; detach all but one",
        ),
    ];
    for (disks, expected) in cases {
        assert_eq!(chosen(&plan(&disks)), expected, "{disks:?}");
    }
}

#[test]
fn partitions_are_told_from_disks_with_similar_names() {
    for (node, of, is) in [
        ("/dev/sda1", "/dev/sda", true),
        ("/dev/sda", "/dev/sda", false),
        ("/dev/sdab", "/dev/sda", false),
        ("/dev/nvme0n1p2", "/dev/nvme0n1", true),
        ("/dev/nvme0n12", "/dev/nvme0n1", false),
        ("/dev/vdb1", "/dev/vda", false),
    ] {
        assert_eq!(is_partition_of(node, of), is, "{node} of {of}");
    }
}
