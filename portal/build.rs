//! Tells cargo that a new migration means a new build: `sqlx::migrate!` reads the folder while compiling.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
