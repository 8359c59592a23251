//! The WIT interface `ipvm:trust/trust` of this component.

use crate::report::{Problem, report};
use crate::web::Rules;

wit_bindgen::generate!({ world: "web", path: "wit" });

use exports::ipvm::trust::trust as wit;

struct Web;

export!(Web);

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::TooMuch { what, given, most } => Self::TooMuch(wit::Excess {
                what: what.to_owned(),
                given,
                most,
            }),
            Problem::Names(why) => Self::Names(why),
        }
    }
}

/// What a refused statement is told to be refused for.
fn told(refusal: wit::Refusal) -> String {
    let with = |name: &str, what: &str| format!("{name}: {what}");
    match refusal {
        wit::Refusal::Malformed(what) => with("malformed", &what),
        wit::Refusal::Unsecured => "unsecured".to_owned(),
        wit::Refusal::UnsupportedAlgorithm(name) => with("unsupported-algorithm", &name),
        wit::Refusal::AlgorithmMismatch(both) => with("algorithm-mismatch", &both.token),
        wit::Refusal::CriticalHeader(names) => with("critical-header", &names),
        wit::Refusal::UnknownKey(what) => with("unknown-key", &what),
        wit::Refusal::BadKey(what) => with("bad-key", &what),
        wit::Refusal::BadSignature => "bad-signature".to_owned(),
        wit::Refusal::Expired(moment) => with("expired", &moment.claimed.to_string()),
        wit::Refusal::NotYetValid(moment) => with("not-yet-valid", &moment.claimed.to_string()),
        wit::Refusal::WrongAudience(audiences) => with("wrong-audience", &audiences.join(", ")),
    }
}

impl wit::Guest for Web {
    fn follow(
        statements: Vec<Result<String, wit::Refusal>>,
        me: String,
        at: u64,
        rules: wit::Rules,
        names: Vec<u8>,
    ) -> Result<Vec<u8>, wit::Problem> {
        let verdicts: Vec<_> = statements
            .into_iter()
            .map(|verdict| verdict.map_err(told))
            .collect();
        let rules = Rules {
            hops: rules.hops,
            decay: rules.decay,
        };
        Ok(report(&verdicts, &me, at, rules, &names)?)
    }
}
