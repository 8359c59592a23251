//! The steps between which a crash must lose nothing, beside those of the store.

/// Names the step that was just made. Tests end the process here; in every other build it is nothing at all.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(test)]
        ipvm_testkit::failpoint::reached($name);
    };
}
