//! How the functions are linked: the build script of each of them.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=../alert-io/link.rs");
    // Time zones are tables of 45,000 pointers. In a position-independent program all of them are adjusted at every cold
    // start, and their pages are the process's own: a fifth of its time and 2 MiB of its 10. Stack, heap and libraries
    // lie at random addresses all the same.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
