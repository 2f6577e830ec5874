//! What a message itself says of the change that it shows.

use super::*;

#[test]
fn which_one_is_newer() {
    let shown = Showing::of(&change("m", Firing, 9)).unwrap();
    for (delivery, at, is_newer) in
        [("z", 8, true), ("l", 9, true), ("m", 9, false), ("n", 9, false), ("a", 10, false)]
    {
        assert_eq!(shown.is_newer_than(&change(delivery, Firing, at)), is_newer, "{delivery} {at}");
    }
    // News is no state, and what has no time is newer than all that is known.
    let timeless = Change { at: None, ..change("a", Firing, 1) };
    assert!(!shown.is_newer_than(&Change { is_state: false, ..change("a", Firing, 1) }));
    assert!(!shown.is_newer_than(&timeless));
    assert_eq!(Showing::of(&timeless), None);
}
