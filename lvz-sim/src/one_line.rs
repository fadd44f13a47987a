// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An error with its causes in one line.

use std::error::Error;

/// What `error` says, and behind it what it comes from, as far as that is not said already.
#[doc(hidden)]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| {
        let cause: &(dyn Error + 'static) = *cause;
        cause.source()
    });
    for cause in causes.map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("cannot open it")]
        Open(#[source] io::Error),
        #[error("no use: {0}")]
        Use(#[source] Box<Failed>),
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = Failed::Open(io::Error::other("it is gone"));
        assert_eq!(one_line(&error), "cannot open it: it is gone");
        let error = Failed::Use(Box::new(error));
        assert_eq!(one_line(&error), "no use: cannot open it: it is gone");
    }
}
